package command

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastane/elastane/engine/resp"
)

// monitors are the clients that see every command (MONITOR).
type monitors struct {
	count   atomic.Int64 // so that commands take no lock without them
	mu      sync.Mutex
	clients []*Client
}

func (m *monitors) add(c *Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.clients, c) {
		m.clients = append(m.clients, c)
		m.count.Add(1)
	}
}

func (m *monitors) remove(c *Client) {
	if m.count.Load() == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.clients, c); i >= 0 {
		m.clients = slices.Delete(m.clients, i, i+1)
		m.count.Add(-1)
	}
}

// feed shows a command that is about to run to the monitors. from is who sent it: an address, or "lua".
func (m *monitors) feed(w *Worker, cl *Client, spec *Spec, argv [][]byte, from string) {
	if spec.Flags&(SkipMonitor|Admin) != 0 {
		return
	}
	if from == "" && cl.Conn != nil {
		from = cl.Conn.RemoteAddr()
	}
	now := time.UnixMilli(w.now)
	line := strconv.AppendInt(nil, now.Unix(), 10)
	line = append(line, '.')
	micros := strconv.Itoa(1_000_000 + now.Nanosecond()/1000)
	line = append(line, micros[1:]...)
	line = append(line, " ["...)
	line = strconv.AppendInt(line, int64(w.view.DB()), 10)
	line = append(line, ' ')
	line = append(line, from...)
	line = append(line, ']')
	for _, word := range redact(spec, argv) {
		line = append(line, ' ')
		line = appendQuoted(line, word)
	}
	text := string(line)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.clients {
		c.show(text, w.Loop)
	}
}

// show writes a line to a monitor: at once if it is of the same loop, in the order of its replies.
func (c *Client) show(line string, from any) {
	write := func() {
		if c.subs.busy {
			w := resp.Writer{Buf: c.subs.queue}
			w.Simple(line)
			c.subs.queue = w.Buf
			return
		}
		c.Conn.Push(func(w *resp.Writer) { w.Simple(line) })
	}
	if from != nil && c.Conn.Loop() == from {
		write()
		return
	}
	c.Conn.Post(write)
}

// appendQuoted writes a word in double quotes, with what cannot be printed escaped as Valkey does.
func appendQuoted(dst, word []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, b := range word {
		switch {
		case b == '\\' || b == '"':
			dst = append(dst, '\\', b)
		case b == '\n':
			dst = append(dst, `\n`...)
		case b == '\r':
			dst = append(dst, `\r`...)
		case b == '\t':
			dst = append(dst, `\t`...)
		case b == '\a':
			dst = append(dst, `\a`...)
		case b == '\b':
			dst = append(dst, `\b`...)
		case b < ' ' || b > '~':
			dst = append(dst, '\\', 'x', hex[b>>4], hex[b&15])
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}

var monitorSpecs = []Spec{{
	Name: "monitor", Group: "server", Since: "1.0.0", Arity: 1,
	Summary: "Shows every command that the server runs.",
	Flags:   hidden | NoScript | Loading | Stale, Lock: LockNone, Categories: "admin slow dangerous",
	Handler: cmdMONITOR,
}}

// MONITOR
func cmdMONITOR(c *Ctx) {
	if c.Client.Conn == nil || c.Client.Has(ClientExec) {
		c.Reply.Error("ERR MONITOR isn't allowed for DENY BLOCKING client")
		return
	}
	c.Client.Flags |= ClientMonitor
	c.Server.monitor.add(c.Client)
	c.Client.Conn.SetPubSub(true) // its output is limited as a subscriber's
	c.Client.stale = true
	c.Reply.OK()
}
