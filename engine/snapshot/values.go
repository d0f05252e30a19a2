package snapshot

import (
	"fmt"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/rdb"
)

// write writes an entry under a key, of which the type and the length are still to be filled in.
func write(w *rdb.Writer, heap *arena.Heap, k rdb.Key, e keyspace.Entry) {
	switch e.Type() {
	case keyspace.TypeString:
		k.Type = rdb.String
		w.Begin(k)
		w.Element(e.Value())
	case keyspace.TypeList:
		v := ds.OpenList(heap, arena.GetRef(e.Value()))
		k.Type, k.Len = rdb.List, v.Len()
		w.Begin(k)
		v.Each(0, false, func(elem []byte) bool {
			w.Element(elem)
			return true
		})
	case keyspace.TypeSet:
		v := ds.OpenSet(heap, arena.GetRef(e.Value()))
		k.Type, k.Len = rdb.Set, v.Len()
		w.Begin(k)
		v.Each(func(member []byte) bool {
			w.Element(member)
			return true
		})
	case keyspace.TypeHash:
		v := ds.OpenHash(heap, arena.GetRef(e.Value()))
		k.Type, k.Len = rdb.Hash, v.Len()
		w.Begin(k)
		v.Each(func(field, value []byte) bool {
			w.Field(field, value)
			return true
		})
	case keyspace.TypeZSet:
		v := ds.OpenSortedSet(heap, arena.GetRef(e.Value()))
		k.Type, k.Len = rdb.SortedSet, v.Len()
		w.Begin(k)
		v.Each(0, false, func(member []byte, score float64) bool {
			w.Member(member, score)
			return true
		})
	case keyspace.TypeStream:
		v := ds.OpenStream(heap, arena.GetRef(e.Value()))
		writeStream(w, k, &v)
	default:
		// Begin refuses the type, and the snapshot fails: leaving a key out would lose it.
		w.Begin(k)
	}
}

func writeStream(w *rdb.Writer, k rdb.Key, s *ds.Stream) {
	k.Type, k.Len = rdb.Stream, s.Blocks()
	w.Begin(k)
	s.EachBlock(func(master ds.StreamID, list []byte) { w.Block(rdb.ID(master), list) })
	w.Meta(rdb.StreamMeta{
		Length: uint64(s.Len()), Last: rdb.ID(s.LastID()), First: rdb.ID(s.FirstID()), MaxDeleted: rdb.ID(s.MaxDeletedID()),
		Added: s.EntriesAdded(), Groups: uint64(s.Groups()),
	})
	for i := range s.Groups() {
		g := s.GroupAt(i)
		w.Group(rdb.StreamGroup{Name: g.Name(), Last: rdb.ID(g.LastID()), Read: g.EntriesRead(), Pending: uint64(g.PendingLen())})
		for d, ok := g.PendingFrom(ds.StreamID{}, nil); ok; d, ok = g.PendingAfter(d.ID, nil) {
			w.Pending(rdb.ID(d.ID), d.Time, d.Count)
		}
		w.Consumers(g.Consumers())
		for j := range g.Consumers() {
			c := g.ConsumerAt(j)
			w.Consumer(rdb.StreamConsumer{Name: c.Name(), Seen: c.Seen(), Active: c.Active(), Pending: uint64(c.PendingLen())})
			for d, ok := g.PendingFrom(ds.StreamID{}, &c); ok; d, ok = g.PendingAfter(d.ID, &c) {
				w.Owns(rdb.ID(d.ID))
			}
		}
	}
}

// Limits say how large the compact encodings may grow when values are built.
type Limits struct {
	Hash      ds.Limits
	List      ds.ListLimits
	Set       ds.SetLimits
	SortedSet ds.Limits
}

// DefaultLimits are those of Valkey's default configuration.
var DefaultLimits = Limits{
	Hash: ds.DefaultHashLimits, List: ds.DefaultListLimits, Set: ds.DefaultSetLimits, SortedSet: ds.DefaultLimits,
}

// Value is a value on a heap that no key has yet.
type Value struct {
	Type     keyspace.Type
	Encoding ds.Encoding
	Text     []byte    // of a string
	Root     arena.Ref // of a collection
	free     func()
}

// Free gives a value's memory back that no key was given.
func (v *Value) Free() {
	if v.free != nil {
		v.free()
	}
}

// builder builds one value at a time on the heap; it is the part of an rdb.Sink that takes values.
type builder struct {
	heap   *arena.Heap
	limits Limits

	kind    rdb.Type
	text    []byte
	hash    ds.Hash
	list    ds.List
	set     ds.Set
	zset    ds.SortedSet
	stream  streamBuilder
	discard func() // frees the value at hand
}

