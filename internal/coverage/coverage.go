// Coverage writes docs/coverage.md: every operation of the API, and whether it is built. What is built is taken from
// the handlers themselves, so the page cannot claim more than there is; a test fails when it is out of date.
package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/ops"
)

//go:generate go run .

const page = "../../docs/coverage.md"

func main() {
	if err := os.WriteFile(page, []byte(coverage(built())), 0o644); err != nil {
		log.Fatalf("coverage: %v", err)
	}
}

// built returns the handlers of the control plane, which are only looked at here, not called.
func built() *api.Handlers { return ops.New(ops.Deps{}) }

func coverage(h *api.Handlers) string {
	var rows strings.Builder
	count := 0
	for _, o := range api.Operations {
		mark := ""
		if o.Built(h) {
			mark = "yes"
			count++
		}
		fmt.Fprintf(&rows, "| %s | %s | `%s %s` | %s |\n", o.Name, mark, o.Method, o.Path, o.Summary)
	}
	return fmt.Sprintf(`# Coverage of the API

Of the %d operations of the ElastiCache API, version %s, %d are built. The others decode and validate
their parameters, and then answer HTTP 501 with the code %s.

This page is made from the table of operations and the handlers by internal/coverage (go generate); do not edit it.

| operation | built | REST route | what it does |
|---|---|---|---|
%s`, len(api.Operations), api.Version, count, api.CodeNotImplemented, rows.String())
}
