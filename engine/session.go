package engine

import (
	"errors"
	"net"
	"time"

	"github.com/elastane/elastane/engine/command"
	"github.com/elastane/elastane/engine/loop"
	"github.com/elastane/elastane/engine/resp"
)

// maxReplyScratch is how much of a loop's reply buffer is kept for the next connection.
const maxReplyScratch = 1 << 20

// session joins a connection of a loop with a client of a node.
type session struct {
	node   *Node
	conn   *loop.Conn
	client *command.Client
	state  *loopState
	remote string
	local  string
	// queryLimit is client-query-buffer-limit at the time of the connection.
	queryLimit int64
}

// accept takes a connection over that a listener has routed to the node. It runs on the connection's loop.
func (n *Node) accept(c *loop.Conn) loop.Accepted {
	if !n.enter() {
		return loop.Accepted{}
	}
	secure := n.tls.Load()
	if int64(n.server.Clients.Len()) >= n.server.Config.Int("maxclients") {
		n.server.Stats.Rejected.Add(1)
		if secure == nil {
			w := resp.Writer{Proto: 2}
			w.Error(command.ErrMaxClients)
			c.Write(w.Buf)
		}
		n.leave()
		return loop.Accepted{}
	}
	s := &session{node: n, conn: c, state: n.rt.loops[c.Loop().Index()], remote: c.RemoteAddr().String()}
	s.queryLimit = n.server.Config.Int("client-query-buffer-limit")
	s.client = n.server.NewClient(s)
	s.SetPubSub(false)
	a := loop.Accepted{Handler: s, KeepAlive: int(n.server.Config.Int("tcp-keepalive"))}
	if secure != nil {
		a.TLS, a.TLSRequired = secure.config, secure.required
	}
	if seconds := n.server.Config.Int("timeout"); seconds > 0 {
		s.closeWhenIdle(time.Duration(seconds) * time.Second)
	}
	return a
}

// Data is part of loop.Handler.
func (s *session) Data(in []byte) (consumed, need int) {
	st := s.state
	st.current = s
	w := st.worker
	w.Reply.Buf = w.Reply.Buf[:0]
	consumed, need, suspended := w.Run(s.node.server, s.client, in)
	s.node.server.Stats.NetInput.Add(int64(consumed))
	s.client.NetIn += int64(consumed)
	s.flush()
	if cap(w.Reply.Buf) > maxReplyScratch {
		w.Reply.Buf = nil
	}
	if int64(max(need, len(in)-consumed)) > s.queryLimit {
		s.node.rt.logger.Warn("client closed: its query buffer is over the limit", "node", s.node.options.Name, "client", s.remote)
		s.conn.Close()
		s.conn.Suspend()
	}
	if suspended {
		s.conn.Suspend()
	}
	if s.client.Closing() {
		s.conn.CloseAfterWrite()
	}
	return consumed, need
}

// flush writes the replies that the worker has made so far.
func (s *session) flush() {
	w := s.state.worker
	if len(w.Reply.Buf) == 0 {
		return
	}
	s.node.server.Stats.NetOutput.Add(int64(len(w.Reply.Buf)))
	s.client.NetOut += int64(len(w.Reply.Buf))
	s.conn.Write(w.Reply.Buf)
	w.Reply.Buf = w.Reply.Buf[:0]
}

// Closed is part of loop.Handler.
func (s *session) Closed(reason error) {
	if errors.Is(reason, loop.ErrOutputLimit) {
		s.node.server.Stats.OutputLimit.Add(1)
		s.node.rt.logger.Warn("client closed: it does not read its output", "node", s.node.options.Name, "client", s.remote)
	}
	s.node.server.EndClient(s.client)
	s.node.leave()
}

func (s *session) closeWhenIdle(d time.Duration) {
	s.After(d, func() {
		if s.conn.FD() < 0 {
			return
		}
		idle := s.node.server.Clock().Sub(time.UnixMilli(s.client.LastActive))
		if idle >= d && s.client.Evictable() {
			s.conn.Close()
			return
		}
		s.closeWhenIdle(d)
	})
}

// Post is part of command.Conn.
func (s *session) Post(f func()) { s.conn.Post(f) }

// Loop is part of command.Conn.
func (s *session) Loop() any { return s.conn.Loop() }

// Push is part of command.Conn.
func (s *session) Push(write func(w *resp.Writer)) {
	w := resp.Writer{Buf: s.state.push[:0]}
	write(&w)
	s.node.server.Stats.NetOutput.Add(int64(len(w.Buf)))
	s.client.NetOut += int64(len(w.Buf))
	s.conn.Queue(w.Buf)
	if cap(w.Buf) <= maxReplyScratch {
		s.state.push = w.Buf
	}
}

// Close is part of command.Conn.
func (s *session) Close() { s.conn.Close() }

// Resume is part of command.Conn.
func (s *session) Resume() { s.conn.Resume() }

// After is part of command.Conn.
func (s *session) After(d time.Duration, f func()) (stop func()) {
	return s.conn.Loop().After(d, f).Stop
}

// Hijack is part of command.Conn.
func (s *session) Hijack(f func(net.Conn)) { s.conn.Hijack(f) }

// RemoteAddr is part of command.Conn.
func (s *session) RemoteAddr() string { return s.remote }

// LocalAddr is part of command.Conn.
func (s *session) LocalAddr() string {
	if s.local == "" {
		s.local = s.conn.LocalAddr().String()
	}
	return s.local
}

// FD is part of command.Conn.
func (s *session) FD() int { return s.conn.FD() }

// Buffers is part of command.Conn.
func (s *session) Buffers() (in, out int) { return s.conn.InputBuffer(), s.conn.Pending() }

// TLS is part of command.Conn.
func (s *session) TLS() bool { return s.conn.TLS() }

// SetPubSub is part of command.Conn.
func (s *session) SetPubSub(on bool) {
	hard, soft, softFor := s.node.server.Config.OutputLimit(on)
	s.conn.SetOutputLimit(loop.OutputLimit{Hard: hard, Soft: soft, For: softFor})
}
