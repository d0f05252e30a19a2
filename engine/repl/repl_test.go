package repl

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestFullSyncUnderWrites attaches replicas while counters are counted: none may be lost or doubled between the
// snapshot and the stream.
func TestFullSyncUnderWrites(t *testing.T) {
	p := newNode(t, Config{})
	for i := range 2000 {
		p.write("SET", fmt.Sprint("filler", i), strings.Repeat("x", 100))
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				p.write("INCR", fmt.Sprintf("counter%d-%d", w, i%5))
			}
		}()
	}
	var replicas []*node
	for range 3 {
		r := newNode(t, Config{})
		r.follows(p)
		replicas = append(replicas, r)
	}
	close(stop)
	writers.Wait()
	p.acked(3)
	for _, r := range replicas {
		same(t, p, r)
		if got, want := r.Status(), p.Status(); got.Offset != want.Offset || got.ReplicationID != want.ReplicationID {
			t.Errorf("replica at %+v, primary at %+v", got, want)
		}
	}
	if full, _, _ := p.SyncCounts(); full != 3 {
		t.Errorf("%d full synchronisations", full)
	}
}

// proxy forwards one address to a node, and can cut what is open.
type proxy struct {
	l    net.Listener
	mu   sync.Mutex
	open map[net.Conn]struct{}
	wg   sync.WaitGroup
}

func newProxy(t testing.TB, to net.Addr) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, open: map[net.Conn]struct{}{}}
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to.String())
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.open[in], p.open[out] = struct{}{}, struct{}{}
			p.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				p.wg.Add(1)
				go func() {
					defer p.wg.Done()
					buf := make([]byte, 32<<10)
					for {
						n, err := pair[0].Read(buf)
						if n > 0 {
							if _, err := pair[1].Write(buf[:n]); err != nil {
								break
							}
						}
						if err != nil {
							break
						}
					}
					_ = pair[0].Close()
					_ = pair[1].Close()
				}()
			}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) port() int { return p.l.Addr().(*net.TCPAddr).Port }

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
	clear(p.open)
}

// TestCutLinkResumes cuts the link again and again under writes; the replica goes on without a full synchronisation.
func TestCutLinkResumes(t *testing.T) {
	p := newNode(t, Config{})
	r := newNode(t, Config{})
	x := newProxy(t, p.addr)
	r.ReplicaOf("127.0.0.1", x.port())
	r.until("link up", func(s Status) bool { return s.LinkUp })
	for cut := range 5 {
		for i := range 500 {
			p.write("INCR", fmt.Sprint("n", i%7))
			if i == 250 {
				x.cut()
			}
		}
		_ = cut
		p.acked(1)
		same(t, p, r)
	}
	full, partial, _ := p.SyncCounts()
	if full != 1 || partial != 5 {
		t.Errorf("%d full and %d partial synchronisations", full, partial)
	}
}

// TestBacklogLimit cuts the link for longer than the backlog remembers: a full synchronisation, and nothing lost.
func TestBacklogLimit(t *testing.T) {
	p := newNode(t, Config{BacklogSize: 8 << 10})
	r := newNode(t, Config{})
	x := newProxy(t, p.addr)
	r.ReplicaOf("127.0.0.1", x.port())
	r.until("link up", func(s Status) bool { return s.LinkUp })
	_ = x.l.Close() // so that it cannot come back before the writes are done
	x.cut()
	p.until("replica gone", func(s Status) bool { return s.Attached == 0 })
	for i := range 4000 {
		p.write("SET", fmt.Sprint("k", i), "v")
	}
	r.ReplicaOf("127.0.0.1", p.addr.Port)
	p.acked(1)
	same(t, p, r)
	if full, partial, refused := p.SyncCounts(); full != 2 || partial != 0 || refused != 1 {
		t.Errorf("%d full, %d partial, %d refused", full, partial, refused)
	}
}

