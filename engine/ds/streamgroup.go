package ds

import (
	"unsafe"

	"github.com/elastane/elastane/engine/arena"
)

// A group of consumers, a consumer and a pending entry are blocks of these layouts, the first two followed by the name.
// A group's and a consumer's block never moves, so that pending entries can name their consumer.
type (
	groupHead struct {
		last      StreamID
		read      int64
		pending   arena.Ref // ID tree of pendingEntry
		count     uint64    // pending entries
		consumers arena.Ref // names
		nameLen   uint64
	}
	consumerHead struct {
		seen, active int64
		pending      arena.Ref // ID tree without payload
		count        uint64
		nameLen      uint64
	}
	pendingEntry struct {
		consumer arena.Ref
		time     int64
		count    uint64
	}
)

const (
	groupHeadSize    = int(unsafe.Sizeof(groupHead{}))
	consumerHeadSize = int(unsafe.Sizeof(consumerHead{}))
	pendingSize      = int(unsafe.Sizeof(pendingEntry{}))
)

// EntriesReadUnknown says that a group does not know how many entries it has read.
const EntriesReadUnknown int64 = -1

// names is a list of references to named blocks, in the order of their names: n:u64 ref:u64×n.
type names struct {
	heap *arena.Heap
	ref  arena.Ref
	head int // size of what comes before a name, which ends in its length
}

func (n names) refs() []arena.Ref {
	if n.ref == arena.Nil {
		return nil
	}
	p := arena.Pointer(n.ref)
	return unsafe.Slice((*arena.Ref)(unsafe.Add(p, 8)), *(*uint64)(p))
}

func (n names) name(ref arena.Ref) []byte {
	p := arena.Pointer(ref)
	return unsafe.Slice((*byte)(unsafe.Add(p, n.head)), *(*uint64)(unsafe.Add(p, n.head-8)))
}

