package keyspace

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// with runs fn in a View of everything.
func with(s *Space, now int64, x Expiry, fn func(v *View)) {
	var v View
	v.Begin(s, AllStripes, 0, now, x)
	defer v.End()
	fn(&v)
}

func TestSlot(t *testing.T) {
	if got := crc16([]byte("123456789")); got != 0x31c3 {
		t.Errorf("crc16 = %#x, the specification's check value is 0x31c3", got)
	}
	for key, want := range map[string]string{
		"{user1000}.following": "user1000", "foo{}{bar}": "foo{}{bar}", "foo{{bar}}zap": "{bar", "foo{bar}{zap}": "bar",
		"{": "{", "}{": "}{", "{}": "{}", "": "",
	} {
		if got := Slot([]byte(key)); got != crc16([]byte(want))%Slots {
			t.Errorf("Slot(%q) is not the slot of %q", key, want)
		}
	}
	if got := Slot([]byte("foo")); got != 12182 { // CLUSTER KEYSLOT foo
		t.Errorf("Slot(foo) = %d", got)
	}
}

func FuzzSlot(f *testing.F) {
	f.Add([]byte("{a}b"))
	f.Add([]byte("0123456789abcdef0"))
	f.Fuzz(func(t *testing.T, key []byte) {
		if Slot(key) >= Slots {
			t.Fatalf("Slot(%q) = %d", key, Slot(key))
		}
		var want uint16 // bit by bit, as the specification has it
		for _, c := range key {
			want ^= uint16(c) << 8
			for range 8 {
				carry := want & 0x8000
				if want <<= 1; carry != 0 {
					want ^= 0x1021
				}
			}
		}
		if got := crc16(key); got != want {
			t.Fatalf("crc16(%q) = %#x, want %#x", key, got, want)
		}
	})
}

func TestBucketTags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bucket
		tags := rapid.SliceOfN(rapid.Byte(), slotsPerBucket, slotsPerBucket).Draw(t, "tags")
		copy(b[:], tags)
		b[10] = rapid.Byte().Draw(t, "away")
		b.setVersion(rapid.Uint32Range(0, versionMask).Draw(t, "version"))
		want := rapid.SampledFrom(append(tags, 0, 5)).Draw(t, "tag") & 0x7f
		for slot, tag := range tags {
			if got := b.match(want)>>slot&1 == 1; got != (tag&0x7f == want) {
				t.Fatalf("match(%d) of slot %d with tag %d = %v", want, slot, tag, got)
			}
			if got := b.volatile()>>slot&1 == 1; got != (tag&tagExpires != 0) {
				t.Fatalf("volatile of slot %d with tag %d = %v", slot, tag, got)
			}
		}
		if b.match(want)>>slotsPerBucket != 0 || b.volatile()>>slotsPerBucket != 0 {
			t.Fatal("a bit beyond the last slot")
		}
	})
}

func TestTypesAndEncodings(t *testing.T) {
	for typ, want := range []string{"none", "string", "hash", "list", "set", "zset", "stream"} {
		if got := Type(typ).String(); got != want {
			t.Errorf("Type(%d) = %q, want %q", typ, got, want)
		}
	}
	for enc, want := range []string{"raw", "listpack", "hashtable", "quicklist", "intset", "skiplist", "stream"} {
		if got := Encoding(enc).String(); got != want {
			t.Errorf("Encoding(%d) = %q, want %q", enc, got, want)
		}
	}
	for p := NoEviction; p <= VolatileTTL; p++ {
		if got, ok := ParsePolicy(strings.ToUpper(p.String())); !ok || got != p {
			t.Errorf("ParsePolicy(%q) = %v, %v", p, got, ok)
		}
	}
	if _, ok := ParsePolicy("allkeys"); ok {
		t.Error("ParsePolicy takes a policy that there is none of")
	}
}

func TestSecondFreeFunctionPanics(t *testing.T) {
	mustPanic(t, "RegisterFree", func() { RegisterFree(testCollection, nil) })
}

func mustPanic(t *testing.T, what string, fn func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	fn()
}

