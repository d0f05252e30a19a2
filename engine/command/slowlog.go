package command

import (
	"fmt"
	"slices"
	"sync"
)

// slowlog keeps the last commands that took longer than slowlog-log-slower-than.
type slowlog struct {
	mu      sync.Mutex
	nextID  int64
	entries []slowEntry // newest last
}

type slowEntry struct {
	id, seconds, micros int64
	args                []string
	client, name        string
}

func (l *slowlog) add(cl *Client, spec *Spec, argv [][]byte, micros, now int64, keep int) {
	e := slowEntry{seconds: now / 1000, micros: micros, args: logged(redact(spec, argv)), name: cl.Name}
	if cl.Conn != nil {
		e.client = cl.Conn.RemoteAddr()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.id = l.nextID
	l.nextID++
	l.entries = append(l.entries, e)
	l.cut(keep)
}

// logged copies the words of a command, cut to what the log keeps.
func logged(argv [][]byte) []string {
	n := min(len(argv), maxLoggedArgs)
	args := make([]string, 0, n)
	for i, word := range argv[:n] {
		switch {
		case i == maxLoggedArgs-1 && len(argv) > maxLoggedArgs:
			args = append(args, fmt.Sprintf("... (%d more arguments)", len(argv)-i))
		case len(word) > maxLoggedBytes:
			args = append(args, fmt.Sprintf("%s... (%d more bytes)", word[:maxLoggedBytes], len(word)-maxLoggedBytes))
		default:
			args = append(args, string(word))
		}
	}
	return args
}

// cut forgets all but the newest entries. Call with mu held.
func (l *slowlog) cut(keep int) {
	if n := len(l.entries) - keep; n > 0 {
		l.entries = slices.Delete(l.entries, 0, n)
	}
}

func (l *slowlog) trim(keep int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut(keep)
}

func (l *slowlog) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// newest returns up to n entries, the newest first.
func (l *slowlog) newest(n int) []slowEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Clone(l.entries[len(l.entries)-min(n, len(l.entries)):])
	slices.Reverse(list)
	return list
}

const slowlogFlags = hidden | Loading | Stale

var slowlogSpecs = []Spec{{
	Name: "slowlog", Group: "server", Since: "2.2.12", Arity: -2,
	Summary: "Container of the slow log commands.", Flags: Restricted, Categories: "slow",
	Sub: []Spec{
		{
			Name: "get", Since: "2.2.12", Arity: -2, Summary: "Returns the slow log's entries.",
			Flags: slowlogFlags, Categories: "admin slow dangerous", Handler: cmdSLOWLOGGET,
		},
		{
			Name: "help", Since: "6.2.0", Arity: 2, Summary: "Describes the subcommands.",
			Flags: Restricted | Loading | Stale, Categories: "slow", Handler: cmdHELP,
		},
		{
			Name: "len", Since: "2.2.12", Arity: 2, Summary: "Counts the slow log's entries.",
			Flags: slowlogFlags, Categories: "admin slow dangerous",
			Handler: func(c *Ctx) { c.Reply.Int(int64(c.Server.slowlog.len())) },
		},
		{
			Name: "reset", Since: "2.2.12", Arity: 2, Summary: "Empties the slow log.",
			Flags: slowlogFlags, Categories: "admin slow dangerous", Handler: cmdSLOWLOGRESET,
		},
	},
}}

// SLOWLOG GET [count]
func cmdSLOWLOGGET(c *Ctx) {
	n := int64(10)
	if c.Args.More() {
		n = c.Args.IntRange(-1, 1<<31-1, "ERR count should be greater than or equal to -1")
		if n == -1 {
			n = 1<<31 - 1
		}
	}
	if c.Args.More() {
		c.Args.Fail(errArity(c.Spec.FullName()))
	}
	if c.Failed() {
		return
	}
	entries := c.Server.slowlog.newest(int(n))
	c.Reply.Array(len(entries))
	for _, e := range entries {
		c.Reply.Array(6)
		c.Reply.Int(e.id)
		c.Reply.Int(e.seconds)
		c.Reply.Int(e.micros)
		c.Reply.Array(len(e.args))
		for _, word := range e.args {
			c.Reply.BulkString(word)
		}
		c.Reply.BulkString(e.client)
		c.Reply.BulkString(e.name)
	}
}

// SLOWLOG RESET
func cmdSLOWLOGRESET(c *Ctx) {
	c.Server.slowlog.trim(0)
	c.Reply.OK()
}
