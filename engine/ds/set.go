package ds

import (
	"encoding/binary"
	"sort"
	"strconv"

	"github.com/elastane/elastane/engine/arena"
)

// Set holds distinct members. Of integers only, it is an intset: a packed list's header and the
// sorted integers, 8 bytes each; small otherwise, a packed list; else a table.
type Set struct {
	heap *arena.Heap
	root arena.Ref
}

// SetLimits says when a set leaves its compact encodings.
type SetLimits struct {
	// Integers is the greatest number of members of an intset.
	Integers int
	// Packed holds for a set with a member that is no integer.
	Packed Limits
}

// DefaultSetLimits are those of Valkey.
var DefaultSetLimits = SetLimits{Integers: 512, Packed: DefaultLimits}

// OpenSet opens the set at root; arena.Nil is an empty one.
func OpenSet(heap *arena.Heap, root arena.Ref) Set { return Set{heap: heap, root: root} }

// Root is the reference to keep; any change may move it.
func (s *Set) Root() arena.Ref { return s.root }

// Encoding is Intset, Listpack or Hashtable.
func (s *Set) Encoding() Encoding {
	if s.root == arena.Nil {
		return Intset
	}
	return encodingAt(s.heap, s.root)
}

func (s *Set) packed() packed { return packed{s.heap, s.root} }
func (s *Set) table() table   { return table{s.heap, s.root} }

// Len is the number of members.
func (s *Set) Len() int {
	if s.Encoding() == Hashtable {
		return s.table().len()
	}
	return s.packed().len()
}

// canonicalInt reads a member that is written as strconv writes an integer.
func canonicalInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 || (b[0] != '-' && (b[0] < '0' || b[0] > '9')) {
		return 0, false
	}
	v, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, false
	}
	var text [20]byte
	return v, string(strconv.AppendInt(text[:0], v, 10)) == string(b)
}

func intAt(b []byte, i int) int64 {
	return int64(binary.LittleEndian.Uint64(b[packedHeader+8*i:]))
}

// searchInt returns where v is, or belongs.
func (s *Set) searchInt(v int64) (i int, found bool) {
	p := s.packed()
	b, n := p.bytes(), p.len()
	i = sort.Search(n, func(i int) bool { return intAt(b, i) >= v })
	return i, i < n && intAt(b, i) == v
}

// Contains says whether member is there.
func (s *Set) Contains(member []byte) bool {
	switch s.Encoding() {
	case Intset:
		v, ok := canonicalInt(member)
		if ok {
			_, ok = s.searchInt(v)
		}
		return ok
	case Listpack:
		_, ok := s.packed().find(member, 1)
		return ok
	}
	return s.table().find(member) != 0
}

// Add puts member in and says whether it is new.
func (s *Set) Add(member []byte, limits SetLimits) (created bool) {
	if s.Encoding() == Intset {
		if v, ok := canonicalInt(member); ok {
			i, found := s.searchInt(v)
			if found {
				return false
			}
			if s.Len() < limits.Integers {
				s.insertInt(i, v)
				return true
			}
		}
		s.leaveIntset(len(member), limits.Packed)
	}
	if s.Encoding() == Listpack {
		p := s.packed()
		if _, found := p.find(member, 1); found {
			return false
		}
		if p.len() < limits.Packed.Entries && len(member) <= limits.Packed.Value {
			p.open(Listpack)
			p.insert(p.end(), member)
			s.root = p.ref
			return true
		}
		s.unpack()
	}
	t, hash := s.table(), hashOf(member)
	if _, _, found := t.locate(member, hash); found {
		return false
	}
	ref, _ := newNode(s.heap, member, 0)
	t.insert(ref, hash)
	return true
}

func (s *Set) insertInt(i int, v int64) {
	p := s.packed()
	p.open(Intset)
	used := p.end()
	p.resize(used+8, 1)
	b := p.bytes()
	off := packedHeader + 8*i
	copy(b[off+8:], b[off:used])
	binary.LittleEndian.PutUint64(b[off:], uint64(v))
	s.root = p.ref
}

// leaveIntset turns an intset into a packed list, or a table if another member of the given length
// would not fit there.
func (s *Set) leaveIntset(length int, limits Limits) {
	if s.Len() >= limits.Entries || length > limits.Value {
		s.unpack()
		return
	}
	p := newPacked(s.heap, Listpack)
	s.Each(func(member []byte) bool {
		p.insert(p.end(), member)
		return true
	})
	s.heap.Free(s.root)
	s.root = p.ref
}

func (s *Set) unpack() {
	t := newTable(s.heap, Hashtable, 0)
	s.Each(func(member []byte) bool {
		ref, _ := newNode(s.heap, member, 0)
		t.insert(ref, hashOf(member))
		return true
	})
	s.heap.Free(s.root)
	s.root = t.root
}

// Delete removes member and says whether it was there.
func (s *Set) Delete(member []byte) bool {
	switch s.Encoding() {
	case Intset:
		v, ok := canonicalInt(member)
		if !ok {
			return false
		}
		i, found := s.searchInt(v)
		if found {
			p := s.packed()
			b := p.bytes()
			copy(b[packedHeader+8*i:], b[packedHeader+8*i+8:])
			p.resize(len(b)-8, -1)
			s.root = p.ref
		}
		return found
	case Listpack:
		p := s.packed()
		off, found := p.find(member, 1)
		if found {
			p.remove(off, 1)
			s.root = p.ref
		}
		return found
	}
	t := s.table()
	ref := t.remove(member)
	if ref == 0 {
		return false
	}
	s.heap.Free(ref)
	t.shrink()
	return true
}

// Each calls f with every member until it returns false. f must not change the set; of an intset,
// the member it gets is overwritten by the next.
func (s *Set) Each(f func(member []byte) bool) {
	switch s.Encoding() {
	case Intset:
		p := s.packed()
		b := p.bytes()
		text := make([]byte, 0, 20)
		for i := range p.len() {
			if !f(strconv.AppendInt(text, intAt(b, i), 10)) {
				return
			}
		}
	case Listpack:
		b := s.packed().bytes()
		for off := packedHeader; off < len(b); {
			member, next := elementAt(b, off)
			if !f(member) {
				return
			}
			off = next
		}
	default:
		s.table().each(func(ref arena.Ref) bool {
			member, _ := nodeKey(s.heap.Bytes(ref))
			return f(member)
		})
	}
}

// Scan calls f with about count members from cursor on and returns the next cursor, 0 at the end.
// Compact encodings are handed out whole.
func (s *Set) Scan(cursor uint64, count int, f func(member []byte)) uint64 {
	if s.Encoding() != Hashtable {
		s.Each(func(member []byte) bool { f(member); return true })
		return 0
	}
	return s.table().scan(cursor, count, func(ref arena.Ref) {
		member, _ := nodeKey(s.heap.Bytes(ref))
		f(member)
	})
}

// Random returns one member, each with the same chance; the set must not be empty.
func (s *Set) Random(r Rand) []byte {
	switch p := s.packed(); s.Encoding() {
	case Intset:
		return strconv.AppendInt(nil, intAt(p.bytes(), r.IntN(p.len())), 10)
	case Listpack:
		member, _ := elementAt(p.bytes(), p.offset(r.IntN(p.len())))
		return member
	}
	member, _ := nodeKey(s.heap.Bytes(s.table().random(r)))
	return member
}

// Free gives all memory back; the set must not be used afterwards.
func (s *Set) Free() {
	if s.Encoding() == Hashtable {
		s.table().free()
		return
	}
	s.heap.Free(s.root)
}
