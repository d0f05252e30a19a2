package command

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/elastane/elastane/engine/resp"
)

func words(line string) []string { return strings.Fields(line) }

// TestDirectives holds the table: each default is a value that the directive takes, and comes back as it is shown.
func TestDirectives(t *testing.T) {
	e := newTestEngine(t)
	for i := range directives {
		d := &directives[i]
		if i > 0 && directives[i-1].name >= d.name {
			t.Errorf("%s is not in order", d.name)
		}
		if d.value == "" && d.kind == kindString {
			continue
		}
		value, err := d.normalize(d.value)
		if err != nil || value != d.value {
			t.Errorf("%s: the default %q becomes %q, %v", d.name, d.value, value, err)
		}
		if d.fixed || d.protected || d.secret {
			continue
		}
		if v := e.do(t, []string{"CONFIG", "SET", d.name, d.value}); v.Str != "OK" {
			t.Errorf("CONFIG SET %s %s: %v", d.name, d.value, v)
		}
	}
	for alias, name := range aliases {
		if directiveByName[name] == nil {
			t.Errorf("%s stands for %s, which there is not", alias, name)
		}
	}
}

func TestConfigSetErrors(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"maxclients 0", "'maxclients') - argument must be between 1 and 4294967295 inclusive"},
		{"maxmemory lots", "'maxmemory') - argument must be a memory value"},
		{"maxmemory-clients 101%", "'maxmemory-clients') - percentage argument must be less or equal to 100"},
		{"timeout x", "'timeout') - argument couldn't be parsed into an integer"},
		{"latency-tracking maybe", "'latency-tracking') - argument must be 'yes' or 'no'"},
		{"dir /", "'dir') - can't set protected config"},
		{"databases 4", "'databases') - can't set immutable config"},
		{"hz 10 hz 20", "'hz') - duplicate parameter"},
		{"nothing 1", "Unknown option or number of arguments for CONFIG SET - 'nothing'"},
		{"latency-tracking-info-percentiles 101", "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"},
		{"shutdown-on-sigint save", ""},
		{"lua-time-limit 10", ""},
		{"slave-read-only no", ""},
	} {
		e := newTestEngine(t)
		v := e.do(t, append([]string{"CONFIG", "SET"}, words(c.set)...))
		if c.want == "" && v.Str != "OK" || c.want != "" && !strings.HasSuffix(v.Str, c.want) {
			t.Errorf("%s: %v, want %q", c.set, v, c.want)
		}
	}
}

// TestConfigSetIsAtomic sets several directives, of which the last is wrong: none is changed.
func TestConfigSetIsAtomic(t *testing.T) {
	e := newTestEngine(t)
	e.do(t, words("CONFIG SET maxmemory 1mb slowlog-max-len 7"))
	if v := e.do(t, words("CONFIG SET slowlog-max-len 9 maxmemory 2mb hz many")); v.Kind != resp.KindError {
		t.Fatalf("%v", v)
	}
	if got := e.server.Config.Int("slowlog-max-len"); got != 7 {
		t.Errorf("slowlog-max-len is %d", got)
	}
	if got := e.server.Space.MemoryLimit().Max; got != 1<<20 {
		t.Errorf("maxmemory is %d", got)
	}
}

