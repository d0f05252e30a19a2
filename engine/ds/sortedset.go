package ds

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/elastane/elastane/engine/arena"
)

// SortedSet holds members ordered by score, then by their bytes. Small, it is a packed list of
// member, score, member, score …; large, a table from member to node, whose nodes are also
// listed in a B+tree with ranks (btree.go); the encoding has the name that clients know from Valkey.
//
// A packed score is the big-endian bit pattern without its trailing zero bytes: 0 takes no byte,
// small integers two or three.
type SortedSet struct {
	heap *arena.Heap
	root arena.Ref
}

// OpenSortedSet opens the sorted set at root; arena.Nil is an empty one.
func OpenSortedSet(heap *arena.Heap, root arena.Ref) SortedSet { return SortedSet{heap, root} }

// Root is the reference to keep; any change may move it.
func (z *SortedSet) Root() arena.Ref { return z.root }

// Encoding is Listpack or Skiplist.
func (z *SortedSet) Encoding() Encoding {
	if z.root == arena.Nil {
		return Listpack
	}
	return encodingAt(z.heap, z.root)
}

func (z *SortedSet) packed() packed { return packed{z.heap, z.root} }
func (z *SortedSet) tree() tree     { return tree{table{z.heap, z.root}} }
func (z *SortedSet) isPacked() bool { return z.Encoding() == Listpack }

// Len is the number of members.
func (z *SortedSet) Len() int {
	if z.isPacked() {
		return z.packed().len() / 2
	}
	return z.tree().len()
}

// packScore writes the short form of a score into buf.
func packScore(buf *[8]byte, score float64) []byte {
	v := math.Float64bits(score)
	binary.BigEndian.PutUint64(buf[:], v)
	return buf[:8-bits.TrailingZeros64(v)/8]
}

func unpackScore(b []byte) float64 {
	var buf [8]byte
	copy(buf[:], b)
	return math.Float64frombits(binary.BigEndian.Uint64(buf[:]))
}

// before is the order of the set.
func before(score1 float64, member1 []byte, score2 float64, member2 []byte) bool {
	if score1 != score2 {
		return score1 < score2
	}
	return bytes.Compare(member1, member2) < 0
}

// Score returns the score of member.
func (z *SortedSet) Score(member []byte) (score float64, ok bool) {
	if z.isPacked() {
		p := z.packed()
		off, ok := p.find(member, 2)
		if !ok {
			return 0, false
		}
		b := p.bytes()
		_, off = elementAt(b, off)
		packedScore, _ := elementAt(b, off)
		return unpackScore(packedScore), true
	}
	s := z.tree()
	ref := s.find(member)
	if ref == 0 {
		return 0, false
	}
	_, score = s.member(ref)
	return score, true
}

// Set gives member a score, which must not be NaN, and says whether the member is new.
func (z *SortedSet) Set(member []byte, score float64, limits Limits) (created bool) {
	if score == 0 {
		score = 0 // -0 and 0 are the same score
	}
	if z.isPacked() {
		p := z.packed()
		off, found := p.find(member, 2)
		if found || (p.len()/2 < limits.Entries && len(member) <= limits.Value) {
			if found {
				p.remove(off, 2)
			}
			p.open(Listpack)
			var buf [8]byte
			p.insert(z.placeFor(p, member, score), member, packScore(&buf, score))
			z.root = p.ref
			return !found
		}
		z.unpack()
	}
	return z.tree().set(member, score)
}

// placeFor is the offset at which a member belongs in a packed set.
func (z *SortedSet) placeFor(p packed, member []byte, score float64) int {
	b := p.bytes()
	for off := packedHeader; off < len(b); {
		m, next := elementAt(b, off)
		s, next := elementAt(b, next)
		if before(score, member, unpackScore(s), m) {
			return off
		}
		off = next
	}
	return len(b)
}

func (z *SortedSet) unpack() {
	s := newTree(z.heap)
	z.Each(0, false, func(member []byte, score float64) bool {
		s.set(member, score)
		return true
	})
	z.heap.Free(z.root)
	z.root = s.root
}

// Delete removes member and says whether it was there.
func (z *SortedSet) Delete(member []byte) bool {
	if z.isPacked() {
		p := z.packed()
		off, ok := p.find(member, 2)
		if ok {
			p.remove(off, 2)
			z.root = p.ref
		}
		return ok
	}
	return z.tree().delete(member)
}

// Rank is the number of members before member.
func (z *SortedSet) Rank(member []byte) (rank int, ok bool) {
	score, ok := z.Score(member)
	if !ok {
		return 0, false
	}
	if !z.isPacked() {
		return z.tree().rank(member, score), true
	}
	return z.Search(func(m []byte, s float64) bool { return before(s, m, score, member) }), true
}

// Search returns how many members lie before the first one for which isBefore is false; isBefore
// must hold for a leading part of the order and for no member after it. Every range by score or by
// member is two searches.
func (z *SortedSet) Search(isBefore func(member []byte, score float64) bool) (rank int) {
	if !z.isPacked() {
		return z.tree().search(isBefore)
	}
	z.Each(0, false, func(member []byte, score float64) bool {
		if !isBefore(member, score) {
			return false
		}
		rank++
		return true
	})
	return rank
}

// Each calls f with the members from a rank on, upwards or, reversed, downwards, until f returns
// false. f must not change the set.
func (z *SortedSet) Each(rank int, reverse bool, f func(member []byte, score float64) bool) {
	if rank < 0 || rank >= z.Len() {
		return
	}
	if !z.isPacked() {
		z.tree().each(rank, reverse, f)
		return
	}
	p := z.packed()
	b, off := p.bytes(), p.offset(2*rank)
	for off < len(b) {
		member, next := elementAt(b, off)
		score, next := elementAt(b, next)
		if !f(member, unpackScore(score)) {
			return
		}
		if !reverse {
			off = next
			continue
		}
		if off == packedHeader {
			return
		}
		off = previousOf(b, previousOf(b, off))
	}
}

// Remove takes n members away from a rank on; all of them must be there.
func (z *SortedSet) Remove(rank, n int) {
	if z.isPacked() {
		p := z.packed()
		p.remove(p.offset(2*rank), 2*n)
		z.root = p.ref
		return
	}
	z.tree().removeRange(rank, n)
}

// Scan calls f with about count members from cursor on, in no order, and returns the next cursor, 0
// at the end. A packed set is handed out whole.
func (z *SortedSet) Scan(cursor uint64, count int, f func(member []byte, score float64)) uint64 {
	if z.isPacked() {
		z.Each(0, false, func(member []byte, score float64) bool { f(member, score); return true })
		return 0
	}
	s := z.tree()
	return s.scan(cursor, count, func(ref arena.Ref) { f(s.member(ref)) })
}

// Random returns one member, each with the same chance; the set must not be empty.
func (z *SortedSet) Random(r Rand) (member []byte, score float64) {
	z.Each(r.IntN(z.Len()), false, func(m []byte, s float64) bool {
		member, score = m, s
		return false
	})
	return member, score
}

// Free gives all memory back; the set must not be used afterwards.
func (z *SortedSet) Free() {
	if z.isPacked() {
		z.heap.Free(z.root)
		return
	}
	z.tree().freeAll()
}
