package ds

import (
	"encoding/binary"

	"github.com/elastane/elastane/engine/arena"
)

// List is a sequence of byte strings. Small, it is one packed list; large, a quicklist: packed
// blocks of at most a given size, doubly linked. An element larger than that has a block to itself.
//
//	root = used:u32 unused:u24 encoding:u8 count:u64 head:u64 tail:u64
//	node = previous:u64 next:u64 block:u64
type List struct {
	heap *arena.Heap
	root arena.Ref
}

const (
	listRootSize = 32
	listNodeSize = 24

	rootHead = 16
	rootTail = 24

	nodePrevious = 0
	nodeNext     = 8
	nodeBlock    = 16
)

// OpenList opens the list at root; arena.Nil is an empty one.
func OpenList(heap *arena.Heap, root arena.Ref) List { return List{heap, root} }

// Root is the reference to keep; any change may move it.
func (l *List) Root() arena.Ref { return l.root }

// Encoding is Listpack or Quicklist.
func (l *List) Encoding() Encoding {
	if l.root == arena.Nil {
		return Listpack
	}
	return encodingAt(l.heap, l.root)
}

func (l *List) isPacked() bool { return l.Encoding() == Listpack }

// Len is the number of elements.
func (l *List) Len() int {
	if l.isPacked() {
		return packed{l.heap, l.root}.len()
	}
	return int(l.get(l.root, 8))
}

func (l *List) get(ref arena.Ref, field int) arena.Ref {
	return arena.Ref(binary.LittleEndian.Uint64(l.heap.Slice(ref, field+8)[field:]))
}

func (l *List) set(ref arena.Ref, field int, v arena.Ref) {
	binary.LittleEndian.PutUint64(l.heap.Slice(ref, field+8)[field:], uint64(v))
}

// The next five hide whether the list is packed: then it has one node, which is the root itself.

func (l *List) first() arena.Ref {
	if l.isPacked() {
		return l.root
	}
	return l.get(l.root, rootHead)
}

func (l *List) last() arena.Ref {
	if l.isPacked() {
		return l.root
	}
	return l.get(l.root, rootTail)
}

// beside returns the next node, or the previous one, or 0.
func (l *List) beside(node arena.Ref, reverse bool) arena.Ref {
	switch {
	case node == l.root:
		return 0
	case reverse:
		return l.get(node, nodePrevious)
	}
	return l.get(node, nodeNext)
}

func (l *List) block(node arena.Ref) packed {
	if node == l.root {
		return packed{l.heap, l.root}
	}
	return packed{l.heap, l.get(node, nodeBlock)}
}

// setBlock stores a block that may have moved, and the change in the number of elements.
func (l *List) setBlock(node arena.Ref, p packed, delta int) {
	if node == l.root {
		l.root = p.ref
		return
	}
	l.set(node, nodeBlock, p.ref)
	l.set(l.root, 8, arena.Ref(int(l.get(l.root, 8))+delta))
}

// seek finds the node of the element of index i, 0 ≤ i ≤ Len(), and the index within it. For i =
// Len() that is just past the end of the last node.
func (l *List) seek(i int) (node arena.Ref, local int) {
	n := l.Len()
	if i <= n/2 {
		node = l.first()
		for {
			size := l.block(node).len()
			next := l.beside(node, false)
			if i < size || next == 0 {
				return node, i
			}
			i -= size
			node = next
		}
	}
	node = l.last()
	for i = n - i; ; {
		size := l.block(node).len()
		if i <= size {
			return node, size - i
		}
		i -= size
		node = l.beside(node, true)
	}
}

// Index returns the element of index i, 0 ≤ i < Len().
func (l *List) Index(i int) []byte {
	node, local := l.seek(i)
	p := l.block(node)
	elem, _ := elementAt(p.bytes(), p.offset(local))
	return elem
}

