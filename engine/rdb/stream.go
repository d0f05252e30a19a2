package rdb

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ID is the ID of an entry of a stream.
type ID struct{ Ms, Seq uint64 }

// StreamMeta is what a snapshot tells of a stream after its blocks.
type StreamMeta struct {
	Length                  uint64
	Last, First, MaxDeleted ID
	Added                   uint64
	Groups                  uint64
	// Old says that the snapshot tells Length, Last and Groups only, and that its groups do not know what they
	// have read.
	Old bool
}

// StreamGroup heads a consumer group. Read is -1 if it is unknown.
type StreamGroup struct {
	Name    []byte
	Last    ID
	Read    int64
	Pending uint64
}

// StreamConsumer heads a consumer. Times are Unix milliseconds, Active -1 for never.
type StreamConsumer struct {
	Name         []byte
	Seen, Active int64
	Pending      uint64
}

// StreamSink is what a Sink implements as well to take streams. The calls come in this order: blocks, meta, then for
// each group Group, its Pendings, and for each of its consumers Consumer and its Owns.
type StreamSink interface {
	// Block is a block of entries: a listpack, which the sink has to check, and the ID that those in it count from.
	Block(master ID, list []byte) error
	Meta(m StreamMeta) error
	Group(g StreamGroup) error
	// Pending is an entry that is pending in the group; Owns says that the consumer has it.
	Pending(id ID, time int64, count uint64) error
	Consumer(c StreamConsumer) error
	Owns(id ID) error
}

// A Writer is given a stream as it hands one out: Begin with Len as the number of blocks, then the same calls, with
// Consumers before the consumers of a group.

// Block writes the next block of a stream.
func (w *Writer) Block(master ID, list []byte) {
	if w.take(Stream) {
		id := rawID(master)
		w.length(uint64(len(id)))
		w.raw(id[:])
		w.length(uint64(len(list)))
		w.raw(list)
	}
}

// Meta writes what follows the blocks.
func (w *Writer) Meta(m StreamMeta) {
	if !w.take(Stream) {
		return
	}
	w.length(m.Length)
	for _, id := range []ID{m.Last, m.First, m.MaxDeleted} {
		w.length(id.Ms)
		w.length(id.Seq)
	}
	w.length(m.Added)
	w.length(m.Groups)
	w.left += int(m.Groups)
}

// Group writes the head of a group.
func (w *Writer) Group(g StreamGroup) {
	if !w.take(Stream) {
		return
	}
	w.str(g.Name)
	w.length(g.Last.Ms)
	w.length(g.Last.Seq)
	w.length(uint64(g.Read))
	w.length(g.Pending)
	w.left += int(g.Pending) + 1 // Consumers
}

// Pending writes an entry that is pending in a group.
func (w *Writer) Pending(id ID, time int64, count uint64) {
	if !w.take(Stream) {
		return
	}
	w.id(id)
	w.time(time)
	w.length(count)
}

// Consumers writes how many consumers of a group follow.
func (w *Writer) Consumers(n int) {
	if w.take(Stream) {
		w.length(uint64(n))
		w.left += n
	}
}

// Consumer writes the head of a consumer.
func (w *Writer) Consumer(c StreamConsumer) {
	if !w.take(Stream) {
		return
	}
	w.str(c.Name)
	w.time(c.Seen)
	w.time(c.Active)
	w.length(c.Pending)
	w.left += int(c.Pending)
}

// Owns writes an entry that is pending for a consumer.
func (w *Writer) Owns(id ID) {
	if w.take(Stream) {
		w.id(id)
	}
}

func rawID(id ID) (b [16]byte) {
	binary.BigEndian.PutUint64(b[:], id.Ms)
	binary.BigEndian.PutUint64(b[8:], id.Seq)
	return b
}

func (w *Writer) id(id ID) {
	b := rawID(id)
	w.raw(b[:])
}

func (w *Writer) time(ms int64) {
	binary.LittleEndian.PutUint64(w.tmp[:8], uint64(ms))
	w.raw(w.tmp[:8])
}

// streamReader reads a stream; its errors latch.
type streamReader struct {
	*reader
	err error
}

func (in *streamReader) fail(err error) {
	if in.err == nil {
		in.err = err
	}
}

func (in *streamReader) number() (n uint64) {
	if in.err == nil {
		n, in.err = in.length()
	}
	return n
}

func (in *streamReader) pair() ID {
	ms := in.number()
	return ID{ms, in.number()}
}

func (in *streamReader) raw(n int) []byte {
	if in.err != nil {
		return make([]byte, n)
	}
	p, err := in.bytes(&in.bufB, n)
	if err != nil {
		in.err = err
		return make([]byte, n)
	}
	return p
}

func toID(p []byte) ID { return ID{binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:])} }

func (in *streamReader) rawID() ID { return toID(in.raw(16)) }

func (in *streamReader) time() int64 { return int64(binary.LittleEndian.Uint64(in.raw(8))) }

func (in *streamReader) text(buf *[]byte) (p []byte) {
	if in.err == nil {
		p, in.err = in.str(buf)
	}
	return p
}

// stream reads a stream of one of the three types.
func (in *reader) stream(code byte, k Key) error {
	sink, ok := in.sink.(StreamSink)
	if !ok {
		return errors.New("a stream, which is not supported here")
	}
	s := streamReader{reader: in}
	blocks := s.number()
	if s.err == nil {
		s.fail(in.sink.Begin(k))
	}
	for ; blocks > 0 && s.err == nil; blocks-- {
		master := s.text(&in.bufA)
		if s.err == nil && len(master) != 16 {
			s.fail(corrupt("a block of a stream with an ID of %d bytes", len(master)))
		}
		if s.err != nil {
			break
		}
		id := toID(master)
		if list := s.text(&in.packed); s.err == nil {
			s.fail(sink.Block(id, list))
		}
	}
	m := StreamMeta{Length: s.number(), Last: s.pair(), Old: code == typeStream1}
	if !m.Old {
		m.First, m.MaxDeleted, m.Added = s.pair(), s.pair(), s.number()
	}
	m.Groups = s.number()
	if s.err == nil {
		s.fail(sink.Meta(m))
	}
	for ; m.Groups > 0 && s.err == nil; m.Groups-- {
		s.group(sink, code)
	}
	return s.err
}

func (in *streamReader) group(sink StreamSink, code byte) {
	g := StreamGroup{Name: in.text(&in.bufA), Last: in.pair(), Read: -1}
	if code != typeStream1 {
		g.Read = int64(in.number())
	}
	g.Pending = in.number()
	if in.err == nil {
		in.fail(sink.Group(g))
	}
	for n := g.Pending; n > 0 && in.err == nil; n-- {
		id, time, count := in.rawID(), in.time(), in.number()
		if in.err == nil {
			in.fail(sink.Pending(id, time, count))
		}
	}
	for n := in.number(); n > 0 && in.err == nil; n-- {
		c := StreamConsumer{Name: in.text(&in.bufA), Seen: in.time()}
		if c.Active = c.Seen; code == typeStream3 {
			c.Active = in.time()
		}
		c.Pending = in.number()
		if in.err == nil {
			in.fail(sink.Consumer(c))
		}
		for left := c.Pending; left > 0 && in.err == nil; left-- {
			if id := in.rawID(); in.err == nil {
				in.fail(sink.Owns(id))
			}
		}
	}
	if in.err != nil && g.Name != nil {
		in.err = fmt.Errorf("group %.100q: %w", g.Name, in.err)
	}
}
