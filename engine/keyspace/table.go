package keyspace

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/elastane/elastane/engine/arena"
)

const (
	slotsPerBucket  = 10
	bucketBytes     = 64
	segmentBuckets  = 64 // of a full segment: 4 KiB
	maxDepth        = 40 // directory bits; more would mean that the hash does not tell keys apart
	versionBits     = 24
	versionMask     = 1<<versionBits - 1
	tagExpires      = 0x80
	low7, high1     = 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
	ones            = 0x0101010101010101
	gatherHighBytes = 0x0102040810204080
)

// bucket is one cache line:
//
//	0   ten tags: seven bits of the key's hash, never zero for a used slot; the high bit says that the
//	    entry has an expiry, so that expiry and volatile eviction pass over the others without touching them
//	10  number of entries whose first choice this bucket is but that live in their second; 255 sticks
//	11  version of the last snapshot that has seen this bucket (24 bits)
//	14  ten references of 40 bits
type bucket [bucketBytes]byte

func bucketAt(segment arena.Ref, i uint64) *bucket {
	return (*bucket)(unsafe.Add(arena.Pointer(segment), i*bucketBytes))
}

// ref reads eight bytes that end with the reference, so that the last slot does not read past the line.
func (b *bucket) ref(slot int) arena.Ref {
	return arena.Ref(binary.LittleEndian.Uint64(b[11+5*slot:]) >> 24)
}

func (b *bucket) set(slot int, tag byte, r arena.Ref) {
	b[slot] = tag
	arena.PutRef(b[14+5*slot:], r)
}

func (b *bucket) version() uint32     { return binary.LittleEndian.Uint32(b[10:]) >> 8 }
func (b *bucket) setVersion(v uint32) { b[11], b[12], b[13] = byte(v), byte(v>>8), byte(v>>16) }

// match returns a bit for each slot whose tag is tag, the expiry bit aside. Tag 0 finds the free slots.
func (b *bucket) match(tag byte) uint32 {
	x := binary.LittleEndian.Uint64(b[:])&low7 ^ uint64(tag)*ones
	y := uint64(binary.LittleEndian.Uint16(b[8:]))&low7 ^ uint64(tag)*0x0101
	found := ^(x + low7) & high1 >> 7
	tail := ^(y + 0x7f7f) & 0x8080 >> 7
	return uint32(found*gatherHighBytes>>56) | uint32(tail&1|tail>>7)<<8
}

// used returns a bit for each slot that holds an entry.
func (b *bucket) used() uint32 { return ^b.match(0) & (1<<slotsPerBucket - 1) }

// volatile returns a bit for each slot whose entry has an expiry.
func (b *bucket) volatile() uint32 {
	found := binary.LittleEndian.Uint64(b[:]) & high1 >> 7
	tail := uint64(binary.LittleEndian.Uint16(b[8:])) & 0x8080 >> 7
	return uint32(found*gatherHighBytes>>56) | uint32(tail&1|tail>>7)<<8
}

func (b *bucket) search(tag byte, key []byte) (slot int, e Entry) {
	for m := b.match(tag); m != 0; m &= m - 1 {
		slot = bits.TrailingZeros32(m)
		if e = entryAt(b.ref(slot)); bytes.Equal(e.Key(), key) {
			return slot, e
		}
	}
	return -1, Entry{}
}

// The bits of a hash: the directory uses the highest ones, as many as it has grown to; the lowest choose the buckets.
func firstChoice(h uint64) uint64  { return h }
func secondChoice(h uint64) uint64 { return h >> 6 }

func tagOf(h uint64) byte {
	if tag := byte(h>>12) & 0x7f; tag != 0 {
		return tag
	}
	return 1
}

// directory names the segments of a table by the highest bits of the hash. It is reached without a lock by prefetch
// only, hence the atomics. A small table has one segment of fewer buckets, so that a node with a few keys costs
// a few cache lines.
type directory struct {
	depth    uint
	mask     uint64          // buckets of a segment, minus one
	segments []atomic.Uint64 // 1 << depth of: reference, and from bit 40 on how many hash bits the segment has used
}

func (d *directory) index(h uint64) int { return int(h >> (64 - d.depth)) } // a shift by 64 gives 0

func (d *directory) segment(i int) (r arena.Ref, depth uint) {
	w := d.segments[i].Load()
	return arena.Ref(w & (1<<40 - 1)), uint(w >> 40)
}

