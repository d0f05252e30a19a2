package command

import (
	"strings"
	"testing"

	"github.com/elastane/elastane/engine/acl"
	"github.com/elastane/elastane/engine/pubsub"
)

// redirectAll is a cluster that serves nothing.
type redirectAll struct{}

func (redirectAll) Redirect(*Client, *Spec, [][]byte, []int) string { return "MOVED 1 127.0.0.1:7000" }

// TestGateOrder gives the gate commands with two reasons to be refused: the earlier one of Valkey's order has to win. Each
// step is the neighbour of the next, and the last line of each is what it says alone.
func TestGateOrder(t *testing.T) {
	type reason struct {
		name  string
		cause func(e *testEngine, argv *[]string)
		text  string
	}
	// In the gate's order.
	reasons := []reason{
		{"unknown command", func(_ *testEngine, argv *[]string) { (*argv)[0] = "NOSUCH" }, "ERR unknown command 'NOSUCH'"},
		{"arity", func(_ *testEngine, argv *[]string) { *argv = (*argv)[:2] }, "ERR wrong number of arguments for 'set' command"},
		{"authentication", func(e *testEngine, _ *[]string) {
			e.client.Authenticated = false
			e.server.Auth.SetPassword("secret")
		}, ErrNoAuth},
		{"permission", func(e *testEngine, _ *[]string) {
			change, err := e.server.Auth.Users.Set("reader", acl.Defaults{}, []string{"~*", "+@read"})
			if err != nil {
				t.Fatal(err)
			}
			authenticated := e.client.Authenticated
			e.client.become(change.Account)
			e.client.Authenticated = authenticated
		}, "NOPERM User reader has no permissions to run the 'set' command"},
		{"cluster", func(e *testEngine, _ *[]string) { e.server.Cluster = redirectAll{} }, "MOVED 1"},
		{"memory", func(e *testEngine, _ *[]string) {
			e.server.Config.store(directiveByName["maxmemory"], "1")
		}, ErrOOM},
		{"replica", func(e *testEngine, _ *[]string) { e.server.SetState(StateReplica, true) }, ErrReadOnly},
		{"subscriber", func(e *testEngine, _ *[]string) {
			e.client.subs.names[pubsub.Channel] = map[string]struct{}{"ch": {}}
		}, "ERR Can't execute 'set'"},
		{"loading", func(e *testEngine, _ *[]string) { e.server.SetState(StateLoading, true) }, ErrLoading},
	}
	answer := func(t *testing.T, causes ...reason) string {
		e := newTestEngine(t)
		e.do(t, []string{"SET", "there", "1"}) // so that memory is used
		e.client = e.server.NewClient(nil)
		e.client.Flags &^= ClientInternal
		argv := []string{"SET", "k", "v"}
		for _, c := range causes {
			c.cause(e, &argv)
		}
		return e.do(t, argv).Str
	}
	for i, r := range reasons {
		if got := answer(t, r); !strings.HasPrefix(got, r.text) {
			t.Errorf("%s: got %q, want %q", r.name, got, r.text)
		}
		for _, later := range reasons[i+1:] {
			if r.name == "unknown command" && later.name == "arity" || r.name == "memory" && later.name == "replica" {
				continue // a replica does not look at its memory; an unknown command has no arity
			}
			if got := answer(t, later, r); !strings.HasPrefix(got, r.text) {
				t.Errorf("%s before %s: got %q", r.name, later.name, got)
			}
		}
	}
	if got := answer(t); got != "OK" {
		t.Errorf("without a reason: %q", got)
	}
}

func TestManagedNodeHidesCommands(t *testing.T) {
	e := newTestEngine(t)
	e.server.Managed = true
	ordinary := e.server.NewClient(nil)
	ordinary.Flags &^= ClientInternal
	for _, line := range []string{"CONFIG GET *", "SHUTDOWN", "BGSAVE", "SAVE"} {
		e.client = ordinary
		v := e.do(t, strings.Fields(line))
		name, _, _ := strings.Cut(line, " ")
		if want := "ERR unknown command '" + name + "'"; !strings.HasPrefix(v.Str, want) {
			t.Errorf("%s: got %v, want %s", line, v, want)
		}
	}
	e.client = e.server.NewClient(nil)
	if v := e.do(t, []string{"CONFIG", "GET", "maxmemory"}); v.IsError() || len(v.Elems) != 2 {
		t.Errorf("in process: %v", v)
	}
}

func TestRefusalInMultiAborts(t *testing.T) {
	e := newTestEngine(t)
	for _, step := range []struct{ line, want string }{
		{"MULTI", "OK"},
		{"SET a 1", "QUEUED"},
		{"SET a", "ERR wrong number of arguments for 'set' command"},
		{"EXEC", ErrExecAbort},
		{"EXEC", ErrExecNoMulti},
		{"MULTI", "OK"},
		{"SAVE", "ERR Command not allowed inside a transaction"},
		{"EXEC", ErrExecAbort},
		{"EXISTS a", "0"},
	} {
		if v := e.do(t, strings.Fields(step.line)); v.Text() != step.want {
			t.Fatalf("%s: got %v, want %s", step.line, v, step.want)
		}
	}
}

