package engine

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/elastane/elastane/engine/internal/redistest"
	"github.com/elastane/elastane/engine/resp"
)

// unbuilt are the commands of the reference server that are not built; docs/commands.md has the reasons.
var unbuilt = []string{"asking", "failover", "fcall", "fcall_ro", "function", "migrate", "module", "restore-asking"}

// metadataDiffers are commands whose record differs from that of the reference server (7.0) on purpose.
var metadataDiffers = map[string]string{
	"replicaof": "a replica that loads can be given another primary", "slaveof": "as REPLICAOF",
	"save":            "refused in MULTI",
	"command|getkeys": "7.2", "command|getkeysandflags": "7.2", "sinterstore": "7.2", "zrank": "7.2", "zrevrank": "7.2", "wait": "7.2", // as in the later version
	"blpop": "7.2", "brpop": "7.2", "blmove": "7.2", "brpoplpush": "7.2", "bzpopmin": "7.2", "bzpopmax": "7.2",
	"cluster|info": "7.2", "cluster|myid": "7.2", "cluster|nodes": "7.2", "cluster|shards": "7.2", "cluster|slots": "7.2",
	"shutdown": "no_multi in later versions too",
}

type commandInfo struct {
	arity             int64
	flags, categories string
	first, last, step int64
	keys              string // key specifications, without notes
}

func infos(list []resp.Value, into map[string]commandInfo) {
	for _, v := range list {
		if len(v.Elems) < 10 {
			continue
		}
		join := func(v resp.Value) string {
			var words []string
			for _, e := range v.Elems {
				words = append(words, e.Text())
			}
			slices.Sort(words)
			return strings.Join(words, " ")
		}
		e := v.Elems
		into[e[0].Text()] = commandInfo{e[1].Int, join(e[2]), join(e[6]), e[3].Int, e[4].Int, e[5].Int, keySpecs(e[8])}
		infos(e[9].Elems, into)
	}
}

// keySpecs writes key specifications in a fixed order, so that two can be compared.
func keySpecs(v resp.Value) string {
	if v.Kind != '*' && v.Kind != '%' && v.Kind != '~' {
		return v.Text()
	}
	var parts []string
	for i := 0; i < len(v.Elems); i++ {
		if v.Elems[i].Text() == "notes" {
			i++
			continue
		}
		parts = append(parts, keySpecs(v.Elems[i]))
	}
	return "(" + strings.Join(parts, " ") + ")"
}

func TestCommandTableAgainstReference(t *testing.T) {
	reference := (&served{t: t, addr: redistest.Start(t, t.TempDir()).Addr()}).dial()
	ours := serve(t, Options{}).dial()
	want, got := map[string]commandInfo{}, map[string]commandInfo{}
	infos(reference.do("COMMAND").Elems, want)
	infos(ours.do("COMMAND").Elems, got)
	if len(got) < 100 || len(want) < 100 {
		t.Fatalf("only %d and %d commands", len(got), len(want))
	}
	for name, w := range want {
		g, there := got[name]
		container, _, _ := strings.Cut(name, "|")
		if !there {
			if !slices.Contains(unbuilt, container) && !strings.Contains(name, "|") {
				t.Errorf("%s is neither built nor excused", name)
			}
			continue
		}
		if slices.Contains(unbuilt, name) {
			t.Errorf("%s is built: take it off the list", name)
		}
		if _, excused := metadataDiffers[name]; !excused && g != w {
			t.Errorf("%s:\n got %+v\nwant %+v", name, g, w)
		}
	}
}

