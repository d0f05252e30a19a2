package command

import (
	"bytes"
	"fmt"
	"runtime/debug"

	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/resp"
)

// maxBatch is how many commands of one client are looked at together, for prefetching.
const maxBatch = 64

// Worker executes commands. It holds the scratch memory of one thread: each loop has one, and each goroutine that
// executes in process. It serves any node, one client at a time.
type Worker struct {
	// Reply takes the replies; the owner sends and empties its Buf.
	Reply resp.Writer
	// Loop is what Conn.Loop of the clients of this worker's loop returns; nil off the loops.
	Loop any
	// Overflow, if set, is called between two commands when more than FlushAt bytes of replies wait.
	Overflow func()

	server *Server
	now    int64 // Unix milliseconds
	ctx    Ctx
	view   keyspace.View
	held   bool               // the view is open
	marked keyspace.StripeSet // stripes that bear the client's mark (trackers.mark)

	words  [][]byte
	batch  []parsed
	keys   []int
	tokens []uint64
	memo   *Spec // of the last verb, …
	verb   []byte
	table  *Table // … in this table

	effectAt func(i int) (int, [][]byte)
}

// FlushAt is the size of waiting replies above which Overflow is called.
const FlushAt = 256 << 10

type parsed struct {
	first, last int // words
	end         int // in the input
	spec        *Spec
}

// NewWorker returns a worker.
func NewWorker() *Worker {
	w := &Worker{}
	w.ctx.View = &w.view
	w.ctx.worker = w
	w.effectAt = func(i int) (int, [][]byte) {
		e := &w.ctx.effects[i]
		return e.db, w.ctx.words[e.start:e.end]
	}
	return w
}

// Run executes the whole commands at the start of in, and appends their replies to Reply. consumed is what is
// done with; need, if not 0, the length that the rest must have to be worth another call. If suspended is true
// the client is blocked or paused, and the rest must come again when its Conn is resumed.
func (w *Worker) Run(s *Server, cl *Client, in []byte) (consumed, need int, suspended bool) {
	w.server = s
	cl.subs.busy = true
	consumed, need, suspended = w.run(cl, in)
	cl.subs.busy = false
	if cl.stale {
		cl.stale = false
		cl.publish()
	}
	return consumed, need, suspended
}

func (w *Worker) run(cl *Client, in []byte) (consumed, need int, suspended bool) {
	s := w.server
	for consumed < len(in) && !cl.closing {
		limits, most := resp.DefaultLimits(), maxBatch
		if !cl.Authenticated {
			limits, most = resp.UnauthenticatedLimits(), 1 // AUTH changes the limits of what follows
		}
		w.words, w.batch = w.words[:0], w.batch[:0]
		w.now = s.Clock().UnixMilli()
		end := consumed
		var err error
		for len(w.batch) < most && end < len(in) {
			var n int
			first := len(w.words)
			w.words, n, need, err = limits.Parse(w.words, in[end:])
			if n == 0 || err != nil {
				break
			}
			end += n
			if len(w.words) > first {
				w.batch = append(w.batch, parsed{first: first, last: len(w.words), end: end})
			}
		}
		w.prefetch(cl)
		for i := range w.batch {
			p := &w.batch[i]
			if !w.process(cl, w.words[p.first:p.last:p.last], p.spec) {
				return consumed, 0, true
			}
			consumed = p.end
			if cl.closing {
				return consumed, 0, false
			}
			if w.Overflow != nil && len(w.Reply.Buf) > FlushAt {
				w.Overflow()
			}
		}
		consumed = end
		if err != nil {
			s.Stats.ProtocolErrors.Add(1)
			w.Reply.Error(err.Error())
			cl.closing = true
			return len(in), 0, false
		}
		if need > 0 {
			return consumed, need, false
		}
	}
	return consumed, 0, false
}

// prefetch finds the records of a batch, and has the processor load the memory that the batch will look at: first
// all buckets, then all entries, so that the waits overlap.
func (w *Worker) prefetch(cl *Client) {
	for i := range w.batch {
		p := &w.batch[i]
		p.spec = w.find(w.words[p.first:p.last])
	}
	if len(w.batch) < 2 {
		return
	}
	space, db := w.server.Space, cl.DB
	w.tokens = w.tokens[:0]
	for i := range w.batch {
		p := &w.batch[i]
		token := uint64(0)
		if p.spec != nil && p.spec.Keys.First == 1 && p.last-p.first > 1 {
			token = space.PrefetchBucket(db, w.words[p.first+1])
		}
		w.tokens = append(w.tokens, token)
	}
	for i := range w.batch {
		p := &w.batch[i]
		if p.spec != nil && p.spec.Keys.First == 1 && p.last-p.first > 1 {
			space.PrefetchEntry(w.tokens[i])
		}
	}
}