func TestSlowlog(t *testing.T) {
	e := newTestEngine(t)
	e.do(t, words("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3"))
	e.do(t, words("SLOWLOG RESET"))
	e.do(t, append([]string{"SADD", "s"}, strings.Fields(strings.Repeat("m ", 40))...))
	e.do(t, []string{"SET", "k", strings.Repeat("v", 130)})
	e.do(t, words("CONFIG SET requirepass hidden"))
	got := e.do(t, words("SLOWLOG GET -1"))
	if len(got.Elems) != 3 {
		t.Fatalf("%d entries: %v", len(got.Elems), got)
	}
	arg := func(entry, i int) string { return got.Elems[entry].Elems[3].Elems[i].Str }
	if arg(0, 3) != "(redacted)" {
		t.Errorf("a password is in the log: %q", arg(0, 3))
	}
	if want := strings.Repeat("v", 128) + "... (2 more bytes)"; arg(1, 2) != want {
		t.Errorf("long word: %q", arg(1, 2))
	}
	if n := len(got.Elems[2].Elems[3].Elems); n != 32 || arg(2, 31) != "... (11 more arguments)" {
		t.Errorf("%d words, the last %q", n, arg(2, n-1))
	}
	if newest, oldest := got.Elems[0].Elems[0].Int, got.Elems[2].Elems[0].Int; newest != oldest+2 {
		t.Errorf("ids %d and %d", newest, oldest)
	}
	if v := e.do(t, words("SLOWLOG GET -2")); v.Str != "ERR count should be greater than or equal to -1" {
		t.Errorf("%v", v)
	}
	e.do(t, words("CONFIG SET slowlog-log-slower-than -1"))
	e.do(t, words("SLOWLOG RESET"))
	if n := e.do(t, words("SLOWLOG LEN")).Int; n != 0 {
		t.Errorf("%d entries although it is off", n)
	}
}

// TestCommandStats counts calls by command: run, failed, refused, inside of EXEC, and by error code.
func TestCommandStats(t *testing.T) {
	e := newTestEngine(t)
	var pipeline resp.Writer
	for range 20 {
		pipeline.CommandStrings("SET", "k", "v")
	}
	e.worker.Run(e.server, e.client, pipeline.Buf)
	e.worker.Reply.Buf = e.worker.Reply.Buf[:0]
	for _, line := range []string{"LPUSH k x", "GET", "NOSUCH", "MULTI", "INCR n", "LPUSH n x", "EXEC"} {
		e.do(t, words(line))
	}
	for name, want := range map[string][3]int64{
		"set": {20, 0, 0}, "lpush": {2, 0, 2}, "get": {0, 1, 0}, "incr": {1, 0, 0}, "exec": {1, 0, 0}, "multi": {1, 0, 0},
	} {
		st := e.server.Stats.Command(e.server.Table.Find([]byte(name)))
		if got := [3]int64{st.Calls.Load(), st.Rejected.Load(), st.Failed.Load()}; got != want {
			t.Errorf("%s: calls, rejected, failed %v, want %v", name, got, want)
		}
	}
	if codes, counts := e.server.Stats.kinds.list(); fmt.Sprint(codes, counts["ERR"], counts["WRONGTYPE"]) != "[ERR WRONGTYPE] 2 2" {
		t.Errorf("%v %v", codes, counts)
	}
	info := e.do(t, words("INFO commandstats latencystats errorstats")).Str
	for _, want := range []string{
		"cmdstat_set:calls=20,usec=", "rejected_calls=0,failed_calls=2", "latency_percentiles_usec_set:p50=", "errorstat_WRONGTYPE:count=2",
	} {
		if !strings.Contains(info, want) {
			t.Errorf("INFO lacks %s:\n%s", want, info)
		}
	}
	e.do(t, words("CONFIG RESETSTAT"))
	if n := e.server.Stats.Calls(e.server.Table.Find([]byte("set"))); n != 0 {
		t.Errorf("%d calls after RESETSTAT", n)
	}
}

func TestErrorKindsAreBounded(t *testing.T) {
	var st Stats
	for i := range 3 * maxErrorKinds {
		st.failed(fmt.Appendf(nil, "-E%d text\r\n", i))
	}
	codes, counts := st.kinds.list()
	if len(codes) != maxErrorKinds+1 || counts["ERRORSTATS_OVERFLOW"] != 2*maxErrorKinds {
		t.Errorf("%d codes, %d overflowed", len(codes), counts["ERRORSTATS_OVERFLOW"])
	}
}