func TestMisusePanics(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	var v View
	key, other := []byte("a"), []byte("b")
	v.Begin(s, StripeOf(key), 0, 1, ExpiryDelete)
	mustPanic(t, "a key outside the stripes", func() { v.Find(other) })
	mustPanic(t, "Scan with some stripes", func() { v.Scan(0, 1000, nil, func(Entry) {}) })
	mustPanic(t, "Flush with some stripes", func() { v.Flush(false) })
	mustPanic(t, "FlushAll with some stripes", func() { v.FlushAll(false) })
	mustPanic(t, "SwapDB with some stripes", func() { v.SwapDB(0, 1) })
	v.Edit(key)
	mustPanic(t, "an open Edit at End", v.End)
	v.Begin(s, AllStripes, 0, 1, ExpiryDelete) // would block if End had kept the stripe
	w := v.Edit(key)
	w.Unchanged()
	mustPanic(t, "ending an Edit twice", w.Unchanged)
	v.End()
}

// TestEvents checks what the hook hears, in which order.
func TestEvents(t *testing.T) {
	var heard []string
	s := New(Options{Hook: func(db int, key []byte, ev Event) {
		heard = append(heard, fmt.Sprintf("%d %s %s", db, key, ev.Name))
	}})
	defer s.Close()
	k := func(s string) []byte { return []byte(s) }
	with(s, 100, ExpiryDelete, func(v *View) {
		v.SetString(k("a"), k("1"), 0, evSet)
		v.SetString(k("e"), k("1"), 150, evSet)
		v.Rename(k("a"), k("b"), 1, Event{"from", 'g'}, Event{"to", 'g'})
		v.Delete(k("missing"), evDel)
		setCollection(v, k("c"), 1)
		w := v.Edit(k("c"))
		w.Delete(Event{"srem", 's'}, evDel)
		w = v.Edit(k("c"))
		w.Unchanged()
		v.Select(1)
		v.Delete(k("b"), evDel)
		if v.Changes() != 7 {
			t.Errorf("%d changes, want 7", v.Changes())
		}
	})
	with(s, 151, ExpiryDelete, func(v *View) {
		if _, ok := v.Find(k("e")); ok || v.Changes() != 0 {
			t.Errorf("found %v, changes %d", ok, v.Changes())
		}
	})
	want := []string{
		"0 a set", "0 e set", "0 a from", "1 b to", "0 c sadd", "0 c srem", "0 c del", "1 b del", "0 e expired",
	}
	if !slices.Equal(heard, want) {
		t.Errorf("heard %q\nwant  %q", heard, want)
	}
	if st := s.Stats(); st != (Stats{Misses: 1, Expired: 1}) || s.Dirty() != 8 {
		t.Errorf("stats %+v, dirty %d", st, s.Dirty())
	}
}

func TestExpiryModes(t *testing.T) {
	deleted := 0
	s := New(Options{Hook: func(_ int, _ []byte, ev Event) {
		if ev == EventExpired {
			deleted++
		}
	}})
	defer s.Close()
	key := []byte("k")
	with(s, 0, ExpiryDelete, func(v *View) { v.SetString(key, nil, 100, evSet) })
	found := func(now int64, x Expiry) (ok bool) {
		with(s, now, x, func(v *View) { _, ok = v.Peek(key) })
		return ok
	}
	if !found(100, ExpiryDelete) {
		t.Error("gone in the very millisecond of its expiry; Valkey keeps it for that long")
	}
	if found(101, ExpiryHide) || !found(101, ExpiryIgnore) || deleted != 0 {
		t.Error("a replica must hide the key, its stream see it, and neither delete it")
	}
	if n, _ := s.ExpireStep(101, ExpiryHide, time.Second); n != 0 || deleted != 0 {
		t.Error("a replica's ExpireStep deleted something")
	}
	if n, more := s.ExpireStep(101, ExpiryDelete, time.Second); n != 1 || more || deleted != 1 {
		t.Errorf("ExpireStep = %d, %v; %d reported", n, more, deleted)
	}
	with(s, 0, ExpiryDelete, func(v *View) { v.SetString(key, nil, 100, evSet) })
	with(s, 101, ExpiryHide, func(v *View) {
		v.SetString(key, []byte("new"), KeepExpiry, evSet)
		if e, ok := v.Find(key); !ok || e.ExpireAt() != 0 {
			t.Error("a write to a hidden key must start from nothing")
		}
	})
	if keys, volatile := s.Keys(0); keys != 1 || volatile != 0 {
		t.Errorf("%d keys, %d with expiry", keys, volatile)
	}
}

