package ds

import (
	"bytes"
	"encoding/binary"

	"github.com/elastane/elastane/engine/arena"
)

// A table maps byte strings to nodes by extendible hashing: a directory, indexed by the top bits of
// the hash, of segments with open addressing inside. Growing splits one segment, so no insertion
// ever pays for a rehash of the whole.
//
//	root      = used:u32 unused:u24 encoding:u8 count:u64 directory:u64 depth:u64 extra…
//	directory = segment:u64 × 2^depth
//	segment   = count:u16 depth:u8 unused:u8 … slot:u64 × segmentSlots
//	slot      = 0 | ref:40 tag:24                    (the tag is the low bits of the hash)
//	node      = length:uvarint key payload…          (the payload belongs to the table's user)
//
// A segment of depth d holds every key whose hash begins with its d bits, so a walk in the order of
// hashes, with the next hash prefix as its cursor, meets each key that was there all along, even if
// segments split or the table is rebuilt in between.
const (
	tableRootSize  = 32
	segmentHeader  = 16
	segmentSlots   = 126 // header and slots fill one KiB
	segmentSize    = segmentHeader + 8*segmentSlots
	segmentMaximum = 104
	refBits        = 40
	refMask        = 1<<refBits - 1
	tagMask        = 1<<24 - 1
)

type table struct {
	heap *arena.Heap
	root arena.Ref
}

// newTable makes an empty table whose root has extra bytes for its user, from tableRootSize on.
func newTable(heap *arena.Heap, enc Encoding, extra int) table {
	root, b := heap.Alloc(tableRootSize + extra)
	clear(b)
	binary.LittleEndian.PutUint32(b, uint32(tableRootSize+extra))
	b[7] = byte(enc)
	t := table{heap, root}
	t.startDirectory()
	return t
}

func newSegment(heap *arena.Heap, depth int) arena.Ref {
	ref, b := heap.Alloc(segmentSize)
	clear(b)
	b[2] = byte(depth)
	return ref
}

func (t table) rootBytes() []byte { return t.heap.Slice(t.root, tableRootSize) }
func (t table) len() int          { return int(binary.LittleEndian.Uint64(t.rootBytes()[8:])) }
func (t table) depth() int        { return int(binary.LittleEndian.Uint64(t.rootBytes()[24:])) }

func (t table) addLen(d int) {
	b := t.rootBytes()[8:]
	binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)+uint64(d))
}

func (t table) setDirectory(dir arena.Ref, depth int) {
	b := t.rootBytes()
	binary.LittleEndian.PutUint64(b[16:], uint64(dir))
	binary.LittleEndian.PutUint64(b[24:], uint64(depth))
}

func (t table) directoryRef() arena.Ref {
	return arena.Ref(binary.LittleEndian.Uint64(t.rootBytes()[16:]))
}

func (t table) directory() []byte { return t.heap.Slice(t.directoryRef(), 8<<t.depth()) }

// startDirectory gives the table a directory of one empty segment.
func (t table) startDirectory() {
	ref, dir := t.heap.Alloc(8)
	binary.LittleEndian.PutUint64(dir, uint64(newSegment(t.heap, 0)))
	t.setDirectory(ref, 0)
}

func prefix(hash uint64, depth int) int { return int(hash >> 1 >> (63 - depth)) }

func (t table) segment(i int) []byte {
	return t.heap.Slice(arena.Ref(binary.LittleEndian.Uint64(t.directory()[8*i:])), segmentSize)
}

func segmentLen(seg []byte) int       { return int(binary.LittleEndian.Uint16(seg)) }
func setSegmentLen(seg []byte, n int) { binary.LittleEndian.PutUint16(seg, uint16(n)) }
func segmentDepth(seg []byte) int     { return int(seg[2]) }

func slot(seg []byte, i int) uint64 {
	return binary.LittleEndian.Uint64(seg[segmentHeader+8*i:])
}

func setSlot(seg []byte, i int, v uint64) {
	binary.LittleEndian.PutUint64(seg[segmentHeader+8*i:], v)
}

func makeSlot(ref arena.Ref, hash uint64) uint64 { return uint64(ref) | hash<<refBits }
func slotRef(v uint64) arena.Ref                 { return arena.Ref(v & refMask) }

