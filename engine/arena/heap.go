// Package arena is the engine's pointer-free memory: size-class slabs in mapped pages that the Go
// collector never scans and never moves.
//
// One address range is reserved for the whole process; every node has a Heap of its own in it, and
// gives all its pages back at Close. A block is named by a Ref, its offset in the range in units of
// eight bytes, so a reference fits in 40 bits and resolves with one addition: no look-up, no lock.
package arena

import (
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Ref names a block. It fits in 40 bits; the zero Ref names nothing.
type Ref uint64

// Nil is the Ref of no block.
const Nil Ref = 0

// RefBytes is the size of a Ref as PutRef stores it.
const RefBytes = 5

// Heap allocates the blocks of one node. Its methods are safe for use by several goroutines; what is
// inside a block is guarded by whoever owns the block. The zero Heap is ready for use and costs
// nothing before the first Alloc.
type Heap struct {
	used  atomic.Int64
	slabs atomic.Pointer[[classes]slab]

	mu     sync.Mutex
	own    pool
	pages  int               // pages held, all pools together
	shared []uint32          // first pages of the runs from the shared pool
	huge   map[uint32]uint32 // runs of whole chunks: first chunk to their number
}

// slab is one size class of a heap.
type slab struct {
	mu   sync.Mutex
	room uint32 // list of pages with a free block
}

// sharedPages is how many pages a heap takes from the shared pool before it gets chunks of its own.
const sharedPages = chunkPages

// Alloc returns a block of at least n bytes (n ≥ 0), aligned to eight, and a slice of its first n
// bytes whose capacity is the whole block. The content is whatever was there before. Blocks of a
// power of two up to 32 KiB are aligned to their size. It panics if the operating system has no
// memory left: maxmemory has to refuse writes long before.
func (h *Heap) Alloc(n int) (Ref, []byte) {
	if n > maxSmall {
		return h.allocLarge(n)
	}
	class := classOf(n)
	size := classSize(class)
	s := h.slab(class)
	s.mu.Lock()
	if s.room == 0 {
		h.addPage(s, class)
	}
	number := s.room
	p := pageAt(number)
	var r Ref
	if p.free != 0 {
		r = refOf(number, int(p.free-1)<<3)
		p.free = *(*uint16)(at(r))
	} else {
		r = refOf(number, int(p.fresh)*size)
		p.fresh++
	}
	p.used++
	if p.free == 0 && (int(p.fresh)+1)*size > pageSize {
		s.unlist(p)
	}
	s.mu.Unlock()
	h.used.Add(int64(size))
	return r, unsafe.Slice((*byte)(at(r)), size)[:n]
}

func (h *Heap) slab(class int) *slab {
	slabs := h.slabs.Load()
	if slabs == nil {
		h.slabs.CompareAndSwap(nil, new([classes]slab))
		slabs = h.slabs.Load()
	}
	return &slabs[class]
}

// addPage gives the slab a page to allocate from; the slab is locked.
func (h *Heap) addPage(s *slab, class int) {
	number := h.takeRun(1)
	p := pageAt(number)
	p.class, p.used, p.fresh, p.free = uint8(class), 0, 0, 0
	s.list(number, p)
}

func (s *slab) list(number uint32, p *page) {
	p.listed, p.prev, p.next = true, 0, s.room
	if s.room != 0 {
		pageAt(s.room).prev = number
	}
	s.room = number
}

func (s *slab) unlist(p *page) {
	p.listed = false
	if p.prev != 0 {
		pageAt(p.prev).next = p.next
	} else {
		s.room = p.next
	}
	if p.next != 0 {
		pageAt(p.next).prev = p.prev
	}
}

// takeRun returns the first of n adjoining pages; its descriptor has run and shared set.
func (h *Heap) takeRun(n int) uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pages += n
	if n > chunkPages {
		chunks := uint32(n / chunkPages)
		c := acquire(chunks)
		if h.huge == nil {
			h.huge = make(map[uint32]uint32)
		}
		h.huge[c] = chunks
		first := c * chunkPages
		pageAt(first).run, pageAt(first).shared = uint32(n), false
		return first
	}
	shared := h.pages <= sharedPages
	var first uint32
	if shared {
		first = sharedPool.take(n)
		h.shared = append(h.shared, first)
	} else {
		h.own.huge = true
		first = h.own.take(n)
	}
	pageAt(first).run, pageAt(first).shared = uint32(n), shared
	return first
}

// giveRun is the inverse of takeRun.
func (h *Heap) giveRun(first uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := pageAt(first)
	n := int(p.run)
	h.pages -= n
	switch {
	case n > chunkPages:
		c := first / chunkPages
		delete(h.huge, c)
		release(c, uint32(n/chunkPages))
	case p.shared:
		i := slices.Index(h.shared, first)
		h.shared = slices.Delete(h.shared, i, i+1)
		sharedPool.give(first, n)
	default:
		h.own.give(first, n)
	}
}