func TestExpireStepGoesOnWithinItsBudget(t *testing.T) {
	const n = 20_000
	s := New(Options{})
	defer s.Close()
	with(s, 0, ExpiryDelete, func(v *View) {
		for i := range n {
			v.SetString([]byte(strconv.Itoa(i)), nil, int64(1+i%2*1000), evSet)
		}
	})
	total, calls := 0, 0
	for more := true; more; calls++ {
		var deleted int
		deleted, more = s.ExpireStep(500, ExpiryDelete, time.Microsecond)
		total += deleted
	}
	if total == 0 || calls < 2 {
		t.Errorf("%d deleted in %d calls", total, calls)
	}
	if deleted, more := s.ExpireStep(500, ExpiryDelete, time.Minute); total+deleted != n/2 || more {
		t.Errorf("%d deleted, want %d", total+deleted, n/2)
	}
}

func TestAsyncFlush(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	with(s, 0, ExpiryDelete, func(v *View) {
		for i := range 5000 {
			setCollection(v, []byte(strconv.Itoa(i)), 1)
		}
		if n := v.FlushAll(true); n != 5000 || v.Changes() != 10_000 {
			t.Errorf("FlushAll = %d, changes %d", n, v.Changes())
		}
		if _, ok := v.Find([]byte("1")); ok {
			t.Error("a key after FlushAll")
		}
	})
	if s.UsedMemory() == 0 {
		t.Error("the memory is free already: nothing asynchronous about it")
	}
	steps := 0
	for more := true; more; steps++ {
		_, more = s.ExpireStep(0, ExpiryHide, 0)
	}
	if s.UsedMemory() != 0 {
		t.Errorf("%d bytes are left after %d steps", s.UsedMemory(), steps)
	}
}

func TestSwapDB(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	key := []byte("k")
	with(s, 0, ExpiryDelete, func(v *View) {
		v.SetString(key, []byte("zero"), 0, evSet)
		v.SwapDB(0, 5)
		if _, ok := v.Find(key); ok {
			t.Error("the key stayed in database 0")
		}
		v.Select(5)
		if e, ok := v.Find(key); !ok || string(e.Value()) != "zero" {
			t.Error("the key is not in database 5")
		}
	})
}

func TestRandomIsFair(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	const keys, draws = 50, 20_000
	with(s, 0, ExpiryDelete, func(v *View) {
		if _, ok := v.Random(nil); ok {
			t.Error("a random key of none")
		}
		for i := range keys {
			v.SetString([]byte(strconv.Itoa(i)), nil, 0, evSet)
		}
	})
	count := map[string]int{}
	var v View
	v.Begin(s, NoStripes, 0, 0, ExpiryDelete)
	defer v.End()
	var buf []byte
	for range draws {
		key, ok := v.Random(buf[:0])
		if !ok {
			t.Fatal("no random key")
		}
		buf = key
		count[string(key)]++
	}
	for key, n := range count {
		if n < draws/keys/2 || n > draws/keys*2 {
			t.Errorf("%s was drawn %d times of %d", key, n, draws)
		}
	}
	if len(count) != keys {
		t.Errorf("%d keys were drawn, want %d", len(count), keys)
	}
}

func TestViewsOfDifferentStripesConcurrently(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	const goroutines, rounds, counters = 4, 3000, 10
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			var v View
			for i := range rounds {
				// Two keys in different order in each goroutine: ascending locks must not deadlock.
				a, b := []byte(strconv.Itoa(i%counters)), []byte(strconv.Itoa((i*7+g)%counters))
				v.Begin(s, StripeOf(a)|StripeOf(b), i%2, 0, ExpiryDelete)
				w := v.Edit(a)
				if !w.Exists() {
					w.Create(TypeString, EncodingRaw, 0)
				}
				w.Resize(len(w.Value()) + 1)
				w.Done(evSet)
				v.Find(b)
				v.End()
				s.PrefetchEntry(s.PrefetchBucket(i%2, b))
				if i%100 == 0 {
					v.Begin(s, NoStripes, 0, 0, ExpiryDelete)
					v.Scan(0, 1000, nil, func(Entry) {})
					v.End()
				}
			}
		})
	}
	wg.Wait()
	total := 0
	with(s, 0, ExpiryDelete, func(v *View) {
		for db := range 2 {
			v.Select(db)
			v.Scan(0, 1000, nil, func(e Entry) { total += len(e.Value()) })
		}
	})
	if total != goroutines*rounds {
		t.Errorf("%d appends arrived, want %d", total, goroutines*rounds)
	}
}

