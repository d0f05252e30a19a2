package keyspace

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestEverythingAtOnce has writers, eviction, expiry, scans, flushes, prefetches and snapshots at work on the same keys. A
// string's value always repeats its key, so that an entry that was mixed up with another shows; in the end no
// byte may be unaccounted for.
func TestEverythingAtOnce(t *testing.T) {
	var now atomic.Int64
	now.Store(1000)
	s := New(Options{Databases: 2, Hook: func(int, []byte, Event) {}})
	defer s.Close()
	s.SetMemoryLimit(MemoryLimit{Max: 1 << 20, Policy: AllKeysLRU})
	check := func(e Entry) {
		if e.Type() == TypeString && len(bytes.ReplaceAll(e.Value(), e.Key(), nil)) != 0 {
			t.Errorf("%q has the value %q", e.Key(), e.Value())
		}
		contentOf(e)
	}
	rounds := 60_000
	if raceDetector {
		rounds /= 10
	}
	var writers, others sync.WaitGroup
	for g := range uint64(3) {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(g, 0))
			var v View
			for i := range rounds {
				key := []byte("{" + strconv.Itoa(r.IntN(8)) + "}" + strconv.Itoa(r.IntN(3000)))
				s.EnsureRoom(now.Load())
				s.PrefetchEntry(s.PrefetchBucket(i%2, key))
				if r.IntN(10_000) == 0 {
					v.Begin(s, AllStripes, i%2, now.Load(), ExpiryDelete)
					v.Flush(r.IntN(2) == 0)
					v.End()
				}
				v.Begin(s, StripeOf(key), i%2, now.Load(), ExpiryDelete)
				switch r.IntN(5) {
				case 0:
					setCollection(&v, key, 1)
				case 1:
					v.Delete(key, evDel)
				default:
					v.SetString(key, bytes.Repeat(key, r.IntN(20)), now.Load()+int64(r.IntN(50)), evSet)
				}
				if e, ok := v.Find(key); ok {
					check(e)
				}
				v.End()
				if i%100 == 0 {
					now.Add(1)
				}
			}
		})
	}
	stop := make(chan struct{})
	until := func(fn func()) {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					fn()
				}
			}
		})
	}
	until(func() { s.ExpireStep(now.Load(), ExpiryDelete, 50*time.Microsecond) })
	until(func() {
		var v View
		v.Begin(s, NoStripes, rand.IntN(2), now.Load(), ExpiryDelete)
		defer v.End()
		for cursor := v.Scan(0, 100, nil, check); cursor != 0; {
			cursor = v.Scan(cursor, 100, nil, check)
		}
		v.Random(nil)
	})
	until(func() {
		snap, err := s.BeginSnapshot(func(_, _ int, e Entry) { check(e) }, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer snap.Close()
		for n := rand.IntN(300); n > 0 && !snap.Step(20*time.Microsecond); n-- {
		}
	})
	writers.Wait()
	close(stop)
	others.Wait()
	with(s, now.Load(), ExpiryDelete, func(v *View) { v.FlushAll(false) })
	if used := s.UsedMemory(); used != 0 {
		t.Errorf("%d bytes are used by nothing", used)
	}
}
