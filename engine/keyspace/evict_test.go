package keyspace

import (
	"bytes"
	"strconv"
	"testing"
	"time"
)

// TestEvictionChooses fills a Space with keys 0 to n-1, of which the odd ones have an expiry, and looks at which half
// each policy prefers to take.
func TestEvictionChooses(t *testing.T) {
	const n = 4000
	value := bytes.Repeat([]byte("v"), 64)
	for _, c := range []struct {
		policy Policy
		prefer string // which keys go: those never used again, those that expire soonest, or any
	}{
		{AllKeysLRU, "unused"},
		{VolatileLRU, "unused"},
		{AllKeysLFU, "unused"},
		{VolatileLFU, "unused"},
		{AllKeysRandom, "any"},
		{VolatileRandom, "any"},
		{VolatileTTL, "soonest"},
	} {
		t.Run(c.policy.String(), func(t *testing.T) {
			evicted := map[int]bool{}
			s := New(Options{Hook: func(_ int, key []byte, ev Event) {
				if ev == EventEvicted {
					i, err := strconv.Atoi(string(key))
					if err != nil {
						t.Error(err)
					}
					evicted[i] = true
				}
			}})
			defer s.Close()
			s.SetMemoryLimit(MemoryLimit{Policy: c.policy, Samples: 10})
			now := int64(1_000_000_000)
			with(s, now, ExpiryDelete, func(v *View) {
				for i := range n {
					at := int64(0)
					if i%2 == 1 {
						at = now + int64(1_000_000+i*1000)
					}
					v.SetString([]byte(strconv.Itoa(i)), value, at, evSet)
				}
			})
			now += 100_000
			for range 20 { // the upper half is in use
				with(s, now, ExpiryDelete, func(v *View) {
					for i := n / 2; i < n; i++ {
						v.Find([]byte(strconv.Itoa(i)))
					}
				})
			}
			s.SetMemoryLimit(MemoryLimit{Max: s.UsedMemory() * 9 / 10, Policy: c.policy, Samples: 10})
			for s.UsedMemory() > s.MemoryLimit().Max {
				if !s.EnsureRoom(now) {
					t.Fatal("out of memory with keys to evict")
				}
			}
			if len(evicted) < n/20 || len(evicted) > n/2 || s.Stats().Evicted != uint64(len(evicted)) {
				t.Fatalf("%d keys evicted, %d counted", len(evicted), s.Stats().Evicted)
			}
			low := 0
			for i := range evicted {
				if c.policy.volatile() && i%2 == 0 {
					t.Errorf("key %d has no expiry and was evicted", i)
				}
				if i < n/2 {
					low++
				}
			}
			share := float64(low) / float64(len(evicted))
			if c.prefer == "any" && (share < 0.3 || share > 0.7) || c.prefer != "any" && share < 0.9 {
				t.Errorf("%.0f %% of the evicted keys are of the lower half", share*100)
			}
		})
	}
}

func TestOutOfMemory(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	if !s.EnsureRoom(0) {
		t.Error("no limit, and yet no room")
	}
	with(s, 0, ExpiryDelete, func(v *View) { v.SetString([]byte("k"), nil, 0, evSet) })
	for policy, want := range map[Policy]bool{NoEviction: false, VolatileLRU: false, VolatileTTL: false, AllKeysRandom: false} {
		s.SetMemoryLimit(MemoryLimit{Max: s.UsedMemory(), Policy: policy})
		if !s.EnsureRoom(0) {
			t.Errorf("%v: exactly at the limit there is room", policy)
		}
		s.SetMemoryLimit(MemoryLimit{Max: 1, Policy: policy})
		if got := s.EnsureRoom(0); got != want {
			t.Errorf("%v: EnsureRoom = %v", policy, got)
		}
	}
	if keys, _ := s.Keys(0); keys != 0 {
		t.Error("allkeys-random has not evicted the key")
	}
}

// TestEvictionOfMuchIsShared lowers the limit far below what is used: one call must not take long.
func TestEvictionOfMuchIsShared(t *testing.T) {
	s := filledSpace(200_000, 64)
	defer s.Close()
	s.SetMemoryLimit(MemoryLimit{Max: 1 << 20, Policy: AllKeysLRU})
	calls := 0
	for ; s.UsedMemory() > 1<<20; calls++ {
		start := time.Now()
		if !s.EnsureRoom(0) {
			break // only segments are left
		}
		if d := time.Since(start); d > time.Second {
			t.Fatalf("one call took %v", d)
		}
	}
	if calls < 2 {
		t.Errorf("%d calls", calls)
	}
}

func TestFrequency(t *testing.T) {
	var l lfu
	l.log.Store(10)
	l.decay.Store(1)
	counter := uint32(lfuInit)
	for range 100_000 {
		counter = l.increment(counter)
	}
	if counter < 50 || counter > 255 {
		t.Errorf("100,000 uses count %d", counter)
	}
	if got := l.increment(255); got != 255 {
		t.Errorf("the counter went from 255 to %d", got)
	}
	access := lfuMinutes(60_000*10)<<8 | 100
	for minutes, want := range map[int64]uint32{10: 100, 11: 99, 60: 50, 200: 0, 10 + 1<<16: 100} {
		if got := l.counter(access, minutes*60_000); got != want {
			t.Errorf("after %d minutes the counter is %d, want %d", minutes-10, got, want)
		}
	}
}
