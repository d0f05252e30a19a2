package ds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/listpack"
)

// Stream is a log of entries in the order of their IDs. An entry is a list of fields with values. The entries
// are packed in blocks, each a listpack in the form that the RDB format has for streams, and an ID tree finds a
// block by its master ID:
//
//	block  = live deleted n field×n 0 entry*
//	entry  = flags ms seq (value×n | m (field value)×m) elements
//
// The master fields are those of the block's first entry, and entries with the same fields leave them out
// (sameFields). ms and seq count from the master ID. elements is how many listpack elements the entry has, for
// walking backwards. A deleted entry stays until no entry of its block is left.
type Stream struct {
	heap *arena.Heap
	root arena.Ref
}

// StreamLimits say how large a block of a stream may grow.
type StreamLimits struct {
	Bytes   int // 0: only the format's own limit
	Entries int // 0: no limit
}

// DefaultStreamLimits are those of Valkey (stream-node-max-bytes and -entries).
var DefaultStreamLimits = StreamLimits{Bytes: 4096, Entries: 100}

// MaxStreamEntry is the greatest size of the fields and values of an entry together, and of a block.
const MaxStreamEntry = 1 << 30

// ErrStream says that what was to be added to a stream is not sound.
var ErrStream = errors.New("ds: unsound stream")

const (
	flagDeleted    = 1
	flagSameFields = 2

	blockRefSize = 8
)

type streamRoot struct {
	length     uint64
	last       StreamID
	first      StreamID // 0-0 if there is no entry
	maxDeleted StreamID
	added      uint64
	blocks     arena.Ref // ID tree of blocks
	groups     arena.Ref // names of groups
}

// OpenStream opens the stream at root; arena.Nil is an empty one that has never been written to.
func OpenStream(heap *arena.Heap, root arena.Ref) Stream { return Stream{heap, root} }

// NewStream makes an empty stream that exists: a stream may be kept without entries.
func NewStream(heap *arena.Heap) Stream {
	s := Stream{heap: heap}
	s.create()
	return s
}

func (s *Stream) create() {
	if s.root == arena.Nil {
		var b []byte
		s.root, b = s.heap.Alloc(int(unsafe.Sizeof(streamRoot{})))
		clear(b)
	}
}

// missingStream stands for the root of a stream that does not exist; nothing writes to it.
var missingStream streamRoot

func (s *Stream) head() *streamRoot {
	if s.root == arena.Nil {
		return &missingStream
	}
	return (*streamRoot)(arena.Pointer(s.root))
}

func (s *Stream) blocks() idTree { return idTree{s.heap, s.head().blocks, blockRefSize} }

// Root is the reference to keep.
func (s *Stream) Root() arena.Ref { return s.root }

// Len is the number of entries.
func (s *Stream) Len() int { return int(s.head().length) }

// LastID is the greatest ID that was ever added, or was set.
func (s *Stream) LastID() StreamID { return s.head().last }

// FirstID is the ID of the first entry, 0-0 if there is none.
func (s *Stream) FirstID() StreamID { return s.head().first }

// MaxDeletedID is the greatest ID that was deleted by itself, not trimmed.
func (s *Stream) MaxDeletedID() StreamID { return s.head().maxDeleted }

// EntriesAdded is how many entries were ever added.
func (s *Stream) EntriesAdded() uint64 { return s.head().added }

// SetLastID sets the last ID, SetMaxDeletedID and SetEntriesAdded what the stream remembers of its past.
func (s *Stream) SetLastID(id StreamID) { s.create(); s.head().last = id }

// SetMaxDeletedID is described with SetLastID.
func (s *Stream) SetMaxDeletedID(id StreamID) { s.create(); s.head().maxDeleted = id }

// SetEntriesAdded is described with SetLastID.
func (s *Stream) SetEntriesAdded(n uint64) { s.create(); s.head().added = n }

// Blocks is the number of blocks.
func (s *Stream) Blocks() int {
	t := s.blocks()
	return t.len()
}

