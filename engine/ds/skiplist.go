package ds

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/elastane/elastane/engine/arena"
)

// A skiplist is a table whose nodes are also linked in the order of the sorted set. Each link knows
// how many nodes it passes, so that rank and place are found in O(log n).
//
//	root    = table root, header:u64 tail:u64
//	payload = score:f64 previous:u64 levels:u8 (next:u64 span:u32) × levels
//
// The header is a node without a member and with all levels. previous of the first node is 0. The
// span of a link is the distance in ranks; of a link to nothing, the distance to the last node.
const (
	skipHeader = tableRootSize
	skipTail   = tableRootSize + 8
	skipExtra  = 16

	skipLevels   = 20
	skipLinks    = 17
	skipLinkSize = 12
)

type skiplist struct{ table }

func newSkiplist(heap *arena.Heap) skiplist {
	s := skiplist{newTable(heap, Skiplist, skipExtra)}
	s.setRootRef(skipHeader, s.newNode(nil, 0, skipLevels))
	return s
}

func (s skiplist) rootRef(field int) arena.Ref {
	return arena.Ref(binary.LittleEndian.Uint64(s.heap.Slice(s.root, field+8)[field:]))
}

func (s skiplist) setRootRef(field int, ref arena.Ref) {
	binary.LittleEndian.PutUint64(s.heap.Slice(s.root, field+8)[field:], uint64(ref))
}

func (s skiplist) header() arena.Ref { return s.rootRef(skipHeader) }
func (s skiplist) tail() arena.Ref   { return s.rootRef(skipTail) }

func (s skiplist) newNode(member []byte, score float64, levels int) arena.Ref {
	ref, b := newNode(s.heap, member, skipLinks+skipLinkSize*levels)
	clear(b)
	binary.LittleEndian.PutUint64(b, math.Float64bits(score))
	b[16] = byte(levels)
	return ref
}

// randomLevels is 1, and one more with a chance of a quarter each time.
func randomLevels() int {
	return min(1+bits.TrailingZeros64(rand.Uint64()|1<<63)/2, skipLevels)
}

func (s skiplist) links(node arena.Ref) []byte {
	_, payload := nodeKey(s.heap.Bytes(node))
	return payload
}

func (s skiplist) member(node arena.Ref) (member []byte, score float64) {
	member, payload := nodeKey(s.heap.Bytes(node))
	return member, scoreOf(payload)
}

func (s skiplist) previous(node arena.Ref) arena.Ref {
	return arena.Ref(binary.LittleEndian.Uint64(s.links(node)[8:]))
}

// setPrevious of nothing (0) sets the tail; a previous that is the header is stored as 0.
func (s skiplist) setPrevious(node, previous arena.Ref) {
	if previous == s.header() {
		previous = 0
	}
	if node == 0 {
		s.setRootRef(skipTail, previous)
		return
	}
	binary.LittleEndian.PutUint64(s.links(node)[8:], uint64(previous))
}

func (s skiplist) levels(node arena.Ref) int { return int(s.links(node)[16]) }

func (s skiplist) next(node arena.Ref) arena.Ref {
	next, _ := linkAt(s.links(node), 0)
	return next
}

// linkAt reads the link of a level from a node's payload.
func linkAt(links []byte, level int) (next arena.Ref, span int) {
	b := links[skipLinks+skipLinkSize*level:][:skipLinkSize]
	return arena.Ref(binary.LittleEndian.Uint64(b)), int(binary.LittleEndian.Uint32(b[8:]))
}

func setLink(links []byte, level int, next arena.Ref, span int) {
	b := links[skipLinks+skipLinkSize*level:][:skipLinkSize]
	binary.LittleEndian.PutUint64(b, uint64(next))
	binary.LittleEndian.PutUint32(b[8:], uint32(span))
}

func scoreOf(payload []byte) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(payload))
}

// path is, for each level, the last node before a place and its rank (the header has rank 0, the
// first node 1).
type path struct {
	node [skipLevels]arena.Ref
	rank [skipLevels]int
}

