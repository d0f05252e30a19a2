package ds

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/elastane/elastane/engine/arena"
)

// StreamID is the ID of an entry of a stream: a time in Unix milliseconds, and a sequence number within it.
type StreamID struct{ Ms, Seq uint64 }

// MaxStreamID is the greatest ID there is.
var MaxStreamID = StreamID{math.MaxUint64, math.MaxUint64}

// IsZero says whether it is 0-0, which no entry has.
func (id StreamID) IsZero() bool { return id == StreamID{} }

// Compare is negative, zero or positive as id is before, equal to or after other.
func (id StreamID) Compare(other StreamID) int {
	switch {
	case id.Less(other):
		return -1
	case id == other:
		return 0
	}
	return 1
}

// Less says whether id is before other.
func (id StreamID) Less(other StreamID) bool {
	return id.Ms < other.Ms || id.Ms == other.Ms && id.Seq < other.Seq
}

// Next is the ID after this one; ok is false after the greatest.
func (id StreamID) Next() (next StreamID, ok bool) {
	if id.Seq < math.MaxUint64 {
		return StreamID{id.Ms, id.Seq + 1}, true
	}
	return StreamID{id.Ms + 1, 0}, id.Ms < math.MaxUint64
}

// Previous is the ID before this one; ok is false before 0-0.
func (id StreamID) Previous() (previous StreamID, ok bool) {
	if id.Seq > 0 {
		return StreamID{id.Ms, id.Seq - 1}, true
	}
	return StreamID{id.Ms - 1, math.MaxUint64}, id.Ms > 0
}

// An ID tree is an ordered map of stream IDs to payloads of a fixed width, as a B+ tree:
//
//	node  = count:u16 level:u8 … entry*
//	entry = ms:u64 seq:u64 payload     (of a leaf, level 0)
//	      | ms:u64 seq:u64 node:u64    (above: no ID in that node is below this one's)
//
// IDs mostly grow, so a full node at the right end is followed by a fresh one instead of being halved. A node
// is freed when it is empty, not when it is half empty; it takes only the room of what is in it.
type idTree struct {
	heap  *arena.Heap
	root  arena.Ref
	width int // of a payload, a multiple of 8
}

const (
	idNodeHeader = 8
	idNodeMax    = 64
	idKeySize    = 16
	idChildSize  = 8
)

// idNode is a node that has been looked at; it is valid until the tree changes.
type idNode struct {
	b    []byte
	size int // of an entry
}

func (t *idTree) node(ref arena.Ref) idNode {
	head := t.heap.Slice(ref, idNodeHeader)
	size := idKeySize + idChildSize
	if head[2] == 0 {
		size = idKeySize + t.width
	}
	n := int(binary.LittleEndian.Uint16(head))
	return idNode{t.heap.Slice(ref, idNodeHeader+n*size), size}
}

func (n idNode) len() int       { return int(binary.LittleEndian.Uint16(n.b)) }
func (n idNode) level() int     { return int(n.b[2]) }
func (n idNode) setLen(len int) { binary.LittleEndian.PutUint16(n.b, uint16(len)) }
func (n idNode) at(i int) []byte {
	return n.b[idNodeHeader+i*n.size:][:n.size:n.size]
}

func (n idNode) id(i int) StreamID {
	return *(*StreamID)(unsafe.Pointer(&n.b[idNodeHeader+i*n.size])) // nodes and entries are aligned to eight
}

func (n idNode) setID(i int, id StreamID) {
	*(*StreamID)(unsafe.Pointer(&n.b[idNodeHeader+i*n.size])) = id
}

func (n idNode) child(i int) arena.Ref {
	return arena.Ref(binary.LittleEndian.Uint64(n.at(i)[idKeySize:]))
}

func (n idNode) setChild(i int, ref arena.Ref) {
	binary.LittleEndian.PutUint64(n.at(i)[idKeySize:], uint64(ref))
}

