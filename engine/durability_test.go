package engine

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastane/elastane/engine/cluster"
	"github.com/elastane/elastane/engine/command"
	"github.com/elastane/elastane/engine/repl"
	"github.com/elastane/elastane/engine/resp"
)

// bareNode is a node without loops: commands run in process, and its listener knows what a replica's handshake needs.
type bareNode struct {
	*durability
	t      testing.TB
	port   int
	l      net.Listener
	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	signal chan struct{}
	exec   sync.Mutex
	worker *command.Worker
	client *command.Client
}

func (b *bareNode) Shutdown(bool) error { return nil }
func (b *bareNode) Port() int           { return b.port }
func (b *bareNode) TLS() bool           { return false }
func (b *bareNode) Applied(string)      {}
func (b *bareNode) Changed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.signal)
	b.signal = make(chan struct{})
}

type logTo struct{ t testing.TB }

func (w logTo) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func newBareNode(t testing.TB, o Options) *bareNode {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bareNode{t: t, l: l, port: l.Addr().(*net.TCPAddr).Port, conns: map[net.Conn]struct{}{}, signal: make(chan struct{}), worker: command.NewWorker()}
	server := command.NewServer(command.ServerOptions{
		Table: command.NewTable(command.Families(), repl.Commands(), cluster.Commands()), Engine: "redis", Version: "7.2.6",
		Logger: slog.New(slog.NewTextHandler(logTo{t}, nil)).With("port", b.port),
	})
	server.Host = b
	o.AnnounceHost, o.AnnouncePort = "127.0.0.1", b.port
	if b.durability, err = newDurability(context.Background(), server, o); err != nil {
		t.Fatal(err)
	}
	b.client = server.NewClient(nil)
	b.client.Flags |= command.ClientInternal
	b.client.Authenticated = true
	b.wg.Add(1)
	go b.serve()
	t.Cleanup(b.stop)
	return b
}

func (b *bareNode) stop() {
	_ = b.l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.close(ctx); err != nil {
		b.t.Error(err)
	}
	b.mu.Lock()
	for c := range b.conns {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *bareNode) serve() {
	defer b.wg.Done()
	for {
		c, err := b.l.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.conns[c] = struct{}{}
		b.mu.Unlock()
		b.wg.Add(1)
		go func() {
			defer b.wg.Done()
			b.handshake(c)
		}()
	}
}

func (b *bareNode) handshake(c net.Conn) {
	in := bufio.NewReader(c)
	req := repl.Request{Host: "127.0.0.1"}
	for {
		v, err := resp.ReadReply(in) // a request has the form of an array reply
		if err != nil || len(v.Elems) == 0 {
			_ = c.Close()
			return
		}
		word := func(i int) string { return v.Elems[i].Str }
		switch {
		case word(0) == "PSYNC":
			req.ID, req.EOF, req.PSYNC2 = word(1), true, true
			req.Offset, _ = strconv.ParseInt(word(2), 10, 64)
			_ = b.replication.Attach(c, req)
			return
		case word(0) == "REPLCONF" && word(1) == "listening-port":
			req.Port, _ = strconv.Atoi(word(2))
		}
		if _, err := c.Write([]byte("+OK\r\n")); err != nil {
			return
		}
	}
}

func (b *bareNode) do(words ...string) resp.Value {
	b.exec.Lock()
	defer b.exec.Unlock()
	w := resp.Writer{}
	w.CommandStrings(words...)
	b.worker.Reply.Buf = b.worker.Reply.Buf[:0]
	b.worker.Run(b.server, b.client, w.Buf)
	v, _, err := resp.ParseReply(b.worker.Reply.Buf)
	if err != nil {
		b.t.Errorf("%v: %v", words, err)
	}
	return v
}

func (b *bareNode) until(what string, cond func(s Status) bool) {
	b.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		b.mu.Lock()
		changed := b.signal
		b.mu.Unlock()
		var s Status
		b.fill(&s)
		if cond(s) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			b.t.Fatalf("never: %s; %+v", what, s)
		}
	}
}

func (b *bareNode) acked(n int) {
	b.t.Helper()
	told := make(chan int, 1)
	if _, w := b.replication.Wait(n, func(int) { told <- 1 }); w != nil {
		select {
		case <-told:
		case <-time.After(20 * time.Second):
			b.t.Fatalf("%d of %d replicas acknowledged", w.Cancel(), n)
		}
	}
}

