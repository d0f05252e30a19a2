package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a command propagates must bring a replica to the same state, expiry included, whatever is random
// or relative in the command itself.
func TestEffectsReproduceTheState(t *testing.T) {
	t.Parallel()
	seed := *flagSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	g := newGenerator(seed, 1)
	primary, replica := newTestEngine(t), newTestEngine(t)
	replica.client.Flags |= ClientPrimary
	now := int64(1_700_000_000_000)
	primary.now = func() int64 { return now }
	replica.now = func() int64 { return now + 1_000_000 } // its clock is wrong
	for i := range *flagCommands {
		now += 7
		argv := g.command()
		if readsHistory(argv) { // counts deliveries, which the replicas do not hear of, as in Valkey
			continue
		}
		switch g.IntN(20) {
		case 0:
			argv = []string{"SPOP", g.key("t")}
		case 1:
			argv = []string{"SPOP", g.key("t"), "3"}
		case 2:
			argv = []string{"PEXPIRE", g.key("k"), "300"}
		}
		primary.do(t, argv)
		state := ""
		compare := i%50 == 0 || i == *flagCommands-1
		if compare {
			// A key that has expired goes when it is met, and its end is propagated.
			for _, key := range generatorKeys() {
				primary.do(t, []string{"EXISTS", key})
			}
			state = dump(t, primary)
		}
		for _, effect := range primary.effects {
			if v := replica.do(t, effect); v.IsError() {
				t.Fatalf("seed %d: %.200q was propagated as %.200q, which answers %v", seed, argv, effect, v)
			}
		}
		primary.effects = nil
		if !compare {
			continue
		}
		if got := dump(t, replica); got != state {
			t.Fatalf("seed %d, about %.200q\nprimary: %s\nreplica: %s", seed, argv, state, got)
		}
	}
}

// readsHistory says whether XREADGROUP asks for anything but new entries.
func readsHistory(argv []string) bool {
	i := slices.Index(argv, "STREAMS") + 1
	ids := argv[i+(len(argv)-i)/2:]
	return argv[0] == "XREADGROUP" && slices.ContainsFunc(ids, func(id string) bool { return id != ">" })
}

// generatorKeys are all keys that a generator uses.
func generatorKeys() (keys []string) {
	for _, kind := range "shltzypewx" {
		for i := range 3 {
			keys = append(keys, string(kind)+strconv.Itoa(i))
		}
	}
	return keys
}

// dump is the whole state as text.
func dump(t *testing.T, e *testEngine) string {
	t.Helper()
	var lines []string
	for _, key := range e.do(t, []string{"KEYS", "*"}).Elems {
		k := key.Str
		kind := e.do(t, []string{"TYPE", k}).Str
		read := readAll(kind, k)
		v := normal(read, e.do(t, read))
		lines = append(lines, fmt.Sprintln(k, kind, e.do(t, []string{"PEXPIRETIME", k}), v))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func TestEffectOf(t *testing.T) {
	t.Parallel()
	const now = 1_700_000_000_000
	for _, c := range []struct {
		before  string
		command string
		want    string // the effects, "; " between them
	}{
		{"", "SET k v", "SET k v"},
		{"", "SET k v EX 10", "SET k v PXAT 1700000010000"},
		{"", "SET k v PXAT 1", "DEL k"},
		{"SET k v", "SET k v NX", ""},
		{"", "SETEX k 10 v", "SET k v PXAT 1700000010000"},
		{"", "PSETEX k 10 v", "SET k v PXAT 1700000000010"},
		{"SET k v", "EXPIRE k 10", "PEXPIREAT k 1700000010000"},
		{"SET k v", "EXPIRE k -1", "DEL k"},
		{"", "EXPIRE k 10", ""},
		{"SET k v", "GETEX k EX 10", "PEXPIREAT k 1700000010000"},
		{"SETEX k 10 v", "GETEX k PERSIST", "PERSIST k"},
		{"SET k v", "GETEX k", ""},
		{"SET k v", "GETDEL k", "DEL k"},
		{"SET k 1", "INCRBYFLOAT k 0.5", "SET k 1.5 KEEPTTL"},
		{"", "HINCRBYFLOAT k f 0.5", "HSET k f 0.5"},
		{"SADD k a", "SPOP k", "SREM k a"},
		{"SADD k a", "SADD k a", ""},
		{"RPUSH k a", "BLPOP k 0", "LPOP k"},
		{"RPUSH k a", "BRPOPLPUSH k l 0", "LMOVE k l RIGHT LEFT"},
		{"ZADD k 1 a", "ZADD k 1 a", ""},
		{"ZADD k 1 a", "ZINCRBY k 1 a", "ZINCRBY k 1 a"},
	} {
		e := newTestEngine(t)
		e.now = func() int64 { return now }
		if c.before != "" {
			e.do(t, strings.Fields(c.before))
		}
		_, effects := e.run(t, strings.Fields(c.command))
		var got []string
		for _, effect := range effects {
			got = append(got, strings.Join(effect, " "))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s: propagated %q, want %q", c.command, s, c.want)
		}
	}
}

func TestOtherDatabases(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t)
	for _, step := range []struct{ command, want string }{
		{"SET s v EX 1000", `"OK"`},
		{"RPUSH l a b c", `"3"`},
		{"COPY l l DB 1", `"1"`},
		{"COPY l l DB 1", `"0"`},
		{"MOVE s 1", `"1"`},
		{"MOVE s 1", `"0"`},
		{"EXISTS s", `"0"`},
		{"DEL l", `"1"`},
		{"SELECT 1", `"OK"`},
		{"GET s", `"v"`},
		{"TTL s", `"1000"`},
		{"LRANGE l 0 -1", `*["a" "b" "c"]`},
		{"COPY l m", `"1"`},
		{"RPUSH m d", `"4"`},
		{"LLEN l", `"3"`},
		{"COPY s m REPLACE", `"1"`},
		{"TTL m", `"1000"`},
		{"MOVE m 1", `(error "ERR source and destination objects are the same")`},
		{"MOVE m 16", `(error "ERR DB index is out of range")`},
	} {
		if got := e.do(t, strings.Fields(step.command)); got.String() != step.want {
			t.Errorf("%s = %v, want %s", step.command, got, step.want)
		}
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t)
	now := int64(1_700_000_000_000)
	e.now = func() int64 { return now }
	for _, step := range []struct {
		command string
		after   int64 // milliseconds that pass before it
		want    string
	}{
		{"SET k v PX 100", 0, `"OK"`},
		{"PTTL k", 40, `"60"`},
		{"APPEND k w", 0, `"2"`},
		{"PTTL k", 0, `"60"`},
		{"GET k", 59, `"vw"`},
		{"GET k", 2, "(nil)"},
		{"TTL k", 0, `"-2"`},
		{"HSET h f 1", 0, `"1"`},
		{"PEXPIRE h 10", 0, `"1"`},
		{"HINCRBY h f 1", 9, `"2"`},
		{"HINCRBY h f 1", 2, `"1"`},
		{"TTL h", 0, `"-1"`},
	} {
		now += step.after
		if got := e.do(t, strings.Fields(step.command)); got.String() != step.want {
			t.Errorf("%s = %v, want %s", step.command, got, step.want)
		}
	}
}