// Each calls f with the elements from index i on, towards the tail or, reversed, towards the head,
// until f returns false. f must not change the list.
func (l *List) Each(i int, reverse bool, f func(elem []byte) bool) {
	if i < 0 || i >= l.Len() {
		return
	}
	node, local := l.seek(i)
	off := l.block(node).offset(local)
	for {
		b := l.block(node).bytes()
		for off >= packedHeader && off < len(b) {
			elem, next := elementAt(b, off)
			if !f(elem) {
				return
			}
			if !reverse {
				off = next
			} else if off == packedHeader {
				off = 0
			} else {
				off = previousOf(b, off)
			}
		}
		if node = l.beside(node, reverse); node == 0 {
			return
		}
		off = packedHeader
		if reverse {
			b = l.block(node).bytes()
			off = previousOf(b, len(b))
		}
	}
}

// Insert puts elem before the element of index i, 0 ≤ i ≤ Len().
func (l *List) Insert(i int, elem []byte, limits ListLimits) {
	size := packedSize(len(elem))
	if l.root == arena.Nil {
		l.root = newPacked(l.heap, Listpack).ref
	}
	if l.isPacked() && !limits.fits(l.block(l.root), size) {
		l.unpack()
	}
	node, local := l.seek(i)
	p := l.block(node)
	if l.isPacked() || p.len() == 0 || limits.fits(p, size) {
		p.insert(p.offset(local), elem)
		l.setBlock(node, p, 1)
		return
	}
	// The block is full: make room beside it, parting it if the place is in its middle.
	previous := node
	if local == 0 {
		previous = l.get(node, nodePrevious)
	} else if local < p.len() {
		l.part(node, local)
	}
	for _, near := range []arena.Ref{previous, l.after(previous)} {
		if near == 0 {
			continue
		}
		if p := l.block(near); limits.fits(p, size) {
			off := packedHeader
			if near == previous {
				off = p.end()
			}
			p.insert(off, elem)
			l.setBlock(near, p, 1)
			return
		}
	}
	fresh := newPacked(l.heap, Listpack)
	fresh.insert(packedHeader, elem)
	l.link(previous, fresh.ref)
	l.set(l.root, 8, l.get(l.root, 8)+1)
}

// Push adds elem at the head or the tail.
func (l *List) Push(head bool, elem []byte, limits ListLimits) {
	if head {
		l.Insert(0, elem, limits)
	} else {
		l.Insert(l.Len(), elem, limits)
	}
}

// after is the node that follows a node; after nothing (0) comes the first.
func (l *List) after(node arena.Ref) arena.Ref {
	if node == 0 {
		return l.get(l.root, rootHead)
	}
	return l.get(node, nodeNext)
}

// link makes a node for block after a given one; after nothing (0) means at the head.
func (l *List) link(previous, block arena.Ref) arena.Ref {
	next := l.after(previous)
	node, _ := l.heap.Alloc(listNodeSize)
	l.set(node, nodePrevious, previous)
	l.set(node, nodeNext, next)
	l.set(node, nodeBlock, block)
	l.join(previous, node)
	l.join(node, next)
	return node
}

// join makes b follow a; 0 stands for the end of the list on that side.
func (l *List) join(a, b arena.Ref) {
	if a == 0 {
		l.set(l.root, rootHead, b)
	} else {
		l.set(a, nodeNext, b)
	}
	if b == 0 {
		l.set(l.root, rootTail, a)
	} else {
		l.set(b, nodePrevious, a)
	}
}

// part moves the elements of a node from index local on into a new node after it.
func (l *List) part(node arena.Ref, local int) {
	p := l.block(node)
	off, n := p.offset(local), p.len()
	fresh := newPacked(l.heap, Listpack)
	tail := p.end() - off
	fresh.resize(packedHeader+tail, n-local)
	copy(fresh.bytes()[packedHeader:], p.bytes()[off:])
	p.resize(off, local-n)
	l.setBlock(node, p, 0)
	l.link(node, fresh.ref)
}

// unpack turns the list into a quicklist of one node, or none if it is empty.
func (l *List) unpack() {
	p := packed{l.heap, l.root}
	root, b := l.heap.Alloc(listRootSize)
	l.root = root
	clear(b)
	binary.LittleEndian.PutUint32(b, listRootSize)
	b[7] = byte(Quicklist)
	binary.LittleEndian.PutUint64(b[8:], uint64(p.len()))
	l.link(0, p.ref)
}

