package command

import (
	"testing"
	"time"

	"github.com/elastane/elastane/engine/resp"
)

// testEngine is a node without network: a Server, whose commands one Worker runs in process.
type testEngine struct {
	server  *Server
	worker  *Worker
	client  *Client
	now     func() int64 // Unix milliseconds
	effects [][]string   // what was propagated, oldest first
	request resp.Writer
}

func newTestEngine(t testing.TB) *testEngine {
	t.Helper()
	e := &testEngine{worker: NewWorker(), now: func() int64 { return time.Now().UnixMilli() }}
	e.server = NewServer(ServerOptions{
		Table:  NewTable(Families()),
		Engine: "valkey", Version: "8.0.0", NodeID: "0123456789012345678901234567890123456789",
		Clock: func() time.Time { return time.UnixMilli(e.now()) },
	})
	e.server.Replication = e
	e.client = e.server.NewClient(nil)
	t.Cleanup(e.server.Space.Close)
	return e
}

// do runs one command and returns its reply.
func (e *testEngine) do(t testing.TB, argv []string) resp.Value {
	t.Helper()
	e.request.Buf = e.request.Buf[:0]
	e.request.CommandStrings(argv...)
	e.worker.Reply.Buf = e.worker.Reply.Buf[:0]
	consumed, _, suspended := e.worker.Run(e.server, e.client, e.request.Buf)
	if consumed != len(e.request.Buf) || suspended {
		t.Fatalf("%q: %d of %d bytes consumed, suspended: %v", argv, consumed, len(e.request.Buf), suspended)
	}
	v, n, err := resp.ParseReply(e.worker.Reply.Buf)
	if err != nil || n != len(e.worker.Reply.Buf) {
		t.Fatalf("%q: reply %q is not one whole reply: %v", argv, e.worker.Reply.Buf, err)
	}
	return v
}

// run runs one command and returns its reply and its effects.
func (e *testEngine) run(t testing.TB, argv []string) (resp.Value, [][]string) {
	t.Helper()
	e.effects = nil
	v := e.do(t, argv)
	return v, e.effects
}

// Feed, FeedTransaction, SetPaused and AppendInfo make testEngine its server's Replication.

func (e *testEngine) Feed(_ int, argv [][]byte) {
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = string(w)
	}
	e.effects = append(e.effects, words)
}

func (e *testEngine) FeedTransaction(n int, at func(i int) (db int, argv [][]byte)) {
	for i := range n {
		e.Feed(at(i))
	}
}

func (e *testEngine) SetPaused(bool) {}

func (e *testEngine) AppendInfo(dst []byte) []byte { return dst }
