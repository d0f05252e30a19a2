package command

import (
	"github.com/elastane/elastane/engine/acl"
	"github.com/elastane/elastane/engine/keyspace"
)

// txRole marks the commands that make up a transaction; they are never queued themselves.
type txRole uint8

const (
	txControl txRole = 1 + iota // MULTI, DISCARD, WATCH, UNWATCH, QUIT, RESET
	txExec
)

// transaction is what MULTI has collected.
type transaction struct {
	queued []queuedCommand
	flags  Flags // of all queued commands
}

type queuedCommand struct {
	spec *Spec
	argv [][]byte
}

// add queues a command; its words are copied, as they alias the connection's read buffer.
func (t *transaction) add(spec *Spec, argv [][]byte) {
	size := 0
	for _, a := range argv {
		size += len(a)
	}
	flat := make([]byte, 0, size)
	own := make([][]byte, len(argv))
	for i, a := range argv {
		start := len(flat)
		flat = append(flat, a...)
		own[i] = flat[start:len(flat):len(flat)]
	}
	t.queued = append(t.queued, queuedCommand{spec, own})
	t.flags |= spec.Flags
}

// stripes returns the stripes of all keys of the queued commands. A command that walks the keyspace wants all.
func (t *transaction) stripes(w *Worker) keyspace.StripeSet {
	if t == nil {
		return keyspace.NoStripes
	}
	set := keyspace.NoStripes
	for _, q := range t.queued {
		if q.spec.Is(Alone) {
			continue
		}
		if q.spec.Lock == LockNone {
			return keyspace.AllStripes
		}
		w.keys = q.spec.AppendKeys(w.keys[:0], q.argv)
		set |= w.stripes(q.spec, q.argv, w.keys)
	}
	for _, k := range w.ctx.Client.watched {
		set |= keyspace.StripeOf([]byte(k.key))
	}
	return set
}

// withoutStripes runs a command of a transaction that has to wait for others, who may wait for the transaction's
// stripes: these are given back meanwhile. What the transaction had done before goes to the replicas first, on its own.
func (w *Worker) withoutStripes(c *Ctx, q queuedCommand) {
	space, set, now, expiry := c.View.Space(), c.View.Stripes(), c.View.Now(), c.View.Expiry()
	w.feed(c.Client)
	c.effects, c.words, c.digits = c.effects[:0], c.words[:0], c.digits[:0]
	w.view.End()
	w.view.Begin(space, keyspace.NoStripes, c.Client.DB, now, expiry)
	w.handle(c, q.spec, q.argv)
	w.view.End()
	w.view.Begin(space, set, c.Client.DB, now, expiry)
}

// discard ends MULTI without running anything.
func (s *Server) discard(c *Client) {
	c.tx = nil
	c.Flags &^= ClientMulti | ClientDirtyExec
	s.watches.remove(c)
}

var transactionSpecs = []Spec{
	{
		Name: "discard", Group: "transactions", Since: "2.0.0", Arity: 1,
		Summary: "Drops the commands that were queued since MULTI.",
		Flags:   NoScript | Loading | Stale | Fast | AllowBusy, Categories: "fast transaction",
		Handler: cmdDISCARD, transaction: txControl,
	},
	{
		Name: "exec", Group: "transactions", Since: "1.2.0", Arity: 1,
		Summary: "Runs the commands that were queued since MULTI, with nothing in between.",
		Flags:   NoScript | Loading | Stale | SkipSlowlog, Categories: "slow transaction",
		Handler: cmdEXEC, transaction: txExec,
	},
	{
		Name: "multi", Group: "transactions", Since: "1.2.0", Arity: 1,
		Summary: "Starts a transaction: what follows is queued for EXEC.",
		Flags:   NoScript | Loading | Stale | Fast | AllowBusy, Categories: "fast transaction",
		Handler: cmdMULTI, transaction: txControl,
	},
	{
		Name: "unwatch", Group: "transactions", Since: "2.2.0", Arity: 1,
		Summary: "Forgets the watched keys.",
		Flags:   NoScript | Loading | Stale | Fast | AllowBusy, Categories: "fast transaction",
		Handler: cmdUNWATCH,
	},
	{
		Name: "watch", Group: "transactions", Since: "2.2.0", Arity: -2,
		Summary: "Makes the next EXEC fail if one of the keys is changed before it.",
		Flags:   NoScript | Loading | Stale | Fast | AllowBusy, Keys: AllKeys.Uses("RO"), Categories: "fast transaction",
		Handler: cmdWATCH, transaction: txControl,
	},
}

