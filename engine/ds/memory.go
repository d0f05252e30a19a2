package ds

import "github.com/elastane/elastane/engine/arena"

// The Memory methods return the bytes of the arena that a collection takes. Of the elements of a large one, samples are
// looked at and the rest is reckoned from them; with samples 0 all are.

// Memory is described above.
func (h *Hash) Memory(samples int) int64 {
	if h.isPacked() {
		return blockSize(h.heap, h.root)
	}
	return h.table().memory(samples)
}

// Memory is described above.
func (s *Set) Memory(samples int) int64 {
	if s.Encoding() != Hashtable {
		return blockSize(s.heap, s.root)
	}
	return s.table().memory(samples)
}

// Memory is described above.
func (z *SortedSet) Memory(samples int) int64 {
	if z.isPacked() {
		return blockSize(z.heap, z.root)
	}
	t := z.tree()
	return t.memory(samples) + t.orderMemory(t.top())
}

// orderMemory is what the B+tree takes below a node; leaves are not looked at.
func (t tree) orderMemory(node arena.Ref, height int) int64 {
	if height == 0 {
		return int64(arena.Size(leafSize))
	}
	total := int64(arena.Size(innerSize))
	n := t.inner(node)
	for i := range count(n) {
		total += t.orderMemory(n.child(i), height-1)
	}
	return total
}

// Memory is described above; samples are blocks of the list.
func (l *List) Memory(samples int) int64 {
	total := blockSize(l.heap, l.root)
	if l.isPacked() {
		return total
	}
	nodes, looked, size := 0, 0, int64(0)
	for node := l.first(); node != 0; node = l.beside(node, false) {
		nodes++
		if samples == 0 || looked < samples {
			looked++
			size += blockSize(l.heap, node) + blockSize(l.heap, l.get(node, nodeBlock))
		}
	}
	return total + share(size, looked, nodes)
}

func (t table) memory(samples int) int64 {
	total := blockSize(t.heap, t.root) + blockSize(t.heap, t.directoryRef())
	t.eachSegment(t.directoryRef(), t.depth(), func(_ []byte, ref arena.Ref) { total += blockSize(t.heap, ref) })
	looked, size := 0, int64(0)
	t.each(func(node arena.Ref) bool {
		looked++
		size += blockSize(t.heap, node)
		return samples == 0 || looked < samples
	})
	return total + share(size, looked, t.len())
}

// share reckons what n blocks take from some of them.
func share(size int64, looked, n int) int64 {
	if looked == 0 {
		return 0
	}
	return int64(float64(size) / float64(looked) * float64(n))
}

func blockSize(heap *arena.Heap, ref arena.Ref) int64 {
	if ref == arena.Nil {
		return 0
	}
	return int64(arena.Size(len(heap.Bytes(ref))))
}