// EachBlock calls f with the master ID and the listpack of each block.
func (s *Stream) EachBlock(f func(master StreamID, list []byte)) {
	t := s.blocks()
	for p := t.ceil(StreamID{}); p.ok; p = t.beside(p, false) {
		b := s.block(p)
		f(b.master, b.b)
	}
}

// block is a block of a stream that has been looked at, valid until it changes.
type block struct {
	b             []byte
	master        StreamID
	live, deleted int
	fields        int // number of master fields
	fieldsAt      int // offset of the first
	entriesAt     int // offset of the first entry
}

func blockRef(payload []byte) arena.Ref { return arena.Ref(binary.LittleEndian.Uint64(payload)) }

func (s *Stream) bytesOf(ref arena.Ref) []byte {
	return s.heap.Slice(ref, listpack.Total(s.heap.Slice(ref, listpack.HeaderSize)))
}

func (s *Stream) block(p idPos) block {
	b := block{b: s.bytesOf(blockRef(p.payload())), master: p.id()}
	off := listpack.HeaderSize
	b.live = int(b.int(&off))
	b.deleted = int(b.int(&off))
	b.fields = int(b.int(&off))
	b.fieldsAt = off
	for range b.fields {
		b.next(&off)
	}
	b.next(&off) // the zero that ends the master entry
	b.entriesAt = off
	return b
}

// next takes the element at off.
func (b *block) next(off *int) listpack.Element {
	e, size, ok := listpack.Decode(b.b[*off:])
	if !ok {
		panic("ds: a damaged block of a stream")
	}
	*off += size
	return e
}

func (b *block) int(off *int) int64 { return b.next(off).Int }

// StreamEntry is an entry during Range; its strings are valid until the stream changes.
type StreamEntry struct {
	ID      StreamID
	n       int // fields
	block   *block
	at      int // offset of the entry
	flags   int64
	dataAt  int
	nextAt  int // 0: not known yet
	scratch [2][24]byte
}

// entry reads what comes before the data of the entry at off.
func (b *block) entry(e *StreamEntry, off int) {
	e.block, e.at, e.nextAt = b, off, 0
	e.flags = b.int(&off)
	ms, seq := b.int(&off), b.int(&off)
	e.ID = StreamID{b.master.Ms + uint64(ms), b.master.Seq + uint64(seq)}
	if e.n = b.fields; e.flags&flagSameFields == 0 {
		e.n = int(b.int(&off))
	}
	e.dataAt = off
}

// Len is the number of fields.
func (e *StreamEntry) Len() int { return e.n }

// Each calls f with each field and its value.
func (e *StreamEntry) Each(f func(field, value []byte)) {
	off, fieldsAt := e.dataAt, e.block.fieldsAt
	for range e.n {
		var field []byte
		if e.flags&flagSameFields != 0 {
			field = e.block.next(&fieldsAt).Text(e.scratch[0][:0])
		} else {
			field = e.block.next(&off).Text(e.scratch[0][:0])
		}
		f(field, e.block.next(&off).Text(e.scratch[1][:0]))
	}
	e.block.next(&off) // the number of elements
	e.nextAt = off
}

// after is the offset of the next entry.
func (e *StreamEntry) after() int {
	if e.nextAt == 0 {
		off, n := e.dataAt, e.n
		if e.flags&flagSameFields == 0 {
			n *= 2
		}
		for range n + 1 {
			e.block.next(&off)
		}
		e.nextAt = off
	}
	return e.nextAt
}

// last reads the entry that ends at off, and says whether there is one.
func (b *block) last(e *StreamEntry, off int) bool {
	if off <= b.entriesAt {
		return false
	}
	off = listpack.Previous(b.b, off)
	at := off
	for n := b.int(&at); n > 0; n-- {
		off = listpack.Previous(b.b, off)
	}
	b.entry(e, off)
	return true
}

