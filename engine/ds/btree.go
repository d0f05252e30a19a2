package ds

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/elastane/elastane/engine/arena"
)

// A tree is a table whose nodes are also listed in the order of the sorted set, in a B+tree that knows how many
// members lie below each child, so that rank and place are found in O(log n). Scores are kept beside the references:
// a search reads a few neighbouring cache lines of each tree node, and looks at a member only where scores are equal.
//
//	root    = table root, node:u64 height:u64            (height 0: the node is a leaf)
//	payload = score:f64                                  (of the table's nodes)
//	leaf    = count:u16 … previous:u64 next:u64 score:f64 × leafMax member:ref × leafMax
//	inner   = count:u16 … score:f64 × innerMax member:ref × innerMax child:ref × innerMax members:u32 × innerMax
//
// Score and member of an inner node's child are those of the first member below it, exactly; the first child's are
// not kept up to date, and nobody looks at them. Between two operations only the root may be an empty node.
const (
	treeNode   = tableRootSize
	treeHeight = tableRootSize + 8
	treeExtra  = 16

	leafMax      = 47
	leafPrevious = 8
	leafNext     = 16
	leafScores   = 24
	leafMembers  = leafScores + 8*leafMax
	leafSize     = leafMembers + arena.RefBytes*leafMax

	innerMax      = 34
	innerScores   = 8
	innerMembers  = innerScores + 8*innerMax
	innerChildren = innerMembers + arena.RefBytes*innerMax
	innerCounts   = innerChildren + arena.RefBytes*innerMax
	innerSize     = innerCounts + 4*innerMax

	// maxHeight is never reached: nodes are at least a quarter full, but for a few.
	maxHeight = 24
)

type tree struct{ table }

func newTree(heap *arena.Heap) tree {
	t := tree{newTable(heap, Skiplist, treeExtra)}
	t.setTop(t.newTreeNode(leafSize), 0)
	return t
}

func (t tree) newTreeNode(size int) arena.Ref {
	ref, b := t.heap.Alloc(size)
	clear(b[:leafScores])
	return ref
}

func (t tree) top() (node arena.Ref, height int) {
	b := t.heap.Slice(t.root, treeHeight+8)
	return arena.Ref(binary.LittleEndian.Uint64(b[treeNode:])), int(binary.LittleEndian.Uint64(b[treeHeight:]))
}

func (t tree) setTop(node arena.Ref, height int) {
	b := t.heap.Slice(t.root, treeHeight+8)
	binary.LittleEndian.PutUint64(b[treeNode:], uint64(node))
	binary.LittleEndian.PutUint64(b[treeHeight:], uint64(height))
}

// leaf and inner are the bytes of a tree's node.
type (
	leaf  []byte
	inner []byte
)

func (t tree) leaf(node arena.Ref) leaf   { return t.heap.Slice(node, leafSize) }
func (t tree) inner(node arena.Ref) inner { return t.heap.Slice(node, innerSize) }

func scoreAt(b []byte, base, i int) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(b[base+8*i:]))
}

func refAt(b []byte, base, i int) arena.Ref { return arena.GetRef(b[base+arena.RefBytes*i:]) }

func putScore(b []byte, score float64) { binary.LittleEndian.PutUint64(b, math.Float64bits(score)) }

func count(node []byte) int       { return int(binary.LittleEndian.Uint16(node)) }
func setCount(node []byte, n int) { binary.LittleEndian.PutUint16(node, uint16(n)) }

// shift moves the elements from index i on by one place (delta 1: makes room, delta -1: closes the gap before i).
func shift(node []byte, base, size, i, n, delta int) {
	copy(node[base+size*(i+delta):], node[base+size*i:base+size*n])
}

func (l leaf) score(i int) float64    { return scoreAt(l, leafScores, i) }
func (l leaf) member(i int) arena.Ref { return refAt(l, leafMembers, i) }

