package ds

import (
	"bytes"
	"encoding/binary"

	"github.com/elastane/elastane/engine/arena"
)

// A packed list is a sequence of byte strings in one block:
//
//	block   = used:u32 count:u24 encoding:u8 element*
//	element = length data back
//	length  = 0xxxxxxx | 10xxxxxx xxxxxxxx | 11000000 u32   (big endian)
//	back    = the bytes of length and data together, in groups of 7 bits, read from the right;
//	          all but the leftmost group have bit 7 set
//
// used counts the header too. The back length lets a reader walk from the tail.
const (
	packedHeader = 8
	len6         = 1 << 7
	len14        = 1 << 14
)

// packed is a packed list in a heap. Offsets are byte offsets into the block; the first element is
// at packedHeader and end() is just past the last one.
type packed struct {
	heap *arena.Heap
	ref  arena.Ref
}

func newPacked(heap *arena.Heap, enc Encoding) packed {
	ref, b := heap.Alloc(packedHeader)
	binary.LittleEndian.PutUint32(b, packedHeader)
	binary.LittleEndian.PutUint32(b[4:], uint32(enc)<<24)
	return packed{heap, ref}
}

// encodingAt is the encoding of a root that is not Nil.
func encodingAt(heap *arena.Heap, ref arena.Ref) Encoding {
	return Encoding(heap.Slice(ref, packedHeader)[7])
}

// emptyBlock stands for the block of a Nil root; nothing writes to it.
var emptyBlock = [packedHeader]byte{packedHeader}

func (p packed) header() []byte {
	if p.ref == arena.Nil {
		return emptyBlock[:]
	}
	return p.heap.Slice(p.ref, packedHeader)
}

// bytes is the used part of the block.
func (p packed) bytes() []byte {
	if p.ref == arena.Nil {
		return emptyBlock[:]
	}
	return p.heap.Slice(p.ref, p.end())
}

func (p packed) end() int { return int(binary.LittleEndian.Uint32(p.header())) }

func (p packed) len() int {
	return int(binary.LittleEndian.Uint32(p.header()[4:]) & 0xFFFFFF)
}

// open allocates the block of a Nil root.
func (p *packed) open(enc Encoding) {
	if p.ref == arena.Nil {
		*p = newPacked(p.heap, enc)
	}
}

// resize sets the used size and adds to the count; it may move the block.
func (p *packed) resize(used, countDelta int) {
	ref, b := p.heap.Realloc(p.ref, used)
	p.ref = ref
	binary.LittleEndian.PutUint32(b, uint32(used))
	word := binary.LittleEndian.Uint32(b[4:])
	count := uint32(int(word&0xFFFFFF) + countDelta)
	binary.LittleEndian.PutUint32(b[4:], word&0xFF000000|count)
}

// elementAt returns the element that begins at off and the offset of the one after it.
func elementAt(b []byte, off int) (elem []byte, next int) {
	var n int
	head := int(b[off])
	switch {
	case head < len6:
		n, head = head, 1
	case head < 0xC0:
		n, head = (head&0x3F)<<8|int(b[off+1]), 2
	default:
		n, head = int(binary.BigEndian.Uint32(b[off+1:])), 5
	}
	start := off + head
	return b[start : start+n : start+n], start + n + backSize(head+n)
}

// previousOf returns the offset of the element that ends at off.
func previousOf(b []byte, off int) int {
	n, shift, size := 0, 0, 0
	for {
		size++
		c := b[off-size]
		n |= int(c&0x7F) << shift
		if c < 0x80 {
			return off - size - n
		}
		shift += 7
	}
}

func headSize(n int) int {
	switch {
	case n < len6:
		return 1
	case n < len14:
		return 2
	}
	return 5
}

func backSize(n int) int {
	size := 1
	for n >>= 7; n > 0; n >>= 7 {
		size++
	}
	return size
}

// packedSize is the size of an element of n bytes.
func packedSize(n int) int {
	head := headSize(n)
	return head + n + backSize(head+n)
}

// putElement writes elem at the beginning of b and returns its packed size.
func putElement(b, elem []byte) int {
	n := len(elem)
	head := headSize(n)
	switch head {
	case 1:
		b[0] = byte(n)
	case 2:
		b[0], b[1] = 0x80|byte(n>>8), byte(n)
	default:
		b[0] = 0xC0
		binary.BigEndian.PutUint32(b[1:], uint32(n))
	}
	copy(b[head:], elem)
	rest, size := head+n, backSize(head+n)
	for i := size - 1; i >= 0; i-- {
		c := byte(rest & 0x7F)
		if i > 0 {
			c |= 0x80
		}
		b[head+n+i] = c
		rest >>= 7
	}
	return head + n + size
}

// insert puts elems, in order, before the element at off.
func (p *packed) insert(off int, elems ...[]byte) {
	grow := 0
	for _, e := range elems {
		grow += packedSize(len(e))
	}
	used := p.end()
	p.resize(used+grow, len(elems))
	b := p.bytes()
	copy(b[off+grow:], b[off:used])
	for _, e := range elems {
		off += putElement(b[off:], e)
	}
}

// remove takes n elements away, from the one at off on.
func (p *packed) remove(off, n int) {
	b := p.bytes()
	to := off
	for range n {
		_, to = elementAt(b, to)
	}
	copy(b[off:], b[to:])
	p.resize(len(b)-(to-off), -n)
}

// replace exchanges the element at off.
func (p *packed) replace(off int, elem []byte) {
	b := p.bytes()
	old, next := elementAt(b, off)
	if len(old) == len(elem) {
		copy(old, elem)
		return
	}
	size, used := packedSize(len(elem)), len(b)
	delta := size - (next - off)
	if delta > 0 {
		p.resize(used+delta, 0)
		b = p.bytes()
	}
	copy(b[off+size:], b[next:used])
	putElement(b[off:], elem)
	if delta < 0 {
		p.resize(used+delta, 0)
	}
}

// find looks at every step-th element, from the first on, for elem; step is 1 or 2.
func (p packed) find(elem []byte, step int) (off int, ok bool) {
	if len(elem) == 0 || len(elem) > shortElement {
		return p.findAny(elem, step)
	}
	b, last := p.bytes(), elem[len(elem)-1]
	for off, i := packedHeader, 0; off < len(b); i++ {
		n := int(b[off])
		if n > shortElement {
			_, next := elementAt(b, off) // too long to be it
			off = next
			continue
		}
		// Most elements of the same length end in another byte.
		if n == len(elem) && b[off+n] == last && i&(step-1) == 0 && string(b[off+1:off+1+n]) == string(elem) {
			return off, true
		}
		off += n + 2
	}
	return 0, false
}

// shortElement is the greatest length of an element whose head and back take one byte each.
const shortElement = len6 - 2

// findAny is find for an element of any length.
func (p packed) findAny(elem []byte, step int) (off int, ok bool) {
	b := p.bytes()
	for off = packedHeader; off < len(b); {
		e, next := elementAt(b, off)
		if bytes.Equal(e, elem) {
			return off, true
		}
		for i := 1; i < step; i++ {
			_, next = elementAt(b, next)
		}
		off = next
	}
	return 0, false
}

// offset is where the element of index i begins, 0 ≤ i < len(); it walks from the nearer end.
func (p packed) offset(i int) int {
	b, n := p.bytes(), p.len()
	if i <= n/2 {
		off := packedHeader
		for range i {
			_, off = elementAt(b, off)
		}
		return off
	}
	off := len(b)
	for range n - i {
		off = previousOf(b, off)
	}
	return off
}