func TestHistogram(t *testing.T) {
	for _, nanos := range []int64{0, 1, 1023, 1024, 1025, 5000, 1 << 20, 1<<36 - 1, 1 << 40} {
		i := bucketOf(nanos)
		if end := bucketEnd(i); nanos >= end && i < histogramOctaves*histogramSteps {
			t.Errorf("%d ns is in bucket %d, which ends at %d", nanos, i, end)
		}
		if i > 0 && nanos < bucketEnd(i-1) {
			t.Errorf("%d ns is in bucket %d, and the one before ends at %d", nanos, i, bucketEnd(i-1))
		}
	}
	var h histogram
	h.add(98, 2000)
	h.add(2, 1_000_000)
	if p50, p99 := h.percentile(50), h.percentile(99); p50 < 2000 || p50 > 2300 || p99 < 1_000_000 || p99 > 1_200_000 {
		t.Errorf("p50 %d, p99 %d", p50, p99)
	}
	var steps []string
	h.octaves(func(micros, calls int64) { steps = append(steps, fmt.Sprint(micros, "=", calls)) })
	if got := strings.Join(steps, " "); got != "2=98 1056=100" {
		t.Errorf("%s", got)
	}
}

func TestLatencyEvents(t *testing.T) {
	e := newTestEngine(t)
	now := int64(1_700_000_000_000)
	e.server.sampleLatency("command", time.Hour, now) // off
	e.do(t, words("CONFIG SET latency-monitor-threshold 10"))
	e.server.sampleLatency("command", 9*time.Millisecond, now)
	for i := range latencySamples + 5 {
		e.server.sampleLatency("command", time.Duration(20+i)*time.Millisecond, now+int64(i)*1000)
	}
	e.server.sampleLatency("expire-cycle", 15*time.Millisecond, now)
	e.server.sampleLatency("expire-cycle", 12*time.Millisecond, now) // of the same second: the longer one counts
	if n := len(e.do(t, words("LATENCY HISTORY command")).Elems); n != latencySamples {
		t.Errorf("%d samples", n)
	}
	latest := e.do(t, words("LATENCY LATEST"))
	if len(latest.Elems) != 2 || latest.Elems[0].Elems[3].Int != 20+latencySamples+4 || latest.Elems[1].Elems[2].Int != 15 {
		t.Errorf("%v", latest)
	}
	if text := e.do(t, words("LATENCY GRAPH command")).Str; !strings.HasPrefix(text, "command - high 184 ms, low 25 ms (all time high 184 ms)") {
		t.Errorf("%s", text)
	}
	if n := e.do(t, words("LATENCY RESET")).Int; n != 2 {
		t.Errorf("%d events forgotten", n)
	}
}

// TestMemoryUsage compares MEMORY USAGE with what the heap says that a collection took.
func TestMemoryUsage(t *testing.T) {
	for _, family := range []string{"HSET k %d %d", "SADD k m%[1]d", "ZADD k %d %d", "RPUSH k a-longer-element-%d", "SADD k %d", "XADD k %d-1 f v"} {
		for _, n := range []int{3, 3000} {
			e := newTestEngine(t)
			before := e.server.Space.UsedMemory()
			for i := range n {
				argv := fmt.Sprintf(family, i+1, i+1)
				e.do(t, words(strings.Split(argv, "%!")[0]))
			}
			table := int64(2 << 10) // the keyspace's own first segment
			took := e.server.Space.UsedMemory() - before
			all := e.do(t, words("MEMORY USAGE k SAMPLES 0")).Int
			if all > took+took/10 || all < took-table-took/5 {
				t.Errorf("%s, %d times: MEMORY USAGE says %d, the heap %d", family, n, all, took)
			}
			if some := e.do(t, words("MEMORY USAGE k")).Int; some < all/2 || some > 2*all {
				t.Errorf("%s, %d times: %d by samples, %d in all", family, n, some, all)
			}
		}
	}
}

