package api

import (
	"fmt"
	"strings"
)

// Coverage writes docs/coverage.md: every operation, and whether h has it. A test of the package that builds
// the handlers compares it with the file, so that the file cannot claim more than there is.
func Coverage(h *Handlers) string {
	var b strings.Builder
	built := 0
	for _, o := range Operations {
		if o.Built(h) {
			built++
		}
	}
	b.WriteString("# Coverage of the API\n\n")
	fmt.Fprintf(&b, "Of the %d operations of the ElastiCache API, version %s, %d are built. The others decode and validate "+
		"their parameters, and then answer HTTP 501 with the code `%s`.\n\n", len(Operations), Version, built, CodeNotImplemented)
	b.WriteString("This page is made from the table of operations and the handlers (see `api.Coverage`); do not edit it.\n\n")
	b.WriteString("| operation | built | REST route | what it does |\n|---|---|---|---|\n")
	for _, o := range Operations {
		mark := ""
		if o.Built(h) {
			mark = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | `%s %s` | %s |\n", o.Name, mark, o.Method, o.Path, o.Summary)
	}
	return b.String()
}