// find resolves a command, with a memo of the last verb.
func (w *Worker) find(argv [][]byte) *Spec {
	if w.table == w.server.Table && w.memo != nil && string(w.verb) == string(argv[0]) {
		return w.memo
	}
	spec := w.server.Table.Resolve(argv)
	if spec != nil && spec.container == nil && spec.sub == nil {
		w.table, w.memo = w.server.Table, spec
		w.verb = append(w.verb[:0], argv[0]...)
	}
	return spec
}

// process takes one command through the gate and runs it. It reports false if the client has to wait, and the
// command is to be processed again.
func (w *Worker) process(cl *Client, argv [][]byte, spec *Spec) bool {
	s := w.server
	w.Reply.Proto = cl.Proto
	mark := len(w.Reply.Buf)
	w.keys = w.keys[:0]
	if spec != nil && len(argv) >= max(spec.Arity, -spec.Arity) {
		w.keys = spec.AppendKeys(w.keys, argv)
	}
	for {
		state := s.State()
		if state&StateClosed != 0 {
			cl.closing = true
			return true
		}
		verdict, text := w.gate(cl, spec, argv, state)
		switch verdict {
		case refuse:
			w.refused(cl, spec, text)
		case queue:
			cl.tx.add(spec, argv)
			w.Reply.Simple("QUEUED")
		case wait:
			if !s.hold(cl) {
				continue
			}
			return false
		case pass:
			switch w.call(cl, spec, argv, state) {
			case stateChanged:
				continue
			case blocked:
				cl.stale = true
				return false
			}
		}
		break
	}
	cl.LastActive, cl.LastSpec = w.now, spec
	if spec != nil && spec.shows {
		cl.stale = true
	}
	cl.commands++
	if cl.Has(ClientCaching) && !cl.Has(ClientMulti) && (spec == nil || spec.container == nil || spec.container.Name != "client") {
		cl.Flags &^= ClientCaching
	}
	if cl.block.active {
		s.endBlock(cl)
		cl.stale = true
	}
	if cl.Has(ClientReplyOff | ClientReplySkip | ClientReplySkipNext) {
		// The confirmations of subscriptions are messages, which CLIENT REPLY does not hold back.
		if cl.Has(ClientReplyOff|ClientReplySkip) && (spec == nil || !spec.Is(PubSub|InSubscribe)) {
			w.Reply.Buf = w.Reply.Buf[:mark]
		}
		skipNext := cl.Has(ClientReplySkipNext)
		cl.Flags &^= ClientReplySkip | ClientReplySkipNext
		if skipNext {
			cl.Flags |= ClientReplySkip
		}
	}
	if len(cl.subs.queue) > 0 { // messages that came for this client while it was at work
		w.Reply.Raw(cl.subs.queue)
		cl.subs.queue = cl.subs.queue[:0]
	}
	return true
}

func (w *Worker) refused(cl *Client, spec *Spec, text string) {
	if spec != nil && spec.transaction == txExec && cl.Has(ClientMulti) {
		text = "EXECABORT Transaction discarded because of: " + text
	}
	w.Reply.Error(text)
	w.server.Stats.Errors.Add(1)
	if spec != nil && spec.transaction == txExec {
		w.server.discard(cl)
	} else if cl.Has(ClientMulti) {
		cl.Flags |= ClientDirtyExec
	}
}

type outcome uint8

const (
	done outcome = iota
	blocked
	stateChanged // the node's state changed before the stripes were held: ask the gate again
)

