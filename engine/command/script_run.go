package command

import (
	"cmp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/elastane/elastane/engine/acl"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/lua"
	"github.com/elastane/elastane/engine/resp"
)

// extendTries bounds how often a script that strays after it has written asks for the stripes that it lacks.
const extendTries = 10000

// scriptRunner is a worker's interpreter. Scripts of all nodes use it in turn: nothing of one stays for the next.
type scriptRunner struct {
	state *lua.State
	keys  lua.Value // names of globals
	argv  lua.Value
	call  scriptRun

	// The last text that came by EVAL, so that a repeated one is not hashed again.
	lastSource []byte
	lastSHA    shaText
	lastServer *Server
}

// scriptRun is one run of a script.
type scriptRun struct {
	c        *Ctx
	name     string
	function string // SCRIPT or FUNCTION, for messages
	flags    scriptFlag
	readOnly bool
	reply    resp.Writer // what the called commands answer
	words    [][]byte
	numbers  []byte // arguments that were numbers
	proto    int
	repl     int
	started  time.Time
	slow     bool
	strayed  bool // a key was touched that was not declared
	acted    bool // a command that does not just read was called
	declared keyspace.StripeSet
	set      keyspace.StripeSet // what is held
	atomic   bool               // changes may have been made before the script: it cannot be begun again
	wrote    atomic.Bool
	killed   atomic.Bool
}

// restart is thrown to run a script again under all stripes.
var restart = lua.String("restart")

func (w *Worker) runner() *scriptRunner {
	if w.scripts == nil {
		w.scripts = &scriptRunner{keys: lua.String("KEYS"), argv: lua.String("ARGV")}
		w.scripts.state = newScriptState()
		w.scripts.state.SetUser(&w.scripts.call)
	}
	return w.scripts
}

// begin prepares a run; text is an error for the client.
func (r *scriptRun) begin(c *Ctx, flags scriptFlag, readOnly bool) (text string) {
	s := c.Server
	state := s.State()
	compatible := flags&scriptCompatible != 0
	stale := state&(StateReplica|StateLinkDown) == StateReplica|StateLinkDown && !s.Config.Bool("replica-serve-stale-data")
	if compatible {
		if stale && !c.Client.Has(ClientInternal|ClientPrimary) {
			return ErrMasterDown
		}
	} else {
		switch {
		case flags&scriptNoCluster != 0 && s.Cluster != nil:
			return "ERR Can not run script on cluster, 'no-cluster' flag is set."
		case stale && flags&scriptAllowStale == 0:
			return "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set on the script."
		case flags&scriptNoWrites == 0 && state&StateReplica != 0 && !c.Client.Has(ClientPrimary):
			return "READONLY Can not run script with write flag on readonly replica"
		case flags&scriptNoWrites == 0 && readOnly:
			return "ERR Can not execute a script with write flag using *_ro command."
		case flags&(scriptAllowOOM|scriptNoWrites) == 0 && s.overLimit():
			return "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
		}
	}
	r.c, r.flags, r.readOnly = c, flags, readOnly || !compatible && flags&scriptNoWrites != 0
	r.words, r.numbers, r.reply.Buf = r.words[:0], r.numbers[:0], r.reply.Buf[:0]
	r.proto, r.repl = 2, replAll
	r.slow, r.strayed, r.acted = false, false, false
	r.wrote.Store(false)
	r.killed.Store(false)
	r.started = time.Time{}
	r.atomic = c.Client.Has(ClientExec)
	return ""
}

func (s *Server) overLimit() bool {
	limit := s.Space.MemoryLimit().Max
	return limit > 0 && s.Space.UsedMemory() > limit
}

// run runs a script of EVAL and answers the client.
func (r *scriptRunner) run(c *Ctx, s *script, keys, args [][]byte) {
	spec, cl := c.Spec, c.Client
	reply, db := c.Reply, cl.DB
	run := &r.call
	run.function, run.name = "SCRIPT", string(s.sha[:])
	if text := run.begin(c, s.flags, strings.HasSuffix(spec.Name, "_ro")); text != "" {
		reply.Error(text)
		return
	}
	run.set, run.declared = c.View.Stripes(), keyspace.NoStripes
	for _, key := range keys {
		run.declared |= keyspace.StripeOf(key)
	}
	g := r.state.Globals()
	g.Set(r.keys, stringTable(keys))
	g.Set(r.argv, stringTable(args))
	result, err := r.execute(c, r.state.Load(s.proto))
	cl.DB = db
	c.Spec, c.Reply = spec, reply
	if c.View.DB() != db {
		c.View.Select(db)
	}
	if run.strayed {
		s.strays.Store(true)
	}
	s.settled.Store(true)
	if err != nil && err.Final && err.Value == restart {
		c.again = true
	} else {
		run.answer(reply, result, err)
	}
	r.state.Reset()
	run.c = nil
	if cap(run.reply.Buf) > 1<<20 {
		run.reply.Buf = nil
	}
}

