package rdb_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/elastane/elastane/engine/internal/redistest"
	"github.com/elastane/elastane/engine/rdb"
)

// store is a snapshot in plain Go values.
type store struct {
	strings map[string]string
	lists   map[string][]string
	sets    map[string]map[string]bool
	hashes  map[string]map[string]string
	zsets   map[string]map[string]float64
	expires map[string]int64
	cur     string
}

func newStore() *store {
	return &store{
		strings: map[string]string{}, lists: map[string][]string{}, sets: map[string]map[string]bool{},
		hashes: map[string]map[string]string{}, zsets: map[string]map[string]float64{}, expires: map[string]int64{},
	}
}

func (s *store) Aux(string, string) error     { return nil }
func (s *store) DB(int, uint64, uint64) error { return nil }
func (s *store) End() error                   { return nil }
func (s *store) Begin(k rdb.Key) error {
	s.cur = fmt.Sprintf("%d:%s:%s", k.DB, k.Type, k.Name)
	if k.ExpireAt != 0 {
		s.expires[s.cur] = k.ExpireAt
	}
	switch k.Type {
	case rdb.Set:
		s.sets[s.cur] = map[string]bool{}
	case rdb.Hash:
		s.hashes[s.cur] = map[string]string{}
	case rdb.SortedSet:
		s.zsets[s.cur] = map[string]float64{}
	}
	return nil
}

func (s *store) Element(v []byte) error {
	if set, ok := s.sets[s.cur]; ok {
		set[string(v)] = true
	} else if strings.Contains(s.cur, ":list:") {
		s.lists[s.cur] = append(s.lists[s.cur], string(v))
	} else {
		s.strings[s.cur] = string(v)
	}
	return nil
}

func (s *store) Field(f, v []byte) error {
	s.hashes[s.cur][string(f)] = string(v)
	return nil
}

func (s *store) Member(m []byte, score float64) error {
	s.zsets[s.cur][string(m)] = score
	return nil
}

// TestReadRedis lets a real server write each of its encodings and reads them back.
func TestReadRedis(t *testing.T) {
	srv := redistest.Start(t, "")
	ctx := context.Background()
	c := srv.Client
	long := strings.Repeat("compress me ", 1000)
	want := newStore()
	p := c.Pipeline()
	for i, v := range []string{"", "0", "-1", "127", "-128", "128", "40000", "-40000", "2147483648", "007", long, "\x00\xff"} {
		p.Set(ctx, fmt.Sprintf("s%d", i), v, 0)
		want.strings[fmt.Sprintf("0:string:s%d", i)] = v
	}
	p.Set(ctx, "ttl", "x", 0)
	p.Do(ctx, "PEXPIREAT", "ttl", 4102444800123)
	want.strings["0:string:ttl"], want.expires["0:string:ttl"] = "x", 4102444800123
	for _, n := range []int{5, 3000} {
		list, set, hash, zset := fmt.Sprint("l", n), fmt.Sprint("t", n), fmt.Sprint("h", n), fmt.Sprint("z", n)
		ints := fmt.Sprint("i", n)
		want.sets["0:set:"+set], want.sets["0:set:"+ints] = map[string]bool{}, map[string]bool{}
		want.hashes["0:hash:"+hash], want.zsets["0:zset:"+zset] = map[string]string{}, map[string]float64{}
		for i := range n {
			// Numbers of each listpack width, and texts of each length class.
			v := fmt.Sprint((int64(1) << (i % 62)) * int64(1-2*(i%2)))
			if i%3 == 0 {
				v = strings.Repeat("v", (i*37)%5000) + fmt.Sprint(i)
			}
			member := fmt.Sprintf("%d-%s", i, v[:min(len(v), 40)])
			score := float64(i) * 1.1
			switch i % 50 {
			case 48:
				score = math.Inf(1)
			case 49:
				score = math.Inf(-1)
			}
			p.RPush(ctx, list, v)
			p.SAdd(ctx, set, member)
			p.SAdd(ctx, ints, int64(i)<<(n%13))
			p.HSet(ctx, hash, member, v)
			p.ZAdd(ctx, zset, redis.Z{Score: score, Member: member})
			want.lists["0:list:"+list] = append(want.lists["0:list:"+list], v)
			want.sets["0:set:"+set][member] = true
			want.sets["0:set:"+ints][fmt.Sprint(int64(i)<<(n%13))] = true
			want.hashes["0:hash:"+hash][member] = v
			want.zsets["0:zset:"+zset][member] = score
		}
	}
	big := strings.Repeat("b", 100_000) // longer than a quicklist node: a plain one
	p.RPush(ctx, "plain", "a", big, "c")
	want.lists["0:list:plain"] = []string{"a", big, "c"}
	p.Do(ctx, "SELECT", 9)
	p.Set(ctx, "other", "db", 0)
	want.strings["9:string:other"] = "db"
	p.Do(ctx, "SELECT", 0)
	if _, err := p.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Save(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(srv.Dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	got := newStore()
	if err := rdb.Read(f, got); err != nil {
		t.Fatal(err)
	}
	got.cur = ""
	compare(t, "strings", got.strings, want.strings)
	compare(t, "lists", got.lists, want.lists)
	compare(t, "sets", got.sets, want.sets)
	compare(t, "hashes", got.hashes, want.hashes)
	compare(t, "zsets", got.zsets, want.zsets)
	compare(t, "expires", got.expires, want.expires)
}

func compare[V any](t *testing.T, what string, got, want map[string]V) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d keys, want %d", what, len(got), len(want))
	}
	for k, w := range want {
		if g, ok := got[k]; !ok || fmt.Sprint(g) != fmt.Sprint(w) {
			t.Errorf("%s: %s differs (%.200v, want %.200v)", what, k, g, w)
		}
	}
}