func (l leaf) put(i int, score float64, member arena.Ref) {
	putScore(l[leafScores+8*i:], score)
	arena.PutRef(l[leafMembers+arena.RefBytes*i:], member)
}

func (l leaf) move(i, delta int) {
	n := count(l)
	shift(l, leafScores, 8, i, n, delta)
	shift(l, leafMembers, arena.RefBytes, i, n, delta)
	setCount(l, n+delta)
}

func (l leaf) neighbour(field int) arena.Ref { return arena.Ref(binary.LittleEndian.Uint64(l[field:])) }

func (l leaf) setNeighbour(field int, node arena.Ref) {
	binary.LittleEndian.PutUint64(l[field:], uint64(node))
}

func (n inner) child(i int) arena.Ref { return refAt(n, innerChildren, i) }
func (n inner) below(i int) int       { return int(binary.LittleEndian.Uint32(n[innerCounts+4*i:])) }

func (n inner) setBelow(i, members int) {
	binary.LittleEndian.PutUint32(n[innerCounts+4*i:], uint32(members))
}

func (n inner) setFirst(i int, score float64, member arena.Ref) {
	putScore(n[innerScores+8*i:], score)
	arena.PutRef(n[innerMembers+arena.RefBytes*i:], member)
}

func (n inner) put(i int, score float64, member, child arena.Ref, members int) {
	n.setFirst(i, score, member)
	arena.PutRef(n[innerChildren+arena.RefBytes*i:], child)
	n.setBelow(i, members)
}

func (n inner) move(i, delta int) {
	c := count(n)
	shift(n, innerScores, 8, i, c, delta)
	shift(n, innerMembers, arena.RefBytes, i, c, delta)
	shift(n, innerChildren, arena.RefBytes, i, c, delta)
	shift(n, innerCounts, 4, i, c, delta)
	setCount(n, c+delta)
}

func (n inner) total(children int) (members int) {
	for i := range children {
		members += n.below(i)
	}
	return members
}

// append adds elements of another node, from index i on, at the end.
func (l leaf) append(from leaf, i int) {
	n, more := count(l), count(from)-i
	copy(l[leafScores+8*n:], from[leafScores+8*i:leafScores+8*(i+more)])
	copy(l[leafMembers+arena.RefBytes*n:], from[leafMembers+arena.RefBytes*i:leafMembers+arena.RefBytes*(i+more)])
	setCount(l, n+more)
}

func (n inner) append(from inner, i int) {
	c, more := count(n), count(from)-i
	copy(n[innerScores+8*c:], from[innerScores+8*i:innerScores+8*(i+more)])
	for _, base := range []int{innerMembers, innerChildren} {
		copy(n[base+arena.RefBytes*c:], from[base+arena.RefBytes*i:base+arena.RefBytes*(i+more)])
	}
	copy(n[innerCounts+4*c:], from[innerCounts+4*i:innerCounts+4*(i+more)])
	setCount(n, c+more)
}

// member returns member and score of a node of the table.
func (t tree) member(node arena.Ref) (member []byte, score float64) {
	member, payload := nodeKey(t.heap.Bytes(node))
	return member, math.Float64frombits(binary.LittleEndian.Uint64(payload))
}

func (t tree) key(node arena.Ref) []byte {
	key, _ := nodeKey(t.heap.Bytes(node))
	return key
}