// execute calls fn, and keeps the client's state as it was.
func (r *scriptRunner) execute(c *Ctx, fn lua.Value, args ...lua.Value) (lua.Value, *lua.Error) {
	run := &r.call
	c.Client.Flags |= ClientScript
	defer func() {
		c.Client.Flags &^= ClientScript
		if run.slow {
			c.Server.scripts.ended(c.Server, run)
		}
		if v := recover(); v != nil { // a fault of ours: the interpreter may be in any state
			c.worker.scripts = nil
			panic(v)
		}
	}()
	return r.state.Run(fn, args...)
}

func stringTable(words [][]byte) lua.Value {
	t := lua.NewTable(len(words), 0)
	for i, word := range words {
		t.SetInt(i+1, lua.Bytes(word))
	}
	return lua.TableValue(t)
}

// loopPatience is how many times busy-reply-threshold a script may run on an event loop. Valkey lets it run until somebody
// kills it; here the loop that would have to read SCRIPT KILL may be the one that the script keeps, and it serves other nodes
// as well. What the script changed before stays and is propagated, as after any error in a script.
const loopPatience = 2

// defaultThreshold stands for a busy-reply-threshold of 0, with which a script is never called slow.
const defaultThreshold = 5 * time.Second

// tick is the interpreter's hook: it notes scripts that take long, and ends those that are to be killed.
func (r *scriptRun) tick(l *lua.State) {
	now := time.Now()
	if r.started.IsZero() {
		r.started = now
		return
	}
	s := r.c.Server
	limit := time.Duration(s.Config.Int("busy-reply-threshold")) * time.Millisecond
	if patience := cmp.Or(max(limit, 0), defaultThreshold) * loopPatience; r.c.worker.Loop != nil && now.Sub(r.started) >= patience {
		s.Logger.Warn("slow script: ended", "script", r.name, "after", patience.String())
		l.ThrowFinal(lua.String("Script ended after " + patience.String() + ": it keeps others of the thread that they share"))
		return
	}
	if !r.slow {
		if limit <= 0 || now.Sub(r.started) < limit {
			return
		}
		r.slow = true
		s.Logger.Warn("slow script: still running", "script", r.name, "after", limit.String())
		s.scripts.busy(s, r)
	}
	if r.killed.Load() {
		l.ThrowFinal(lua.String("Script killed by user with " + r.function + " KILL."))
	}
}

func (s *scripts) busy(server *Server, r *scriptRun) {
	s.running.mu.Lock()
	defer s.running.mu.Unlock()
	if s.running.slow == nil {
		s.running.slow = make(map[*scriptRun]struct{})
	}
	s.running.slow[r] = struct{}{}
	server.state.Or(uint32(StateBusy))
}

func (s *scripts) ended(server *Server, r *scriptRun) {
	s.running.mu.Lock()
	defer s.running.mu.Unlock()
	delete(s.running.slow, r)
	if len(s.running.slow) == 0 {
		server.state.And(^uint32(StateBusy))
	}
}

// errorTable is what a failed call is to a script. text is "CODE message".
func errorTable(text string) lua.Value {
	t := lua.NewTable(0, 1)
	t.SetString("err", lua.String(text))
	return lua.TableValue(t)
}

// command is redis.call and redis.pcall.
func (r *scriptRun) command(l *lua.State, a lua.Args, protected bool) int {
	value, failed := r.invoke(l, a)
	if failed && !protected {
		l.Throw(value)
	}
	l.Push(value)
	return 1
}

func (r *scriptRun) invoke(l *lua.State, a lua.Args) (value lua.Value, failed bool) {
	if a.N == 0 {
		return errorTable("ERR Please specify at least one argument for this call"), true
	}
	first := len(r.words)
	for i := 1; i <= a.N; i++ {
		v := l.Arg(a, i)
		if s, ok := v.AsString(); ok {
			// Lua's strings never change: the effects may refer to them as they are.
			r.words = append(r.words, unsafe.Slice(unsafe.StringData(s), len(s)))
			continue
		}
		f, ok := v.AsNumber()
		if !ok {
			r.words = r.words[:first]
			return errorTable("ERR Command arguments must be strings or integers"), true
		}
		start := len(r.numbers)
		if n := int64(f); float64(n) == f && f < 1<<63 && f >= -1<<63 {
			r.numbers = strconv.AppendInt(r.numbers, n, 10)
		} else {
			r.numbers = appendShortest(r.numbers, f)
		}
		r.words = append(r.words, r.numbers[start:len(r.numbers):len(r.numbers)])
	}
	argv := r.words[first:len(r.words):len(r.words)]
	text := r.check(l, argv)
	if text != "" {
		r.c.Server.Stats.Errors.Add(1)
		return errorTable(text), true
	}
	p := replyReader{buf: r.reply.Buf, resp3: r.proto == 3}
	value = p.value()
	r.reply.Buf = r.reply.Buf[:0]
	return value, p.failed
}

