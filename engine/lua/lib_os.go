package lua

import "time"

var started = time.Now()

// OpenOS adds the library os: clock only.
func OpenOS(g *Table) {
	t := library(NewTable(0, 1), []entry{{"clock", func(l *State, _ Args) int {
		return l.pushNumber(time.Since(started).Seconds())
	}}})
	g.SetString("os", TableValue(t))
}