func TestNoAllocations(t *testing.T) {
	s := New(Options{Hook: func(int, []byte, Event) {}})
	defer s.Close()
	key, other := []byte("{tag}key"), []byte("{tag}other")
	value, large := bytes.Repeat([]byte("v"), 64), bytes.Repeat([]byte("v"), 640)
	var v View
	op := func(fn func()) func() {
		return func() {
			v.Begin(s, StripeOf(key), 0, 1000, ExpiryDelete)
			fn()
			v.End()
		}
	}
	op(func() { v.SetString(key, value, 0, evSet); v.SetString(other, value, 0, evSet) })()
	for name, fn := range map[string]func(){
		"find":       op(func() { v.Find(key) }),
		"overwrite":  op(func() { v.SetString(key, value, 0, evSet) }),
		"grow":       op(func() { v.SetString(key, large, 5000, evSet); v.SetString(key, value, 0, evSet) }),
		"delete":     op(func() { v.Delete(other, evDel); v.SetString(other, value, 0, evSet) }),
		"expired":    op(func() { v.SetString(other, value, 1, evSet); v.Find(other); v.SetString(other, value, 0, evSet) }),
		"edit":       op(func() { w := v.Edit(key); w.Resize(80); w.Done(evSet) }),
		"editExpiry": op(func() { w := v.Edit(key); w.SetExpireAt(5000); w.SetExpireAt(0); w.Done(evSet) }),
		"editDelete": op(func() {
			w := v.Edit(other)
			w.Delete(evSet, evDel)
			w = v.Edit(other)
			w.Create(TypeString, EncodingRaw, 10)
			w.Done(evSet)
		}),
		"prefetch":   func() { s.PrefetchEntry(s.PrefetchBucket(0, key)) },
		"ensureRoom": func() { s.EnsureRoom(1000) },
		"expireStep": func() { s.ExpireStep(1000, ExpiryDelete, time.Millisecond) },
	} {
		if n := testing.AllocsPerRun(200, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func residentBytes(t *testing.T) int64 {
	t.Helper()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc/self/statm on this system")
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func TestCloseReturnsMemory(t *testing.T) {
	before := residentBytes(t)
	s := filledSpace(500_000, 64)
	if full := residentBytes(t); full-before < 40<<20 {
		t.Errorf("only %d MiB became resident", (full-before)>>20)
	}
	s.Close()
	if after := residentBytes(t); after-before > 10<<20 {
		t.Errorf("%d MiB are resident after Close", (after-before)>>20)
	}
}

func TestManySpacesAreCheap(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's own memory would be counted")
	}
	before := residentBytes(t)
	spaces := make([]*Space, 500)
	for i := range spaces {
		spaces[i] = New(Options{})
		with(spaces[i], 0, ExpiryDelete, func(v *View) { v.SetString([]byte("key"), []byte("value"), 0, evSet) })
	}
	if each := (residentBytes(t) - before) / int64(len(spaces)); each > 32<<10 {
		t.Errorf("a node with one key costs %d bytes", each)
	}
	for _, s := range spaces {
		s.Close()
	}
}

func TestLateComersAfterClose(t *testing.T) {
	s := filledSpace(1000, 64)
	snap, err := s.BeginSnapshot(func(int, int, Entry) { t.Error("an entry after Close") }, nil)
	if err != nil {
		t.Fatal(err)
	}
	with(s, 0, ExpiryDelete, func(v *View) { v.FlushAll(true) })
	s.Close()
	if snap.Step(time.Millisecond) {
		t.Error("a snapshot of a closed Space is complete")
	}
	snap.Close()
	s.PrefetchEntry(s.PrefetchBucket(0, []byte("key:000000000001")))
	with(s, 0, ExpiryDelete, func(v *View) {
		if _, ok := v.Find([]byte("key:000000000001")); ok {
			t.Error("a key in a closed Space")
		}
		if _, ok := v.Random(nil); ok || v.Scan(0, 10, nil, func(Entry) {}) != 0 {
			t.Error("something to walk over in a closed Space")
		}
	})
	s.ExpireStep(0, ExpiryDelete, time.Millisecond)
	s.Close()
	if s.UsedMemory() != 0 {
		t.Errorf("%d bytes are used", s.UsedMemory())
	}
}

func TestMemoryPerKey(t *testing.T) {
	const keys = 300_000
	s := filledSpace(keys, 64)
	defer s.Close()
	if each := s.UsedMemory() / keys; each > 110 {
		t.Errorf("%d bytes for a key of 16 and a value of 64; Valkey takes 151", each)
	}
	if reserved := s.heap.Reserved(); float64(reserved) > 1.1*float64(s.UsedMemory()) {
		t.Errorf("%d bytes of pages hold %d bytes of blocks", reserved, s.UsedMemory())
	}
}
