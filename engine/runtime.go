package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastane/elastane/engine/cluster"
	"github.com/elastane/elastane/engine/command"
	"github.com/elastane/elastane/engine/loop"
	"github.com/elastane/elastane/engine/repl"
)

const (
	tickPeriod = 100 * time.Millisecond
	// tickBudget bounds what one tick takes of its loop's time; nodes that it did not reach come first next time.
	tickBudget = 5 * time.Millisecond
)

// ErrClosed says that the runtime or node has been closed.
var ErrClosed = errors.New("engine: closed")

// table is the one table of commands.
var table = sync.OnceValue(func() *command.Table {
	return command.NewTable(command.Families(), repl.Commands(), cluster.Commands())
})

// Runtime owns the event loops that nodes share.
type Runtime struct {
	logger *slog.Logger
	clock  func() time.Time
	group  *loop.Group
	loops  []*loopState // by loop.Index

	workers sync.Pool // of *command.Worker, for Node.Do

	mu        sync.Mutex
	nodes     []*Node
	listeners map[*Listener]struct{}
	closed    bool

	tickAt atomic.Int64 // index of the node that the next tick begins with

	// Nodes whose status has changed, for the goroutine that calls OnChange's functions.
	changedMu sync.Mutex
	changed   []*Node
	wake      chan struct{}
	stop      chan struct{}
	notifier  sync.WaitGroup
}

// loopState is what belongs to one loop: its worker, and the session that the worker serves at the moment.
type loopState struct {
	worker  *command.Worker
	current *session
	push    []byte
}

func newRuntime(o RuntimeOptions) (*Runtime, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	group, err := loop.New(loop.Options{Loops: o.Loops, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	// A loop's thread keeps a P busy: leave one for everything else.
	if loops := len(group.Loops()); runtime.GOMAXPROCS(0) <= loops {
		runtime.GOMAXPROCS(loops + 1)
	}
	rt := &Runtime{
		logger: o.Logger, clock: o.Clock, group: group,
		listeners: make(map[*Listener]struct{}), wake: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	rt.workers.New = func() any { return command.NewWorker() }
	for _, l := range group.Loops() {
		st := &loopState{worker: command.NewWorker()}
		st.worker.Loop = l
		st.worker.Overflow = func() { st.current.flush() }
		rt.loops = append(rt.loops, st)
	}
	first := group.Loops()[0]
	first.Post(func() { first.After(tickPeriod, func() { rt.tick(first) }) })
	rt.notifier.Add(1)
	go rt.notify()
	return rt, nil
}

func (rt *Runtime) close(ctx context.Context) error {
	rt.mu.Lock()
	if rt.closed {
		rt.mu.Unlock()
		return nil
	}
	rt.closed = true
	nodes := slices.Clone(rt.nodes)
	var listeners []*Listener
	for l := range rt.listeners {
		listeners = append(listeners, l)
	}
	rt.mu.Unlock()
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.close())
	}
	for _, n := range nodes {
		errs = append(errs, n.close(ctx))
	}
	close(rt.stop)
	rt.notifier.Wait()
	rt.group.Close()
	return errors.Join(errs...)
}

// tick gives every node its turn, within a budget.
func (rt *Runtime) tick(l *loop.Loop) {
	l.After(tickPeriod, func() { rt.tick(l) })
	rt.mu.Lock()
	nodes := rt.nodes
	rt.mu.Unlock()
	began := time.Now()
	for range nodes {
		n := nodes[int(rt.tickAt.Add(1)-1)%len(nodes)]
		if n.enter() {
			n.server.Tick()
			n.durability.saver.Tick(began)
			n.leave()
		}
		if time.Since(began) > tickBudget {
			return
		}
	}
}

// notify calls the functions of OnChange, one at a time.
func (rt *Runtime) notify() {
	defer rt.notifier.Done()
	for {
		select {
		case <-rt.stop:
			return
		case <-rt.wake:
		}
		rt.changedMu.Lock()
		nodes := rt.changed
		rt.changed = nil
		rt.changedMu.Unlock()
		for _, n := range nodes {
			n.changePending.Store(false)
			if f := n.changeFunc.Load(); f != nil {
				(*f)()
			}
		}
	}
}

// Listener is a listening address.
type Listener struct {
	rt *Runtime
	ln *loop.Listener
}

func (rt *Runtime) listen(addr string, route func() *Node, o ListenOptions) (*Listener, error) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.closed {
		return nil, ErrClosed
	}
	ln, err := rt.group.Listen(addr, o.ReusePort, func(c *loop.Conn) loop.Accepted {
		n := route()
		if n == nil {
			return loop.Accepted{}
		}
		return n.accept(c)
	})
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	l := &Listener{rt: rt, ln: ln}
	rt.listeners[l] = struct{}{}
	return l, nil
}

func (l *Listener) close() error {
	l.rt.mu.Lock()
	_, open := l.rt.listeners[l]
	delete(l.rt.listeners, l)
	l.rt.mu.Unlock()
	if open {
		l.ln.Close()
	}
	return nil
}

// Addr is the address that is listened on.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }
