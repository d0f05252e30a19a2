package repl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestStreamModel appends pieces and lets readers come, read and go; each gets exactly the bytes after its start.
func TestStreamModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const base = 100
		keep := int64(rapid.IntRange(0, 20_000).Draw(t, "keep"))
		s := newStream(base, keep, 1<<30)
		var all []byte
		type following struct {
			r    *reader
			from int
			got  []byte
		}
		var readers []*following
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				p := bytes.Repeat([]byte{byte(len(all))}, rapid.IntRange(0, 9000).Draw(t, "n"))
				all = append(all, p...)
				s.mu.Lock()
				s.appendRaw(p)
				s.mu.Unlock()
			},
			"follow": func(t *rapid.T) {
				at := rapid.IntRange(-5, len(all)+5).Draw(t, "at")
				s.mu.Lock()
				r := s.follow(base + int64(at))
				s.mu.Unlock()
				must := at <= len(all) && at >= 0 && int64(len(all)-at) <= keep
				if r == nil && must || r != nil && (at < 0 || at > len(all)) {
					t.Fatalf("follow(%d) of %d, keep %d: %v", at, len(all), keep, r)
				}
				if r != nil {
					readers = append(readers, &following{r: r, from: at})
				}
			},
			"read": func(t *rapid.T) {
				if len(readers) == 0 {
					t.Skip("no reader")
				}
				f := rapid.SampledFrom(readers).Draw(t, "reader")
				p, err := f.r.next()
				if err != nil {
					t.Fatal(err)
				}
				n := rapid.IntRange(0, len(p)).Draw(t, "n")
				f.got = append(f.got, p[:n]...)
				f.r.advance(n)
			},
			"": func(t *rapid.T) {
				for _, f := range readers {
					if !bytes.HasPrefix(all[f.from:], f.got) {
						t.Fatal("a reader has other bytes than the stream")
					}
				}
			},
		})
		for _, f := range readers {
			for {
				p, err := f.r.next()
				if err != nil {
					t.Fatal(err)
				}
				if len(p) == 0 {
					break
				}
				f.got = append(f.got, p...)
				f.r.advance(len(p))
			}
			if !bytes.Equal(f.got, all[f.from:]) {
				t.Fatal("a reader did not get everything")
			}
		}
	})
}

func TestSlowReaderIsDropped(t *testing.T) {
	s := newStream(0, 0, 100_000)
	s.mu.Lock()
	slow := s.follow(0)
	s.appendRaw(make([]byte, 100_000))
	if slow.err != nil {
		t.Error("dropped at the limit")
	}
	s.appendRaw(make([]byte, 1))
	s.appendRaw(make([]byte, maxChunk))
	kept := s.end - s.start()
	s.mu.Unlock()
	if _, err := slow.next(); !errors.Is(err, errTooSlow) {
		t.Errorf("above the limit: %v", err)
	}
	<-slow.wake // closed: its owner wakes up
	if kept > 2*maxChunk {
		t.Errorf("%d bytes are kept for nobody", kept)
	}
}

func TestSelectsOnce(t *testing.T) {
	s := newStream(0, 1<<20, 1<<20)
	s.mu.Lock()
	defer s.mu.Unlock()
	set := [][]byte{[]byte("SET"), []byte("k"), nil}
	s.command(0, set)
	s.command(0, set)
	s.command(-1, wordPing)
	s.command(3, set)
	want := "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" + strings.Repeat("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n", 2) +
		"*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"
	if got := string(s.chunks[0].buf); got != want {
		t.Errorf("%q", got)
	}
}

func TestCommandReader(t *testing.T) {
	c := commandReader{r: bufio.NewReader(strings.NewReader("\n\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n"))}
	argv, raw, err := c.next()
	if err != nil || fmt.Sprintf("%q", argv) != `["ECHO" ""]` || string(raw) != "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n" {
		t.Fatalf("%q %q %v", argv, raw, err)
	}
	if argv, _, err = c.next(); err != nil || len(argv) != 1 {
		t.Fatal(argv, err)
	}
	for _, bad := range []string{
		"*0\r\n", "*-1\r\n", "PING\r\n", "*1\r\n$-1\r\n", "*1\r\n$536870913\r\n", "*1048577\r\n", "*1\r\n$1\r\nab\r\n",
		"*1\n$1\r\na\r\n", "*\r\n", "*99999999999999\r\n",
	} {
		c := commandReader{r: bufio.NewReader(strings.NewReader(bad))}
		if _, _, err := c.next(); !errors.Is(err, errProtocol) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzCommandReader(f *testing.F) {
	f.Add([]byte("*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n"))
	f.Add([]byte("*1\r\n$536870912\r\nx"))
	f.Add([]byte("\n*1048576\r\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		c := commandReader{r: bufio.NewReader(bytes.NewReader(p))}
		for {
			argv, raw, err := c.next()
			if err != nil {
				return
			}
			if got := appendCommand(nil, argv); len(got) > len(raw) || !bytes.Contains(p, raw) {
				t.Fatalf("%q from %q", argv, raw)
			}
		}
	})
}

// TestFeedAllocatesNothing: the stream is on the path of every write of a primary with replicas.
func TestFeedAllocatesNothing(t *testing.T) {
	r := New(Config{BacklogSize: 64 << 10}, nil)
	defer func() { _ = r.Close(t.Context()) }()
	r.mu.Lock()
	r.history()
	r.mu.Unlock()
	argv := [][]byte{[]byte("SET"), []byte("key"), []byte("value")}
	// A new chunk each 64 KiB is all: less than one allocation in a thousand calls.
	if n := testing.AllocsPerRun(5000, func() { r.Feed(0, argv) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}