func (h *Heap) allocLarge(n int) (Ref, []byte) {
	size := Size(n)
	first := h.takeRun(runPages(n))
	p := pageAt(first)
	p.class, p.units = large, uint32(size/osPage)
	h.used.Add(int64(size))
	r := refOf(first, 0)
	return r, unsafe.Slice((*byte)(at(r)), size)[:n]
}

// Realloc makes the block at r hold n bytes, keeping its content up to the smaller of both sizes. It
// stays where it is if its size class fits; otherwise it moves and r is freed. Realloc of Nil is Alloc.
func (h *Heap) Realloc(r Ref, n int) (Ref, []byte) {
	if r == Nil {
		return h.Alloc(n)
	}
	p := pageAt(pageOf(r))
	if p.class == large {
		if n > maxSmall && runPages(n) == int(p.run) {
			size := Size(n)
			h.used.Add(int64(size) - int64(p.units)*osPage)
			p.units = uint32(size / osPage)
			return r, unsafe.Slice((*byte)(at(r)), size)[:n]
		}
	} else if n <= maxSmall && classOf(n) == int(p.class) {
		return r, h.Bytes(r)[:n]
	}
	old := h.Bytes(r)
	moved, b := h.Alloc(n)
	copy(b, old)
	h.Free(r)
	return moved, b
}

// Free gives a block back. Free of Nil does nothing.
func (h *Heap) Free(r Ref) {
	if r == Nil {
		return
	}
	number := pageOf(r)
	p := pageAt(number)
	if p.class == large {
		h.used.Add(-int64(p.units) * osPage)
		h.giveRun(number)
		return
	}
	class := int(p.class)
	s := h.slab(class)
	s.mu.Lock()
	*(*uint16)(at(r)) = p.free
	p.free = uint16(r&(1<<(pageShift-3)-1)) + 1
	p.used--
	if !p.listed {
		s.list(number, p)
	}
	// An empty page goes back unless it is the last one with room, which would soon be missed.
	if p.used == 0 && (p.next != 0 || p.prev != 0) {
		s.unlist(p)
		h.giveRun(number)
	}
	s.mu.Unlock()
	h.used.Add(-int64(classSize(class)))
}

func pageOf(r Ref) uint32 { return uint32(r >> (pageShift - 3)) }

// Bytes returns the whole block at r: as long as its size class, not as what Alloc was asked for.
func (h *Heap) Bytes(r Ref) []byte {
	p := pageAt(pageOf(r))
	if p.class == large {
		return unsafe.Slice((*byte)(at(r)), int(p.units)*osPage)
	}
	return unsafe.Slice((*byte)(at(r)), classSize(int(p.class)))
}

// Slice returns the first n bytes of the block at r. It is faster than Bytes because it needs no size
// class; n must not exceed the block.
func (h *Heap) Slice(r Ref, n int) []byte { return unsafe.Slice((*byte)(at(r)), n) }

// Used returns the bytes in live blocks, each counted as its size class: what maxmemory is held against.
func (h *Heap) Used() int64 { return h.used.Load() }

// Reserved returns the bytes of the pages that the heap holds, an upper bound of its resident memory.
func (h *Heap) Reserved() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.own.mu.Lock()
	defer h.own.mu.Unlock()
	total := int64(h.own.chunks) << chunkShift
	for _, first := range h.shared {
		total += int64(pageAt(first).run) << pageShift
	}
	for _, chunks := range h.huge {
		total += int64(chunks) << chunkShift
	}
	return total
}

// Close gives every page back to the operating system. No block of the heap may be used afterwards.
func (h *Heap) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, first := range h.shared {
		sharedPool.give(first, int(pageAt(first).run))
	}
	for c, chunks := range h.huge {
		release(c, chunks)
	}
	h.own.close()
	h.shared, h.huge, h.pages = nil, nil, 0
	h.slabs.Store(nil)
	h.used.Store(0)
}

// PutRef stores r in the first RefBytes bytes of b, GetRef reads it back.
func PutRef(b []byte, r Ref) {
	_ = b[4]
	b[0], b[1], b[2], b[3], b[4] = byte(r), byte(r>>8), byte(r>>16), byte(r>>24), byte(r>>32)
}

// GetRef reads what PutRef stored.
func GetRef(b []byte) Ref {
	_ = b[4]
	return Ref(b[0]) | Ref(b[1])<<8 | Ref(b[2])<<16 | Ref(b[3])<<24 | Ref(b[4])<<32
}