func newDirectory(depth uint, mask uint64) *directory {
	return &directory{depth: depth, mask: mask, segments: make([]atomic.Uint64, 1<<depth)}
}

func (d *directory) setSegment(i int, r arena.Ref, depth uint) {
	d.segments[i].Store(uint64(r) | uint64(depth)<<40)
}

// table holds the keys of one stripe of one database: extendible hashing over segments of buckets. Everything is
// guarded by the stripe's lock, but for the counters and the directory pointer, which may be read without.
type table struct {
	dir     atomic.Pointer[directory]
	moves   uint32 // counts growths and splits: since the last one no entry has changed its bucket
	keys    atomic.Int64
	expires atomic.Int64
}

// find returns the bucket, slot and entry of a key, or slot -1.
func (t *table) find(h uint64, key []byte) (b *bucket, slot int, e Entry) {
	d := t.dir.Load()
	if d == nil {
		return nil, -1, Entry{}
	}
	segment, _ := d.segment(d.index(h))
	tag := tagOf(h)
	b = bucketAt(segment, firstChoice(h)&d.mask)
	slot, e = b.search(tag, key)
	if slot < 0 && b[10] != 0 {
		b = bucketAt(segment, secondChoice(h)&d.mask)
		slot, e = b.search(tag, key)
	}
	return b, slot, e
}

// place finds a free slot for a new key, and makes one if there is none. The caller then fills the slot.
func (t *table) place(s *Space, h uint64) (*bucket, int) {
	for {
		d := t.dir.Load()
		if d == nil {
			d = newDirectory(0, 0)
			d.setSegment(0, s.newSegment(1), 0)
			t.dir.Store(d)
		}
		segment, depth := d.segment(d.index(h))
		first := bucketAt(segment, firstChoice(h)&d.mask)
		if free := first.match(0); free != 0 {
			return first, bits.TrailingZeros32(free)
		}
		second := bucketAt(segment, secondChoice(h)&d.mask)
		if free := second.match(0); free != 0 {
			first.countAway(1)
			return second, bits.TrailingZeros32(free)
		}
		t.moves++
		if d.mask < segmentBuckets-1 {
			t.widen(s, d)
		} else {
			t.split(s, d, d.index(h), segment, depth)
		}
	}
}

func (b *bucket) countAway(delta int) {
	if b[10] != 255 {
		b[10] = byte(int(b[10]) + delta)
	}
}

// clear empties a slot whose key has hash h.
func (t *table) clear(h uint64, b *bucket, slot int) {
	b.set(slot, 0, arena.Nil)
	d := t.dir.Load()
	segment, _ := d.segment(d.index(h))
	if first := bucketAt(segment, firstChoice(h)&d.mask); first != b {
		first.countAway(-1)
	}
}

// newSegment returns a segment of n empty buckets. They have the current version: there is nothing in them that a
// running snapshot would have to see.
func (s *Space) newSegment(n int) arena.Ref {
	r, mem := s.heap.Alloc(n * bucketBytes)
	clear(mem)
	for i := range n {
		bucketAt(r, uint64(i)).setVersion(s.version)
	}
	return r
}

// widen doubles the buckets of a table's only segment. Bucket i is dealt out to i and i+n, which inherit its version:
// cursors rely on an entry never moving to a lower bucket.
func (t *table) widen(s *Space, d *directory) {
	n := d.mask + 1
	old, _ := d.segment(0)
	wide := newDirectory(0, 2*n-1)
	segment := s.newSegment(int(2 * n))
	wide.setSegment(0, segment, 0)
	for i := range n {
		from := bucketAt(old, i)
		low, high := bucketAt(segment, i), bucketAt(segment, i+n)
		low.setVersion(from.version())
		high.setVersion(from.version())
		for m := from.used(); m != 0; m &= m - 1 {
			slot := bits.TrailingZeros32(m)
			h := s.hash(entryAt(from.ref(slot)).Key())
			choice := firstChoice(h)
			if choice&d.mask != i {
				choice = secondChoice(h)
			}
			to := low
			if choice&n != 0 {
				to = high
			}
			to.set(slot, from[slot], from.ref(slot))
			if first := bucketAt(segment, firstChoice(h)&wide.mask); first != to {
				first.countAway(1)
			}
		}
	}
	t.dir.Store(wide)
	s.heap.Free(old)
}

