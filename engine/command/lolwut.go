package command

import (
	"math/rand/v2"
	"strings"
)

var lolwutSpecs = []Spec{{
	Name: "lolwut", Group: "server", Since: "5.0.0", Arity: -1,
	Summary: "Draws something, and tells the version.",
	Flags:   ReadOnly | Fast, Categories: "read fast",
	Handler: cmdLOLWUT,
}}

// LOLWUT [VERSION version] [columns [rows]]: a maze of diagonals.
func cmdLOLWUT(c *Ctx) {
	a := &c.Args
	if a.Len() > 1 && a.Word("VERSION") {
		a.Int()
	}
	columns, rows := int64(64), int64(8)
	if a.More() {
		columns = a.IntRange(1, 200, ErrValueRange)
	}
	if a.More() {
		rows = a.IntRange(1, 100, ErrValueRange)
	}
	a.Rest()
	if c.Failed() {
		return
	}
	var b strings.Builder
	for range rows {
		for range columns {
			b.WriteString([]string{"╱", "╲"}[rand.IntN(2)])
		}
		b.WriteByte('\n')
	}
	name := "Valkey"
	if c.Server.Engine == "redis" {
		name = "Redis"
	}
	b.WriteString("\n" + name + " ver. " + c.Server.Version + "\n")
	c.Reply.Verbatim("txt", b.String())
}