// appendShortest appends a number as Valkey writes those of scripts: exponents without leading zeros.
func appendShortest(b []byte, f float64) []byte {
	start := len(b)
	b = resp.AppendDouble(b, f)
	for i := start; i+2 < len(b); i++ {
		if b[i] == 'e' && b[i+2] == '0' {
			return append(b[:i+2], b[i+3:]...)
		}
	}
	return b
}

// check runs a command if a script may; its reply is in r.reply. text is the error otherwise.
func (r *scriptRun) check(l *lua.State, argv [][]byte) (text string) {
	c := r.c
	s, w, cl := c.Server, c.worker, c.Client
	spec := s.Table.Resolve(argv)
	state := s.State()
	switch {
	case spec == nil || s.Managed && spec.Is(Restricted):
		return "ERR Unknown command called from script"
	case spec.Arity > 0 && len(argv) != spec.Arity, len(argv) < -spec.Arity:
		return "ERR Wrong number of args calling command from script"
	case spec.Is(NoScript) || spec.Is(Alone) || spec.transaction != 0 || spec.Handler == nil:
		return "ERR This Redis command is not allowed from script"
	}
	if denied, at := c.permitted(spec, argv, acl.Script); denied != acl.Allowed {
		return "ERR ACL failure in script: " + deniedText(denied, cl.User, spec, argv[at], false)
	}
	if spec.Is(Write) {
		switch {
		case r.readOnly:
			return "ERR Write commands are not allowed from read-only scripts."
		case state&StateReplica != 0 && !cl.Has(ClientPrimary):
			return ErrReadOnly
		}
	}
	if spec.Is(DenyOOM) && r.flags&scriptAllowOOM == 0 && !r.wrote.Load() && state&standsStill == 0 && s.overLimit() {
		return ErrOOM
	}
	keys := spec.AppendKeys(w.keys[:0], argv)
	w.keys = keys
	if s.Cluster != nil && !cl.Has(ClientInternal|ClientPrimary) && len(keys) > 0 {
		if text := s.Cluster.Redirect(cl, spec, argv, keys); text != "" {
			return redirected(text)
		}
	}
	need := keyspace.AllStripes
	if spec.Lock == LockKeys {
		need = keyspace.NoStripes
		for _, i := range keys {
			need |= keyspace.StripeOf(argv[i])
		}
	}
	if need&^r.set != 0 {
		r.extend(l, need)
	} else if need&^r.declared != 0 {
		r.strayed = true
	}
	if spec.Is(Write) {
		r.wrote.Store(true)
	}
	r.acted = r.acted || !spec.Is(ReadOnly)
	r.reply.Proto = r.proto
	reply, proto := c.Reply, cl.Proto
	c.Reply, cl.Proto = &r.reply, r.proto
	before := len(c.effects)
	w.handle(c, spec, argv)
	if r.repl&replReplica == 0 {
		c.effects = c.effects[:before]
	}
	c.Reply, cl.Proto = reply, proto
	if c.View.DB() != cl.DB {
		c.View.Select(cl.DB)
	}
	return ""
}

// redirected words what a script gets instead of a redirection.
func redirected(text string) string {
	switch {
	case strings.HasPrefix(text, "CROSSSLOT"):
		return "ERR Script attempted to access keys that do not hash to the same slot"
	case strings.HasPrefix(text, "CLUSTERDOWN"):
		return "ERR Script attempted to execute a command while the cluster is down"
	default:
		return "ERR Script attempted to access a non local key in a cluster node"
	}
}

// extend gets stripes that the script lacks. If nothing was changed, it is run again from its start, under all of them;
// else they are taken if they are free: to wait for them could be to wait for each other.
func (r *scriptRun) extend(l *lua.State, need keyspace.StripeSet) {
	r.strayed = true
	if !r.acted && !r.atomic {
		l.ThrowFinal(restart)
	}
	for range extendTries {
		if r.c.View.Extend(need) {
			r.set = r.c.View.Stripes()
			return
		}
		runtime.Gosched()
	}
	l.Throw(errorTable("ERR Script attempted to access a key that it has not declared while others use it, please retry"))
}
