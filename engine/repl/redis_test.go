package repl

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elastane/elastane/engine/internal/redistest"
)

// TestRedisAsReplica attaches a real server, cuts it off, and lets it resume.
func TestRedisAsReplica(t *testing.T) {
	srv := redistest.Start(t, "")
	p := newNode(t, Config{})
	x := newProxy(t, p.addr)
	for i := range 1000 {
		p.write("SET", fmt.Sprint("k", i), strings.Repeat("v", i))
	}
	ctx := context.Background()
	if err := srv.Client.Do(ctx, "REPLICAOF", "127.0.0.1", x.port()).Err(); err != nil {
		t.Fatal(err)
	}
	p.until("the replica is in sync", func(s Status) bool { return s.Attached == 1 })
	for i := range 500 {
		p.write("INCR", fmt.Sprint("n", i%3))
		if i == 250 {
			p.acked(1)
			x.cut()
		}
	}
	p.until("the replica is back", func(s Status) bool { return s.Attached == 1 })
	p.acked(1)
	if full, partial, _ := p.SyncCounts(); full != 1 || partial != 1 {
		t.Errorf("%d full and %d partial synchronisations", full, partial)
	}
	if n := srv.Client.DBSize(ctx).Val(); n != 1003 {
		t.Errorf("%d keys", n)
	}
	for _, k := range []string{"k999", "n0", "n2"} {
		if got := srv.Client.Get(ctx, k).Val(); got != p.get(k) {
			t.Errorf("%s is %q, want %q", k, got, p.get(k))
		}
	}
}

// TestRedisAsPrimary follows a real server, with a transaction and a second database, through a cut and a promotion.
func TestRedisAsPrimary(t *testing.T) {
	for _, diskless := range []string{"yes", "no"} {
		t.Run("diskless "+diskless, func(t *testing.T) {
			srv := redistest.Start(t, "", "--repl-diskless-sync", diskless, "--requirepass", "secret word")
			ctx := context.Background()
			c := redis.NewClient(&redis.Options{Addr: srv.Addr(), Protocol: 2, Password: "secret word", DisableIdentity: true})
			defer func() { _ = c.Close() }()
			want := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(what, err)
				}
			}
			want("set", c.Set(ctx, "early", "bird", 0).Err())
			r := newNode(t, Config{Password: "secret word"})
			x := newProxy(t, mustAddr(t, srv.Addr()))
			r.ReplicaOf("127.0.0.1", x.port())
			r.until("link up", func(s Status) bool { return s.LinkUp })
			for i := range 200 {
				want("incr", c.Incr(ctx, "n").Err())
				if i == 100 {
					x.cut()
				}
			}
			_, err := c.TxPipelined(ctx, func(tx redis.Pipeliner) error {
				tx.Set(ctx, "t1", "a", 0)
				tx.Do(ctx, "SELECT", 5)
				tx.Set(ctx, "t2", "b", 0)
				tx.Do(ctx, "SELECT", 0)
				return nil
			})
			want("transaction", err)
			waitAcked(t, c)
			for k, v := range map[string]string{"early": "bird", "n": "200", "t1": "a", "5/t2": "b"} {
				if got := r.get(k); got != v {
					t.Errorf("%s is %q, want %q", k, got, v)
				}
			}
			info := c.Info(ctx, "replication").Val() + c.Info(ctx, "stats").Val()
			for _, line := range []string{"state=online", "sync_full:1\r\n", "sync_partial_ok:1\r\n", "port=" + strconv.Itoa(r.addr.Port)} {
				if !strings.Contains(info, line) {
					t.Errorf("%q is missing in %s", line, info)
				}
			}
			// The real one changes sides: it has the same history, so no snapshot is needed.
			r.Promote()
			want("masterauth", c.ConfigSet(ctx, "masterauth", "secret word").Err())
			want("replicaof", c.Do(ctx, "REPLICAOF", "127.0.0.1", r.addr.Port).Err())
			r.until("the old primary follows", func(s Status) bool { return s.Attached == 1 })
			r.write("SET", "after", "promotion")
			r.acked(1)
			if got := c.Get(ctx, "after").Val(); got != "promotion" {
				t.Errorf("after = %q", got)
			}
			if full, partial, _ := r.SyncCounts(); full != 0 || partial != 1 {
				t.Errorf("%d full and %d partial synchronisations", full, partial)
			}
		})
	}
}

// waitAcked lets the real primary wait for its replica; an interrupted link needs a second try.
func waitAcked(t *testing.T, c *redis.Client) {
	t.Helper()
	for range 10 {
		if n, err := c.Wait(context.Background(), 1, 2*time.Second).Result(); err != nil {
			t.Fatal(err)
		} else if n == 1 {
			return
		}
	}
	t.Fatal("the replica never acknowledged")
}
