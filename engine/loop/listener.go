package loop

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// Accepted is what becomes of a new connection.
type Accepted struct {
	Handler Handler
	// TLS, if not nil, is the server's configuration for this connection.
	TLS *tls.Config
	// TLSRequired refuses plain connections; otherwise the first byte decides.
	TLSRequired bool
	// KeepAlive is in seconds; 0: none.
	KeepAlive int
}

// AcceptFunc is asked for each new connection, on the loop that will hold it. Without a Handler in its answer
// the connection is closed. It must not block.
type AcceptFunc func(c *Conn) Accepted

// Listener is a listening socket on one of the loops.
type Listener struct {
	loop   *Loop
	fd     int
	addr   net.Addr
	accept AcceptFunc
	closed atomic.Bool
}

// Listen listens on addr (host:port) with one of the loops. With reusePort several listeners, of this process
// and others, may share the address.
func (g *Group) Listen(addr string, reusePort bool, accept AcceptFunc) (*Listener, error) {
	fd, local, err := listenFD(addr, reusePort)
	if err != nil {
		return nil, err
	}
	ln := &Listener{loop: g.Next(), fd: fd, addr: local, accept: accept}
	posted := ln.loop.Post(func() {
		if err := ln.loop.poller.add(ln.fd); err != nil {
			g.logger.Error("listen", "addr", addr, "error", err)
			return
		}
		ln.loop.listeners = grow(ln.loop.listeners, ln.fd)
		ln.loop.listeners[ln.fd] = ln
	})
	if !posted {
		closeFD(fd)
		return nil, ErrClosed
	}
	return ln, nil
}

// Addr is the address listened on.
func (ln *Listener) Addr() net.Addr { return ln.addr }

// Close stops listening, and returns when no further connection is being accepted; one that
// another loop is just taking over may still come to the AcceptFunc. It must not be called on a loop.
func (ln *Listener) Close() {
	done := make(chan struct{})
	ln.closed.Store(true)
	posted := ln.loop.Post(func() {
		ln.stop()
		close(done)
	})
	if posted { // else the loop has ended, and the listener with it
		<-done
	}
}

func (ln *Listener) stop() {
	if ln.fd < 0 {
		return
	}
	ln.loop.poller.remove(ln.fd)
	if ln.fd < len(ln.loop.listeners) {
		ln.loop.listeners[ln.fd] = nil
	}
	closeFD(ln.fd)
	ln.fd = -1
}

func (ln *Listener) ready() {
	for range 64 { // then the other events have a turn
		if ln.fd < 0 {
			return
		}
		fd, remote, again, busy, err := acceptFD(ln.fd)
		switch {
		case again:
			return
		case busy:
			ln.loop.group.logger.Error("accept", "addr", ln.addr.String(), "error", err)
			ln.pause()
			return
		case err != nil:
			ln.loop.group.logger.Error("accept", "addr", ln.addr.String(), "error", err)
			return
		}
		c := &Conn{fd: fd, loop: ln.loop.group.Next(), remote: remote}
		if c.loop == ln.loop {
			c.open(ln)
		} else if !c.loop.Post(func() { c.open(ln) }) {
			closeFD(fd)
		}
	}
}

// pause stops accepting for a moment when no descriptors are left; the level-triggered event would spin.
func (ln *Listener) pause() {
	if err := ln.loop.poller.set(ln.fd, interest{}); err != nil {
		return
	}
	ln.loop.After(100*time.Millisecond, func() {
		if ln.fd < 0 {
			return
		}
		if err := ln.loop.poller.set(ln.fd, interest{read: true}); err != nil {
			ln.loop.group.logger.Error("accept again", "addr", ln.addr.String(), "error", err)
		}
	})
}
