// Package arena is the engine's pointer-free memory: size-class slabs in mapped pages that the Go
// collector never scans and never moves.
//
// One address range is reserved for the whole process; every node has a Heap of its own in it, and
// gives all its pages back at Close. A block is named by a Ref, its offset in the range in units of
// eight bytes, so a reference fits in 40 bits and resolves with one addition: no look-up, no lock.
package arena

// Ref names a block. It fits in 40 bits; the zero Ref names nothing.
type Ref uint64

// Nil is the Ref of no block.
const Nil Ref = 0

// RefBytes is the size of a Ref as PutRef stores it.
const RefBytes = 5

// Heap allocates the blocks of one node. Its methods are safe for use by several goroutines; what is
// inside a block is guarded by whoever owns the block. The zero Heap is ready for use and costs
// nothing before the first Alloc.
type Heap struct{}

// Alloc returns a block of at least n bytes (n ≥ 0), aligned to eight, and a slice of its first n
// bytes whose capacity is the whole block. The content is whatever was there before. It panics if the
// operating system has no memory left: maxmemory has to refuse writes long before.
func (h *Heap) Alloc(n int) (Ref, []byte) { panic("arena: not built yet") }

// Realloc makes the block at r hold n bytes, keeping its content up to the smaller of both sizes. It
// stays where it is if its size class fits; otherwise it moves and r is freed. Realloc of Nil is Alloc.
func (h *Heap) Realloc(r Ref, n int) (Ref, []byte) { panic("arena: not built yet") }

// Free gives a block back. Free of Nil does nothing.
func (h *Heap) Free(r Ref) { panic("arena: not built yet") }

// Bytes returns the whole block at r: as long as its size class, not as what Alloc was asked for.
func (h *Heap) Bytes(r Ref) []byte { panic("arena: not built yet") }

// Slice returns the first n bytes of the block at r. It is faster than Bytes because it needs no size
// class; n must not exceed the block.
func (h *Heap) Slice(r Ref, n int) []byte { panic("arena: not built yet") }

// Size returns how many bytes a block of n bytes really takes, for accounting and growth steps.
func Size(n int) int { panic("arena: not built yet") }

// Used returns the bytes in live blocks, each counted as its size class: what maxmemory is held against.
func (h *Heap) Used() int64 { panic("arena: not built yet") }

// Reserved returns the bytes of the pages that the heap holds, an upper bound of its resident memory.
func (h *Heap) Reserved() int64 { panic("arena: not built yet") }

// Close gives every page back to the operating system. No block of the heap may be used afterwards.
func (h *Heap) Close() { panic("arena: not built yet") }

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