// TestTransactionEffects checks that what a transaction changed travels as one, and nothing else does.
func TestTransactionEffects(t *testing.T) {
	e := newTestEngine(t)
	for _, line := range []string{"MULTI", "SET a 1 EX 100", "GET a", "INCR a", "SELECT 1", "SET b 1", "SELECT 0", "DEL nokey"} {
		e.do(t, strings.Fields(line))
	}
	_, effects := e.run(t, []string{"EXEC"})
	var got []string
	for _, argv := range effects {
		got = append(got, argv[0]+" "+argv[min(1, len(argv)-1)])
	}
	if text := strings.Join(got, ", "); text != "SET a, INCR a, SET b" {
		t.Fatalf("effects %q", text)
	}
	if _, effects := e.run(t, []string{"GET", "a"}); len(effects) != 0 {
		t.Fatalf("a read was propagated: %q", effects)
	}
	if _, effects := e.run(t, []string{"FLUSHALL", "ASYNC"}); len(effects) != 1 || effects[0][0] != "FLUSHALL" {
		t.Fatalf("FLUSHALL: %q", effects)
	}
}

func TestWatchSeesEveryKindOfChange(t *testing.T) {
	for _, change := range []string{"SET k 2", "DEL k", "EXPIRE k 100", "FLUSHALL", "FLUSHDB", "RENAME other k", "APPEND k x"} {
		e := newTestEngine(t)
		other := e.server.NewClient(nil)
		for _, line := range []string{"SET k 1", "SET other 1", "WATCH k", "MULTI", "GET k"} {
			e.do(t, strings.Fields(line))
		}
		watcher := e.client
		e.client = other
		if v := e.do(t, strings.Fields(change)); v.IsError() {
			t.Fatalf("%s: %v", change, v)
		}
		e.client = watcher
		if v := e.do(t, []string{"EXEC"}); !v.IsNull() {
			t.Errorf("%s went unnoticed: %v", change, v)
		}
		if n := e.server.watches.count.Load(); n != 0 {
			t.Errorf("%s: %d watches are left", change, n)
		}
	}
	// Expiry is a change; a change of another key, and of the same name in another database, is none.
	e := newTestEngine(t)
	now := int64(1_700_000_000_000)
	e.now = func() int64 { return now }
	for _, line := range []string{"SET k 1 PX 10", "WATCH k", "MULTI", "GET k"} {
		e.do(t, strings.Fields(line))
	}
	now += 11
	if v := e.do(t, []string{"EXEC"}); !v.IsNull() {
		t.Errorf("expiry went unnoticed: %v", v)
	}
	for _, line := range []string{"SET k 1", "WATCH k", "SET other 1", "SELECT 1", "SET k 1", "SELECT 0", "MULTI", "GET k"} {
		e.do(t, strings.Fields(line))
	}
	if v := e.do(t, []string{"EXEC"}); v.IsNull() {
		t.Error("a change of another key aborted the transaction")
	}
}

func TestMemoryDirective(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1k": 1000, "1kb": 1024, "100mb": 100 << 20, "2G": 2e9, "3GB": 3 << 30, "7b": 7} {
		if got, err := parseMemory(text); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "mb", "-1", "1tb", "1kk", "9223372036854775807gb", "1.5mb"} {
		if got, err := parseMemory(text); err == nil {
			t.Errorf("%q was taken as %d", text, got)
		}
	}
}

func TestEveryDirectivesDefaultIsValid(t *testing.T) {
	for i := range directives {
		d := &directives[i]
		if value, err := d.normalize(d.value); err != nil || value != d.value {
			t.Errorf("%s: default %q becomes %q, %v", d.name, d.value, value, err)
		}
		if i > 0 && directives[i-1].name >= d.name {
			t.Errorf("%s is out of order", d.name)
		}
	}
	for alias, name := range aliases {
		if directiveByName[name] == nil {
			t.Errorf("%s is an alias of %s, which does not exist", alias, name)
		}
	}
}

func FuzzDirective(f *testing.F) {
	for _, d := range directives {
		f.Add(d.name, d.value)
	}
	f.Add("maxmemory", "1gb")
	f.Add("client-output-buffer-limit", "normal 1mb 1 1")
	f.Fuzz(func(t *testing.T, name, value string) {
		d := directiveByName[name]
		if d == nil {
			return
		}
		once, err := d.normalize(value)
		if err != nil {
			return
		}
		if twice, err := d.normalize(once); err != nil || twice != once {
			t.Fatalf("%s: %q becomes %q becomes %q, %v", name, value, once, twice, err)
		}
	})
}
