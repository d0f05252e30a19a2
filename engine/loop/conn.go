package loop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"time"
)

// ErrHijacked is what Handler.Closed gets when the connection has been given away.
var ErrHijacked = errors.New("loop: connection was taken off the loop")

// ErrOutputLimit is what Handler.Closed gets when the peer did not read its output.
var ErrOutputLimit = errors.New("loop: output buffer limit reached")

// Handler is the protocol side of one connection. It is called on the connection's loop only.
type Handler interface {
	// Data gets all input that has not been consumed yet, and returns how much of it is done with. What is
	// left comes again in front of more input; need, if not 0, is the length that would be worth calling for.
	// in is valid during the call only.
	Data(in []byte) (consumed, need int)
	// Closed is called once, when the connection has ended for whatever reason.
	Closed(reason error)
}

// OutputLimit bounds the output that waits for a slow reader (Valkey's client-output-buffer-limit).
type OutputLimit struct {
	Hard int           // bytes at which the connection is dropped; 0: none
	Soft int           // bytes that may not be exceeded for longer than SoftFor; 0: none
	For  time.Duration // of Soft
}

// Conn is one connection. Its methods belong to its loop, except where they say otherwise.
type Conn struct {
	loop    *Loop
	fd      int // -1: closed
	remote  netip.AddrPort
	handler Handler
	tls     *tlsState // nil: plain

	in   []byte // unread input; nil while there is none
	need int    // length of in worth handing to the handler
	out  []byte // output that the socket did not take yet; nil while there is none
	sent int    // how much of out has been written

	limit     OutputLimit
	softSince time.Time

	sniff      bool // the first byte decides whether it is TLS
	suspended  bool // the handler takes no input now
	inputOff   bool // not waiting for readability
	waitWrite  bool // waiting for writability
	closeAfter bool // close once all output is written
	dirty      bool // in loop.dirty
	failed     bool // about to be dropped: takes no more output
	working    bool // the handler is running
	hijack     func(net.Conn)
}

// Loop returns the connection's loop; from any goroutine.
func (c *Conn) Loop() *Loop { return c.loop }

// RemoteAddr returns the peer's address; from any goroutine.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// LocalAddr returns this side's address.
func (c *Conn) LocalAddr() netip.AddrPort {
	if c.fd < 0 {
		return netip.AddrPort{}
	}
	return localAddr(c.fd)
}

// FD returns the descriptor's number, for display; -1 once closed.
func (c *Conn) FD() int { return c.fd }

// TLS tells whether the connection is encrypted.
func (c *Conn) TLS() bool { return c.tls != nil }

// Pending returns how much output waits to be taken by the socket.
func (c *Conn) Pending() int { return len(c.out) - c.sent }

// InputBuffer returns the size of the unread input.
func (c *Conn) InputBuffer() int { return len(c.in) }

// SetOutputLimit sets the limit from now on.
func (c *Conn) SetOutputLimit(l OutputLimit) { c.limit = l }

// Post runs f on the connection's loop, unless the connection has been closed by then; from any goroutine.
func (c *Conn) Post(f func()) {
	c.loop.Post(func() {
		if c.fd >= 0 {
			defer c.loop.contain(c)
			f()
		}
	})
}

// Close drops the connection soon; from any goroutine.
func (c *Conn) Close() { c.Post(func() { c.drop(ErrClosed) }) }

// CloseAfterWrite takes no more input, and closes once all output is written.
func (c *Conn) CloseAfterWrite() {
	c.closeAfter = true
	if !c.working && c.fd >= 0 {
		c.settle()
	}
}

// Suspend keeps further input back from the handler until Resume.
func (c *Conn) Suspend() { c.suspended = true }

// Resume hands the input that was kept back to the handler, and goes on reading.
func (c *Conn) Resume() {
	if !c.suspended || c.fd < 0 {
		return
	}
	c.suspended = false
	c.setInput(true)
	if len(c.in) > 0 {
		c.need = 0
		c.deliver(nil)
	}
}

// Hijack takes the connection off its loop once the handler has returned, and gives it to f on a goroutine,
// as a connection that blocks. Output so far is written first, unread input is read first.
func (c *Conn) Hijack(f func(net.Conn)) { c.hijack = f }

// Write writes b, or keeps what the socket does not take.
func (c *Conn) Write(b []byte) {
	if c.fd < 0 || c.failed || len(b) == 0 {
		return
	}
	if c.tls != nil {
		b = c.encrypt(b)
	}
	c.writeRaw(b)
}