// Range calls f with the entries from start to end, both included, or, reversed, from end to start, until f
// returns false. f must not change the stream's entries, but may change its groups.
func (s *Stream) Range(start, end StreamID, reverse bool, f func(e *StreamEntry) bool) {
	if end.Less(start) {
		return
	}
	t := s.blocks()
	from := start
	if reverse {
		from = end
	}
	p := t.floor(from)
	if !p.ok {
		if reverse {
			return
		}
		p = t.ceil(from)
	}
	var e StreamEntry
	for ; p.ok; p = t.beside(p, reverse) {
		b := s.block(p)
		if !reverse && end.Less(b.master) {
			return
		}
		off := b.entriesAt
		if reverse {
			off = len(b.b) - 1
		}
		for {
			if reverse {
				if !b.last(&e, off) {
					break
				}
				off = e.at
			} else {
				if off >= len(b.b)-1 {
					break
				}
				b.entry(&e, off)
			}
			inside := !e.ID.Less(start) && !end.Less(e.ID)
			if inside && e.flags&flagDeleted == 0 && !f(&e) {
				return
			}
			if reverse && e.ID.Less(start) || !reverse && end.Less(e.ID) {
				return
			}
			if !reverse {
				off = e.after()
			}
		}
	}
}

// Get calls f with the entry of an ID, and says whether there is one. f may be nil.
func (s *Stream) Get(id StreamID, f func(e *StreamEntry)) (found bool) {
	s.Range(id, id, false, func(e *StreamEntry) bool {
		found = true
		if f != nil {
			f(e)
		}
		return false
	})
	return found
}

// TopID is the ID of the last entry there is, 0-0 without any.
func (s *Stream) TopID() (id StreamID) {
	s.Range(StreamID{}, MaxStreamID, true, func(e *StreamEntry) bool {
		id = e.ID
		return false
	})
	return id
}

// Append adds an entry with an ID greater than LastID. fields are fields and values in turn, at most
// MaxStreamEntry bytes of them.
func (s *Stream) Append(id StreamID, fields [][]byte, limits StreamLimits) {
	s.create()
	t := s.blocks()
	if p := t.floor(MaxStreamID); p.ok {
		if b := s.block(p); s.fits(&b, fields, limits) {
			s.appendTo(p, &b, id, fields)
			s.added(id)
			return
		}
		// The block is full: give the room back that was kept for its growth.
		ref := blockRef(p.payload())
		ref, _ = s.heap.Realloc(ref, len(s.bytesOf(ref)))
		putBlockRef(p.payload(), ref)
	}
	var buf [512]byte
	n := len(fields) / 2
	list := listpack.Begin(buf[:0])
	for _, v := range []int{1, 0, n} {
		list = listpack.AppendInt(list, int64(v))
	}
	for i := 0; i < len(fields); i += 2 {
		list = listpack.AppendString(list, fields[i])
	}
	list = listpack.AppendInt(list, 0)
	list = appendEntry(list, StreamID{}, fields, true)
	list = listpack.Finish(list, 3+n+1+n+4)
	s.addBlock(id, list)
	s.added(id)
}

// added counts an entry that was appended.
func (s *Stream) added(id StreamID) {
	h := s.head()
	if h.length == 0 {
		h.first = id
	}
	h.length++
	h.added++
	h.last = id
}

func putBlockRef(payload []byte, ref arena.Ref) {
	binary.LittleEndian.PutUint64(payload, uint64(ref))
}

// addBlock stores a list as the block of a master ID.
func (s *Stream) addBlock(master StreamID, list []byte) {
	ref, b := s.heap.Alloc(len(list))
	copy(b, list)
	var payload [blockRefSize]byte
	putBlockRef(payload[:], ref)
	t := s.blocks()
	t.insert(master, payload[:])
	s.head().blocks = t.root
}

// fits says whether a block takes one more entry.
func (s *Stream) fits(b *block, fields [][]byte, limits StreamLimits) bool {
	size := 0
	for _, f := range fields {
		size += len(f)
	}
	most := limits.Bytes
	if most <= 0 || most > MaxStreamEntry {
		most = MaxStreamEntry
	}
	return len(b.b)+size < most && (limits.Entries <= 0 || b.live+b.deleted < limits.Entries)
}

