package keyspace

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

const benchKeys = 1 << 20

// benchKey writes the 16-byte key of a number.
func benchKey(b []byte, n uint64) []byte {
	copy(b, "key:")
	for i := 15; i > 3; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
	return b[:16]
}

func filledSpace(keys, valueSize int) *Space {
	s := New(Options{})
	value := make([]byte, valueSize)
	var v View
	key := make([]byte, 16)
	v.Begin(s, AllStripes, 0, 1, ExpiryDelete)
	for i := range keys {
		v.SetString(benchKey(key, uint64(i)), value, 0, Event{})
	}
	v.End()
	return s
}

// scatter visits all numbers below benchKeys in an order that caches do not like.
func scatter(n uint64) uint64 { return n * 0x9e3779b97f4a7c15 >> 44 % benchKeys }

func BenchmarkGet(b *testing.B) {
	s := filledSpace(benchKeys, 64)
	defer s.Close()
	var v View
	key := make([]byte, 16)
	n := uint64(0)
	for b.Loop() {
		n++
		k := benchKey(key, scatter(n))
		v.Begin(s, StripeOf(k), 0, 1, ExpiryDelete)
		if _, ok := v.Find(k); !ok {
			b.Fatal("missing")
		}
		v.End()
	}
}

func BenchmarkSet(b *testing.B) {
	s := filledSpace(benchKeys, 64)
	defer s.Close()
	var v View
	key, value := make([]byte, 16), make([]byte, 64)
	n := uint64(0)
	for b.Loop() {
		n++
		k := benchKey(key, scatter(n))
		binary.LittleEndian.PutUint64(value, n)
		v.Begin(s, StripeOf(k), 0, 1, ExpiryDelete)
		v.SetString(k, value, 0, Event{})
		v.End()
	}
}

// BenchmarkGetBatch16 is what a loop does with a pipeline of 16.
func BenchmarkGetBatch16(b *testing.B) {
	s := filledSpace(benchKeys, 64)
	defer s.Close()
	var v View
	var keys [16][16]byte
	var tokens [16]uint64
	n := uint64(0)
	for b.Loop() {
		for i := range keys {
			n++
			tokens[i] = s.PrefetchBucket(0, benchKey(keys[i][:], scatter(n)))
		}
		for _, token := range tokens {
			s.PrefetchEntry(token)
		}
		for i := range keys {
			k := keys[i][:]
			v.Begin(s, StripeOf(k), 0, 1, ExpiryDelete)
			if _, ok := v.Find(k); !ok {
				b.Fatal("missing")
			}
			v.End()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/key")
}

// BenchmarkMemory prints bytes a key for 16-byte keys; the table's load swings between two splits, hence the two counts.
func BenchmarkMemory(b *testing.B) {
	for _, valueSize := range []int{16, 64, 256} {
		for _, keys := range []int{700_000, benchKeys, 1_500_000} {
			b.Run(fmt.Sprintf("value=%d/keys=%d", valueSize, keys), func(b *testing.B) {
				for b.Loop() {
					s := filledSpace(keys, valueSize)
					b.ReportMetric(float64(s.UsedMemory())/float64(keys), "used-B/key")
					b.ReportMetric(float64(s.heap.Reserved())/float64(keys), "reserved-B/key")
					s.Close()
				}
			})
		}
	}
}

// BenchmarkExpire is active expiry of a database all of whose keys have expired.
func BenchmarkExpire(b *testing.B) {
	value := make([]byte, 64)
	key := make([]byte, 16)
	for b.Loop() {
		b.StopTimer()
		s := New(Options{})
		var v View
		v.Begin(s, AllStripes, 0, 1, ExpiryDelete)
		for i := range benchKeys {
			v.SetString(benchKey(key, uint64(i)), value, 5, Event{})
		}
		v.End()
		b.StartTimer()
		deleted, _ := s.ExpireStep(10, ExpiryDelete, time.Hour)
		if deleted != benchKeys {
			b.Fatal(deleted)
		}
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchKeys, "ns/key")
}

// BenchmarkSetEvicting adds new keys to a full Space.
func BenchmarkSetEvicting(b *testing.B) {
	s := filledSpace(benchKeys, 64)
	defer s.Close()
	s.SetMemoryLimit(MemoryLimit{Max: s.UsedMemory(), Policy: AllKeysLRU})
	var v View
	key, value := make([]byte, 16), make([]byte, 64)
	n := uint64(benchKeys)
	for b.Loop() {
		n++
		k := benchKey(key, n)
		if !s.EnsureRoom(2) {
			b.Fatal("no room")
		}
		v.Begin(s, StripeOf(k), 0, 2, ExpiryDelete)
		v.SetString(k, value, 0, Event{})
		v.End()
	}
}
