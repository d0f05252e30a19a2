package loop

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// ErrUnsupported says that this operating system has no event loop here.
var ErrUnsupported = errors.New("loop: event loops are built for Linux only")

// ErrClosed says that the connection or the group was closed by this side.
var ErrClosed = errors.New("loop: closed")

// interest is what a descriptor is watched for: input, room for output, the peer's end of its side.
type interest struct{ read, write, hangUp bool }

const (
	readBufferSize = 64 << 10
	// maxHandshakes bounds the TLS handshakes that run at a time; what comes above is dropped.
	maxHandshakes    = 1024
	handshakeTimeout = 10 * time.Second
)

// Options configure a Group.
type Options struct {
	// Loops is the number of loops; 0: one less than the cores, at least one.
	Loops int
	// Logger gets panics of handlers and failures of the system; nil: slog.Default.
	Logger *slog.Logger
}

// Group is a set of loops. Connections are spread over them in turn.
type Group struct {
	loops  []*Loop
	next   atomic.Uint32
	logger *slog.Logger

	handshakes chan struct{}
	goroutines sync.WaitGroup // loops and handshakes
	closing    chan struct{}
	closeOnce  sync.Once
}

// New starts the loops.
func New(o Options) (*Group, error) {
	if o.Loops <= 0 {
		o.Loops = max(1, runtime.NumCPU()-1)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	g := &Group{logger: o.Logger, handshakes: make(chan struct{}, maxHandshakes), closing: make(chan struct{})}
	for i := range o.Loops {
		p, err := newPoller()
		if err != nil {
			for _, l := range g.loops {
				err = errors.Join(err, l.poller.close())
			}
			return nil, err
		}
		g.loops = append(g.loops, &Loop{group: g, index: i, poller: p, now: time.Now()})
	}
	for _, l := range g.loops {
		g.goroutines.Add(1)
		go l.run()
	}
	return g, nil
}

// Close drops all connections and listeners, and waits until the loops and handshakes have ended. It must not
// be called on a loop.
func (g *Group) Close() {
	g.closeOnce.Do(func() {
		close(g.closing)
		for _, l := range g.loops {
			l.Post(func() { l.stopping = true })
		}
	})
	g.goroutines.Wait()
}

// Loops lists the loops.
func (g *Group) Loops() []*Loop { return g.loops }

// Next returns the loops in turn.
func (g *Group) Next() *Loop { return g.loops[int(g.next.Add(1)-1)%len(g.loops)] }

// Loop is one event loop. Post and Index may be used from any goroutine, the rest only on the loop itself:
// in handlers, posted functions and timers.
type Loop struct {
	group  *Group
	index  int
	poller *poller

	conns     []*Conn     // by descriptor
	listeners []*Listener // by descriptor
	timers    timerHeap
	dirty     []*Conn // with queued output
	now       time.Time
	stopping  bool

	read   []byte // what a connection without unread input reads into; lazily made
	plain  []byte // decrypted input
	cipher []byte // encrypted output

	sleeping atomic.Bool
	mu       sync.Mutex
	posted   []func()
	ended    bool
	running  []func() // the other half of the double buffer
}

// Index is the loop's number, from 0.
func (l *Loop) Index() int { return l.index }

// Now is the time at which the loop's turn began.
func (l *Loop) Now() time.Time { return l.now }

// Post runs f on the loop soon, after what it is doing now. It reports false when the loop has
// ended and will not run f.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return false
	}
	l.posted = append(l.posted, f)
	l.mu.Unlock()
	if l.sleeping.CompareAndSwap(true, false) {
		l.poller.wake()
	}
	return true
}

func (l *Loop) hasPosted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = l.stopping && len(l.posted) == 0
	return len(l.posted) > 0
}

func (l *Loop) run() {
	defer l.group.goroutines.Done()
	runtime.LockOSThread() // never unlocked: the thread ends with the loop
	busy := false
	for !l.stopping {
		n, err := l.wait(busy)
		if err != nil {
			l.group.logger.Error("event loop failed", "loop", l.index, "error", err)
			break
		}
		busy = n > 1
		l.now = time.Now()
		for i := range n {
			if r, ok := l.poller.at(i); ok {
				l.ready(r)
			}
		}
		l.runPosted()
		l.runTimers()
		l.flushDirty()
	}
	l.shutDown()
}

// wait waits for events. After a busy turn it first looks without blocking, which is cheaper.
func (l *Loop) wait(busy bool) (int, error) {
	if busy {
		if n, err := l.poller.wait(0); n > 0 || err != nil {
			return n, err
		}
	}
	l.sleeping.Store(true)
	defer l.sleeping.Store(false)
	if l.hasPosted() {
		return l.poller.wait(0)
	}
	return l.poller.wait(l.timers.wait(l.now))
}

func (l *Loop) ready(r readiness) {
	if r.fd < len(l.conns) && l.conns[r.fd] != nil {
		c := l.conns[r.fd]
		defer l.contain(c)
		if r.writable {
			c.flush()
		}
		if r.readable && c.fd >= 0 {
			c.readable(r.hung)
		}
		return
	}
	if r.fd < len(l.listeners) && l.listeners[r.fd] != nil {
		l.listeners[r.fd].ready()
	}
}

// contain keeps a panic to the connection that caused it.
func (l *Loop) contain(c *Conn) {
	if v := recover(); v != nil {
		buf := make([]byte, 16<<10)
		buf = buf[:runtime.Stack(buf, false)]
		l.group.logger.Error("panic on a connection", "panic", fmt.Sprint(v), "stack", string(buf))
		c.drop(fmt.Errorf("loop: panic: %v", v))
	}
}

func (l *Loop) runPosted() {
	l.mu.Lock()
	l.running, l.posted = l.posted, l.running[:0]
	l.mu.Unlock()
	for i, f := range l.running {
		l.running[i] = nil
		l.guarded(f)
	}
}

func (l *Loop) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			buf := make([]byte, 16<<10)
			buf = buf[:runtime.Stack(buf, false)]
			l.group.logger.Error("panic in a posted function", "panic", fmt.Sprint(v), "stack", string(buf))
		}
	}()
	f()
}

func (l *Loop) flushDirty() {
	for i := 0; i < len(l.dirty); i++ { // a flush may make others dirty
		c := l.dirty[i]
		l.dirty[i] = nil
		c.dirty = false
		if c.fd >= 0 {
			c.flush()
		}
	}
	l.dirty = l.dirty[:0]
}

func (l *Loop) shutDown() {
	for _, ln := range l.listeners {
		if ln != nil {
			ln.stop()
		}
	}
	for _, c := range l.conns {
		if c != nil {
			c.drop(ErrClosed)
		}
	}
	for l.hasPosted() { // so that nobody waits for a posted function for ever
		l.runPosted()
	}
	if err := l.poller.close(); err != nil {
		l.group.logger.Error("close event loop", "loop", l.index, "error", err)
	}
}

func grow[T any](s []T, index int) []T {
	for len(s) <= index {
		s = append(s, make([]T, max(64, len(s)))...)
	}
	return s
}