// call runs one command under the stripes of its keys.
func (w *Worker) call(cl *Client, spec *Spec, argv [][]byte, state State) outcome {
	s := w.server
	set := w.stripes(spec, argv, w.keys)
	if spec.transaction == txExec {
		set = cl.tx.stripes(w)
	}
	mark := len(w.Reply.Buf)
	defer w.contain(cl, spec, mark)
	expiry := s.ExpiryMode()
	if cl.Has(ClientPrimary) {
		expiry = keyspace.ExpiryIgnore
	}
	w.view.Begin(s.Space, set, cl.DB, w.now, expiry)
	w.held = true
	if s.State() != state {
		w.release()
		return stateChanged
	}
	c := &w.ctx
	c.Server, c.Client, c.Spec, c.Reply, c.Now = s, cl, spec, &w.Reply, w.now
	c.effects, c.words, c.digits = c.effects[:0], c.words[:0], c.digits[:0]
	c.blocked = false
	if t := cl.tracking.Load(); t != nil && t.skip {
		w.marked = set
		s.tracking.mark(set, cl)
	}
	w.handle(c, spec, argv)
	if cl.block.active && !c.blocked && !cl.block.over() && w.keepsWaiting(c, spec, argv, mark) {
		c.blocked = true // one of its keys has become something else: as in Valkey that is not what it waits for
	}
	w.feed(cl)
	w.release()
	if c.blocked {
		w.Reply.Buf = w.Reply.Buf[:mark]
		return blocked
	}
	return done
}

// keepsWaiting says whether a blocked client's command, run again, failed because of a key's type although none of its
// keys has the type that it waits for: the client goes on waiting then. The commands of streams end with the error.
func (w *Worker) keepsWaiting(c *Ctx, spec *Spec, argv [][]byte, mark int) bool {
	var want keyspace.Type
	switch spec.Group {
	case "list":
		want = keyspace.TypeList
	case "sorted-set":
		want = keyspace.TypeZSet
	default:
		return false
	}
	if !bytes.HasPrefix(w.Reply.Buf[mark:], []byte("-WRONGTYPE")) {
		return false
	}
	for _, i := range spec.AppendKeys(nil, argv) {
		if e, found := c.View.Peek(argv[i]); found && e.Type() == want {
			return false
		}
	}
	return true
}

// handle runs the handler of one command, and works out its effects. The stripes are held.
func (w *Worker) handle(c *Ctx, spec *Spec, argv [][]byte) {
	skip := 1
	if spec.container != nil {
		skip = 2
	}
	c.Args.reset(argv, skip)
	c.Spec = spec
	before, changes := len(c.effects), c.View.Changes()
	spec.Handler(c)
	c.Server.Stats.count(spec)
	if t := c.Client.tracking.Load(); t != nil && spec.Is(ReadOnly) && !c.blocked {
		c.remember(t, spec, argv)
	}
	if c.noEffects {
		c.noEffects = false
		c.effects = c.effects[:before]
		return
	}
	if len(c.effects) == before && c.View.Changes() > changes && spec.Is(Write) {
		c.Propagate(argv...)
	}
}

// feed sends the effects to the replicas. The stripes are held.
func (w *Worker) feed(cl *Client) {
	c := &w.ctx
	if len(c.effects) == 0 || cl.Has(ClientPrimary) {
		return
	}
	if len(c.effects) == 1 {
		db, argv := w.effectAt(0)
		c.Server.Replication.Feed(db, argv)
		return
	}
	c.Server.Replication.FeedTransaction(len(c.effects), w.effectAt)
}

func (w *Worker) release() {
	w.held = false
	if w.marked != keyspace.NoStripes {
		w.server.tracking.mark(w.marked, nil)
		w.marked = keyspace.NoStripes
	}
	w.view.End()
}

// stripes returns the stripes that a command needs.
func (w *Worker) stripes(spec *Spec, argv [][]byte, keys []int) keyspace.StripeSet {
	switch spec.Lock {
	case LockAll:
		return keyspace.AllStripes
	case LockNone:
		return keyspace.NoStripes
	}
	set := keyspace.NoStripes
	for _, i := range keys {
		set |= keyspace.StripeOf(argv[i])
	}
	return set
}

// contain turns a panic of a handler into an error reply and the end of that connection.
func (w *Worker) contain(cl *Client, spec *Spec, mark int) {
	if !w.held {
		return
	}
	v := recover()
	if v == nil {
		return
	}
	w.server.Logger.Error("panic in a command", "command", spec.FullName(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	w.server.Stats.Panics.Add(1)
	w.Reply.Buf = w.Reply.Buf[:mark]
	w.Reply.Error(ErrInternal)
	cl.closing = true
	// What a transaction had done before has happened, and the replicas have to know.
	w.guarded(func() { w.feed(cl) })
	w.guarded(w.release) // an Edit that the handler left open panics, after the stripes are free
}

func (w *Worker) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			w.server.Logger.Error("after a panic in a command", "panic", fmt.Sprint(v))
		}
	}()
	f()
}