// TestPromotion promotes a replica: its sibling and the old primary go on partially, and the old primary's unsent
// writes are the only ones that force a full synchronisation.
func TestPromotion(t *testing.T) {
	for _, extra := range []bool{false, true} {
		t.Run(fmt.Sprint("unsent write ", extra), func(t *testing.T) {
			p, a, b := newNode(t, Config{}), newNode(t, Config{}), newNode(t, Config{})
			a.follows(p)
			b.follows(p)
			for i := range 100 {
				p.write("SET", fmt.Sprint("k", i), fmt.Sprint(i))
			}
			p.acked(2)
			history := p.Status().ReplicationID
			a.Promote()
			if s := a.Status(); s.Replica || s.ReplicationID == history {
				t.Fatalf("after promotion: %+v", s)
			}
			if extra {
				p.write("SET", "only here", "lost")
			}
			if !a.write("SET", "after", "promotion") {
				t.Fatal("the new primary refuses writes")
			}
			b.follows(a)
			p.follows(a)
			a.acked(2)
			same(t, a, b)
			same(t, a, p)
			if p.write("SET", "x", "y") {
				t.Error("the old primary takes writes")
			}
			if p.demoted != 1 || a.demoted != 1 || b.demoted != 1 {
				t.Errorf("demoted %d, %d, %d times", p.demoted, a.demoted, b.demoted)
			}
			wantFull := int64(0)
			if extra {
				wantFull = 1
			}
			// b asks at most once while a still names the old history, and p likewise: only partial ones.
			if full, partial, _ := a.SyncCounts(); full != wantFull || partial != 2-wantFull {
				t.Errorf("%d full and %d partial synchronisations", full, partial)
			}
			// And back again: the first primary takes over.
			p.Promote()
			a.follows(p)
			b.follows(p)
			p.write("SET", "third", "term")
			p.acked(2)
			same(t, p, a)
			same(t, p, b)
			if full, partial, _ := p.SyncCounts(); full != 2 || partial != 2 {
				t.Errorf("back: %d full and %d partial synchronisations", full, partial)
			}
		})
	}
}

// TestChain hangs a replica off a replica; both have the primary's history, byte for byte.
func TestChain(t *testing.T) {
	p, a, b := newNode(t, Config{}), newNode(t, Config{}), newNode(t, Config{})
	p.write("SET", "early", "1")
	a.follows(p)
	p.write("SET", "middle", "1")
	b.follows(a)
	for i := range 1000 {
		p.write("INCR", fmt.Sprint("n", i%3))
	}
	p.acked(1)
	want := p.Status()
	// a sends on what it has applied; it asks b through its own count of acknowledgements.
	told := make(chan int, 1)
	if _, w := a.Wait(1, func(n int) { told <- n }); w != nil {
		<-told
	}
	same(t, p, b)
	if got := b.Status(); got.ReplicationID != want.ReplicationID || got.Offset < want.Offset {
		t.Errorf("%+v, want %+v", got, want)
	}
	// The middle one is promoted: the last one goes on with it.
	a.Promote()
	b.until("link up again", func(s Status) bool { return s.LinkUp && s.ReplicationID == a.Status().ReplicationID })
	a.write("SET", "new", "term")
	a.acked(1)
	same(t, a, b)
	if full, partial, _ := a.SyncCounts(); full != 1 || partial != 1 {
		t.Errorf("%d full and %d partial synchronisations", full, partial)
	}
}

// TestBrokenFullSync kills the link in the middle of the snapshot: the replica is empty and says that it is not
// in sync, and gets there at the next try.
func TestBrokenFullSync(t *testing.T) {
	p := newNode(t, Config{})
	for i := range 50_000 {
		p.write("SET", fmt.Sprint("k", i), strings.Repeat("v", 100))
	}
	x := newProxy(t, p.addr)
	r := newNode(t, Config{})
	r.write("SET", "old", "data")
	r.ReplicaOf("127.0.0.1", x.port())
	r.until("full synchronisation", func(s Status) bool { return s.Syncing })
	x.cut()
	r.until("link up", func(s Status) bool { return s.LinkUp })
	p.acked(1)
	same(t, p, r)
}

// TestPromotionDuringFullSync: what was half loaded is not passed off as a history.
func TestPromotionDuringFullSync(t *testing.T) {
	p := newNode(t, Config{})
	for i := range 50_000 {
		p.write("SET", fmt.Sprint("k", i), strings.Repeat("v", 100))
	}
	r := newNode(t, Config{})
	r.ReplicaOf("127.0.0.1", p.addr.Port)
	r.until("full synchronisation", func(s Status) bool { return s.Syncing })
	r.Promote()
	s := r.Status()
	if s.Replica || s.ReplicationID == p.Status().ReplicationID {
		t.Fatalf("%+v", s)
	}
	if _, ok := r.Position(); ok && s.Offset != 0 {
		t.Error("a half loaded node claims a position")
	}
}