// TestRedisReads writes each type and lets a real server load the file.
func TestRedisReads(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	w := rdb.NewWriter(f)
	w.Aux("redis-ver", "7.0.15")
	w.ResizeDB(0, 5, 1)
	w.Begin(rdb.Key{Name: []byte("s"), Type: rdb.String, ExpireAt: 4102444800123})
	w.Element([]byte("-70000"))
	const n = 20_000
	w.Begin(rdb.Key{Name: []byte("l"), Type: rdb.List, Len: n})
	for i := range n {
		w.Element(fmt.Append(nil, i))
	}
	w.Begin(rdb.Key{Name: []byte("t"), Type: rdb.Set, Len: n})
	for i := range n {
		w.Element(fmt.Append(nil, "m", i))
	}
	w.Begin(rdb.Key{Name: []byte("h"), Type: rdb.Hash, Len: n})
	for i := range n {
		w.Field(fmt.Append(nil, i), []byte(strings.Repeat("x", i%300)))
	}
	w.Begin(rdb.Key{DB: 2, Name: []byte("z"), Type: rdb.SortedSet, Len: n})
	for i := range n {
		w.Member(fmt.Append(nil, "m", i), float64(i)/7)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	srv := redistest.Start(t, dir)
	ctx := context.Background()
	c := srv.Client
	if v := c.Get(ctx, "s").Val(); v != "-70000" {
		t.Errorf("s = %q", v)
	}
	if v := c.Do(ctx, "PEXPIRETIME", "s").Val(); v != int64(4102444800123) {
		t.Errorf("expiry = %v", v)
	}
	if v := c.LRange(ctx, "l", 0, -1).Val(); len(v) != n || v[n-1] != fmt.Sprint(n-1) {
		t.Errorf("l has %d", len(v))
	}
	if v := c.SCard(ctx, "t").Val(); v != n {
		t.Errorf("t has %d", v)
	}
	if v := c.HGet(ctx, "h", "19999").Val(); len(v) != 19999%300 {
		t.Errorf("h[19999] = %q", v)
	}
	two := redis.NewClient(&redis.Options{Addr: srv.Addr(), DB: 2, Protocol: 2, DisableIdentity: true})
	defer func() { _ = two.Close() }()
	if v := two.ZScore(ctx, "z", "m19999").Val(); v != 19999.0/7 {
		t.Errorf("score = %v", v)
	}
}
