package ds

import (
	"fmt"
	"testing"

	"github.com/elastane/elastane/engine/arena"
)

// The memory targets are those of the design: a hash of 100 fields with 16-byte values takes about 32
// bytes a field, a sorted set of a million members at most 80 a member.

func TestHashMemory(t *testing.T) {
	t.Parallel()
	heap := newTestHeap()
	h := OpenHash(heap, arena.Nil)
	for i := range 100 {
		h.Set(fmt.Appendf(nil, "field:%04d", i), fmt.Appendf(nil, "value:%010d", i), DefaultHashLimits)
	}
	per := float64(heap.Used()) / 100
	t.Logf("%.1f bytes a field", per)
	if per > 34 {
		t.Errorf("%.1f bytes a field", per)
	}
}

func TestSortedSetMemory(t *testing.T) {
	t.Parallel()
	heap := newTestHeap()
	defer heap.Close()
	z := OpenSortedSet(heap, arena.Nil)
	const n = 200_000
	for i := range n {
		z.Set(fmt.Appendf(nil, "member:%09d", i*7919%n), float64(i), DefaultLimits)
	}
	per := float64(heap.Used()) / n
	t.Logf("%.1f bytes a member", per)
	if per > 80 {
		t.Errorf("%.1f bytes a member", per)
	}
}

func BenchmarkHashGetPacked(b *testing.B) { benchmarkHashGet(b, 50) }
func BenchmarkHashGetTable(b *testing.B)  { benchmarkHashGet(b, 100_000) }

func benchmarkHashGet(b *testing.B, n int) {
	heap := newTestHeap()
	h := OpenHash(heap, arena.Nil)
	fields := make([][]byte, n)
	for i := range fields {
		fields[i] = fmt.Appendf(nil, "field:%d", i)
		h.Set(fields[i], fields[i], DefaultHashLimits)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := h.Get(fields[i*7919%n]); !ok {
			b.Fatal("lost a field")
		}
	}
}

func BenchmarkSortedSetUpdate(b *testing.B) {
	heap := newTestHeap()
	z := OpenSortedSet(heap, arena.Nil)
	const n = 100_000
	members := make([][]byte, n)
	for i := range members {
		members[i] = fmt.Appendf(nil, "member:%d", i)
		z.Set(members[i], float64(i*7919%n), DefaultLimits)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		z.Set(members[i*31%n], float64(i*7919%n), DefaultLimits)
	}
}

func BenchmarkSortedSetRank(b *testing.B) {
	heap := newTestHeap()
	z := OpenSortedSet(heap, arena.Nil)
	const n = 100_000
	members := make([][]byte, n)
	for i := range members {
		members[i] = fmt.Appendf(nil, "member:%d", i)
		z.Set(members[i], float64(i*7919%n), DefaultLimits)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := z.Rank(members[i*31%n]); !ok {
			b.Fatal("lost a member")
		}
	}
}

func BenchmarkListPushPop(b *testing.B) {
	heap := newTestHeap()
	l := OpenList(heap, arena.Nil)
	value := []byte("value:0123456789")
	for range 100_000 {
		l.Push(false, value, DefaultListLimits)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Push(true, value, DefaultListLimits)
		l.Remove(l.Len()-1, 1, DefaultListLimits)
	}
}

func BenchmarkSortedSetInsert(b *testing.B) {
	const n = 100_000
	members := make([][]byte, n)
	for i := range members {
		members[i] = fmt.Appendf(nil, "element:%012d", i*7919%n)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); {
		heap := newTestHeap()
		z := OpenSortedSet(heap, arena.Nil)
		for _, m := range members {
			z.Set(m, 0, DefaultLimits)
			i++
		}
		heap.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/member")
}