// home is the slot where the search for a hash begins; it depends on the tag only, so that entries
// can move within a segment without a look at their keys.
func home(hash uint64) int { return int((hash & 0xFFFF) * segmentSlots >> 16) }

func nextSlot(i int) int {
	if i++; i == segmentSlots {
		return 0
	}
	return i
}

// nodeKey returns the key of a node and its payload.
func nodeKey(b []byte) (key, payload []byte) {
	n, k := int(b[0]), 1
	if n >= 0x80 {
		v, size := binary.Uvarint(b)
		n, k = int(v), size
	}
	return b[k : k+n : k+n], b[k+n:]
}

func uvarintSize(n int) int {
	size := 1
	for n >>= 7; n > 0; n >>= 7 {
		size++
	}
	return size
}

// newNode allocates a node with key and room for a payload, which it returns.
func newNode(heap *arena.Heap, key []byte, payload int) (arena.Ref, []byte) {
	head := uvarintSize(len(key))
	ref, b := heap.Alloc(head + len(key) + payload)
	binary.PutUvarint(b, uint64(len(key)))
	copy(b[head:], key)
	return ref, b[head+len(key):]
}

// locate finds the slot of key.
func (t table) locate(key []byte, hash uint64) (seg []byte, i int, ok bool) {
	seg = t.segment(prefix(hash, t.depth()))
	tag := hash & tagMask
	for i = home(hash); ; i = nextSlot(i) {
		v := slot(seg, i)
		if v == 0 {
			return seg, i, false
		}
		if v>>refBits == tag {
			if k, _ := nodeKey(t.heap.Bytes(slotRef(v))); bytes.Equal(k, key) {
				return seg, i, true
			}
		}
	}
}

// find returns the node of key, or 0.
func (t table) find(key []byte) arena.Ref {
	seg, i, ok := t.locate(key, hashOf(key))
	if !ok {
		return 0
	}
	return slotRef(slot(seg, i))
}

// insert adds a node whose key is not in the table.
func (t table) insert(ref arena.Ref, hash uint64) {
	for {
		p := prefix(hash, t.depth())
		seg := t.segment(p)
		if n := segmentLen(seg); n < segmentMaximum {
			place(seg, makeSlot(ref, hash))
			setSegmentLen(seg, n+1)
			t.addLen(1)
			return
		}
		t.split(p)
	}
}

// place puts a slot value into the first free slot from its home on.
func place(seg []byte, v uint64) {
	i := home(v >> refBits)
	for slot(seg, i) != 0 {
		i = nextSlot(i)
	}
	setSlot(seg, i, v)
}

// remove takes key out and returns its node, which the caller frees; 0 if there is none.
func (t table) remove(key []byte) arena.Ref {
	seg, i, ok := t.locate(key, hashOf(key))
	if !ok {
		return 0
	}
	ref := slotRef(slot(seg, i))
	// Close the gap: an entry may move back to the hole unless its home lies after it.
	hole := i
	for j := nextSlot(i); slot(seg, j) != 0; j = nextSlot(j) {
		h := home(slot(seg, j) >> refBits)
		if (j-h+segmentSlots)%segmentSlots >= (j-hole+segmentSlots)%segmentSlots {
			setSlot(seg, hole, slot(seg, j))
			hole = j
		}
	}
	setSlot(seg, hole, 0)
	setSegmentLen(seg, segmentLen(seg)-1)
	t.addLen(-1)
	return ref
}

// split divides the segment that entry p of the directory names into two of one more bit.
func (t table) split(p int) {
	depth := t.depth()
	oldRef := arena.Ref(binary.LittleEndian.Uint64(t.directory()[8*p:]))
	local := segmentDepth(t.heap.Slice(oldRef, segmentSize))
	if local == depth {
		t.doubleDirectory()
		depth++
		p *= 2
	}
	zero, one := newSegment(t.heap, local+1), newSegment(t.heap, local+1)
	old := t.heap.Slice(oldRef, segmentSize)
	zeros, ones := t.heap.Slice(zero, segmentSize), t.heap.Slice(one, segmentSize)
	n := 0
	for i := range segmentSlots {
		v := slot(old, i)
		if v == 0 {
			continue
		}
		key, _ := nodeKey(t.heap.Bytes(slotRef(v)))
		if hashOf(key)>>(63-local)&1 == 0 {
			place(zeros, v)
			n++
		} else {
			place(ones, v)
		}
	}
	setSegmentLen(zeros, n)
	setSegmentLen(ones, segmentLen(old)-n)
	span := 1 << (depth - local)
	first := p &^ (span - 1)
	dir := t.directory()
	for i := range span {
		ref := zero
		if i >= span/2 {
			ref = one
		}
		binary.LittleEndian.PutUint64(dir[8*(first+i):], uint64(ref))
	}
	t.heap.Free(oldRef)
}

