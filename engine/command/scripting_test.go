package command

import (
	"bufio"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastane/elastane/engine/internal/redistest"
	"github.com/elastane/elastane/engine/resp"
)

// referenceScripts are the scripts of testdata/scripts.txt; each gets the keys k1 and k2 and the arguments a1, a2 and 3.
func referenceScripts(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/scripts.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n---\n")
}

// TestScriptsAgainstValkey compares replies in RESP2 and RESP3 with a Valkey 8, whose texts and server table Redis 7.0 does
// not have.
func TestScriptsAgainstValkey(t *testing.T) {
	if os.Getenv("ELASTANE_REFERENCE_SERVER") == "" {
		t.Skip("ELASTANE_REFERENCE_SERVER names no valkey-server to compare with")
	}
	address := redistest.Start(t, "").Addr()
	for _, proto := range []string{"2", "3"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // a test's
		reference := bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
		e := newTestEngine(t)
		for _, argv := range [][]string{{"hello", proto}, {"flushall"}} {
			ask(t, reference, argv)
			e.do(t, argv)
		}
		for _, script := range referenceScripts(t) {
			argv := []string{"eval", script, "2", "k1", "k2", "a1", "a2", "3"}
			if want, got := ask(t, reference, argv), e.do(t, argv); want.String() != got.String() {
				t.Errorf("protocol %s, script:\n%s\ngot  %s\nwant %s", proto, script, got, want)
			}
		}
	}
}

func TestScripts(t *testing.T) {
	for _, c := range []struct {
		script string
		want   string
	}{
		{"return {KEYS[1], ARGV[1], #ARGV}", `*["k" "a" "2"]`},
		{"return {1, 3.99, 'x', true, false, {ok='fine'}, nil, 5}", `*["1" "3" "x" "1" (nil) "fine"]`},
		{"redis.call('set', KEYS[1], 10) return redis.call('incrby', KEYS[1], ARGV[2])", `"15"`},
		{"return redis.pcall('lpush', KEYS[1], 1)", `(error "WRONGTYPE Operation against a key holding the wrong kind of value")`},
		{"return redis.call('get', 'missing') == false", `"1"`},
		{"return redis.error_reply('OOPS bad')", `(error "OOPS bad")`},
		{"return cjson.encode({a={1,2,cjson.null}})", `"{\"a\":[1,2,null]}"`},
		{"return tostring(2^53) .. ' ' .. 0.1 + 0.2", `"9.007199254741e+15 0.3"`},
		{"return cmsgpack.unpack(cmsgpack.pack(-129))", `"-129"`},
		{"return struct.unpack('>I2', struct.pack('>I2', 513))", `"513"`},
		{"return bit.bxor(6, 3)", `"5"`},
	} {
		e := newTestEngine(t)
		if strings.Contains(c.script, "lpush") {
			e.do(t, []string{"set", "k", "v"})
		}
		if got := e.do(t, []string{"eval", c.script, "1", "k", "a", "5"}).String(); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.script, got, c.want)
		}
	}
}

func TestScriptErrorsNameScriptAndLine(t *testing.T) {
	e := newTestEngine(t)
	script := "local x = 1\nreturn undefined"
	sha := scriptSHA([]byte(script))
	want := "ERR user_script:2: Script attempted to access nonexistent global variable 'undefined' script: " +
		string(sha[:]) + ", on @user_script:2."
	if got := e.do(t, []string{"eval", script, "0"}); got.Str != want {
		t.Errorf("got  %s\nwant %s", got.Str, want)
	}
}

func TestScriptEffectsTravelTogether(t *testing.T) {
	e := newTestEngine(t)
	_, effects := e.run(t, []string{"eval", "redis.call('set', KEYS[1], 1.5) redis.call('incrby', KEYS[2], 3) redis.call('get', KEYS[1])", "2", "a", "b"})
	want := [][]string{{"set", "a", "1.5"}, {"incrby", "b", "3"}}
	if !slices.EqualFunc(effects, want, slices.Equal) {
		t.Errorf("effects %q, want %q", effects, want)
	}
	_, effects = e.run(t, []string{"eval", "redis.set_repl(redis.REPL_NONE) redis.call('set', KEYS[1], 2)", "1", "a"})
	if len(effects) != 0 {
		t.Errorf("effects %q of a script that wants none", effects)
	}
	if _, effects = e.run(t, []string{"script", "load", "return 1"}); len(effects) != 0 {
		t.Errorf("SCRIPT LOAD is replicated: %q", effects)
	}
}

