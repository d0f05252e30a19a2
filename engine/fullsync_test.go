package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/elastane/elastane/engine"
	"github.com/elastane/elastane/engine/rdb"
	"github.com/elastane/elastane/engine/resp"
)

// brokenPrimary answers a replica's handshake, sends part of a snapshot, and hangs up.
func brokenPrimary(t *testing.T) (port int) {
	t.Helper()
	var snapshot bytes.Buffer
	w := rdb.NewWriter(&snapshot)
	for i := range 1000 {
		w.Begin(rdb.Key{Name: fmt.Append(nil, "k", i), Type: rdb.String})
		w.Element([]byte("half"))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	half := snapshot.Bytes()[:snapshot.Len()/2]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(c)
			for {
				v, err := resp.ReadReply(in) // a request has the form of an array reply
				if err != nil {
					break
				}
				if v.Elems[0].Str == "PSYNC" {
					_, _ = fmt.Fprintf(c, "+FULLRESYNC %s 7\r\n$EOF:%s\r\n%s", strings.Repeat("a", 40), strings.Repeat("b", 40), half)
					break
				}
				_, _ = c.Write([]byte("+OK\r\n"))
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// TestBrokenFullSync: a replica whose full synchronisation broke off passes neither the half nor nothing off as the data
// set; promoted by force it is an empty primary of a history of its own.
func TestBrokenFullSync(t *testing.T) {
	port := brokenPrimary(t)
	rt := newTestRuntime(t)
	n := start(t, rt, engine.Options{})
	n.do("SET", "old", "data")
	n.do("REPLICAOF", "127.0.0.1", strconv.Itoa(port))
	n.until("loading", func(s engine.Status) bool { return s.Loading })
	n.until("tried and failed", func(s engine.Status) bool { return s.Loading && s.Keys == 0 && !s.LinkUp })
	ctx := context.Background()
	c := n.client(redis.Options{})
	if err := c.Get(ctx, "old").Err(); err == nil || !strings.HasPrefix(err.Error(), "LOADING") {
		t.Errorf("a read: %v", err)
	}
	n.do("REPLICAOF", "NO", "ONE")
	s := n.until("serving", func(s engine.Status) bool { return !s.Loading })
	if s.Role != "primary" || s.Keys != 0 || s.ReplicationID == strings.Repeat("a", 40) {
		t.Errorf("%+v", s)
	}
	if err := c.Set(ctx, "new", "data", 0).Err(); err != nil {
		t.Error(err)
	}
	r := start(t, rt, engine.Options{})
	r.follow(n)
	if v := r.do("GET", "new"); v != "data" {
		t.Errorf("new = %q", v)
	}
}
