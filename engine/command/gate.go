package command

import (
	"strings"

	"github.com/elastane/elastane/engine/acl"
)

// verdict is what the gate says about a command.
type verdict uint8

const (
	pass   verdict = iota // run it
	refuse                // answer with the error
	queue                 // keep it for EXEC
	wait                  // hold the client back until the pause ends
)

// gate decides what becomes of a command, in the order of Valkey's processCommand: the order shows, as a
// command that is wrong in two ways gets the first error. text is the error of a refusal.
func (w *Worker) gate(cl *Client, spec *Spec, argv [][]byte, state State) (v verdict, text string) {
	s := w.server
	inProcess := cl.Has(ClientInternal | ClientPrimary)
	switch {
	case spec == nil:
		return refuse, unknownCommand(s.Table, argv)
	case s.Managed && spec.Is(Restricted) && !inProcess && !cl.Has(ClientReplication):
		return refuse, unknownCommandText(argv)
	case spec.Arity > 0 && len(argv) != spec.Arity, len(argv) < -spec.Arity:
		return refuse, "ERR wrong number of arguments for '" + spec.FullName() + "' command"
	case !cl.Authenticated && !spec.Is(NoAuth) && !s.Auth.Open():
		return refuse, ErrNoAuth
	case cl.Has(ClientMulti) && spec.Is(NoMulti):
		return refuse, "ERR Command not allowed inside a transaction"
	}
	if cl.account != nil && !cl.account.User().Unrestricted() {
		if text := w.denied(cl, spec, argv); text != "" {
			return refuse, text
		}
	}
	if s.Cluster != nil && !inProcess && len(w.keys) > 0 {
		if text := s.Cluster.Redirect(cl, spec, argv, w.keys); text != "" {
			return refuse, text
		}
	}
	writes, denyOOM := spec.Is(Write), spec.Is(DenyOOM)
	mayReplicate := writes || spec.Is(MayReplicate)
	if spec.transaction == txExec && cl.tx != nil {
		writes = writes || cl.tx.flags&Write != 0
		mayReplicate = mayReplicate || cl.tx.flags&(Write|MayReplicate) != 0
		denyOOM = denyOOM || cl.tx.flags&DenyOOM != 0
	}
	if denyOOM && state&standsStill == 0 && !cl.Has(ClientPrimary) && !s.hasRoom(w.now) {
		return refuse, ErrOOM
	}
	switch {
	case writes && state&StateReplica != 0 && !cl.Has(ClientPrimary):
		return refuse, ErrReadOnly
	case cl.Proto < 3 && cl.subs.any() && !spec.Is(InSubscribe):
		return refuse, "ERR Can't execute '" + strings.ToLower(string(argv[0])) +
			"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
	case state&(StateReplica|StateLinkDown) == StateReplica|StateLinkDown && !spec.Is(Stale) &&
		!inProcess && !s.Config.Bool("replica-serve-stale-data"):
		return refuse, ErrMasterDown
	case state&StateLoading != 0 && !spec.Is(Loading) && !inProcess:
		return refuse, s.loadingText()
	case state&(StatePausedAll|StatePausedWrites) != 0 && !inProcess && !cl.Has(ClientReplication) &&
		(state&StatePausedAll != 0 || mayReplicate):
		return wait, ""
	case cl.Has(ClientMulti) && spec.transaction == 0:
		return queue, ""
	}
	return pass, ""
}

// denied asks the ACL about a call. The text is the error of a refusal.
func (w *Worker) denied(cl *Client, spec *Spec, argv [][]byte) string {
	c := &w.ctx
	c.Server, c.Client, c.Now = w.server, cl, w.now
	reason, at := c.permitted(spec, argv, c.context())
	if reason == acl.Allowed {
		return ""
	}
	return "NOPERM " + deniedText(reason, cl.User, spec, argv[at], false)
}

// hasRoom makes room below maxmemory if need be.
func (s *Server) hasRoom(now int64) bool {
	if limit := s.Space.MemoryLimit().Max; limit <= 0 || s.Space.UsedMemory() <= limit {
		return true
	}
	s.keeping.RLock()
	defer s.keeping.RUnlock()
	if s.Has(standsStill) { // since the gate looked: it is asked again before the command runs
		return true
	}
	return s.Space.EnsureRoom(now)
}

func (s *Server) loadingText() string {
	if s.Engine == "redis" {
		return "LOADING Redis is loading the dataset in memory"
	}
	return ErrLoading
}

// unknownCommand is the error text for a verb or a subcommand that is not in the table.
func unknownCommand(t *Table, argv [][]byte) string {
	if container := t.Find(argv[0]); container != nil && len(argv) > 1 {
		return "ERR unknown subcommand '" + cut(argv[1], 128) + "'. Try " + strings.ToUpper(container.Name) + " HELP."
	}
	return unknownCommandText(argv)
}

func unknownCommandText(argv [][]byte) string {
	var b strings.Builder
	b.WriteString("ERR unknown command '")
	b.WriteString(cut(argv[0], 128))
	b.WriteString("', with args beginning with: ")
	args := 0
	for _, a := range argv[1:] {
		if args >= 128 {
			break
		}
		word := cut(a, 128-args)
		args += len(word) + 3
		b.WriteString("'" + word + "' ")
	}
	return b.String()
}

func cut(b []byte, n int) string { return string(b[:min(len(b), n)]) }