// appendEntry appends an entry to a list; delta is its ID, counted from the master ID.
func appendEntry(list []byte, delta StreamID, fields [][]byte, same bool) []byte {
	flags, elements := int64(0), len(fields)+4
	if same {
		flags, elements = flagSameFields, len(fields)/2+3
	}
	list = listpack.AppendInt(list, flags)
	list = listpack.AppendInt(list, int64(delta.Ms))
	list = listpack.AppendInt(list, int64(delta.Seq))
	if !same {
		list = listpack.AppendInt(list, int64(len(fields)/2))
	}
	for i, f := range fields {
		if i%2 == 1 || !same {
			list = listpack.AppendString(list, f)
		}
	}
	return listpack.AppendInt(list, int64(elements))
}

// appendTo adds an entry at the end of a block.
func (s *Stream) appendTo(p idPos, b *block, id StreamID, fields [][]byte) {
	same := len(fields)/2 == b.fields
	var digits [24]byte
	for i, off := 0, b.fieldsAt; same && i < b.fields; i++ {
		same = bytes.Equal(b.next(&off).Text(digits[:0]), fields[2*i])
	}
	var buf [512]byte
	elements := len(fields) + 5
	if same {
		elements = len(fields)/2 + 4
	}
	entry := appendEntry(buf[:0], StreamID{id.Ms - b.master.Ms, id.Seq - b.master.Seq}, fields, same)

	ref, used := blockRef(p.payload()), len(b.b)
	list := s.heap.Bytes(ref)
	if used+len(entry) > len(list) {
		// A half more than needed, so that a block is not moved for each entry.
		ref, list = s.heap.Realloc(ref, used+len(entry)+min(used/2, 2048))
		putBlockRef(p.payload(), ref)
	}
	copy(list[used-1:], entry)
	used += len(entry)
	list[used-1] = listpack.End
	n, known := listpack.Count(list)
	if known {
		n += elements
	} else {
		n = 1 << 16 // remains unknown
	}
	listpack.SetHeader(list, used, n)
	s.setInt(p, listpack.HeaderSize, int64(b.live+1))
}

// setInt replaces the integer element at off of a block, whose size it may change.
func (s *Stream) setInt(p idPos, off int, v int64) {
	var buf [16]byte
	fresh := listpack.AppendInt(buf[:0], v)
	ref := blockRef(p.payload())
	b := s.bytesOf(ref)
	_, size, _ := listpack.Decode(b[off:])
	if grow := len(fresh) - size; grow != 0 {
		used := len(b)
		list := s.heap.Bytes(ref)
		if used+grow > len(list) {
			ref, list = s.heap.Realloc(ref, used+grow)
			putBlockRef(p.payload(), ref)
		}
		copy(list[off+len(fresh):used+grow], list[off+size:used])
		binary.LittleEndian.PutUint32(list, uint32(used+grow))
		b = list
	}
	copy(b[off:], fresh)
}

// bury marks the entry of an ID in a block as deleted, or drops the block if no entry would be left. It counts
// down the length, and says whether the block is still there.
func (s *Stream) bury(p idPos, b *block, e *StreamEntry) (left bool) {
	s.head().length--
	if b.live == 1 {
		s.dropBlock(p)
		return false
	}
	s.setInt(p, e.at, e.flags|flagDeleted) // of one size, as both are below 128
	s.setInt(p, listpack.HeaderSize, int64(b.live-1))
	off := listpack.HeaderSize
	list := s.block(p)
	list.next(&off)
	s.setInt(p, off, int64(b.deleted+1))
	*b = s.block(p)
	return true
}

func (s *Stream) dropBlock(p idPos) {
	t := s.blocks()
	s.heap.Free(blockRef(p.payload()))
	t.remove(p.id())
	s.head().blocks = t.root
}

// Delete removes the entry of an ID, and says whether there was one.
func (s *Stream) Delete(id StreamID) bool {
	t := s.blocks()
	p := t.floor(id)
	if !p.ok {
		return false
	}
	b := s.block(p)
	var e StreamEntry
	for off := b.entriesAt; off < len(b.b)-1; off = e.after() {
		if b.entry(&e, off); e.ID != id || e.flags&flagDeleted != 0 {
			continue
		}
		s.bury(p, &b, &e)
		h := s.head()
		if h.maxDeleted.Less(id) {
			h.maxDeleted = id
		}
		if h.first == id {
			s.findFirst()
		}
		return true
	}
	return false
}

