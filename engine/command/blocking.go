package command

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/resp"
)

// A blocked client's command stays at the head of its unread input, and is executed again from its start when
// one of its keys changes, when its time is over, or when somebody wakes it. So a blocking command is an
// ordinary command with one more answer, and nothing has to be kept for it.

// waiting knows which clients are blocked on which keys, first come first served.
type waiting struct {
	count     atomic.Int64 // blocked clients, so that writes take no lock without them
	deadlines atomic.Int64 // of them, those that do not wait for ever
	mu        sync.Mutex
	keys      map[dbKey][]*Client
}

// blocking is a client's side of it; it belongs to the client's loop.
type blocking struct {
	keys      []dbKey
	active    bool
	expired   bool          // the time is over: the next run answers as at a timeout
	unblocked string        // the next run answers with this error
	since     []ds.StreamID // XREAD: what the IDs given meant when the client was blocked
	deadline  time.Time
	stopTimer func()
	queues    *waiting // where the client waits
}

// over tells whether the next run of the command has to end the wait, whatever it finds.
func (b *blocking) over() bool { return b.expired || b.unblocked != "" }

func (w *waiting) add(c *Client) {
	w.count.Add(1)
	if !c.block.deadline.IsZero() {
		w.deadlines.Add(1)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keys == nil {
		w.keys = make(map[dbKey][]*Client)
	}
	for _, k := range c.block.keys {
		w.keys[k] = append(w.keys[k], c)
	}
}

func (w *waiting) remove(c *Client) {
	w.mu.Lock()
	for _, k := range c.block.keys {
		left := slices.DeleteFunc(w.keys[k], func(other *Client) bool { return other == c })
		if len(left) == 0 {
			delete(w.keys, k)
		} else {
			w.keys[k] = left
		}
	}
	w.mu.Unlock()
	w.count.Add(-1)
	if !c.block.deadline.IsZero() {
		w.deadlines.Add(-1)
	}
}

// totals counts the keys that clients are blocked on, and the clients that have a deadline.
func (w *waiting) totals() (keys, withDeadline int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.keys), int(w.deadlines.Load())
}

// signalAll is signal for every key of some databases that clients wait for.
func (w *waiting) signalAll(dbs ...int) {
	w.signalIf(func(int, []byte) bool { return true }, dbs...)
}

// signalIf is signalAll for the keys for which a condition holds. It must not change anything.
func (w *waiting) signalIf(holds func(db int, key []byte) bool, dbs ...int) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, queue := range w.keys {
		if slices.Contains(dbs, k.db) && holds(k.db, []byte(k.key)) {
			queue[0].Wake()
		}
	}
}

// signal wakes the client that has waited longest for a key. If that one leaves something over, its own change
// of the key wakes the next.
func (w *waiting) signal(db int, key []byte) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if queue := w.keys[dbKey{db, string(key)}]; len(queue) > 0 {
		queue[0].Wake()
	}
}

// turnOfAnother tells whether a client that waits longer for one of the same keys has been woken and has not run yet. What
// is there is that one's; if it cannot use it, passOn comes to this client.
func (w *waiting) turnOfAnother(c *Client) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range c.block.keys {
		for _, other := range w.keys[k] {
			if other == c {
				break
			}
			if other.wakes.Load() > 0 {
				return true
			}
		}
	}
	return false
}

// passOn wakes the client after one that was woken and still waits: what it could not use (a new entry before those
// that it waits for, a value of another type) may be what the other waits for.
func (w *waiting) passOn(c *Client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range c.block.keys {
		queue := w.keys[k]
		if i := slices.Index(queue, c); i >= 0 && i+1 < len(queue) {
			queue[i+1].Wake()
		}
	}
}

// Block suspends the client until one of the command's keys is changed (or Client.Wake is called), and then runs
// the command again from its start; at the deadline (zero: never) timeout writes the reply instead. The handler
// calls it when it finds nothing to answer with, before it has written anything, and returns if Block returned
// true. Where a client cannot wait (in MULTI, in process) Block returns false, and the handler answers as at a
// timeout.
func (c *Ctx) Block(deadline time.Time, timeout func(w *resp.Writer)) bool {
	cl := c.Client
	b := &cl.block
	switch {
	case cl.Conn == nil || cl.Has(ClientMulti|ClientExec|ClientScript):
		return false
	case b.unblocked != "":
		c.Reply.Error(b.unblocked)
		return true
	case b.expired:
		timeout(c.Reply)
		return true
	}
	if !b.active { // at a retry the first deadline holds
		b.active, b.deadline, b.queues = true, deadline, &c.Server.waiting
		if !deadline.IsZero() {
			b.stopTimer = cl.Conn.After(deadline.Sub(c.Server.Clock()), func() {
				b.expired = true
				cl.Wake()
			})
		}
		for _, i := range c.Spec.AppendKeys(nil, c.Args.argv) {
			b.keys = append(b.keys, dbKey{cl.DB, string(c.Args.argv[i])})
		}
		c.Server.waiting.add(cl)
	} else {
		c.Server.waiting.passOn(cl)
	}
	c.blocked = true
	return true
}