// TestActiveExpiry lets a flood of keys expire that nobody reads: ticks free them without a command.
func TestActiveExpiry(t *testing.T) {
	e := newTestEngine(t)
	now := time.Now().UnixMilli()
	e.now = func() int64 { return now }
	const keys = 50_000
	for i := range keys {
		e.do(t, []string{"SET", fmt.Sprint("k", i), "v", "PX", "10"})
	}
	now += 1000
	ticks := 0
	for ; ticks < 20; ticks++ {
		e.server.Tick(25 * time.Millisecond)
		if n, _ := e.server.Space.Keys(0); n == 0 {
			break
		}
	}
	if n, _ := e.server.Space.Keys(0); n != 0 {
		t.Errorf("%d of %d keys are left after %d ticks", n, keys, ticks)
	}
	if got := e.server.Space.Stats().Expired; got != keys {
		t.Errorf("%d keys counted as expired", got)
	}
}

func TestDebugIsRefused(t *testing.T) {
	e := newTestEngine(t)
	if v := e.do(t, words("DEBUG SLEEP 0")); !strings.HasPrefix(v.Str, "ERR DEBUG command not allowed.") {
		t.Errorf("%v", v)
	}
	if err := e.server.Config.Set("enable-debug-command", "yes"); err != nil {
		t.Fatal(err)
	}
	if v := e.do(t, words("DEBUG SLEEP 0")); v.Str != "OK" {
		t.Errorf("%v", v)
	}
}

// TestDigestAgainstRedis has DEBUG DIGEST of the same data on a real server and here. Scores are those that Redis 7.0 and
// Valkey 8 write alike.
func TestDigestAgainstRedis(t *testing.T) {
	redis := startRedis(t, "--enable-debug-command", "yes")
	e := newTestEngine(t)
	if err := e.server.Config.Set("enable-debug-command", "yes"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"SET s hello", "SET n 12345", "RPUSH l a b 3", "SADD i 1 2 3", "SADD m a b", "HSET h f v g w",
		"ZADD z 1 a 2.5 b 1e30 c -inf d 100000 f", "XADD x 1-1 f v", "XADD x 2-5 g w h y", "SET t v EX 1000", "SELECT 3", "SET other db", "SELECT 0",
	} {
		want, got := ask(t, redis, words(line)), e.do(t, words(line))
		if want.Str != got.Str {
			t.Fatalf("%s: %v there, %v here", line, want, got)
		}
	}
	digests(t, redis, e, "DEBUG DIGEST")
	digests(t, redis, e, "DEBUG DIGEST-VALUE s n l i m h z x t none")
}

func digests(t *testing.T, redis *bufio.ReadWriter, e *testEngine, line string) {
	t.Helper()
	if want, got := ask(t, redis, words(line)), e.do(t, words(line)); fmt.Sprint(want) != fmt.Sprint(got) {
		t.Errorf("%s:\n  there %v\n  here  %v", line, want, got)
	}
}

// TestPingAllocatesNothing holds PING to what it must cost.
func TestPingAllocatesNothing(t *testing.T) {
	e := newTestEngine(t)
	var request resp.Writer
	request.CommandStrings("PING")
	n := testing.AllocsPerRun(200, func() {
		e.worker.Reply.Buf = e.worker.Reply.Buf[:0]
		e.worker.Run(e.server, e.client, request.Buf)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestCopyKeepsTheEncoding copies collections that were large once.
func TestCopyKeepsTheEncoding(t *testing.T) {
	for key, fill := range map[string]string{"h": "HSET h f%d v", "s": "SADD s m%d", "z": "ZADD z 1 m%d"} {
		e := newTestEngine(t)
		for i := range 600 {
			e.do(t, words(fmt.Sprintf(fill, i)))
		}
		for i := range 590 {
			e.do(t, words(map[string]string{"h": "HDEL h f", "s": "SREM s m", "z": "ZREM z m"}[key]+fmt.Sprint(i)))
		}
		e.do(t, []string{"COPY", key, "copy"})
		want, got := e.do(t, []string{"OBJECT", "ENCODING", key}).Str, e.do(t, []string{"OBJECT", "ENCODING", "copy"}).Str
		if want != got || want == "listpack" {
			t.Errorf("%s is %s, its copy %s", key, want, got)
		}
	}
}