// place returns the index of the first of the elements [low, high) that does not lie before a member; orAt
// counts the member itself as before.
func (t tree) place(b []byte, scores, members, low, high int, score float64, member []byte, orAt bool) int {
	for low < high {
		mid := int(uint(low+high) >> 1)
		at := scoreAt(b, scores, mid)
		isBefore := at < score
		if at == score {
			c := bytes.Compare(t.key(refAt(b, members, mid)), member)
			isBefore = c < 0 || orAt && c == 0
		}
		if isBefore {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

func (t tree) placeInLeaf(l leaf, score float64, member []byte) int {
	return t.place(l, leafScores, leafMembers, 0, count(l), score, member, false)
}

// childFor returns the index of the child below which a member is or belongs.
func (t tree) childFor(n inner, score float64, member []byte) int {
	return t.place(n, innerScores, innerMembers, 1, count(n), score, member, true) - 1
}

// path is the way from the root to a leaf: inner nodes by their height from 1 on, and which child was taken.
type path [maxHeight + 1]struct {
	node arena.Ref
	at   int
}

// descend fills p with the way to the leaf where a member is or belongs.
func (t tree) descend(p *path, score float64, member []byte) (node arena.Ref) {
	node, height := t.top()
	for ; height > 0; height-- {
		n := t.inner(node)
		p[height].node, p[height].at = node, t.childFor(n, score, member)
		node = n.child(p[height].at)
	}
	return node
}

// set gives member a score and says whether the member is new.
func (t tree) set(member []byte, score float64) (created bool) {
	hash := hashOf(member)
	seg, i, found := t.locate(member, hash)
	if !found {
		node, payload := newNode(t.heap, member, 8)
		putScore(payload, score)
		t.list(node, member, score)
		t.insert(node, hash)
		return true
	}
	node := slotRef(slot(seg, i))
	own, payload := nodeKey(t.heap.Bytes(node))
	old := math.Float64frombits(binary.LittleEndian.Uint64(payload))
	if old == score {
		return false
	}
	putScore(payload, score)
	var p path
	at := t.descend(&p, old, own)
	l := t.leaf(at)
	// Often a member keeps its place. The first of a leaf is known to the inner nodes as well: the long way.
	k := t.placeInLeaf(l, old, own)
	if k > 0 && k < count(l)-1 && t.before(l, k-1, score, own) && !t.before(l, k+1, score, own) {
		putScore(l[leafScores+8*k:], score)
		return false
	}
	t.unlist(&p, at, k)
	t.list(node, own, score)
	return false
}

// before tells whether element i of a leaf lies before a member.
func (t tree) before(l leaf, i int, score float64, member []byte) bool {
	at := l.score(i)
	return at < score || at == score && bytes.Compare(t.key(l.member(i)), member) < 0
}

// list puts a node of the table into the order.
func (t tree) list(node arena.Ref, member []byte, score float64) {
	var p path
	at := t.descend(&p, score, member)
	_, height := t.top()
	for h := 1; h <= height; h++ {
		n := t.inner(p[h].node)
		n.setBelow(p[h].at, n.below(p[h].at)+1)
	}
	l := t.leaf(at)
	i := t.placeInLeaf(l, score, member)
	if count(l) < leafMax {
		l.move(i, 1)
		l.put(i, score, node)
		return
	}
	right := t.newTreeNode(leafSize)
	r := t.leaf(right)
	next := l.neighbour(leafNext)
	cut := leafMax / 2
	if i == leafMax && next == 0 {
		cut = leafMax // rising scores fill their leaves
	}
	r.append(l, cut)
	setCount(l, cut)
	t.join(right, next)
	t.join(at, right)
	if i > cut || cut == leafMax {
		l, i = r, i-cut
	}
	l.move(i, 1)
	l.put(i, score, node)
	t.addChild(&p, right, count(r))
}

// join makes b follow a among the leaves; 0 stands for the end.
func (t tree) join(a, b arena.Ref) {
	if a != 0 {
		t.leaf(a).setNeighbour(leafNext, b)
	}
	if b != 0 {
		t.leaf(b).setNeighbour(leafPrevious, a)
	}
}

// addChild enters a node of so many members that was split off to the right of the path's end.
func (t tree) addChild(p *path, right arena.Ref, members int) {
	left, height := t.top()
	for h := 1; h <= height; h++ {
		n, at := t.inner(p[h].node), p[h].at+1
		n.setBelow(at-1, n.below(at-1)-members)
		score, member := t.first(right, h-1)
		if count(n) < innerMax {
			n.move(at, 1)
			n.put(at, score, member, right, members)
			return
		}
		node := t.newTreeNode(innerSize)
		r := t.inner(node)
		cut := innerMax / 2
		if at == innerMax {
			cut = innerMax
		}
		r.append(n, cut)
		setCount(n, cut)
		if at > cut || cut == innerMax {
			n, at = r, at-cut
		}
		n.move(at, 1)
		n.put(at, score, member, right, members)
		right, members = node, r.total(count(r))
	}
	node := t.newTreeNode(innerSize)
	n := t.inner(node)
	setCount(n, 2)
	score, member := t.first(right, height)
	n.put(0, 0, 0, left, t.count(left, height))
	n.put(1, score, member, right, members)
	t.setTop(node, height+1)
}

// count returns how many members are below a node.
func (t tree) count(node arena.Ref, height int) int {
	if height == 0 {
		return count(t.leaf(node))
	}
	n := t.inner(node)
	return n.total(count(n))
}

// first returns the first member below a node.
func (t tree) first(node arena.Ref, height int) (score float64, member arena.Ref) {
	for ; height > 0; height-- {
		node = t.inner(node).child(0)
	}
	l := t.leaf(node)
	return l.score(0), l.member(0)
}

// setFirst tells the inner nodes, from a height on, that another member is the first below the path.
func (t tree) setFirst(p *path, from int, score float64, member arena.Ref) {
	for _, height := t.top(); from <= height; from++ {
		if p[from].at > 0 {
			t.inner(p[from].node).setFirst(p[from].at, score, member)
			return
		}
	}
}

// unlist takes the element at index i of the leaf at the path's end out of the order.
func (t tree) unlist(p *path, node arena.Ref, i int) {
	top, height := t.top()
	for h := 1; h <= height; h++ {
		n := t.inner(p[h].node)
		n.setBelow(p[h].at, n.below(p[h].at)-1)
	}
	l := t.leaf(node)
	l.move(i+1, -1)
	if i == 0 && count(l) > 0 {
		t.setFirst(p, 1, l.score(0), l.member(0))
	}
	most, size := leafMax, count(l)
	for h := 1; h <= height && size <= most/4; h++ {
		if !t.merge(p, h, node, size, most) {
			return
		}
		node = p[h].node
		most, size = innerMax, count(t.inner(node))
	}
	for height > 0 && count(t.inner(top)) == 1 {
		child := t.inner(top).child(0)
		t.heap.Free(top)
		top, height = child, height-1
		t.setTop(top, height)
	}
	if height > 0 && count(t.inner(top)) == 0 {
		t.heap.Free(top)
		t.setTop(t.newTreeNode(leafSize), 0)
	}
}

// merge joins a node with few elements, a child of the path's inner node of height h, with one beside it. It reports
// false if both together are too many.
func (t tree) merge(p *path, h int, node arena.Ref, size, most int) bool {
	parent, at := t.inner(p[h].node), p[h].at
	if count(parent) == 1 { // nothing is beside it
		if size > 0 {
			return false
		}
		t.release(node, h-1)
		parent.move(1, -1)
		return true
	}
	i := max(at, 1) // the right one of the two
	left, right := parent.child(i-1), parent.child(i)
	if size > 0 && count(t.heap.Slice(left, 2))+count(t.heap.Slice(right, 2)) > most*3/4 {
		return false
	}
	if h == 1 {
		t.leaf(left).append(t.leaf(right), 0)
	} else {
		// What was nobody's concern in the right one's first child is now the start of a child in the middle.
		r := t.inner(right)
		r.setFirst(0, scoreAt(parent, innerScores, i), refAt(parent, innerMembers, i))
		t.inner(left).append(r, 0)
	}
	parent.setBelow(i-1, parent.below(i-1)+parent.below(i))
	parent.move(i+1, -1)
	t.release(right, h-1)
	if at == 0 && size == 0 {
		score, member := t.first(left, h-1)
		t.setFirst(p, h+1, score, member)
	}
	return true
}

// release frees a tree's node whose elements are elsewhere.
func (t tree) release(node arena.Ref, height int) {
	if height == 0 {
		l := t.leaf(node)
		t.join(l.neighbour(leafPrevious), l.neighbour(leafNext))
	}
	t.heap.Free(node)
}

func (t tree) delete(member []byte) bool {
	node := t.find(member)
	if node == 0 {
		return false
	}
	t.drop(node)
	t.shrink()
	return true
}

func (t tree) drop(node arena.Ref) {
	member, score := t.member(node)
	var p path
	at := t.descend(&p, score, member)
	t.unlist(&p, at, t.placeInLeaf(t.leaf(at), score, member))
	t.remove(member)
	t.heap.Free(node)
}

// rank returns how many members lie before one.
func (t tree) rank(member []byte, score float64) (rank int) {
	node, height := t.top()
	for ; height > 0; height-- {
		n := t.inner(node)
		i := t.childFor(n, score, member)
		rank += n.total(i)
		node = n.child(i)
	}
	return rank + t.placeInLeaf(t.leaf(node), score, member)
}

// search is SortedSet.Search.
func (t tree) search(isBefore func(member []byte, score float64) bool) (rank int) {
	within := func(b []byte, scores, members, low, high int) int {
		for low < high {
			mid := int(uint(low+high) >> 1)
			if isBefore(t.key(refAt(b, members, mid)), scoreAt(b, scores, mid)) {
				low = mid + 1
			} else {
				high = mid
			}
		}
		return low
	}
	node, height := t.top()
	for ; height > 0; height-- {
		n := t.inner(node)
		i := within(n, innerScores, innerMembers, 1, count(n)) - 1
		rank += n.total(i)
		node = n.child(i)
	}
	l := t.leaf(node)
	return rank + within(l, leafScores, leafMembers, 0, count(l))
}

// at returns the leaf and index of the element of a rank, counted from 0.
func (t tree) at(rank int) (l leaf, i int) {
	node, height := t.top()
	for ; height > 0; height-- {
		n := t.inner(node)
		i = 0
		for ; rank >= n.below(i); i++ {
			rank -= n.below(i)
		}
		node = n.child(i)
	}
	return t.leaf(node), rank
}

// each is SortedSet.Each. The members are anywhere in memory: they are asked for ahead.
func (t tree) each(rank int, reverse bool, f func(member []byte, score float64) bool) {
	const ahead = 6
	l, i := t.at(rank)
	step, field := 1, leafNext
	if reverse {
		step, field = -1, leafPrevious
	}
	for {
		n := count(l)
		for k, j := 0, i; k < ahead && j >= 0 && j < n; k, j = k+1, j+step {
			arena.Prefetch(l.member(j))
		}
		for ; i >= 0 && i < n; i += step {
			if j := i + ahead*step; j >= 0 && j < n {
				arena.Prefetch(l.member(j))
			}
			if !f(t.key(l.member(i)), l.score(i)) {
				return
			}
		}
		next := l.neighbour(field)
		if next == 0 {
			return
		}
		l, i = t.leaf(next), 0
		if reverse {
			i = count(l) - 1
		}
	}
}

func (t tree) removeRange(rank, n int) {
	for range n {
		l, i := t.at(rank)
		t.drop(l.member(i))
	}
	t.shrink()
}

func (t tree) freeAll() {
	t.freeBelow(t.top())
	t.free()
}

func (t tree) freeBelow(node arena.Ref, height int) {
	if height > 0 {
		n := t.inner(node)
		for i := range count(n) {
			t.freeBelow(n.child(i), height-1)
		}
	}
	t.heap.Free(node)
}