// A script that has kept to its keys, and then does not, is run again under all stripes if it has only read, and gets the
// stripes that it lacks if it has written; its effects are there once either way.
func TestScriptThatStrays(t *testing.T) {
	for _, before := range []string{"redis.call('get', KEYS[1])", "redis.call('incr', KEYS[1])"} {
		e := newTestEngine(t)
		script := before + " if ARGV[1] ~= '' then return redis.call('incr', ARGV[1]) end return 0"
		for range 2 { // the first run is under all stripes
			e.do(t, []string{"eval", script, "1", "declared", ""})
		}
		v, effects := e.run(t, []string{"eval", script, "1", "declared", "elsewhere"})
		if v.Int != 1 {
			t.Errorf("%s: got %v", before, v)
		}
		want := 1 + strings.Count(before, "incr")
		if len(effects) != want {
			t.Errorf("%s: effects %q", before, effects)
		}
		if v := e.do(t, []string{"get", "elsewhere"}); v.Str != "1" {
			t.Errorf("%s: elsewhere is %v", before, v)
		}
	}
}

func TestScriptInsideTransaction(t *testing.T) {
	e := newTestEngine(t)
	e.do(t, []string{"multi"})
	e.do(t, []string{"set", "a", "1"})
	e.do(t, []string{"eval", "redis.call('select', 1) return redis.call('incr', 'undeclared')", "1", "a"})
	e.do(t, []string{"get", "a"})
	if got := e.do(t, []string{"exec"}).String(); got != `*["OK" "1" "1"]` {
		t.Errorf("EXEC answers %s", got)
	}
	if e.client.DB != 0 {
		t.Error("SELECT in a script has changed the client's database")
	}
}

func TestReadOnlyScripts(t *testing.T) {
	e := newTestEngine(t)
	for _, argv := range [][]string{
		{"eval_ro", "return redis.call('set', KEYS[1], 1)", "1", "k"},
		{"eval", "#!lua flags=no-writes\nreturn redis.call('set', KEYS[1], 1)", "1", "k"},
	} {
		if v := e.do(t, argv); !strings.HasPrefix(v.Str, "ERR Write commands are not allowed from read-only scripts.") {
			t.Errorf("%q: %v", argv, v)
		}
	}
	e.server.SetState(StateReplica, true)
	if v := e.do(t, []string{"eval", "return redis.call('set', KEYS[1], 1)", "1", "k"}); !strings.HasPrefix(v.Str, "READONLY") {
		t.Errorf("a script writes on a replica: %v", v)
	}
}

func TestScriptCache(t *testing.T) {
	e := newTestEngine(t)
	sha := e.do(t, []string{"script", "load", "return 7"}).Str
	if v := e.do(t, []string{"evalsha", strings.ToUpper(sha), "0"}); v.Int != 7 {
		t.Errorf("EVALSHA: %v", v)
	}
	for i := range maxEvalScripts + 1 {
		e.do(t, []string{"eval", "return " + strings.Repeat(" ", i) + "1", "0"})
	}
	first, last := scriptSHA([]byte("return 1")), scriptSHA([]byte("return "+strings.Repeat(" ", maxEvalScripts)+"1"))
	if got := e.do(t, []string{"script", "exists", sha, string(first[:]), string(last[:])}).String(); got != `*["1" "0" "1"]` {
		t.Errorf("SCRIPT EXISTS after one script too many: %s", got)
	}
	e.do(t, []string{"script", "flush"})
	if v := e.do(t, []string{"evalsha", sha, "0"}); v.Str != ErrNoScript {
		t.Errorf("EVALSHA after SCRIPT FLUSH: %v", v)
	}
}

