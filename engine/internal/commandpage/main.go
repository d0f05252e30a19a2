// Commandpage writes docs/commands.md: which commands the engine has, and which of Valkey 8 it has not, and why. What is
// there is taken from the engine's own table, so the page cannot claim more than there is; a test fails when it is
// out of date, and when a command of Valkey 8 is neither built nor has a reason.
package main

import (
	_ "embed"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/elastane/elastane/engine"
	"github.com/elastane/elastane/engine/command"
)

//go:generate go run .

const path = "../../../docs/commands.md"

// valkey8 names the commands and subcommands of Valkey 8, as its COMMAND LIST does.
//
//go:embed valkey8.txt
var valkey8 string

func main() {
	if err := os.WriteFile(path, []byte(page(engine.Commands())), 0o644); err != nil {
		log.Fatalf("commandpage: %v", err)
	}
}

// built lists the records of a table by full name, subcommands included.
func built(t *command.Table) map[string]*command.Spec {
	all := make(map[string]*command.Spec)
	for _, s := range t.Specs() {
		all[s.FullName()] = s
		for _, sub := range s.Subcommands() {
			all[sub.FullName()] = sub
		}
	}
	return all
}

// groups of commands, in the order of the page, and their titles.
var groups = []struct{ name, title string }{
	{"generic", "Keys of any type"},
	{"string", "Strings"},
	{"bitmap", "Bitmaps"},
	{"hash", "Hashes"},
	{"list", "Lists"},
	{"set", "Sets"},
	{"sorted-set", "Sorted sets"},
	{"stream", "Streams"},
	{"hyperloglog", "HyperLogLog"},
	{"geo", "Places"},
	{"pubsub", "Publish/subscribe"},
	{"transactions", "Transactions"},
	{"scripting", "Scripts and functions"},
	{"connection", "Connections"},
	{"server", "Server"},
	{"cluster", "Cluster"},
}

func page(t *command.Table) string {
	all := built(t)
	reference := strings.Fields(valkey8)
	there := 0
	for _, name := range reference {
		if all[name] != nil {
			there++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Commands

Of the %d commands and subcommands of Valkey 8 the engine has %d. Options, replies in RESP2 and RESP3, and error texts
are those of Valkey; on a managed node some are hidden from clients, as on ElastiCache.

This page is made from the table of commands by engine/internal/commandpage (go generate); do not edit it.
`, len(reference), there)
	for _, group := range groups {
		var rows []string
		for name, s := range all {
			if s.Group != group.name {
				continue
			}
			managed := ""
			if s.Is(command.Restricted) {
				managed = "hidden"
			}
			rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |\n", display(name), s.Since, managed, s.Summary))
		}
		if len(rows) == 0 {
			continue
		}
		slices.Sort(rows)
		fmt.Fprintf(&b, "\n## %s\n\n| command | since | managed node | what it does |\n|---|---|---|---|\n%s", group.title, strings.Join(rows, ""))
	}
	b.WriteString("\n## What is not there\n\n| commands | why |\n|---|---|\n")
	for _, m := range missing {
		names := strings.Fields(m.names)
		for i, name := range names {
			names[i] = display(name)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(names, ", "), m.reason)
	}
	return b.String()
}

// display is the name as a client types it.
func display(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "|", " ")) }