// split deals a full segment's entries out to itself and a new one by the next bit of the hash. An entry stays at its
// bucket index and slot, and both halves inherit the bucket's version, so that nothing can overflow and no cursor can
// miss anything.
func (t *table) split(s *Space, d *directory, at int, segment arena.Ref, depth uint) {
	if depth == maxDepth {
		panic("keyspace: the hash does not tell keys apart")
	}
	if depth == d.depth {
		wide := newDirectory(d.depth+1, d.mask)
		for i := range d.segments {
			w := d.segments[i].Load()
			wide.segments[2*i].Store(w)
			wide.segments[2*i+1].Store(w)
		}
		d, at = wide, 2*at
		t.dir.Store(d)
	}
	fresh := s.newSegment(segmentBuckets)
	span := 1 << (d.depth - depth)
	start := at &^ (span - 1)
	for i := start; i < start+span/2; i++ {
		d.setSegment(i, segment, depth+1)
	}
	for i := start + span/2; i < start+span; i++ {
		d.setSegment(i, fresh, depth+1)
	}
	bit := uint64(1) << (63 - depth)
	for i := range uint64(segmentBuckets) {
		bucketAt(segment, i)[10] = 0
	}
	for i := range uint64(segmentBuckets) {
		if i+2 < segmentBuckets {
			ahead := bucketAt(segment, i+2)
			prefetchEntries(ahead, ahead.used())
		}
		from, to := bucketAt(segment, i), bucketAt(fresh, i)
		to.setVersion(from.version())
		for m := from.used(); m != 0; m &= m - 1 {
			slot := bits.TrailingZeros32(m)
			h := s.hash(entryAt(from.ref(slot)).Key())
			home, stays := segment, from
			if h&bit != 0 {
				to.set(slot, from[slot], from.ref(slot))
				from.set(slot, 0, arena.Nil)
				home, stays = fresh, to
			}
			if first := bucketAt(home, firstChoice(h)&d.mask); first != stays {
				first.countAway(1)
			}
		}
	}
}

// prefetchEntries asks for the entries of some slots.
func prefetchEntries(b *bucket, slots uint32) {
	for ; slots != 0; slots &= slots - 1 {
		arena.Prefetch(b.ref(bits.TrailingZeros32(slots)))
	}
}

// cursor is a place in a table, in the order of the hash's highest bits and, inside a segment, of the buckets. Splits and
// widening only move entries to later places, so what lies ahead of a cursor stays ahead of it.
type cursor struct {
	prefix uint64
	bucket uint64
}

// next returns the bucket at the cursor, which may be nil, and the place after it; end is true past the last one.
func (t *table) next(c cursor) (b *bucket, after cursor, end bool) {
	d := t.dir.Load()
	if d == nil {
		return nil, cursor{}, true
	}
	segment, depth := d.segment(d.index(c.prefix))
	width := uint64(1) << (64 - depth) // 0 for all 64 bits
	if c.bucket <= d.mask {
		b = bucketAt(segment, c.bucket)
	}
	if c.bucket < d.mask {
		return b, cursor{c.prefix, c.bucket + 1}, false
	}
	after.prefix = c.prefix&^(width-1) + width
	return b, after, after.prefix == 0
}

// free gives back what the table holds, from the cursor on, until the deadline (none if zero); it returns where to go on,
// or true once the table is empty. Nothing else may be done with the table in between.
func (t *table) free(s *Space, c cursor, deadline time.Time) (next cursor, done bool) {
	d := t.dir.Load()
	if d == nil {
		return cursor{}, true
	}
	for end := false; !end; {
		var b *bucket
		b, c, end = t.next(c)
		if ahead, _, _ := t.next(c); !end {
			prefetchEntries(ahead, ahead.used())
		}
		for m := b.used(); m != 0; m &= m - 1 {
			e := entryAt(b.ref(bits.TrailingZeros32(m)))
			e.freeValue(&s.heap)
			s.heap.Free(e.ref)
		}
		if c.bucket == 0 && !end && !deadline.IsZero() && !time.Now().Before(deadline) {
			return c, false // at least one segment was done
		}
	}
	last := arena.Nil
	for i := range d.segments {
		if r, _ := d.segment(i); r != last {
			s.heap.Free(r)
			last = r
		}
	}
	t.dir.Store(nil)
	return cursor{}, true
}