// digest is everything that a node holds, as text.
func (b *bareNode) digest() string {
	var out strings.Builder
	for db := range 3 {
		b.do("SELECT", strconv.Itoa(db))
		keys := b.do("KEYS", "*").Elems
		names := make([]string, len(keys))
		for i, k := range keys {
			names[i] = k.Str
		}
		slices.Sort(names)
		for _, k := range names {
			var v resp.Value
			switch t := b.do("TYPE", k).Str; t {
			case "string":
				v = b.do("GET", k)
			case "list":
				v = b.do("LRANGE", k, "0", "-1")
			case "hash":
				v = b.do("HGETALL", k)
				sortPairs(v.Elems)
			case "zset":
				v = b.do("ZRANGE", k, "0", "-1", "WITHSCORES")
			case "set":
				v = b.do("SMEMBERS", k)
				sortPairs(v.Elems)
			}
			fmt.Fprintln(&out, db, k, b.do("PEXPIRETIME", k), v)
		}
	}
	b.do("SELECT", "0")
	return out.String()
}

// sortPairs brings elements that have no order into one; pairs are taken apart, which is enough to compare.
func sortPairs(v []resp.Value) {
	slices.SortFunc(v, func(a, b resp.Value) int { return strings.Compare(a.Str, b.Str) })
}

// busy runs every kind of write against a node until it is told to stop.
func busy(b *bareNode, writers int) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				k := fmt.Sprintf("%d-%d", w, i%50)
				b.do("INCR", "n"+k)
				b.do("RPUSH", "l"+k, fmt.Sprint(i))
				b.do("HINCRBY", "h"+k, fmt.Sprint(i%9), "1")
				b.do("ZINCRBY", "z"+k, "1.5", fmt.Sprint(i%7))
				b.do("SADD", "s"+k, fmt.Sprint(i%40))
				b.do("SET", "e"+k, "x", "PX", "3600000")
				b.do("SPOP", "s"+k)
				b.do("LPOP", "l"+k)
				if i%10 == 0 {
					b.do("DEL", "h"+k)
				}
			}
		}()
	}
	return func() {
		close(done)
		wg.Wait()
	}
}

func TestReplicasAreEqual(t *testing.T) {
	p := newBareNode(t, Options{})
	for i := range 5000 {
		p.do("SET", fmt.Sprint("filler", i), strings.Repeat("x", 50))
	}
	p.do("SELECT", "2")
	p.do("SET", "other", "database")
	p.do("SELECT", "0")
	stop := busy(p, 2)
	var replicas []*bareNode
	for range 2 {
		r := newBareNode(t, Options{})
		r.do("SET", "stale", "gone after the full synchronisation")
		r.do("REPLICAOF", "127.0.0.1", strconv.Itoa(p.port))
		r.until("link up", func(s Status) bool { return s.LinkUp })
		replicas = append(replicas, r)
	}
	stop()
	p.acked(2)
	want := p.digest()
	for _, r := range replicas {
		if got := r.digest(); got != want {
			t.Errorf("a replica differs:\n%s", firstDifference(got, want))
		}
		if v := r.do("SET", "a", "b"); v.Err() == nil || !strings.HasPrefix(v.Str, "READONLY") {
			t.Errorf("a write at a replica: %v", v)
		}
	}
	if v := replicas[0].do("ROLE"); v.Elems[0].Str != "slave" || v.Elems[3].Str != "connected" {
		t.Errorf("ROLE: %v", v)
	}
	if v := p.do("ROLE"); v.Elems[0].Str != "master" || len(v.Elems[2].Elems) != 2 {
		t.Errorf("ROLE: %v", v)
	}
	// One is promoted when all have every byte; its sibling and the old primary follow it.
	end := p.replication.Status().Offset
	deadline := time.Now().Add(20 * time.Second)
	for _, r := range replicas {
		for r.replication.Status().Offset != end {
			if time.Now().After(deadline) {
				t.Fatal("a replica never had the whole stream")
			}
			runtime.Gosched()
		}
	}
	replicas[0].do("REPLICAOF", "NO", "ONE")
	for _, n := range []*bareNode{p, replicas[1]} {
		n.do("REPLICAOF", "127.0.0.1", strconv.Itoa(replicas[0].port))
		n.until("link up", func(s Status) bool { return s.LinkUp })
	}
	replicas[0].do("SET", "new", "term")
	replicas[0].acked(2)
	want = replicas[0].digest()
	for _, n := range []*bareNode{p, replicas[1]} {
		if got := n.digest(); got != want {
			t.Errorf("after the promotion a replica differs:\n%s", firstDifference(got, want))
		}
	}
	if full, partial, _ := replicas[0].replication.SyncCounts(); full != 0 || partial != 2 {
		t.Errorf("%d full and %d partial synchronisations", full, partial)
	}
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + "\n" + y[i]
		}
	}
	return fmt.Sprintf("%d and %d lines", len(x), len(y))
}
