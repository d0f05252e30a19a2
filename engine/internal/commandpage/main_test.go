package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/elastane/elastane/engine"
)

// TestPageIsCurrent fails when the table of commands has changed and go generate ./... was not run.
func TestPageIsCurrent(t *testing.T) {
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page(engine.Commands()) {
		t.Error("docs/commands.md is out of date; run go generate ./engine/internal/commandpage")
	}
}

// Every command of Valkey 8 is built or has a reason, and none has both.
func TestEveryCommandIsAccountedFor(t *testing.T) {
	all := built(engine.Commands())
	reference := strings.Fields(valkey8)
	reasons := make(map[string]string)
	for _, m := range missing {
		for name := range strings.FieldsSeq(m.names) {
			switch {
			case reasons[name] != "":
				t.Errorf("%s is listed as missing twice", name)
			case all[name] != nil:
				t.Errorf("%s is built: take it off the list in missing.go", name)
			case !slices.Contains(reference, name):
				t.Errorf("%s is listed as missing, but Valkey has no such command", name)
			}
			reasons[name] = m.reason
		}
	}
	for _, name := range reference {
		if all[name] == nil && reasons[name] == "" {
			t.Errorf("%s is neither built nor has a reason in missing.go", name)
		}
	}
}

// Every record belongs to a group that the page shows.
func TestGroups(t *testing.T) {
	for name, s := range built(engine.Commands()) {
		if !slices.ContainsFunc(groups, func(g struct{ name, title string }) bool { return g.name == s.Group }) {
			t.Errorf("%s is in group %q, which is not on the page", name, s.Group)
		}
	}
}
