package keyspace

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSnapshotsArePrefixes runs one ordered writer (strings, collections changed in place, deletes, renames,
// expiries, flushes) beside snapshots: each must be exactly the state after the write at which it was cut.
func TestSnapshotsArePrefixes(t *testing.T) {
	for _, tag := range []string{"", "{one}"} {
		t.Run("tag"+tag, func(t *testing.T) { testSnapshotsArePrefixes(t, tag) })
	}
}

func testSnapshotsArePrefixes(t *testing.T, tag string) {
	const snapshots = 8
	writes := uint64(150_000)
	if raceDetector {
		writes /= 5
	}
	s := New(Options{Databases: 2})
	defer s.Close()

	model := map[string]modelValue{} // the state after write seq, both guarded by all stripes for the cut
	name := func(db int, key []byte) string { return fmt.Sprint(db, ":", string(key)) }
	write := func(v *View, r *rand.Rand, seq uint64) {
		// The range of keys grows, so that tables split while snapshots run.
		key := func() []byte { return []byte(tag + strconv.Itoa(r.IntN(200+int(seq)/20))) }
		db := r.IntN(2)
		v.Select(db)
		k := key()
		switch r.IntN(12) {
		case 0:
			v.Delete(k, evDel)
			delete(model, name(db, k))
		case 1, 2, 3:
			old := model[name(db, k)]
			setCollection(v, k, seq)
			if old.kind != testCollection {
				old.expireAt = 0
			}
			model[name(db, k)] = modelValue{testCollection, strconv.FormatUint(seq, 10), old.expireAt}
		case 4:
			w := v.Edit(k)
			if !w.Exists() {
				w.Unchanged()
				return
			}
			at := int64(1<<50 + seq)
			w.SetExpireAt(at)
			w.Done(Event{})
			val := model[name(db, k)]
			val.expireAt = at
			model[name(db, k)] = val
		case 5:
			to, toDB := key(), r.IntN(2)
			if v.Rename(k, to, toDB, Event{}, Event{}) && name(db, k) != name(toDB, to) {
				model[name(toDB, to)] = model[name(db, k)]
				delete(model, name(db, k))
			}
		default:
			value := strconv.FormatUint(seq, 10)
			v.SetString(k, []byte(value), 0, evSet)
			model[name(db, k)] = modelValue{TypeString, value, 0}
		}
		if r.IntN(40_000) == 0 {
			v.Flush(r.IntN(2) == 0)
			maps.DeleteFunc(model, func(k string, _ modelValue) bool { return k[0] == byte('0'+db) })
		}
	}

	var wg sync.WaitGroup
	var done atomic.Bool
	wg.Go(func() {
		defer done.Store(true)
		r := rand.New(rand.NewPCG(1, 2))
		var v View
		for seq := uint64(1); seq <= writes; seq++ {
			v.Begin(s, AllStripes, 0, 1, ExpiryDelete)
			write(&v, r, seq)
			v.End()
		}
	})
	for n := 0; n < snapshots || !done.Load(); n++ {
		var mu sync.Mutex
		got := map[string]modelValue{}
		var want map[string]modelValue
		snap, err := s.BeginSnapshot(func(_, db int, e Entry) {
			mu.Lock()
			defer mu.Unlock()
			id := name(db, e.Key())
			if _, twice := got[id]; twice {
				t.Errorf("%s came twice", id)
			}
			got[id] = contentOf(e)
		}, func() { want = maps.Clone(model) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.BeginSnapshot(nil, nil); err != ErrSnapshotRunning {
			t.Fatalf("a second snapshot: %v", err)
		}
		for !snap.Step(20 * time.Microsecond) {
			s.ExpireStep(1, ExpiryDelete, 0) // must not free what the snapshot still needs
		}
		snap.Close()
		if !maps.Equal(got, want) {
			t.Fatalf("snapshot %d has %d keys, the cut had %d, or contents differ", n, len(got), len(want))
		}
	}
	wg.Wait()
}

// TestSnapshotBesideManyWriters has writers that hold their own stripes only. Each writes its keys in order, so in
// a snapshot the numbers of one writer must be a prefix too.
func TestSnapshotBesideManyWriters(t *testing.T) {
	const writers, keys, rounds = 4, 300, 60
	s := New(Options{})
	defer s.Close()
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			var v View
			for n := range uint64(keys * rounds) {
				key := []byte(fmt.Sprint(g, ":", n%keys))
				v.Begin(s, StripeOf(key), 0, 1, ExpiryDelete)
				setCollection(&v, key, n)
				v.End()
			}
		})
	}
	for range 20 {
		var mu sync.Mutex
		got := map[string]uint64{}
		snap, err := s.BeginSnapshot(func(_, _ int, e Entry) {
			mu.Lock()
			defer mu.Unlock()
			n, err := strconv.ParseUint(contentOf(e).data, 10, 64)
			if err != nil {
				t.Error(err)
			}
			got[string(e.Key())] = n
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for !snap.Step(50 * time.Microsecond) {
		}
		snap.Close()
		for g := range writers {
			var last uint64
			count := uint64(0)
			for k := range keys {
				if n, ok := got[fmt.Sprint(g, ":", k)]; ok {
					last = max(last, n)
					count++
				}
			}
			if count == 0 {
				continue
			}
			for n := last - min(last, keys-1); n <= last; n++ {
				if have := got[fmt.Sprint(g, ":", n%keys)]; have != n {
					t.Fatalf("writer %d had reached %d, but its key %d has %d", g, last, n%keys, have)
				}
			}
		}
	}
	wg.Wait()
}

func TestSnapshotGivenUp(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	var v View
	v.Begin(s, AllStripes, 0, 1, ExpiryDelete)
	for i := range 5000 {
		v.SetString([]byte(strconv.Itoa(i)), nil, 0, evSet)
	}
	v.End()
	for range 3 {
		calls := 0
		snap, err := s.BeginSnapshot(func(int, int, Entry) { calls++ }, nil)
		if err != nil {
			t.Fatal(err)
		}
		snap.Step(0)
		snap.Close()
		before := calls
		v.Begin(s, AllStripes, 0, 1, ExpiryDelete)
		v.FlushAll(false)
		v.SetString([]byte("a"), nil, 0, evSet)
		v.End()
		if calls != before {
			t.Errorf("the callback was called after Close")
		}
	}
}
