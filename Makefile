# One line of help stands behind each target's name; `make` alone prints them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export CGO_ENABLED := 0

# Pinned tools; they are installed into .cache/ when the machine has none of this version.
GOLANGCI_LINT_VERSION := v2.15.0
GOFUMPT_VERSION := v0.12.0
TOOLS := $(CURDIR)/.cache/tools

# Arguments for `make run`, such as ARGS='--listen 127.0.0.1:5000'.
ARGS ?=
# Packages for `make test`.
PACKAGES ?= ./...

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binary bin/elastane
	@scripts/ensure go
	go build -trimpath -o bin/elastane ./cmd/elastane

.PHONY: run
run: build ## build and start `elastane dev`
	@scripts/ensure postgres
	exec bin/elastane dev $(ARGS)

.PHONY: test
test: build ## run every test that needs no internet
	@scripts/ensure postgres redis aws
	ELASTANE_BINARY=$(CURDIR)/bin/elastane go test $(PACKAGES)

.PHONY: race
race: ## run the tests, but those of the whole program, under the race detector
	@scripts/ensure go gcc postgres redis
	CGO_ENABLED=1 go test -race $$(go list $(PACKAGES) | grep -v /internal/e2e)

.PHONY: lint
lint: ## check format, vet, lint rules and that generated files are up to date
	@scripts/tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint $(GOLANGCI_LINT_VERSION)
	@scripts/tool gofumpt mvdan.cc/gofumpt $(GOFUMPT_VERSION)
	@unformatted="$$($(TOOLS)/gofumpt -l $$(git ls-files -co --exclude-standard '*.go' | grep -vE '(_gen|\.pb|\.connect)\.go$$|^internal/store/db/'))"; \
		[ -z "$$unformatted" ] || { echo "not gofumpt-formatted:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	$(TOOLS)/golangci-lint run
	scripts/generated

.PHONY: generate
generate: ## write the generated files anew from openapi.yaml, the queries and the protocol
	scripts/generate

.PHONY: bench
bench: build ## measure the way from a request to an available group, describe, start and memory
	@scripts/ensure postgres
	go run ./internal/bench -binary bin/elastane

# Arguments of `make bench-engine`: PEER is the server to compare with, BENCH such as BENCH='-full -huge'.
PEER ?= redis-server
BENCH ?=

.PHONY: bench-engine
bench-engine: build ## measure the engine beside a real redis-server or valkey-server (PEER=path)
	@scripts/ensure redis
	go run ./internal/benchengine -binary bin/elastane -peer $(PEER) $(BENCH)

.PHONY: image
image: build ## build the container image elastane:dev from the static binary
	docker build -t elastane:dev .

.PHONY: up
up: image ## start Postgres, a control plane and three agents in containers
	@scripts/compose up -d
	@scripts/compose ps

.PHONY: down
down: ## stop what `make up` started and remove its data
	@scripts/compose down -v