// MULTI
func cmdMULTI(c *Ctx) {
	if c.Client.Has(ClientMulti) {
		c.Client.Flags |= ClientDirtyExec
		c.Reply.Error(ErrNestedMulti)
		return
	}
	c.Client.Flags |= ClientMulti
	c.Client.tx = &transaction{}
	c.Reply.OK()
}

// DISCARD
func cmdDISCARD(c *Ctx) {
	if !c.Client.Has(ClientMulti) {
		c.Reply.Error(ErrDiscardNoMulti)
		return
	}
	c.Server.discard(c.Client)
	c.Reply.OK()
}

// WATCH key [key …]
func cmdWATCH(c *Ctx) {
	if c.Client.Has(ClientMulti) {
		c.Client.Flags |= ClientDirtyExec
		c.Reply.Error(ErrWatchInMulti)
		return
	}
	for _, key := range c.Args.Rest() {
		c.View.Peek(key) // deletes it if it has expired, which would otherwise count as a change later
		c.Server.watches.add(c.Client, dbKey{c.View.DB(), string(key)})
	}
	c.Reply.OK()
}

// UNWATCH
func cmdUNWATCH(c *Ctx) {
	c.Server.watches.remove(c.Client)
	c.Reply.OK()
}

// EXEC
func cmdEXEC(c *Ctx) {
	cl, w := c.Client, c.worker
	if !cl.Has(ClientMulti) {
		c.Reply.Error(ErrExecNoMulti)
		return
	}
	if cl.Has(ClientDirtyExec) {
		c.Server.discard(cl)
		c.Reply.Error(ErrExecAbort)
		return
	}
	for _, k := range cl.watched { // a key that has expired was changed
		c.View.Select(k.db)
		c.View.Peek([]byte(k.key))
	}
	c.View.Select(cl.DB)
	if cl.touched.Load() {
		c.Server.discard(cl)
		c.Reply.NullArray()
		return
	}
	queued := cl.tx.queued
	c.Server.discard(cl)
	cl.Flags |= ClientExec
	defer func() { cl.Flags &^= ClientExec }()
	exec := c.Spec
	c.Reply.Array(len(queued))
	for _, q := range queued {
		if denied, _ := c.permitted(q.spec, q.argv, acl.Transaction); denied != acl.Allowed {
			c.Reply.Error(errDeniedInExec(denied))
			continue
		}
		if q.spec.Is(Alone) {
			w.withoutStripes(c, q)
		} else {
			w.handle(c, q.spec, q.argv)
		}
		c.Reply.Proto = cl.Proto // HELLO
		if c.View.DB() != cl.DB {
			c.View.Select(cl.DB) // SELECT
		}
	}
	// handle works out the default effect of the command that it ran; EXEC has none of its own.
	c.Spec = exec
}

// errDeniedInExec is the error of a queued command that the ACL has come to refuse.
func errDeniedInExec(denied acl.Denial) string {
	reason := map[acl.Denial]string{
		acl.DeniedCommand: "no permission to execute the command or subcommand",
		acl.DeniedKey:     "no permission to touch the specified keys",
		acl.DeniedChannel: "no permission to access one of the channels used as arguments",
	}[denied]
	return "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
		"This command is no longer allowed for the following reason: " + reason
}
