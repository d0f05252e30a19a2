package loop

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = 20 * time.Second

// lines is a Handler for a protocol of lines: it answers each with f.
type lines struct {
	conn   *Conn
	f      func(h *lines, line string)
	closed chan error
}

func (h *lines) Data(in []byte) (int, int) {
	consumed := 0
	for {
		i := bytes.IndexByte(in[consumed:], '\n')
		if i < 0 || h.conn.suspended {
			return consumed, 0
		}
		line := string(in[consumed : consumed+i])
		consumed += i + 1
		h.f(h, line)
	}
}

func (h *lines) Closed(reason error) { h.closed <- reason }

// start serves the protocol on a group of its own; closed gets why each connection ended.
func start(t *testing.T, f func(h *lines, line string)) (g *Group, addr string, closed chan error) {
	t.Helper()
	g, err := New(Options{Loops: 2, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	closed = make(chan error, 64)
	ln, err := g.Listen("127.0.0.1:0", false, func(c *Conn) Accepted {
		return Accepted{Handler: &lines{conn: c, f: f, closed: closed}}
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, ln.Addr().String(), closed
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, testTimeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func ask(t *testing.T, c net.Conn, line, want string) {
	t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%q: got %q, %v; want %q", line, got, err, want)
	}
}

func echo(h *lines, line string) { h.conn.Write([]byte(line + "\n")) }

func TestPanicIsContained(t *testing.T) {
	_, addr, closed := start(t, func(h *lines, line string) {
		if line == "panic" {
			panic("on purpose")
		}
		echo(h, line)
	})
	good, bad := dial(t, addr), dial(t, addr)
	ask(t, good, "a", "a\n")
	if _, err := io.WriteString(bad, "panic\n"); err != nil {
		t.Fatal(err)
	}
	if reason := <-closed; reason == nil || !strings.Contains(reason.Error(), "on purpose") {
		t.Fatalf("reason %v", reason)
	}
	ask(t, good, "b", "b\n")
}

func TestSuspendAndResume(t *testing.T) {
	_, addr, _ := start(t, func(h *lines, line string) {
		echo(h, line)
		if line == "wait" {
			h.conn.Suspend()
			h.conn.Loop().After(10*time.Millisecond, h.conn.Resume)
		}
	})
	c := dial(t, addr)
	ask(t, c, "1\nwait\n2\nwait\n3", "1\nwait\n2\nwait\n3\n")
}

func TestSuspendedPeerThatLeavesIsNoticed(t *testing.T) {
	_, addr, closed := start(t, func(h *lines, _ string) { h.conn.Suspend() })
	c := dial(t, addr)
	if _, err := io.WriteString(c, "wait\nmore"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if reason := <-closed; reason == nil {
		t.Fatal("no reason")
	}
}

// TestOutputOutlivesTheInput: the peer has closed its side and still gets everything.
func TestOutputOutlivesTheInput(t *testing.T) {
	big := strings.Repeat("x", 8<<20)
	_, addr, closed := start(t, func(h *lines, _ string) {
		h.conn.Write([]byte(big))
		h.conn.CloseAfterWrite()
	})
	c := dial(t, addr)
	if _, err := io.WriteString(c, "go\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || len(got) != len(big) {
		t.Fatalf("%d of %d bytes, %v", len(got), len(big), err)
	}
	if reason := <-closed; !errors.Is(reason, ErrClosed) {
		t.Fatalf("reason %v", reason)
	}
}

func TestOutputLimits(t *testing.T) {
	for name, limit := range map[string]OutputLimit{
		"hard": {Hard: 1 << 20},
		"soft": {Soft: 1 << 20, For: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			chunk := bytes.Repeat([]byte("x"), 4<<20)
			_, addr, closed := start(t, func(h *lines, _ string) {
				h.conn.SetOutputLimit(limit)
				for range 4 {
					h.conn.Queue(chunk)
				}
			})
			c := dial(t, addr)
			if _, err := io.WriteString(c, "go\n"); err != nil {
				t.Fatal(err)
			}
			if reason := <-closed; !errors.Is(reason, ErrOutputLimit) {
				t.Fatalf("reason %v", reason)
			}
		})
	}
}

func TestHijack(t *testing.T) {
	var owned sync.WaitGroup
	_, addr, closed := start(t, func(h *lines, line string) {
		echo(h, line)
		if line != "take" {
			return
		}
		owned.Add(1)
		h.conn.Suspend() // what follows is for the new owner
		h.conn.Hijack(func(c net.Conn) {
			defer owned.Done()
			defer c.Close()
			_, _ = io.Copy(c, c)
		})
	})
	c := dial(t, addr)
	ask(t, c, "a", "a\n")
	ask(t, c, "take\nunread", "take\nunread\n")
	if reason := <-closed; !errors.Is(reason, ErrHijacked) {
		t.Fatalf("reason %v", reason)
	}
	ask(t, c, "more", "more\n")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	owned.Wait()
}

func TestPostAndTimersKeepTheirOrder(t *testing.T) {
	g, _, _ := start(t, echo)
	l := g.Loops()[0]
	var got []int
	done := make(chan struct{})
	l.Post(func() {
		stopped := l.After(time.Millisecond, func() { got = append(got, 99) })
		l.After(20*time.Millisecond, func() { close(done) })
		l.After(10*time.Millisecond, func() { got = append(got, 2) })
		l.After(0, func() { got = append(got, 1) })
		stopped.Stop()
		stopped.Stop()
	})
	<-done
	for i := range 1000 {
		l.Post(func() { got = append(got, i+3) })
	}
	end := make(chan struct{})
	l.Post(func() { close(end) })
	<-end
	for i, v := range got {
		if v != i+1 {
			t.Fatalf("position %d: %d", i, v)
		}
	}
	if len(got) != 1002 {
		t.Fatalf("%d calls", len(got))
	}
}

func TestCloseEndsEverything(t *testing.T) {
	g, addr, closed := start(t, echo)
	var conns []net.Conn
	for range 10 {
		c := dial(t, addr)
		ask(t, c, "x", "x\n")
		conns = append(conns, c)
	}
	g.Close()
	for range conns {
		if reason := <-closed; !errors.Is(reason, ErrClosed) {
			t.Fatalf("reason %v", reason)
		}
	}
	if g.Loops()[0].Post(func() {}) {
		t.Fatal("an ended loop takes work")
	}
	if _, err := g.Listen("127.0.0.1:0", false, nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("listen: %v", err)
	}
	if _, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		t.Fatal("still listening")
	}
}