// Wake runs the command in which the client is blocked again, unless it is the turn of another one that waits longer;
// from any goroutine. On one loop that keeps the order exactly; a client of another loop may come first where both run
// at the same moment.
func (c *Client) Wake() {
	c.wakes.Add(1)
	c.Conn.Post(func() {
		defer c.wakes.Add(-1)
		if b := &c.block; b.active && (b.over() || !b.queues.turnOfAnother(c)) {
			c.Conn.Resume()
		}
	})
}

// timeOut has the blocked client answer as at its deadline; from any goroutine.
func (c *Client) timeOut() {
	c.Conn.Post(func() {
		if c.block.active {
			c.block.expired = true
			c.Conn.Resume()
		}
	})
}

// Unblock answers the blocked client with an error; from any goroutine.
func (c *Client) Unblock(text string) {
	c.Conn.Post(func() {
		if c.block.active {
			c.block.unblocked = text
			c.Conn.Resume()
		}
	})
}

// endBlock forgets that the client was blocked: its command is done, or its connection has ended.
func (s *Server) endBlock(c *Client) {
	if !c.block.active {
		return
	}
	if c.block.stopTimer != nil {
		c.block.stopTimer()
	}
	s.waiting.remove(c)
	// A signal that this client got and did not use belongs to the next one.
	for _, k := range c.block.keys {
		s.waiting.signal(k.db, []byte(k.key))
	}
	c.block = blocking{}
}

// pauses are the clients that CLIENT PAUSE holds back, and its end.
type pauses struct {
	mu      sync.Mutex
	until   time.Time
	held    map[*Client]struct{}
	ordinal int // of the pause, so that the timer of an earlier one does not end it
}

// Pause holds the commands of ordinary clients back until a time (zero: until Unpause); writesOnly lets reads
// pass. When it returns no such command is running. A later pause replaces the end of an earlier one only if it
// is later, and is at least as strict, as in Valkey.
func (s *Server) Pause(until time.Time, writesOnly bool) {
	s.pauses.mu.Lock()
	if s.pauses.until.IsZero() && !s.Has(StatePausedAll|StatePausedWrites) || until.IsZero() || until.After(s.pauses.until) {
		s.pauses.until = until
	}
	s.pauses.ordinal++
	s.pauses.mu.Unlock()
	// First the stream's own commands, so that the offset that shows with the pause is final.
	s.Replication.SetPaused(true)
	if writesOnly {
		s.SetState(StatePausedWrites, true)
	} else {
		s.SetState(StatePausedAll, true)
	}
}

// Unpause lets all commands pass again.
func (s *Server) Unpause() {
	s.Replication.SetPaused(false)
	s.SetState(StatePausedAll|StatePausedWrites, false)
	s.pauses.mu.Lock()
	held := s.pauses.held
	s.pauses.held = nil
	s.pauses.until = time.Time{}
	s.pauses.mu.Unlock()
	for c := range held {
		c.Conn.Post(c.Conn.Resume)
	}
}

// unpauseIfOver ends a pause whose time has come; the periodic tick calls it.
func (s *Server) unpauseIfOver(now time.Time) {
	if !s.Has(StatePausedAll | StatePausedWrites) {
		return
	}
	s.pauses.mu.Lock()
	over := !s.pauses.until.IsZero() && !now.Before(s.pauses.until)
	s.pauses.mu.Unlock()
	if over {
		s.Unpause()
	}
}

// heldBack counts the clients that a pause holds back.
func (s *Server) heldBack() int {
	s.pauses.mu.Lock()
	defer s.pauses.mu.Unlock()
	return len(s.pauses.held)
}

// hold keeps a client until Unpause. It reports false if the pause has ended meanwhile.
func (s *Server) hold(c *Client) bool {
	s.pauses.mu.Lock()
	defer s.pauses.mu.Unlock()
	if !s.Has(StatePausedAll | StatePausedWrites) {
		return false
	}
	if s.pauses.held == nil {
		s.pauses.held = make(map[*Client]struct{})
	}
	s.pauses.held[c] = struct{}{}
	return true
}

func (s *Server) unhold(c *Client) {
	s.pauses.mu.Lock()
	delete(s.pauses.held, c)
	s.pauses.mu.Unlock()
}