// search returns the place of a name, and whether it is there.
func (n names) search(name []byte) (int, bool) {
	refs := n.refs()
	low, high := 0, len(refs)
	for low < high {
		if mid := (low + high) / 2; string(n.name(refs[mid])) < string(name) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(refs) && string(n.name(refs[low])) == string(name)
}

// add makes a block with a name, and puts it at index i.
func (n *names) add(i int, name []byte) arena.Ref {
	fresh, b := n.heap.Alloc(n.head + len(name))
	clear(b[:n.head])
	copy(b[n.head:], name)
	*(*uint64)(unsafe.Pointer(&b[n.head-8])) = uint64(len(name))

	count := len(n.refs())
	n.ref, _ = n.heap.Realloc(n.ref, 8+8*(count+1))
	*(*uint64)(arena.Pointer(n.ref)) = uint64(count + 1)
	refs := n.refs()
	copy(refs[i+1:], refs[i:count])
	refs[i] = fresh
	return fresh
}

// remove frees the block at index i.
func (n *names) remove(i int) {
	refs := n.refs()
	n.heap.Free(refs[i])
	copy(refs[i:], refs[i+1:])
	left := len(refs) - 1
	if left == 0 {
		n.heap.Free(n.ref)
		n.ref = arena.Nil
		return
	}
	n.ref, _ = n.heap.Realloc(n.ref, 8+8*left)
	*(*uint64)(arena.Pointer(n.ref)) = uint64(left)
}

// Group is a consumer group of a stream.
type Group struct {
	heap *arena.Heap
	ref  arena.Ref
}

// Consumer is a consumer of a group.
type Consumer struct {
	heap *arena.Heap
	ref  arena.Ref
}

// Delivery is an entry that was delivered to a consumer and is not acknowledged.
type Delivery struct {
	ID       StreamID
	Consumer Consumer
	Time     int64  // of the last delivery, Unix milliseconds
	Count    uint64 // of deliveries
}

func (s *Stream) groups() names { return names{s.heap, s.head().groups, groupHeadSize} }

// Groups is the number of groups; GroupAt returns one by its index, in the order of names.
func (s *Stream) Groups() int { return len(s.groups().refs()) }

// GroupAt is described with Groups.
func (s *Stream) GroupAt(i int) Group { return Group{s.heap, s.groups().refs()[i]} }

// Group finds a group by its name.
func (s *Stream) Group(name []byte) (Group, bool) {
	n := s.groups()
	i, ok := n.search(name)
	if !ok {
		return Group{}, false
	}
	return Group{s.heap, n.refs()[i]}, true
}

// CreateGroup makes a group, and reports false if there is one of that name. read may be EntriesReadUnknown.
func (s *Stream) CreateGroup(name []byte, last StreamID, read int64) (Group, bool) {
	s.create()
	n := s.groups()
	i, ok := n.search(name)
	if ok {
		return Group{}, false
	}
	g := Group{s.heap, n.add(i, name)}
	s.head().groups = n.ref
	g.Set(last, read)
	return g, true
}

// DestroyGroup removes a group with all that it knows, and says whether there was one.
func (s *Stream) DestroyGroup(name []byte) bool {
	n := s.groups()
	i, ok := n.search(name)
	if !ok {
		return false
	}
	g := Group{s.heap, n.refs()[i]}
	for consumers := g.consumers(); len(consumers.refs()) > 0; {
		last := len(consumers.refs()) - 1
		c := Consumer{s.heap, consumers.refs()[last]}
		t := c.pending()
		t.free(nil)
		consumers.remove(last)
	}
	t := g.pending()
	t.free(nil)
	n.remove(i)
	s.head().groups = n.ref
	return true
}

func (g Group) head() *groupHead { return (*groupHead)(arena.Pointer(g.ref)) }

func (g Group) consumers() names { return names{g.heap, g.head().consumers, consumerHeadSize} }

func (g Group) pending() idTree { return idTree{g.heap, g.head().pending, pendingSize} }

// Name is the group's name, LastID the last entry that was delivered to any of its consumers, EntriesRead how
// many entries of the stream come up to that one, or EntriesReadUnknown.
func (g Group) Name() []byte { return names{head: groupHeadSize}.name(g.ref) }

// LastID is described with Name.
func (g Group) LastID() StreamID { return g.head().last }

// EntriesRead is described with Name.
func (g Group) EntriesRead() int64 { return g.head().read }

// Set sets LastID and EntriesRead.
func (g Group) Set(last StreamID, read int64) { g.head().last, g.head().read = last, read }

// PendingLen is the number of pending entries.
func (g Group) PendingLen() int { return int(g.head().count) }

// Consumers is the number of consumers; ConsumerAt returns one by its index, in the order of names.
func (g Group) Consumers() int { return len(g.consumers().refs()) }

// ConsumerAt is described with Consumers.
func (g Group) ConsumerAt(i int) Consumer { return Consumer{g.heap, g.consumers().refs()[i]} }

// Consumer finds a consumer by its name.
func (g Group) Consumer(name []byte) (Consumer, bool) {
	n := g.consumers()
	i, ok := n.search(name)
	if !ok {
		return Consumer{}, false
	}
	return Consumer{g.heap, n.refs()[i]}, true
}

// CreateConsumer makes a consumer, and reports false if there is one of that name.
func (g Group) CreateConsumer(name []byte, seen, active int64) (Consumer, bool) {
	n := g.consumers()
	i, ok := n.search(name)
	if ok {
		return Consumer{}, false
	}
	c := Consumer{g.heap, n.add(i, name)}
	g.head().consumers = n.ref
	c.SetSeen(seen)
	c.SetActive(active)
	return c, true
}

// DeleteConsumer removes a consumer with its pending entries, and returns how many those were.
func (g Group) DeleteConsumer(name []byte) (pending int, ok bool) {
	n := g.consumers()
	i, ok := n.search(name)
	if !ok {
		return 0, false
	}
	c := Consumer{g.heap, n.refs()[i]}
	pending = c.PendingLen()
	t, own := g.pending(), c.pending()
	for p := own.ceil(StreamID{}); p.ok; p = own.beside(p, false) {
		t.remove(p.id())
	}
	own.free(nil)
	g.head().pending = t.root
	g.head().count -= uint64(pending)
	n.remove(i)
	g.head().consumers = n.ref
	return pending, true
}

func (c Consumer) head() *consumerHead { return (*consumerHead)(arena.Pointer(c.ref)) }

func (c Consumer) pending() idTree { return idTree{c.heap, c.head().pending, 0} }

// Name is the consumer's name.
func (c Consumer) Name() []byte { return names{head: consumerHeadSize}.name(c.ref) }

// Seen is when the consumer was last heard of, Active when it last got an entry (-1: never); Unix milliseconds.
func (c Consumer) Seen() int64 { return c.head().seen }

// Active is described with Seen.
func (c Consumer) Active() int64 { return c.head().active }

// SetSeen sets Seen.
func (c Consumer) SetSeen(ms int64) { c.head().seen = ms }

// SetActive sets Active.
func (c Consumer) SetActive(ms int64) { c.head().active = ms }

// PendingLen is the number of the consumer's pending entries.
func (c Consumer) PendingLen() int { return int(c.head().count) }

func (c Consumer) add(id StreamID) {
	t := c.pending()
	t.insert(id, nil)
	c.head().pending = t.root
	c.head().count++
}

func (c Consumer) remove(id StreamID) {
	t := c.pending()
	t.remove(id)
	c.head().pending = t.root
	c.head().count--
}

func pendingAt(payload []byte) *pendingEntry { return (*pendingEntry)(unsafe.Pointer(&payload[0])) }

// Pending finds the pending entry of an ID.
func (g Group) Pending(id StreamID) (d Delivery, ok bool) {
	t := g.pending()
	return g.delivery(t.ceil(id), id, true)
}

func (g Group) delivery(p idPos, id StreamID, exact bool) (d Delivery, ok bool) {
	if !p.ok || exact && p.id() != id {
		return d, false
	}
	e := pendingAt(p.payload())
	return Delivery{p.id(), Consumer{g.heap, e.consumer}, e.time, e.count}, true
}

// PendingFrom returns the first pending entry that is not before an ID; of one consumer, if that is not nil.
func (g Group) PendingFrom(id StreamID, of *Consumer) (d Delivery, ok bool) {
	t := g.pending()
	if of == nil {
		return g.delivery(t.ceil(id), id, false)
	}
	own := of.pending()
	p := own.ceil(id)
	if !p.ok {
		return d, false
	}
	return g.Pending(p.id())
}

// PendingAfter is PendingFrom after an ID.
func (g Group) PendingAfter(id StreamID, of *Consumer) (d Delivery, ok bool) {
	if id, ok = id.Next(); !ok {
		return d, false
	}
	return g.PendingFrom(id, of)
}

// LastPending returns the last pending entry.
func (g Group) LastPending() (d Delivery, ok bool) {
	t := g.pending()
	return g.delivery(t.floor(MaxStreamID), StreamID{}, false)
}

// Deliver makes an entry pending for a consumer, whoever had it.
func (g Group) Deliver(id StreamID, to Consumer, time int64, count uint64) {
	t := g.pending()
	if payload := t.find(id); payload != nil {
		e := pendingAt(payload)
		e.time, e.count = time, count
		if e.consumer != to.ref {
			Consumer{g.heap, e.consumer}.remove(id)
			e.consumer = to.ref
			to.add(id)
		}
		return
	}
	var fresh [3]uint64
	e := (*pendingEntry)(unsafe.Pointer(&fresh))
	*e = pendingEntry{to.ref, time, count}
	t.insert(id, unsafe.Slice((*byte)(unsafe.Pointer(&fresh)), pendingSize))
	g.head().pending = t.root
	g.head().count++
	to.add(id)
}

// Ack ends the waiting for an entry, and says whether it was pending.
func (g Group) Ack(id StreamID) bool {
	d, ok := g.Pending(id)
	if !ok {
		return false
	}
	d.Consumer.remove(id)
	t := g.pending()
	t.remove(id)
	g.head().pending = t.root
	g.head().count--
	return true
}
