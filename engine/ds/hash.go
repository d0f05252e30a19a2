package ds

import (
	"encoding/binary"

	"github.com/elastane/elastane/engine/arena"
)

// Hash maps fields to values. Small, it is a packed list of field, value, field, value …; large, a
// table whose nodes carry the value: payload = length:uvarint value.
type Hash struct {
	heap *arena.Heap
	root arena.Ref
}

// OpenHash opens the hash at root; arena.Nil is an empty one.
func OpenHash(heap *arena.Heap, root arena.Ref) Hash { return Hash{heap, root} }

// Root is the reference to keep; any change may move it.
func (h *Hash) Root() arena.Ref { return h.root }

// Encoding is Listpack or Hashtable.
func (h *Hash) Encoding() Encoding {
	if h.root == arena.Nil {
		return Listpack
	}
	return encodingAt(h.heap, h.root)
}

func (h *Hash) packed() packed { return packed{h.heap, h.root} }
func (h *Hash) table() table   { return table{h.heap, h.root} }
func (h *Hash) isPacked() bool { return h.Encoding() == Listpack }

// Len is the number of fields.
func (h *Hash) Len() int {
	if h.isPacked() {
		return h.packed().len() / 2
	}
	return h.table().len()
}

// fieldNode returns field and value of a table's node.
func fieldNode(b []byte) (field, value []byte) {
	field, rest := nodeKey(b)
	n, size := binary.Uvarint(rest)
	return field, rest[size : size+int(n) : size+int(n)]
}

func newFieldNode(heap *arena.Heap, field, value []byte) arena.Ref {
	head := uvarintSize(len(value))
	ref, rest := newNode(heap, field, head+len(value))
	binary.PutUvarint(rest, uint64(len(value)))
	copy(rest[head:], value)
	return ref
}

// Get returns the value of field.
func (h *Hash) Get(field []byte) (value []byte, ok bool) {
	if h.isPacked() {
		p := h.packed()
		off, ok := p.find(field, 2)
		if !ok {
			return nil, false
		}
		b := p.bytes()
		_, off = elementAt(b, off)
		value, _ = elementAt(b, off)
		return value, true
	}
	ref := h.table().find(field)
	if ref == 0 {
		return nil, false
	}
	_, value = fieldNode(h.heap.Bytes(ref))
	return value, true
}

// Set sets field to value and says whether the field is new.
func (h *Hash) Set(field, value []byte, limits Limits) (created bool) {
	if h.isPacked() {
		p := h.packed()
		if len(field) <= limits.Value && len(value) <= limits.Value {
			if off, ok := p.find(field, 2); ok {
				_, off = elementAt(p.bytes(), off)
				p.replace(off, value)
				h.root = p.ref
				return false
			}
			if p.len()/2 < limits.Entries {
				p.open(Listpack)
				p.insert(p.end(), field, value)
				h.root = p.ref
				return true
			}
		}
		h.unpack()
	}
	t, hash := h.table(), hashOf(field)
	seg, i, ok := t.locate(field, hash)
	if !ok {
		t.insert(newFieldNode(h.heap, field, value), hash)
		return true
	}
	ref := slotRef(slot(seg, i))
	if _, old := fieldNode(h.heap.Bytes(ref)); len(old) == len(value) {
		copy(old, value)
		return false
	}
	setSlot(seg, i, makeSlot(newFieldNode(h.heap, field, value), hash))
	h.heap.Free(ref)
	return false
}

// unpack turns a packed hash into a table.
func (h *Hash) unpack() {
	p, t := h.packed(), newTable(h.heap, Hashtable, 0)
	for off, end := packedHeader, p.end(); off < end; {
		b := p.bytes()
		field, next := elementAt(b, off)
		value, next := elementAt(b, next)
		t.insert(newFieldNode(h.heap, field, value), hashOf(field))
		off = next
	}
	h.heap.Free(p.ref)
	h.root = t.root
}

// Delete removes field and says whether it was there.
func (h *Hash) Delete(field []byte) bool {
	if h.isPacked() {
		p := h.packed()
		off, ok := p.find(field, 2)
		if ok {
			p.remove(off, 2)
			h.root = p.ref
		}
		return ok
	}
	t := h.table()
	ref := t.remove(field)
	if ref == 0 {
		return false
	}
	h.heap.Free(ref)
	t.shrink()
	return true
}

// Each calls f with every field until it returns false: in insertion order while packed, else in no
// order. f must not change the hash.
func (h *Hash) Each(f func(field, value []byte) bool) {
	if !h.isPacked() {
		h.table().each(func(ref arena.Ref) bool { return f(fieldNode(h.heap.Bytes(ref))) })
		return
	}
	b := h.packed().bytes()
	for off := packedHeader; off < len(b); {
		field, next := elementAt(b, off)
		value, next := elementAt(b, next)
		if !f(field, value) {
			return
		}
		off = next
	}
}

// Scan calls f with about count fields from cursor on and returns the next cursor, 0 at the end. A
// packed hash is handed out whole.
func (h *Hash) Scan(cursor uint64, count int, f func(field, value []byte)) uint64 {
	if h.isPacked() {
		h.Each(func(field, value []byte) bool { f(field, value); return true })
		return 0
	}
	return h.table().scan(cursor, count, func(ref arena.Ref) { f(fieldNode(h.heap.Bytes(ref))) })
}

// Random returns one field, each with the same chance; the hash must not be empty.
func (h *Hash) Random(r Rand) (field, value []byte) {
	if !h.isPacked() {
		return fieldNode(h.heap.Bytes(h.table().random(r)))
	}
	p := h.packed()
	b := p.bytes()
	field, off := elementAt(b, p.offset(2*r.IntN(p.len()/2)))
	value, _ = elementAt(b, off)
	return field, value
}

// Free gives all memory back; the hash must not be used afterwards.
func (h *Hash) Free() {
	if h.isPacked() {
		h.heap.Free(h.root)
		return
	}
	h.table().free()
}
