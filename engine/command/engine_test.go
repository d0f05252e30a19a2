package command

import (
	"testing"
	"time"

	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/resp"
)

// testEngine runs handlers in process, on a keyspace of its own.
type testEngine struct {
	table *Table
	space *keyspace.Space
	view  keyspace.View
	now   func() int64
	proto int
}

func newTestEngine(t testing.TB) *testEngine {
	t.Helper()
	e := &testEngine{
		table: NewTable(Families()),
		space: keyspace.New(keyspace.Options{}),
		now:   func() int64 { return time.Now().UnixMilli() },
		proto: 2,
	}
	t.Cleanup(e.space.Close)
	return e
}

func (e *testEngine) do(t testing.TB, argv []string) resp.Value {
	t.Helper()
	v, _ := e.run(t, argv)
	return v
}

// run runs one command and returns its reply and its effects.
func (e *testEngine) run(t testing.TB, argv []string) (resp.Value, [][]string) {
	t.Helper()
	words := make([][]byte, len(argv))
	for i, w := range argv {
		words[i] = []byte(w)
	}
	spec := e.table.Resolve(words)
	if spec == nil {
		t.Fatalf("unknown command %q", argv)
	}
	if (spec.Arity > 0 && len(argv) != spec.Arity) || len(argv) < -spec.Arity {
		return resp.Value{Kind: resp.KindError, Str: errArity(spec.FullName())}, nil
	}
	w := &resp.Writer{Proto: e.proto}
	c := &Ctx{Client: &Client{}, Spec: spec, Reply: w, View: &e.view, Now: e.now()}
	skip := 1
	if spec.Container() != nil {
		skip = 2
	}
	c.Args.reset(words, skip)
	stripes := keyspace.NoStripes
	if spec.Lock == LockAll {
		stripes = keyspace.AllStripes
	}
	for _, i := range spec.AppendKeys(nil, words) {
		stripes |= keyspace.StripeOf(words[i])
	}
	e.view.Begin(e.space, stripes, 0, c.Now, keyspace.ExpiryDelete)
	spec.Handler(c)
	changed := e.view.Changes() > 0
	e.view.End()
	v, n, err := resp.ParseReply(w.Buf)
	if err != nil || n != len(w.Buf) {
		t.Fatalf("%q: reply %q is not one whole reply: %v", argv, w.Buf, err)
	}
	var effects [][]string
	for _, e := range c.effects {
		var words []string
		for _, w := range c.words[e.start:e.end] {
			words = append(words, string(w))
		}
		effects = append(effects, words)
	}
	if effects == nil && changed {
		effects = [][]string{argv}
	}
	return v, effects
}