// Queue adds b to the output, to be written at the end of the loop's turn together with what else is queued.
// It must not be used while the handler of this connection is in the middle of a reply of its own.
func (c *Conn) Queue(b []byte) {
	if c.fd < 0 || c.failed {
		return
	}
	if c.tls != nil {
		b = c.encrypt(b)
	}
	c.out = append(c.out, b...)
	c.checkLimit()
	if !c.dirty && c.fd >= 0 {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

func (c *Conn) open(ln *Listener) {
	l := c.loop
	if l.stopping || ln.closed.Load() {
		closeFD(c.fd)
		c.fd = -1
		return
	}
	defer l.contain(c)
	a := ln.accept(c)
	if a.Handler == nil {
		closeFD(c.fd)
		c.fd = -1
		return
	}
	c.handler = a.Handler
	if a.KeepAlive > 0 {
		keepAlive(c.fd, a.KeepAlive)
	}
	if a.TLS != nil {
		c.tls = &tlsState{config: a.TLS}
		c.sniff = !a.TLSRequired
	}
	if err := l.poller.add(c.fd); err != nil {
		c.drop(err)
		return
	}
	l.conns = grow(l.conns, c.fd)
	l.conns[c.fd] = c
	if c.closeAfter {
		c.settle()
	}
}

// readable reads once. The event is level-triggered: what is left brings the next one.
func (c *Conn) readable(hung bool) {
	l := c.loop
	if c.suspended || c.closeAfter {
		switch {
		case c.inputOff && hung && !c.waitWrite, c.suspended && hung:
			c.drop(io.EOF)
		default:
			c.setInput(false)
		}
		return
	}
	if l.read == nil {
		l.read = make([]byte, readBufferSize)
	}
	encrypted := c.tls != nil && !c.sniff
	buf := l.read
	if !encrypted && len(c.in) > 0 {
		c.reserve()
		buf = c.in[len(c.in):cap(c.in)]
	}
	n, again, err := readFD(c.fd, buf)
	switch {
	case again:
		return
	case err != nil:
		c.drop(err)
		return
	case n == 0:
		c.drop(io.EOF)
		return
	}
	if c.sniff {
		const handshakeRecord = 0x16
		c.sniff = false
		if buf[0] == handshakeRecord {
			encrypted = true
		} else {
			c.tls = nil
		}
	}
	switch {
	case encrypted:
		c.decrypt(buf[:n])
	case len(c.in) > 0:
		c.in = c.in[:len(c.in)+n]
		if len(c.in) >= c.need {
			c.deliver(nil)
		}
	default:
		c.deliver(buf[:n])
	}
}

// reserve makes room in c.in for what the handler needs, in steps, so that a claimed length costs nothing
// before its bytes have come.
func (c *Conn) reserve() {
	want := len(c.in) + 16<<10
	if c.need > want {
		want = min(c.need, 2*len(c.in)+64<<10)
	}
	if cap(c.in) >= want {
		return
	}
	in := make([]byte, len(c.in), want)
	copy(in, c.in)
	c.in = in
}

// deliver hands input to the handler: fresh if there is no unread input, else c.in.
func (c *Conn) deliver(fresh []byte) {
	in := fresh
	if len(c.in) > 0 {
		in = c.in
	}
	c.working = true
	consumed, need := c.handler.Data(in)
	c.working = false
	if c.fd < 0 {
		return
	}
	c.need = need
	rest := in[consumed:]
	switch {
	case len(rest) == 0:
		c.in = nil
	case len(c.in) > 0:
		if consumed > 0 {
			n := copy(c.in, rest)
			c.in = c.in[:n]
			if cap(c.in) > 64<<10 && n < cap(c.in)/4 {
				c.in = append([]byte(nil), c.in...)
			}
		}
	default:
		c.in = append([]byte(nil), rest...)
	}
	c.settle()
}

// settle does what the handler asked for while it ran.
func (c *Conn) settle() {
	switch {
	case c.fd < 0:
	case c.hijack != nil:
		c.handOver()
	case c.closeAfter && c.Pending() == 0:
		c.drop(ErrClosed)
	}
}

func (c *Conn) writeRaw(b []byte) {
	if c.fd < 0 || c.failed || len(b) == 0 {
		return
	}
	if c.Pending() == 0 {
		n, _, err := writeFD(c.fd, b)
		if err != nil {
			c.fail(err)
			return
		}
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
	c.out = append(c.out, b...)
	c.checkLimit()
	if !c.dirty { // else the loop flushes at the end of its turn
		c.setWrite(true)
	}
}

// flush writes pending output.
func (c *Conn) flush() {
	for c.Pending() > 0 {
		n, again, err := writeFD(c.fd, c.out[c.sent:])
		if err != nil {
			c.drop(err)
			return
		}
		c.sent += n
		if again || n == 0 {
			if c.sent > len(c.out)/2 {
				c.out = c.out[:copy(c.out, c.out[c.sent:])]
				c.sent = 0
			}
			c.checkLimit()
			c.setWrite(true)
			return
		}
	}
	c.out, c.sent = nil, 0
	c.softSince = time.Time{}
	c.setWrite(false)
	if c.closeAfter && !c.working {
		c.drop(ErrClosed)
	}
}

func (c *Conn) checkLimit() {
	if c.fd < 0 {
		return
	}
	pending := c.Pending()
	if c.limit.Hard > 0 && pending > c.limit.Hard {
		c.fail(ErrOutputLimit)
		return
	}
	if c.limit.Soft <= 0 || pending <= c.limit.Soft {
		c.softSince = time.Time{}
		return
	}
	if c.softSince.IsZero() {
		c.softSince = c.loop.now
		c.loop.After(c.limit.For, c.checkLimit)
		return
	}
	if c.loop.now.Sub(c.softSince) >= c.limit.For {
		c.fail(ErrOutputLimit)
	}
}

func (c *Conn) setWrite(on bool) {
	if c.fd >= 0 && c.waitWrite != on {
		c.waitWrite = on
		c.watch()
	}
}

func (c *Conn) setInput(on bool) {
	if c.fd >= 0 && c.inputOff == on {
		c.inputOff = !on
		c.watch()
	}
}

func (c *Conn) watch() {
	// A peer that has closed its side may still be reading what we have for it.
	i := interest{read: !c.inputOff, write: c.waitWrite, hangUp: !c.closeAfter}
	if err := c.loop.poller.set(c.fd, i); err != nil {
		c.drop(err)
	}
}

// fail drops the connection once the loop is back from what it is doing: who writes to a connection, perhaps to that
// of somebody else and under a lock, is not called back from there.
func (c *Conn) fail(reason error) {
	c.failed = true
	c.out, c.sent = nil, 0
	c.Post(func() { c.drop(reason) })
}

// drop ends the connection at once.
func (c *Conn) drop(reason error) {
	if c.fd < 0 {
		return
	}
	c.detach()
	fd := c.fd
	c.fd = -1
	c.in, c.out, c.sent = nil, nil, 0
	if c.tls != nil {
		c.tls.end(reason)
	}
	if c.handler != nil {
		c.handler.Closed(reason)
	}
	closeFD(fd) // last: a peer that sees the end can count on being forgotten here
}

func (c *Conn) detach() {
	c.loop.poller.remove(c.fd)
	if c.fd < len(c.loop.conns) && c.loop.conns[c.fd] == c {
		c.loop.conns[c.fd] = nil
	}
}

// handOver carries out a Hijack.
func (c *Conn) handOver() {
	f, fd, pending, unread := c.hijack, c.fd, c.out[c.sent:], c.in
	c.detach()
	c.fd = -1
	c.in, c.out, c.sent = nil, nil, 0
	c.handler.Closed(ErrHijacked)
	raw, err := netConn(fd)
	if err != nil {
		c.loop.group.logger.Error("take a connection off its loop", "error", err)
		return
	}
	conn := raw
	if c.tls != nil {
		conn = c.tls.detach(raw)
	}
	go func() { // f's owner waits for it
		if len(pending) > 0 {
			if _, err := raw.Write(pending); err != nil {
				_ = raw.Close() // f's first read or write reports it
			}
		}
		f(&hijacked{Conn: conn, unread: unread})
	}()
}

// hijacked yields the input that the loop had read before what is still to come.
type hijacked struct {
	net.Conn
	unread []byte
}

// Read is part of net.Conn.
func (h *hijacked) Read(b []byte) (int, error) {
	if len(h.unread) > 0 {
		n := copy(b, h.unread)
		h.unread = h.unread[n:]
		return n, nil
	}
	return h.Conn.Read(b)
}