// TestDivergence: an effect that a replica cannot apply leads to a full synchronisation, not to silence.
func TestDivergence(t *testing.T) {
	p, r := newNode(t, Config{}), newNode(t, Config{})
	r.follows(p)
	r.mu.Lock()
	r.failNow = errors.New("no")
	r.mu.Unlock()
	p.write("SET", "a", "1")
	r.until("link down", func(s Status) bool { return !s.LinkUp })
	r.mu.Lock()
	r.failNow = nil
	r.mu.Unlock()
	r.until("link up", func(s Status) bool { return s.LinkUp })
	p.acked(1)
	same(t, p, r)
	if full, partial, _ := p.SyncCounts(); full < 2 || partial != 0 {
		t.Errorf("%d full, %d partial", full, partial)
	}
}

// TestPauseStandsStill: with writes paused neither PING nor WAIT moves the offset.
func TestPauseStandsStill(t *testing.T) {
	p, r := newNode(t, Config{}), newNode(t, Config{})
	r.follows(p)
	p.write("SET", "a", "1")
	p.acked(1)
	p.SetPaused(true)
	before := p.Status().Offset
	p.service(wordPing)
	_, w := p.Wait(2, func(int) { t.Error("a second replica?") })
	if n := w.Cancel(); n != 1 {
		t.Errorf("%d replicas have acknowledged", n)
	}
	if after := p.Status().Offset; after != before {
		t.Errorf("offset moved from %d to %d", before, after)
	}
	p.SetPaused(false)
	p.service(wordPing)
	if after := p.Status().Offset; after == before {
		t.Error("no PING after the pause")
	}
}

// TestRestore: a restarted replica goes on where its snapshot was taken; a restarted primary does not let
// replicas go on that have seen more than its snapshot.
func TestRestore(t *testing.T) {
	p, r, ahead := newNode(t, Config{}), newNode(t, Config{}), newNode(t, Config{})
	r.follows(p)
	ahead.follows(p)
	p.write("SET", "a", "1")
	p.acked(2)
	at, ok := r.Position()
	if !ok {
		t.Fatal("no position")
	}
	saved := r.get("a")
	r.stop()
	p.write("SET", "b", "2")
	p.acked(1)

	again := newNode(t, Config{})
	again.write("SET", "a", saved)
	again.Restore(at)
	again.follows(p)
	p.acked(2)
	same(t, p, again)
	if full, partial, _ := p.SyncCounts(); full != 2 || partial != 1 {
		t.Errorf("%d full, %d partial", full, partial)
	}

	p.stop()
	old := newNode(t, Config{})
	old.write("SET", "a", saved)
	old.Restore(at)
	old.write("SET", "c", "3") // the same offset as b had, in another history
	ahead.follows(old)
	old.acked(1)
	same(t, old, ahead)
	if full, partial, _ := old.SyncCounts(); full != 1 || partial != 0 {
		t.Errorf("%d full, %d partial", full, partial)
	}
}

func TestInfo(t *testing.T) {
	p, r := newNode(t, Config{}), newNode(t, Config{})
	r.follows(p)
	p.write("SET", "a", "1")
	p.acked(1)
	offset := strconv.FormatInt(p.Status().Offset, 10)
	for _, line := range []string{
		"role:master\r\n", "connected_slaves:1\r\n", "slave0:ip=127.0.0.1,port=" + strconv.Itoa(r.addr.Port) + ",state=online,",
		"master_repl_offset:" + offset + "\r\n", "repl_backlog_active:1\r\n", "second_repl_offset:-1\r\n",
	} {
		if got := string(p.AppendInfo(nil)); !strings.Contains(got, line) {
			t.Errorf("%q is missing in\n%s", line, got)
		}
	}
	for _, line := range []string{
		"role:slave\r\n", "master_host:127.0.0.1\r\n", "master_link_status:up\r\n", "master_last_io_seconds_ago:0\r\n",
		"slave_repl_offset:" + offset + "\r\n", "master_replid:" + p.Status().ReplicationID + "\r\n",
	} {
		if got := string(r.AppendInfo(nil)); !strings.Contains(got, line) {
			t.Errorf("%q is missing in\n%s", line, got)
		}
	}
}

func mustAddr(t testing.TB, s string) net.Addr {
	a, err := net.ResolveTCPAddr("tcp", s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
