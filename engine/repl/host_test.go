package repl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elastane/elastane/engine/rdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a Host over a map, and a server in front of it that knows what replication needs.
type node struct {
	*Replication
	t    testing.TB
	addr *net.TCPAddr

	mu      sync.Mutex // the locks of the keyspace
	data    map[string]string
	replica bool
	linkUp  bool
	demoted int
	changed chan struct{} // closed and replaced at each change
	failNow error         // what Apply answers

	listener net.Listener
	conns    sync.WaitGroup
	open     map[net.Conn]struct{}
}

func newNode(t testing.TB, cfg Config) *node {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{
		t: t, data: map[string]string{}, changed: make(chan struct{}), listener: l,
		addr: l.Addr().(*net.TCPAddr), open: map[net.Conn]struct{}{},
	}
	cfg.AnnounceHost, cfg.AnnouncePort = "127.0.0.1", n.addr.Port
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil)).With("node", n.addr.Port)
	}
	n.Replication = New(cfg, n)
	n.conns.Add(1)
	go n.serve()
	t.Cleanup(n.stop)
	return n
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// stop ends the node as a crash would: its peers just see closed connections.
func (n *node) stop() {
	_ = n.listener.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		n.t.Errorf("Close: %v", err)
	}
	n.mu.Lock()
	for c := range n.open {
		_ = c.Close()
	}
	n.mu.Unlock()
	n.conns.Wait()
}

func (n *node) serve() {
	defer n.conns.Done()
	for {
		c, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.mu.Lock()
		n.open[c] = struct{}{}
		n.mu.Unlock()
		n.conns.Add(1)
		go func() {
			defer n.conns.Done()
			defer func() { _ = c.Close() }()
			n.handshake(c)
		}()
	}
}

func (n *node) handshake(c net.Conn) {
	in := bufio.NewReader(c)
	commands := commandReader{r: in}
	req := Request{Host: "127.0.0.1"}
	for {
		argv, _, err := commands.next()
		if err != nil {
			return
		}
		reply := "+OK\r\n"
		switch {
		case word(argv[0], "PING"):
			reply = "+PONG\r\n"
		case word(argv[0], "REPLCONF"):
			for i := 1; i+1 < len(argv); i += 2 {
				switch string(argv[i]) + " " + string(argv[i+1]) {
				case "capa eof":
					req.EOF = true
				case "capa psync2":
					req.PSYNC2 = true
				}
				if string(argv[i]) == "listening-port" {
					req.Port, _ = strconv.Atoi(string(argv[i+1]))
				}
			}
		case word(argv[0], "PSYNC"):
			req.ID = string(argv[1])
			req.Offset, _ = strconv.ParseInt(string(argv[2]), 10, 64)
			_ = n.Attach(c, req)
			return
		}
		if _, err := c.Write([]byte(reply)); err != nil {
			return
		}
	}
}

func (n *node) WriteSnapshot(_ context.Context, w io.Writer, atCut func()) error {
	lock := n.Locker()
	lock.Lock()
	n.mu.Lock()
	atCut()
	p, _ := n.Position()
	data := make(map[string]string, len(n.data))
	for k, v := range n.data {
		data[k] = v
	}
	n.mu.Unlock()
	lock.Unlock()
	out := rdb.NewWriter(w)
	out.Aux("repl-stream-db", strconv.Itoa(p.DB))
	for k, v := range data {
		out.Begin(rdb.Key{Name: []byte(k), Type: rdb.String})
		out.Element([]byte(v))
	}
	return out.Close()
}

type loader struct {
	n   *node
	key string
	db  int
}

func (l *loader) Aux(name, value string) error {
	if name == "repl-stream-db" {
		l.db, _ = strconv.Atoi(value)
	}
	return nil
}
func (l *loader) DB(int, uint64, uint64) error { return nil }
func (l *loader) Begin(k rdb.Key) error {
	l.key = strings.Repeat(fmt.Sprintf("%d/", k.DB), min(k.DB, 1)) + string(k.Name)
	return nil
}

func (l *loader) Element(v []byte) error {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	l.n.data[l.key] = string(v)
	return nil
}
func (l *loader) Field(_, _ []byte) error          { return errors.New("no hashes here") }
func (l *loader) Member(_ []byte, _ float64) error { return errors.New("no sorted sets here") }
func (l *loader) End() error                       { return nil }

func (n *node) LoadSnapshot(_ context.Context, r *bufio.Reader) (int, error) {
	n.mu.Lock()
	clear(n.data)
	n.mu.Unlock()
	l := &loader{n: n}
	err := rdb.Read(r, l)
	if err != nil {
		n.mu.Lock()
		clear(n.data)
		n.mu.Unlock()
	}
	return l.db, err
}

func (n *node) Apply(db int, commands [][][]byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failNow != nil {
		return n.failNow
	}
	for _, argv := range commands {
		if err := n.run(db, argv); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) run(db int, argv [][]byte) error {
	key := ""
	if len(argv) > 1 {
		key = strings.Repeat(fmt.Sprintf("%d/", db), min(db, 1)) + string(argv[1])
	}
	switch strings.ToUpper(string(argv[0])) {
	case "SET":
		n.data[key] = string(argv[2])
	case "INCR":
		v, _ := strconv.Atoi(n.data[key])
		n.data[key] = strconv.Itoa(v + 1)
	case "DEL":
		delete(n.data, key)
	default:
		return fmt.Errorf("unknown command %q", argv[0])
	}
	return nil
}

// write is a client's write on a primary; false if the node is not one.
func (n *node) write(words ...string) bool {
	argv := make([][]byte, len(words))
	for i, w := range words {
		argv[i] = []byte(w)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.replica {
		return false
	}
	if err := n.run(0, argv); err != nil {
		n.t.Error(err)
	}
	n.Feed(0, argv)
	return true
}

func (n *node) get(key string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.data[key]
}

func (n *node) SetRole(replica, linkUp bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.replica, n.linkUp = replica, linkUp
}

func (n *node) Quiesce() {
	n.mu.Lock() // writers hold it
	defer n.mu.Unlock()
}

func (n *node) Demoted() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.demoted++
}

func (n *node) Changed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.changed)
	n.changed = make(chan struct{})
}

// until waits for a condition of the node that comes with a change of its status.
func (n *node) until(what string, cond func(s Status) bool) Status {
	n.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		s := n.Status()
		if cond(s) {
			return s
		}
		select {
		case <-changed:
		case <-deadline:
			n.t.Fatalf("never: %s; status %+v", what, s)
		}
	}
}

func (n *node) follows(p *node) {
	n.t.Helper()
	n.ReplicaOf("127.0.0.1", p.addr.Port)
	n.until("link up", func(s Status) bool { return s.LinkUp })
}

// acked waits until n replicas have everything that the primary has now.
func (n *node) acked(replicas int) {
	n.t.Helper()
	told := make(chan int, 1)
	got, w := n.Wait(replicas, func(acked int) { told <- acked })
	if w == nil {
		return
	}
	select {
	case <-told:
	case <-time.After(20 * time.Second):
		n.t.Fatalf("only %d, then %d of %d replicas acknowledged; %+v", got, w.Cancel(), replicas, n.Replicas())
	}
}

func same(t testing.TB, a, b *node) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(a.data) != len(b.data) {
		t.Errorf("%d keys against %d", len(a.data), len(b.data))
	}
	for k, v := range a.data {
		if b.data[k] != v {
			t.Errorf("%s is %q and %q", k, v, b.data[k])
			return
		}
	}
}
