package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// tlsState is the TLS side of a connection. During the handshake crypto/tls runs on a goroutine, and waits for
// the bytes that the loop reads; afterwards it runs on the loop over a pipe that answers "would block", which
// crypto/tls takes as temporary.
type tlsState struct {
	config  *tls.Config
	conn    *tls.Conn // nil before the first bytes
	pipe    *tlsPipe
	open    bool // the handshake is done
	timeout *Timer
}

// maxHandshakeBytes bounds what a peer can send ahead of the end of its handshake.
const maxHandshakeBytes = 256 << 10

// wouldBlockError is the temporary error that crypto/tls does not hold against a connection.
type wouldBlockError struct{}

// Error is part of net.Error.
func (wouldBlockError) Error() string { return "loop: no more input now" }

// Timeout is part of net.Error.
func (wouldBlockError) Timeout() bool { return true }

// Temporary is part of net.Error.
func (wouldBlockError) Temporary() bool { return true }

// tlsPipe is the net.Conn under crypto/tls: encrypted bytes of the peer in, encrypted bytes for it out.
type tlsPipe struct {
	c    *Conn
	mu   sync.Mutex
	more sync.Cond
	in   []byte
	out  []byte   // during the handshake
	err  error    // the connection has ended
	raw  net.Conn // after Hijack: everything goes to the real connection

	blocking bool // the handshake's goroutine is on the other side
}

// decrypt takes encrypted input.
func (c *Conn) decrypt(b []byte) {
	t := c.tls
	if t.conn == nil && !c.startHandshake() {
		return
	}
	p := t.pipe
	if !t.open {
		p.mu.Lock()
		p.in = append(p.in, b...)
		tooMuch := len(p.in) > maxHandshakeBytes
		p.mu.Unlock()
		p.more.Signal()
		if tooMuch {
			c.drop(errors.New("loop: too much input during the TLS handshake"))
		}
		return
	}
	p.in = b
	c.readTLS()
}

// readTLS decrypts until the input is used up (a record that was read ahead brings no further event), and
// hands what came out to the handler.
func (c *Conn) readTLS() {
	l := c.loop
	plain := l.plain[:0]
	var failed error
	for {
		if cap(plain)-len(plain) < 16<<10 {
			plain = append(make([]byte, 0, max(64<<10, 2*cap(plain))), plain...)
		}
		n, err := c.tls.conn.Read(plain[len(plain):cap(plain)])
		plain = plain[:len(plain)+n]
		if err != nil {
			if !errors.As(err, new(wouldBlockError)) {
				failed = err
			}
			break
		}
	}
	c.tls.pipe.in = nil
	if cap(plain) <= 1<<20 {
		l.plain = plain
	} else {
		l.plain = nil
	}
	c.writeRaw(c.takeCipher())
	if len(plain) > 0 && c.fd >= 0 {
		if len(c.in) > 0 || c.suspended || c.closeAfter {
			c.in = append(c.in, plain...)
			plain = nil
		}
		if !c.suspended && !c.closeAfter && len(plain)+len(c.in) >= c.need {
			c.deliver(plain)
		} else if plain != nil {
			c.in = append(c.in, plain...)
		}
	}
	if failed != nil {
		c.drop(failed)
	}
}

// encrypt turns b into records, which are valid until the next call.
func (c *Conn) encrypt(b []byte) []byte {
	if !c.tls.open {
		return nil // the peer has asked nothing yet
	}
	if _, err := c.tls.conn.Write(b); err != nil {
		c.fail(fmt.Errorf("loop: encrypt: %w", err))
		return nil
	}
	return c.takeCipher()
}

// takeCipher returns the records that crypto/tls has produced, and makes the scratch ready for the next.
func (c *Conn) takeCipher() []byte {
	l := c.loop
	out := l.cipher
	l.cipher = l.cipher[:0]
	if cap(out) > 1<<20 {
		l.cipher = nil
	}
	return out
}

