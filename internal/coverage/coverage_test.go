package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/elastane/elastane/api"
)

// TestPageIsCurrent fails when operations were built, or the contract changed, and go generate ./... was not run.
func TestPageIsCurrent(t *testing.T) {
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != coverage(built()) {
		t.Error("docs/coverage.md is out of date; run go generate ./internal/coverage")
	}
}

// TestCoverage checks that the page tells built operations from others.
func TestCoverage(t *testing.T) {
	text := coverage(&api.Handlers{DeleteUser: func(context.Context, *api.DeleteUserInput) (*api.DeleteUserOutput, error) { return nil, nil }})
	for _, want := range []string{
		"Of the 75 operations", " 1 are built",
		"| DeleteUser | yes | `DELETE /v1/users/{UserId}` |", "| CreateUser |  | `POST /v1/users` |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
