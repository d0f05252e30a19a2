package keyspace

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestScanGuarantee: what is there from start to end is seen, however the tables grow meanwhile.
func TestScanGuarantee(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Options{})
		defer s.Close()
		tag := rapid.SampledFrom([]string{"", "{one}"}).Draw(t, "tag")
		key := func(i int) []byte { return []byte(tag + strconv.Itoa(i)) }
		var v View
		v.Begin(s, AllStripes, 0, 1, ExpiryDelete)
		defer v.End()
		stay := rapid.IntRange(0, 2000).Draw(t, "stay")
		for i := range stay {
			v.SetString(key(i), nil, 0, evSet)
		}
		seen := map[string]bool{}
		next := stay
		for cursor := uint64(0); ; {
			cursor = v.Scan(cursor, rapid.IntRange(1, 200).Draw(t, "count"), nil, func(e Entry) { seen[string(e.Key())] = true })
			if cursor == 0 {
				break
			}
			for range rapid.IntRange(0, 700).Draw(t, "insert") {
				if next < 12_000 {
					v.SetString(key(next), nil, 0, evSet)
					next++
				}
			}
			for range rapid.IntRange(0, 20).Draw(t, "delete") {
				if next > stay {
					v.Delete(key(next-1), evDel)
					next--
				}
			}
		}
		for i := range stay {
			if !seen[string(key(i))] {
				t.Fatalf("%s of %d was not seen", key(i), stay)
			}
		}
	})
}

func FuzzScanPosition(f *testing.F) {
	s := New(Options{})
	f.Cleanup(s.Close)
	var v View
	v.Begin(s, AllStripes, 0, 1, ExpiryDelete)
	for i := range 3000 {
		v.SetString([]byte("{x}"+strconv.Itoa(i)), nil, 0, evSet)
		v.SetString([]byte(strconv.Itoa(i)), nil, 0, evSet)
	}
	v.End()
	f.Add(uint64(0), 10)
	f.Add(^uint64(0), -1)
	f.Add(uint64(63<<6|63), 1)
	f.Fuzz(func(t *testing.T, position uint64, count int) {
		var v View
		v.Begin(s, NoStripes, 0, 1, ExpiryDelete)
		defer v.End()
		count = count % 1000
		for range 100_000 {
			if position = v.Scan(position, count, nil, func(Entry) {}); position == 0 {
				return
			}
		}
		t.Fatal("a scan from a made-up cursor does not end")
	})
}