// findFirst looks for the first entry again.
func (s *Stream) findFirst() {
	h := s.head()
	h.first = StreamID{}
	s.Range(StreamID{}, MaxStreamID, false, func(e *StreamEntry) bool {
		h.first = e.ID
		return false
	})
}

// Trim says what of a stream has to go.
type Trim struct {
	ByID   bool     // entries before MinID; otherwise the first ones until MaxLen are left
	MaxLen uint64   //
	MinID  StreamID //
	Approx bool     // only whole blocks
	Limit  int      // the most entries to remove; 0: no limit
}

// Trim removes the entries that trim names, and returns how many.
func (s *Stream) Trim(trim Trim) (removed int) {
	for s.Len() > 0 && (trim.ByID || s.head().length > trim.MaxLen) {
		t := s.blocks()
		p := t.ceil(StreamID{})
		b := s.block(p)
		if trim.Limit > 0 && removed+b.live > trim.Limit {
			break
		}
		whole := s.head().length-uint64(b.live) >= trim.MaxLen
		var e StreamEntry
		if trim.ByID {
			b.last(&e, len(b.b)-1)
			whole = e.ID.Less(trim.MinID)
		}
		if whole {
			s.head().length -= uint64(b.live)
			removed += b.live
			s.dropBlock(p)
			continue
		}
		if trim.Approx {
			break
		}
		left := true
		for off := b.entriesAt; off < len(b.b)-1; off = e.after() {
			b.entry(&e, off)
			if trim.ByID && !e.ID.Less(trim.MinID) || !trim.ByID && s.head().length <= trim.MaxLen {
				break
			}
			if e.flags&flagDeleted == 0 {
				size := len(b.b)
				removed++
				if left = s.bury(p, &b, &e); !left {
					break
				}
				b.entry(&e, e.at+len(b.b)-size)
			}
		}
		if left {
			break
		}
	}
	if removed > 0 {
		s.findFirst()
	}
	return removed
}

// AddBlock adds a block as it stands in a snapshot, after those that are there. ErrStream: it is not sound.
func (s *Stream) AddBlock(master StreamID, list []byte) error {
	live, last, ok := checkBlock(master, list)
	h := s.head()
	if !ok || h.length > 0 && !h.last.Less(master) {
		return ErrStream
	}
	if live == 0 { // only deleted entries: of no use
		return nil
	}
	s.create()
	s.addBlock(master, list)
	h = s.head()
	h.length += uint64(live)
	h.last = last
	return nil
}

// EndBlocks settles the stream after AddBlock with what the snapshot tells; it reports false if that cannot be.
func (s *Stream) EndBlocks(length uint64, last, maxDeleted StreamID, added uint64) bool {
	s.create()
	h := s.head()
	if h.length != length || h.length > 0 && last.Less(h.last) {
		return false
	}
	h.last, h.maxDeleted, h.added = last, maxDeleted, added
	s.findFirst()
	return true
}