func (b *builder) begin(kind rdb.Type) {
	b.kind = kind
	switch kind {
	case rdb.Hash:
		b.hash = ds.OpenHash(b.heap, arena.Nil)
		b.discard = b.hash.Free
	case rdb.List:
		b.list = ds.OpenList(b.heap, arena.Nil)
		b.discard = b.list.Free
	case rdb.Set:
		b.set = ds.OpenSet(b.heap, arena.Nil)
		b.discard = b.set.Free
	case rdb.SortedSet:
		b.zset = ds.OpenSortedSet(b.heap, arena.Nil)
		b.discard = b.zset.Free
	case rdb.Stream:
		b.stream = streamBuilder{stream: ds.NewStream(b.heap)}
		b.discard = b.stream.stream.Free
	}
}

func (b *builder) Element(v []byte) error {
	switch b.kind {
	case rdb.String:
		b.text = append(b.text[:0], v...)
	case rdb.List:
		b.list.Push(false, v, b.limits.List)
	default:
		b.set.Add(v, b.limits.Set)
	}
	return nil
}

func (b *builder) Field(field, value []byte) error {
	b.hash.Set(field, value, b.limits.Hash)
	return nil
}

func (b *builder) Member(member []byte, score float64) error {
	b.zset.Set(member, score, b.limits.SortedSet)
	return nil
}

// end hands the value over.
func (b *builder) end() (v Value, err error) {
	if b.kind == rdb.Stream {
		if err := b.stream.endGroup(); err != nil {
			return Value{}, err
		}
	}
	v.free = b.discard
	switch b.kind {
	case rdb.String:
		v.Type, v.Text = keyspace.TypeString, b.text
	case rdb.Hash:
		v.Type, v.Encoding, v.Root = keyspace.TypeHash, b.hash.Encoding(), b.hash.Root()
	case rdb.List:
		v.Type, v.Encoding, v.Root = keyspace.TypeList, b.list.Encoding(), b.list.Root()
	case rdb.Set:
		v.Type, v.Encoding, v.Root = keyspace.TypeSet, b.set.Encoding(), b.set.Root()
	case rdb.SortedSet:
		v.Type, v.Encoding, v.Root = keyspace.TypeZSet, b.zset.Encoding(), b.zset.Root()
	default:
		v.Type, v.Encoding, v.Root = keyspace.TypeStream, ds.Listpacks, b.stream.stream.Root()
	}
	b.discard = nil
	return v, nil
}

// streamBuilder is the part of a builder that takes streams.
type streamBuilder struct {
	stream   ds.Stream
	old      bool
	group    ds.Group
	consumer ds.Consumer
	pending  map[ds.StreamID]delivery // that no consumer has yet
}

type delivery struct {
	time  int64
	count uint64
}

func unsound(what string) error { return fmt.Errorf("%w: a stream %s", rdb.ErrCorrupt, what) }

func (b *builder) Block(master rdb.ID, list []byte) error {
	if b.stream.stream.AddBlock(ds.StreamID(master), list) != nil {
		return unsound("with a damaged block")
	}
	return nil
}

func (b *builder) Meta(m rdb.StreamMeta) error {
	if b.stream.old = m.Old; m.Old {
		m.Added = m.Length
	}
	if !b.stream.stream.EndBlocks(m.Length, ds.StreamID(m.Last), ds.StreamID(m.MaxDeleted), m.Added) {
		return unsound("whose length or last ID is wrong")
	}
	return nil
}

func (b *builder) Group(g rdb.StreamGroup) error {
	s := &b.stream
	if err := s.endGroup(); err != nil {
		return err
	}
	last, read := ds.StreamID(g.Last), g.Read
	if s.old {
		read = s.stream.EntriesUpTo(last)
	}
	group, fresh := s.stream.CreateGroup(g.Name, last, read)
	if !fresh {
		return unsound("with two groups of one name")
	}
	s.group, s.pending = group, map[ds.StreamID]delivery{}
	return nil
}

func (b *builder) Pending(id rdb.ID, time int64, count uint64) error {
	if _, twice := b.stream.pending[ds.StreamID(id)]; twice {
		return unsound("with an entry that is pending twice")
	}
	b.stream.pending[ds.StreamID(id)] = delivery{time, count}
	return nil
}

func (b *builder) Consumer(c rdb.StreamConsumer) error {
	consumer, fresh := b.stream.group.CreateConsumer(c.Name, c.Seen, c.Active)
	if !fresh {
		return unsound("with two consumers of one name")
	}
	b.stream.consumer = consumer
	return nil
}

func (b *builder) Owns(id rdb.ID) error {
	s := &b.stream
	d, ok := s.pending[ds.StreamID(id)]
	if !ok {
		return unsound("whose consumer has an entry that is not pending")
	}
	delete(s.pending, ds.StreamID(id))
	s.group.Deliver(ds.StreamID(id), s.consumer, d.time, d.count)
	return nil
}

func (s *streamBuilder) endGroup() error {
	if len(s.pending) > 0 {
		return unsound("with pending entries of no consumer")
	}
	return nil
}