// pathTo fills p with the path to the place of a member.
func (s skiplist) pathTo(p *path, member []byte, score float64) {
	node, rank := s.header(), 0
	links := s.links(node)
	for level := skipLevels - 1; level >= 0; level-- {
		for {
			next, span := linkAt(links, level)
			if next == 0 {
				break
			}
			m, payload := nodeKey(s.heap.Bytes(next))
			if !before(scoreOf(payload), m, score, member) {
				break
			}
			node, rank, links = next, rank+span, payload
		}
		p.node[level], p.rank[level] = node, rank
	}
}

// set gives member a score and says whether the member is new.
func (s skiplist) set(member []byte, score float64) (created bool) {
	hash := hashOf(member)
	seg, i, found := s.locate(member, hash)
	var node arena.Ref
	if found {
		node = slotRef(slot(seg, i))
		if _, old := s.member(node); old == score {
			return false
		}
		s.unlink(node)
		binary.LittleEndian.PutUint64(s.links(node), math.Float64bits(score))
	} else {
		node = s.newNode(member, score, randomLevels())
	}
	s.link(node)
	if !found {
		s.insert(node, hash)
	}
	return !found
}

// link puts a node into the order.
func (s skiplist) link(node arena.Ref) {
	var p path
	member, score := s.member(node)
	s.pathTo(&p, member, score)
	own, levels := s.links(node), s.levels(node)
	var at arena.Ref
	var links []byte
	for level := range skipLevels {
		if at != p.node[level] {
			at = p.node[level]
			links = s.links(at)
		}
		next, span := linkAt(links, level)
		if level >= levels {
			setLink(links, level, next, span+1)
			continue
		}
		passed := p.rank[0] - p.rank[level]
		setLink(own, level, next, span-passed)
		setLink(links, level, node, passed+1)
	}
	s.setPrevious(node, p.node[0])
	s.setPrevious(s.next(node), node)
}

// unlink takes a node out of the order.
func (s skiplist) unlink(node arena.Ref) {
	var p path
	member, score := s.member(node)
	s.pathTo(&p, member, score)
	own := s.links(node)
	var at arena.Ref
	var links []byte
	for level := range skipLevels {
		if at != p.node[level] {
			at = p.node[level]
			links = s.links(at)
		}
		next, span := linkAt(links, level)
		if next != node {
			setLink(links, level, next, span-1)
			continue
		}
		beyond, more := linkAt(own, level)
		setLink(links, level, beyond, span+more-1)
	}
	s.setPrevious(s.next(node), p.node[0])
}

func (s skiplist) delete(member []byte) bool {
	node := s.find(member)
	if node == 0 {
		return false
	}
	s.drop(node)
	s.shrink()
	return true
}

func (s skiplist) drop(node arena.Ref) {
	s.unlink(node)
	member, _ := s.member(node)
	s.remove(member)
	s.heap.Free(node)
}

func (s skiplist) search(isBefore func(member []byte, score float64) bool) int {
	links, rank := s.links(s.header()), 0
	for level := skipLevels - 1; level >= 0; level-- {
		for {
			next, span := linkAt(links, level)
			if next == 0 {
				break
			}
			member, payload := nodeKey(s.heap.Bytes(next))
			if !isBefore(member, scoreOf(payload)) {
				break
			}
			rank, links = rank+span, payload
		}
	}
	return rank
}

// at returns the node of a rank, counted from 0.
func (s skiplist) at(rank int) arena.Ref {
	node, left := s.header(), rank+1
	links := s.links(node)
	for level := skipLevels - 1; level >= 0; level-- {
		for {
			next, span := linkAt(links, level)
			if next == 0 || span > left {
				break
			}
			node, left, links = next, left-span, s.links(next)
		}
		if left == 0 {
			return node
		}
	}
	return 0
}

func (s skiplist) each(rank int, reverse bool, f func(member []byte, score float64) bool) {
	var node arena.Ref
	if rank == s.len()-1 {
		node = s.tail()
	} else {
		node = s.at(rank)
	}
	for node != 0 && f(s.member(node)) {
		if reverse {
			node = s.previous(node)
		} else {
			node = s.next(node)
		}
	}
}

func (s skiplist) removeRange(rank, n int) {
	node := s.at(rank)
	for range n {
		next := s.next(node)
		s.drop(node)
		node = next
	}
	s.shrink()
}