func (t table) doubleDirectory() {
	depth := t.depth()
	ref, to := t.heap.Alloc(16 << depth)
	from := t.directory()
	for i := range 1 << depth {
		copy(to[16*i:16*i+8], from[8*i:])
		copy(to[16*i+8:16*i+16], from[8*i:])
	}
	t.heap.Free(t.directoryRef())
	t.setDirectory(ref, depth+1)
}

// shrink rebuilds a table that has become nearly empty.
func (t table) shrink() {
	depth := t.depth()
	if depth < 2 || t.len() > segmentMaximum<<depth/16 {
		return
	}
	old := t.directoryRef()
	t.addLen(-t.len())
	t.startDirectory()
	t.eachSegment(old, depth, func(seg []byte, ref arena.Ref) {
		for i := range segmentSlots {
			if v := slot(seg, i); v != 0 {
				key, _ := nodeKey(t.heap.Bytes(slotRef(v)))
				t.insert(slotRef(v), hashOf(key))
			}
		}
		t.heap.Free(ref)
	})
	t.heap.Free(old)
}

func (t table) eachSegment(dir arena.Ref, depth int, f func(seg []byte, ref arena.Ref)) {
	for i := 0; i < 1<<depth; {
		ref := arena.Ref(binary.LittleEndian.Uint64(t.heap.Slice(dir, 8<<depth)[8*i:]))
		seg := t.heap.Slice(ref, segmentSize)
		step := 1 << (depth - segmentDepth(seg))
		f(seg, ref)
		i += step
	}
}

// each calls f with every node until it returns false. f must not change the table.
func (t table) each(f func(node arena.Ref) bool) {
	for i, depth := 0, t.depth(); i < 1<<depth; {
		seg := t.segment(i)
		for j := range segmentSlots {
			if v := slot(seg, j); v != 0 && !f(slotRef(v)) {
				return
			}
		}
		i += 1 << (depth - segmentDepth(seg))
	}
}

// scan calls f with the nodes of whole segments, from the cursor on, until at least count nodes were
// seen, and returns the next cursor: the top 48 bits of the next hash, or 0 at the end.
func (t table) scan(cursor uint64, count int, f func(node arena.Ref)) uint64 {
	depth, seen := t.depth(), 0
	i := prefix(cursor<<16, depth)
	for i < 1<<depth && seen < count {
		seg := t.segment(i)
		for j := range segmentSlots {
			if v := slot(seg, j); v != 0 {
				f(slotRef(v))
				seen++
			}
		}
		span := 1 << (depth - segmentDepth(seg))
		i = i&^(span-1) + span
	}
	if i == 1<<depth {
		return 0
	}
	return uint64(i) << (48 - depth)
}

// random returns a node, each with the same chance; the table must not be empty.
func (t table) random(r Rand) arena.Ref {
	depth := t.depth()
	for {
		seg := t.segment(r.IntN(1 << depth))
		// A shallow segment has more entries in the directory than a deep one: even that out.
		if extra := depth - segmentDepth(seg); extra > 0 && r.IntN(1<<extra) != 0 {
			continue
		}
		if v := slot(seg, r.IntN(segmentSlots)); v != 0 {
			return slotRef(v)
		}
	}
}

// free gives back the table and every node.
func (t table) free() {
	t.eachSegment(t.directoryRef(), t.depth(), func(seg []byte, ref arena.Ref) {
		for i := range segmentSlots {
			if v := slot(seg, i); v != 0 {
				t.heap.Free(slotRef(v))
			}
		}
		t.heap.Free(ref)
	})
	t.heap.Free(t.directoryRef())
	t.heap.Free(t.root)
}