// Set exchanges the element of index i, 0 ≤ i < Len().
func (l *List) Set(i int, elem []byte, limits ListLimits) {
	node, local := l.seek(i)
	p := l.block(node)
	off := p.offset(local)
	old, _ := elementAt(p.bytes(), off)
	grown := p.end() + packedSize(len(elem)) - packedSize(len(old))
	if grown <= limits.Bytes || (p.len() == 1 && !l.isPacked()) {
		p.replace(off, elem)
		l.setBlock(node, p, 0)
		l.settle(limits)
		return
	}
	l.Remove(i, 1, ListLimits{})
	l.Insert(i, elem, limits)
}

// Remove takes n elements away from index i on; all of them must be there. A quicklist that is left
// with one block of at most half of the limits becomes packed again.
func (l *List) Remove(i, n int, limits ListLimits) {
	for n > 0 {
		node, local := l.seek(i)
		p := l.block(node)
		step := min(n, p.len()-local)
		if step == p.len() && !l.isPacked() {
			l.set(l.root, 8, l.get(l.root, 8)-arena.Ref(step))
			l.unlink(node)
		} else {
			p.remove(p.offset(local), step)
			l.setBlock(node, p, -step)
		}
		n -= step
	}
	l.settle(limits)
}

// unlink drops a node and its block; the last node stays, with an empty block.
func (l *List) unlink(node arena.Ref) {
	previous, next := l.get(node, nodePrevious), l.get(node, nodeNext)
	if previous == 0 && next == 0 {
		p := l.block(node)
		p.resize(packedHeader, -p.len())
		l.set(node, nodeBlock, p.ref)
		return
	}
	l.join(previous, next)
	l.heap.Free(l.get(node, nodeBlock))
	l.heap.Free(node)
}

func (l *List) settle(limits ListLimits) {
	if l.isPacked() {
		return
	}
	node := l.first()
	if node != l.last() || !limits.half().fits(l.block(node), 0) {
		return
	}
	block := l.get(node, nodeBlock)
	l.heap.Free(node)
	l.heap.Free(l.root)
	l.root = block
}

// RemoveEqual takes away the elements equal to elem, at most limit of them (0: all), from the head
// or, reversed, from the tail on, and returns how many.
func (l *List) RemoveEqual(elem []byte, limit int, reverse bool, limits ListLimits) (removed int) {
	node := l.first()
	if reverse {
		node = l.last()
	}
	for node != 0 && (limit == 0 || removed < limit) {
		following := l.beside(node, reverse)
		p := l.block(node)
		before := p.len()
		left := 0
		if limit > 0 {
			left = limit - removed
		}
		taken := p.removeEqual(elem, left, reverse)
		removed += taken
		l.setBlock(node, p, -taken)
		if taken == before && !l.isPacked() {
			l.unlink(node)
		}
		node = following
	}
	l.settle(limits)
	return removed
}

// removeEqual is RemoveEqual within a block.
func (p *packed) removeEqual(elem []byte, limit int, reverse bool) (removed int) {
	off := packedHeader
	if reverse {
		off = p.end()
	}
	for limit == 0 || removed < limit {
		b := p.bytes()
		if reverse {
			if off == packedHeader {
				break
			}
			off = previousOf(b, off)
		} else if off == len(b) {
			break
		}
		e, next := elementAt(b, off)
		switch {
		case string(e) == string(elem):
			p.remove(off, 1)
			removed++
		case !reverse:
			off = next
		}
	}
	return removed
}

// Free gives all memory back; the list must not be used afterwards.
func (l *List) Free() {
	if !l.isPacked() {
		for node := l.first(); node != 0; {
			next := l.get(node, nodeNext)
			l.heap.Free(l.get(node, nodeBlock))
			l.heap.Free(node)
			node = next
		}
	}
	l.heap.Free(l.root)
}
