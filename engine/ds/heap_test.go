package ds

import "github.com/elastane/elastane/engine/arena"

func newTestHeap() *arena.Heap { return new(arena.Heap) }

type fataler interface{ Fatalf(string, ...any) }

// requireEmpty fails if Free left anything behind.
func requireEmpty(t fataler, heap *arena.Heap) {
	if n := heap.Used(); n != 0 {
		t.Fatalf("%d bytes were not given back", n)
	}
}
