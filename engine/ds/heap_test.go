package ds

import "github.com/elastane/elastane/engine/arena"

func newTestHeap() *arena.Heap { return arena.New() }

type fataler interface{ Fatalf(string, ...any) }

// requireEmpty fails if Free left anything behind.
func requireEmpty(t fataler, heap *arena.Heap) {
	if n := heap.Live(); n != 0 {
		t.Fatalf("%d blocks were not given back", n)
	}
}