// search returns the index of the first entry whose ID is not below id.
func (n idNode) search(id StreamID) int {
	low, high := 0, n.len()
	if high > 0 && n.id(high-1).Less(id) {
		return high
	}
	for low < high {
		if mid := (low + high) / 2; n.id(mid).Less(id) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// branch returns the index of the child in which id is, if anywhere.
func (n idNode) branch(id StreamID) int {
	i := n.search(id)
	if i == n.len() || i > 0 && n.id(i) != id {
		i--
	}
	return i
}

// idPos is the place of an entry, valid until the tree changes.
type idPos struct {
	node idNode
	i    int
	ok   bool
}

func (p idPos) id() StreamID    { return p.node.id(p.i) }
func (p idPos) payload() []byte { return p.node.at(p.i)[idKeySize:] }

// find returns the payload of an ID, or nil.
func (t *idTree) find(id StreamID) []byte {
	if p := t.ceil(id); p.ok && p.id() == id {
		return p.payload()
	}
	return nil
}

// ceil is the first entry that is not before id, floor the last that is not after it.
func (t *idTree) ceil(id StreamID) idPos  { return t.seek(t.root, id, false) }
func (t *idTree) floor(id StreamID) idPos { return t.seek(t.root, id, true) }

func (t *idTree) seek(ref arena.Ref, id StreamID, down bool) idPos {
	if ref == arena.Nil {
		return idPos{}
	}
	n := t.node(ref)
	if n.level() == 0 {
		i := n.search(id)
		if down && (i == n.len() || n.id(i) != id) {
			i--
		}
		return idPos{n, i, i >= 0 && i < n.len()}
	}
	// What is looked for may be just beside the child in which id would be.
	step := 1
	if down {
		step = -1
	}
	for i := n.branch(id); i >= 0 && i < n.len(); i += step {
		if p := t.seek(n.child(i), id, down); p.ok {
			return p
		}
	}
	return idPos{}
}

// beside is the entry after one, or before it.
func (t *idTree) beside(p idPos, down bool) idPos {
	if down {
		if p.i > 0 {
			return idPos{p.node, p.i - 1, true}
		}
		id, ok := p.id().Previous()
		if !ok {
			return idPos{}
		}
		return t.floor(id)
	}
	if p.i+1 < p.node.len() {
		return idPos{p.node, p.i + 1, true}
	}
	id, ok := p.id().Next()
	if !ok {
		return idPos{}
	}
	return t.ceil(id)
}

// insert adds an ID that is not there.
func (t *idTree) insert(id StreamID, payload []byte) {
	if t.root == arena.Nil {
		t.root = t.newNode(0)
	}
	root, sibling := t.insertInto(t.root, id, payload)
	t.root = root
	if sibling == arena.Nil {
		return
	}
	top := t.newNode(t.node(root).level() + 1)
	for i, child := range []arena.Ref{root, sibling} {
		var ref [idChildSize]byte
		binary.LittleEndian.PutUint64(ref[:], uint64(child))
		top = t.open(top, i, t.node(child).id(0), ref[:])
	}
	t.root = top
}

func (t *idTree) newNode(level int) arena.Ref {
	ref, b := t.heap.Alloc(idNodeHeader)
	clear(b)
	b[2] = byte(level)
	return ref
}

// insertInto adds an ID below a node. The node may move, and may get a sibling after it.
func (t *idTree) insertInto(ref arena.Ref, id StreamID, payload []byte) (moved, sibling arena.Ref) {
	n := t.node(ref)
	if n.level() == 0 {
		return t.place(ref, n.search(id), id, payload)
	}
	i := n.branch(id)
	if id.Less(n.id(i)) {
		n.setID(i, id)
	}
	child, beside := t.insertInto(n.child(i), id, payload)
	n.setChild(i, child)
	if beside == arena.Nil {
		return ref, arena.Nil
	}
	var b [idChildSize]byte
	binary.LittleEndian.PutUint64(b[:], uint64(beside))
	return t.place(ref, i+1, t.node(beside).id(0), b[:])
}

// place puts an entry at index i of a node, parting the node if it is full.
func (t *idTree) place(ref arena.Ref, i int, id StreamID, payload []byte) (moved, sibling arena.Ref) {
	n := t.node(ref)
	if n.len() < idNodeMax {
		return t.open(ref, i, id, payload), arena.Nil
	}
	sibling = t.newNode(n.level())
	if i == n.len() {
		return ref, t.open(sibling, 0, id, payload)
	}
	const half = idNodeMax / 2
	tail := n.b[idNodeHeader+half*n.size:]
	sibling, b := t.heap.Realloc(sibling, idNodeHeader+len(tail))
	copy(b[idNodeHeader:], tail)
	idNode{b, n.size}.setLen(n.len() - half)
	n.setLen(half)
	ref, _ = t.heap.Realloc(ref, idNodeHeader+half*n.size)
	if i <= half {
		return t.open(ref, i, id, payload), sibling
	}
	return ref, t.open(sibling, i-half, id, payload)
}

// open puts an entry at index i of a node that has room.
func (t *idTree) open(ref arena.Ref, i int, id StreamID, payload []byte) arena.Ref {
	n := t.node(ref)
	used, at := len(n.b), idNodeHeader+i*n.size
	ref, b := t.heap.Realloc(ref, used+n.size)
	copy(b[at+n.size:], b[at:used])
	n.b = b
	n.setID(i, id)
	copy(n.at(i)[idKeySize:], payload)
	n.setLen(n.len() + 1)
	return ref
}

// remove takes an ID away, if it is there.
func (t *idTree) remove(id StreamID) bool {
	if t.root == arena.Nil {
		return false
	}
	root, ok := t.removeFrom(t.root, id)
	t.root = root
	for t.root != arena.Nil { // a root with one child is of no use
		n := t.node(t.root)
		if n.level() == 0 || n.len() > 1 {
			break
		}
		old := t.root
		t.root = n.child(0)
		t.heap.Free(old)
	}
	return ok
}

func (t *idTree) removeFrom(ref arena.Ref, id StreamID) (moved arena.Ref, ok bool) {
	n := t.node(ref)
	i := n.branch(id)
	if n.level() == 0 {
		if i < 0 || n.id(i) != id {
			return ref, false
		}
		return t.close(ref, i), true
	}
	child, ok := t.removeFrom(n.child(i), id)
	if child == arena.Nil {
		return t.close(ref, i), ok
	}
	n.setChild(i, child)
	return ref, ok
}

// close takes the entry at index i out of a node, and frees the node if it was the last.
func (t *idTree) close(ref arena.Ref, i int) arena.Ref {
	n := t.node(ref)
	left := n.len() - 1
	if left == 0 {
		t.heap.Free(ref)
		return arena.Nil
	}
	at := idNodeHeader + i*n.size
	copy(n.b[at:], n.b[at+n.size:])
	n.setLen(left)
	ref, _ = t.heap.Realloc(ref, idNodeHeader+left*n.size)
	return ref
}

// free gives all nodes back, after calling each, which may be nil, with every payload.
func (t *idTree) free(each func(payload []byte)) {
	t.freeNode(t.root, each)
	t.root = arena.Nil
}

func (t *idTree) freeNode(ref arena.Ref, each func(payload []byte)) {
	if ref == arena.Nil {
		return
	}
	n := t.node(ref)
	for i := range n.len() {
		switch {
		case n.level() > 0:
			t.freeNode(n.child(i), each)
		case each != nil:
			each(n.at(i)[idKeySize:])
		}
	}
	t.heap.Free(ref)
}

// len counts the entries by walking over the leaves.
func (t *idTree) len() int { return t.lenOf(t.root) }

func (t *idTree) lenOf(ref arena.Ref) (total int) {
	if ref == arena.Nil {
		return 0
	}
	n := t.node(ref)
	if n.level() == 0 {
		return n.len()
	}
	for i := range n.len() {
		total += t.lenOf(n.child(i))
	}
	return total
}