// checkBlock checks that a list is a sound block: all that the other methods take for granted.
func checkBlock(master StreamID, list []byte) (live int, last StreamID, ok bool) {
	if len(list) <= listpack.HeaderSize || len(list) > 2*MaxStreamEntry || listpack.Total(list) != len(list) || list[len(list)-1] != listpack.End {
		return 0, last, false
	}
	off, seen, sound := listpack.HeaderSize, 0, true
	next := func() (e listpack.Element) {
		e, size, whole := listpack.Decode(list[off:])
		if !whole || listpack.Previous(list, off+size) != off {
			sound = false
			return listpack.Element{}
		}
		off += size
		seen++
		return e
	}
	number := func(low, high int64) int64 {
		e := next()
		if !e.IsInt || e.Int < low || e.Int > high {
			sound = false
			return 0
		}
		return e.Int
	}
	skip := func(n int64) {
		for ; n > 0 && sound; n-- {
			next()
		}
	}
	most := int64(len(list))
	alive, deleted := number(0, most), number(0, most)
	fields := number(0, most)
	skip(fields)
	number(0, 0)
	last = master
	for i := int64(0); i < alive+deleted && sound; i++ {
		began := seen
		flags := number(0, flagDeleted|flagSameFields)
		ms, seq := next(), next()
		n := fields
		if flags&flagSameFields == 0 {
			n = 2 * number(0, most)
		}
		skip(n)
		id := StreamID{master.Ms + uint64(ms.Int), master.Seq + uint64(seq.Int)}
		if !ms.IsInt || !seq.IsInt || i > 0 && !last.Less(id) || i == 0 && id.Less(master) {
			return 0, last, false
		}
		last = id
		elements := int64(seen - began)
		number(elements, elements)
		if flags&flagDeleted == 0 {
			live++
		}
	}
	count, known := listpack.Count(list)
	sound = sound && off == len(list)-1 && int64(live) == alive && (!known || count == seen)
	return live, last, sound
}

// Clone copies the stream with its groups.
func (s *Stream) Clone() Stream {
	to := NewStream(s.heap)
	s.EachBlock(func(master StreamID, list []byte) { to.addBlock(master, list) })
	blocks := to.head().blocks
	*to.head() = *s.head()
	to.head().blocks, to.head().groups = blocks, arena.Nil
	for i := range s.Groups() {
		g := s.GroupAt(i)
		fresh, _ := to.CreateGroup(g.Name(), g.LastID(), g.EntriesRead())
		for j := range g.Consumers() {
			c := g.ConsumerAt(j)
			fresh.CreateConsumer(c.Name(), c.Seen(), c.Active())
		}
		for d, ok := g.PendingFrom(StreamID{}, nil); ok; d, ok = g.PendingAfter(d.ID, nil) {
			owner, _ := fresh.Consumer(d.Consumer.Name())
			fresh.Deliver(d.ID, owner, d.Time, d.Count)
		}
	}
	return to
}

// Free gives all memory back; the stream must not be used afterwards.
func (s *Stream) Free() {
	if s.root == arena.Nil {
		return
	}
	for s.Groups() > 0 {
		s.DestroyGroup(s.GroupAt(s.Groups() - 1).Name())
	}
	t := s.blocks()
	t.free(func(payload []byte) { s.heap.Free(blockRef(payload)) })
	s.heap.Free(s.root)
	s.root = arena.Nil
}

// HasTombstonesFrom says whether an entry may have been deleted at or after an ID, so that counting from there
// on would be wrong.
func (s *Stream) HasTombstonesFrom(id StreamID) bool {
	h := s.head()
	return h.length > 0 && !h.maxDeleted.IsZero() && !h.maxDeleted.Less(h.first) && !h.maxDeleted.Less(id)
}

// EntriesUpTo is how many entries were added up to an ID, itself included, or EntriesReadUnknown.
func (s *Stream) EntriesUpTo(id StreamID) int64 {
	h := s.head()
	switch {
	case h.added == 0:
		return 0
	case id == h.last, h.length == 0 && id.Less(h.last):
		return int64(h.added)
	case h.last.Less(id):
		return EntriesReadUnknown
	case !h.maxDeleted.IsZero() && !h.maxDeleted.Less(h.first):
	case id.Less(h.first):
		return int64(h.added - h.length)
	case id == h.first:
		return int64(h.added-h.length) + 1
	}
	return EntriesReadUnknown
}

// Lag is how many entries a group has not read yet; ok is false if that cannot be told.
func (s *Stream) Lag(g Group) (lag int64, ok bool) {
	h := s.head()
	if h.added == 0 {
		return 0, true
	}
	read := g.EntriesRead()
	if read == EntriesReadUnknown || s.HasTombstonesFrom(g.LastID()) {
		read = s.EntriesUpTo(g.LastID())
	}
	return int64(h.added) - read, read != EntriesReadUnknown
}