// conversations are sequences on one connection whose replies must be those of the reference server.
var conversations = [][]string{
	{"NOSUCH a b", "nosuch", "GET", "GET a b", "CONFIG", "CONFIG NOSUCH", "CONFIG GET", "CLIENT", "OBJECT"},
	{"MULTI", "MULTI", "WATCH a", "GET", "EXEC", "EXEC", "DISCARD"},
	{"MULTI", "SET a 1", "LPUSH a 1", "GET a", "EXEC", "GET a"},
	{"MULTI", "NOSUCH", "SET a 2", "EXEC", "GET a"},
	{"WATCH a", "SET a 3", "MULTI", "GET a", "EXEC", "MULTI", "GET a", "EXEC"},
	{"WATCH a", "UNWATCH", "SET a 4", "MULTI", "GET a", "EXEC"},
	{"MULTI", "SET a 5", "DISCARD", "GET a"},
	{"MULTI", "SELECT 1", "SET a in1", "SELECT 0", "SET a in0", "EXEC", "GET a", "SELECT 1", "GET a", "FLUSHDB"},
	{"SELECT 16", "SELECT x", "SELECT -1", "SELECT 15"},
	{"SUBSCRIBE a b a", "PING", "PING x", "GET a", "PSUBSCRIBE p*", "UNSUBSCRIBE b", "UNSUBSCRIBE", "PUNSUBSCRIBE", "PUNSUBSCRIBE", "GET nokey"},
	{"PUBLISH a m", "PUBSUB CHANNELS", "PUBSUB NUMSUB a b", "PUBSUB NUMPAT"},
	{"AUTH x", "AUTH a b c", "AUTH default anything", "AUTH nobody x"},
	{"HELLO 4", "HELLO x", "HELLO 2 NOSUCH", "HELLO 2 AUTH a", "HELLO 2 SETNAME bad\tname"},
	{"CLIENT SETNAME x", "CLIENT GETNAME", "CLIENT SETNAME a\tb", "CLIENT GETNAME", "RESET", "CLIENT GETNAME"},
	{"CLIENT KILL 1.2.3.4:5", "CLIENT KILL ID 0", "CLIENT KILL ID 999999", "CLIENT KILL TYPE nosuch", "CLIENT KILL NOSUCH x"},
	{"CLIENT REPLY x", "CLIENT REPLY OFF", "PING", "CLIENT REPLY ON", "CLIENT REPLY SKIP", "PING", "PING"},
	{"CLIENT PAUSE x", "CLIENT PAUSE -1", "CLIENT PAUSE 0 x", "CLIENT UNBLOCK 999999", "CLIENT UNBLOCK x", "CLIENT UNBLOCK 1 x"},
	{"CLIENT NO-EVICT ON", "CLIENT NO-EVICT x", "CLIENT TRACKING OFF", "CLIENT TRACKINGINFO", "CLIENT GETREDIR"},
	{"CONFIG SET nosuch 1", "CONFIG SET maxmemory", "CONFIG SET maxmemory x", "CONFIG SET maxmemory 1gb maxmemory 2gb"},
	{"CONFIG SET maxmemory 100mb", "CONFIG GET maxmemory", "CONFIG SET maxmemory 0", "CONFIG SET maxmemory-policy nosuch", "CONFIG SET hz x"},
	{"CONFIG SET notify-keyspace-events KEA", "CONFIG GET notify-keyspace-events", "CONFIG SET notify-keyspace-events ''", "CONFIG SET notify-keyspace-events y"},
	{"CONFIG GET databases", "CONFIG GET nosuch", "CONFIG GET maxmemory-p*"},
	{"COMMAND GETKEYS SET a b", "COMMAND GETKEYS MSET a 1 b 2", "COMMAND GETKEYS PING x", "COMMAND GETKEYS NOSUCH x", "COMMAND GETKEYS GET a b", "COMMAND INFO nosuch"},
	{"COMMAND LIST FILTERBY PATTERN getde*", "COMMAND LIST FILTERBY x y", "COMMAND LIST x"},
	{"SET a 1", "DBSIZE", "FLUSHALL x", "FLUSHALL ASYNC", "DBSIZE", "MEMORY USAGE nokey", "ECHO x", "PING", "PING a b", "ECHO"},
	{"LPUSH l 1", "GET l", "INCR l", "APPEND l x", "SET l 1 NX XX", "SET l 1 EX 0", "SET l 1 EX x", "DEL l"},
	{"QUIT"},
}

func TestConversationsAgainstReference(t *testing.T) {
	reference := &served{t: t, addr: redistest.Start(t, t.TempDir()).Addr()}
	ours := serve(t, Options{Engine: "redis", Version: "7.0.15"})
	for i, conversation := range conversations {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			a, b := reference.dial(), ours.dial()
			a.t, b.t = t, t
			for _, line := range conversation {
				words := strings.Split(line, " ")
				for i, w := range words {
					if w == "''" {
						words[i] = ""
					}
				}
				a.send(words...)
				b.send(words...)
			}
			// Replies that never come (CLIENT REPLY OFF) and further ones (SUBSCRIBE) are lined up by a marker.
			a.send("RESET")
			b.send("RESET")
			for n := 0; ; n++ {
				want, got := a.reply(), b.reply()
				if want.String() != got.String() {
					t.Fatalf("reply %d of %q:\n got %v\nwant %v", n, conversation, got, want)
				}
				if want.Str == "RESET" && n >= 0 && a.r.Buffered() == 0 || conversation[0] == "QUIT" {
					return
				}
			}
		})
	}
}