func (c *Conn) startHandshake() bool {
	g := c.loop.group
	select {
	case g.handshakes <- struct{}{}:
	default:
		c.drop(errors.New("loop: too many TLS handshakes at a time"))
		return false
	}
	t := c.tls
	t.pipe = &tlsPipe{c: c, blocking: true}
	t.pipe.more.L = &t.pipe.mu
	t.conn = tls.Server(t.pipe, t.config)
	t.timeout = c.loop.After(handshakeTimeout, func() { c.drop(errors.New("loop: TLS handshake timed out")) })
	g.goroutines.Add(1)
	go func() {
		defer g.goroutines.Done()
		err := t.conn.HandshakeContext(context.Background()) // ends with the connection
		<-g.handshakes
		c.Post(func() { c.handshakeDone(err) })
	}()
	return true
}

func (c *Conn) handshakeDone(err error) {
	t := c.tls
	t.timeout.Stop()
	c.flushHandshake()
	if err != nil {
		c.closeAfter = true // the alert is on its way
		c.settle()
		return
	}
	t.pipe.mu.Lock()
	t.pipe.blocking = false
	t.pipe.mu.Unlock()
	t.open = true
	c.readTLS() // the first request may be here already, and no event follows
}

// flushHandshake writes what the handshake's goroutine has produced.
func (c *Conn) flushHandshake() {
	p := c.tls.pipe
	p.mu.Lock()
	out := p.out
	p.out = nil
	p.mu.Unlock()
	if len(out) > 0 {
		c.writeRaw(out)
	}
}

// end tells the handshake's goroutine that the connection has ended.
func (t *tlsState) end(reason error) {
	t.timeout.Stop()
	if t.pipe == nil {
		return
	}
	t.pipe.mu.Lock()
	t.pipe.err = reason
	t.pipe.mu.Unlock()
	t.pipe.more.Broadcast()
}

// detach gives the TLS connection away, on top of the real one.
func (t *tlsState) detach(raw net.Conn) net.Conn {
	t.pipe.mu.Lock()
	defer t.pipe.mu.Unlock()
	t.pipe.raw = raw
	return t.conn
}

// Read is part of net.Conn.
func (p *tlsPipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	if p.raw != nil && len(p.in) == 0 {
		p.mu.Unlock()
		return p.raw.Read(b)
	}
	defer p.mu.Unlock()
	for len(p.in) == 0 {
		switch {
		case p.err != nil:
			return 0, io.ErrUnexpectedEOF
		case !p.blocking:
			return 0, wouldBlockError{}
		}
		p.more.Wait()
	}
	n := copy(b, p.in)
	p.in = p.in[n:]
	return n, nil
}

// Write is part of net.Conn.
func (p *tlsPipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.raw != nil:
		return p.raw.Write(b)
	case p.err != nil:
		return 0, io.ErrClosedPipe
	case p.blocking:
		p.out = append(p.out, b...)
		p.c.Post(p.c.flushHandshake)
	default:
		p.c.loop.cipher = append(p.c.loop.cipher, b...)
	}
	return len(b), nil
}

// Close is part of net.Conn.
func (p *tlsPipe) Close() error {
	if p.raw != nil {
		return p.raw.Close()
	}
	return nil
}

// LocalAddr is part of net.Conn.
func (p *tlsPipe) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(p.c.remote) }

// RemoteAddr is part of net.Conn.
func (p *tlsPipe) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(p.c.remote) }

// SetDeadline is part of net.Conn.
func (p *tlsPipe) SetDeadline(t time.Time) error {
	if p.raw != nil {
		return p.raw.SetDeadline(t)
	}
	return nil
}

// SetReadDeadline is part of net.Conn.
func (p *tlsPipe) SetReadDeadline(t time.Time) error {
	if p.raw != nil {
		return p.raw.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline is part of net.Conn.
func (p *tlsPipe) SetWriteDeadline(t time.Time) error {
	if p.raw != nil {
		return p.raw.SetWriteDeadline(t)
	}
	return nil
}