// A script beyond busy-reply-threshold makes other clients wait for nothing: they get BUSY, and may kill it unless it wrote.
func TestBusyScript(t *testing.T) {
	for _, wrote := range []bool{false, true} {
		e := newTestEngine(t)
		if err := e.server.Config.Set("busy-reply-threshold", "1"); err != nil {
			t.Fatal(err)
		}
		script := "while redis.call('exists', 'stop') == 0 do end return 'stopped'"
		if wrote {
			script = "redis.call('set', 'x', 1) for i = 1, 3e7 do end return 'ended'"
		}
		done := make(chan resp.Value)
		go func() { done <- e.do(t, []string{"eval", script, "0"}) }()
		other := NewWorker()
		cl := e.server.NewClient(nil)
		cl.Flags &^= ClientInternal
		run := func(argv ...string) resp.Value {
			var w resp.Writer
			w.CommandStrings(argv...)
			other.Reply.Buf = other.Reply.Buf[:0]
			other.Run(e.server, cl, w.Buf)
			v, _, err := resp.ParseReply(other.Reply.Buf)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		deadline := time.After(20 * time.Second)
		for !e.server.Has(StateBusy) {
			select {
			case <-deadline:
				t.Fatal("the script never became busy")
			default:
			}
		}
		busy, killed := run("get", "x"), run("script", "kill")
		v := <-done
		if !strings.HasPrefix(busy.Str, "BUSY") && !wrote {
			t.Errorf("another client gets %v", busy)
		}
		switch {
		case wrote && !strings.HasPrefix(killed.Str, "UNKILLABLE") && !strings.HasPrefix(killed.Str, "NOTBUSY"):
			t.Errorf("SCRIPT KILL of a script that wrote: %v", killed)
		case wrote && v.Str != "ended":
			t.Errorf("the script that wrote ended as %v", v)
		case !wrote && !strings.Contains(v.Str, "Script killed by user with SCRIPT KILL"):
			t.Errorf("the killed script answers %v", v)
		}
		if e.server.Has(StateBusy) {
			t.Error("still busy")
		}
	}
}

// A script that never ends is ended on a loop, where nobody may be left to kill it: what it changed before stays.
func TestEndlessScriptOnALoop(t *testing.T) {
	for _, script := range []string{
		"while true do end",
		"redis.call('set', 'x', 'kept') while true do pcall(function() while true do end end) end",
	} {
		e := newTestEngine(t)
		if err := e.server.Config.Set("busy-reply-threshold", "1"); err != nil {
			t.Fatal(err)
		}
		w := NewWorker()
		w.Loop = t // any will do
		cl := e.server.NewClient(nil)
		cl.Flags &^= ClientInternal
		var words resp.Writer
		words.CommandStrings("eval", script, "0")
		words.CommandStrings("get", "x")
		w.Run(e.server, cl, words.Buf)
		v, n, err := resp.ParseReply(w.Reply.Buf)
		if err != nil || !strings.Contains(v.Str, "Script ended after 2ms") {
			t.Fatalf("%s: %v, %v", script, v, err)
		}
		if v, _, err = resp.ParseReply(w.Reply.Buf[n:]); err != nil || v.Str != "kept" && strings.Contains(script, "kept") {
			t.Errorf("after %s: %v, %v", script, v, err)
		}
		if e.server.Has(StateBusy) {
			t.Error("still busy")
		}
	}
}

func FuzzScriptLibraries(f *testing.F) {
	f.Add("cjson.decode", []byte(`{"a":[1,2.5e3,"\u00e9",null,true]}`))
	f.Add("cmsgpack.unpack", []byte{0x93, 1, 0xa1, 'x', 0xcb, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add("struct.unpack", []byte(">I2c3!8ds"))
	e := newTestEngine(f)
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		call := map[string]string{
			"cjson.decode": "cjson.decode(ARGV[1])", "cmsgpack.unpack": "cmsgpack.unpack(ARGV[1])",
			"struct.unpack": "struct.unpack(ARGV[1], ARGV[1])", "struct.pack": "struct.pack(ARGV[1], 1, 'abc', 2.5)",
		}[name]
		if call == "" {
			return
		}
		e.do(t, []string{"eval", "pcall(function() return " + call + " end) return 1", "0", string(data)})
		if n := e.server.Stats.Panics.Load(); n != 0 {
			t.Fatal("a fault of ours")
		}
	})
}

func BenchmarkEVAL(b *testing.B) {
	e := newTestEngine(b)
	script := "local v = redis.call('GET', KEYS[1])\nlocal n = (tonumber(v) or 0) + 1\nif n > 1000000 then n = 0 end\nredis.call('SET', KEYS[1], n)\nreturn n"
	for b.Loop() {
		e.do(b, []string{"eval", script, "1", "k"})
	}
}
