package keyspace

import (
	"math/bits"

	"github.com/elastane/elastane/engine/arena"
)

// PrefetchBucket asks the processor to load the bucket of a key, without waiting, and returns a token for
// PrefetchEntry. A loop calls it for all keys of a parsed batch, then PrefetchEntry for all, then executes. It needs
// no lock and changes nothing; key is not kept.
func (s *Space) PrefetchBucket(db int, key []byte) (token uint64) {
	d := s.databases[db].Load()
	if d == nil {
		return 0
	}
	h := s.hash(key)
	dir := d.tables[Slot(key)%Stripes].dir.Load()
	if dir == nil {
		return 0
	}
	segment, _ := dir.segment(dir.index(h))
	b := segment + arena.Ref(firstChoice(h)&dir.mask*bucketBytes>>3)
	arena.Prefetch(b)
	return uint64(b)<<8 | uint64(tagOf(h))
}

// PrefetchEntry asks the processor to load the entry of a key whose bucket has arrived.
//
// It reads the bucket without its lock, so what it sees may be torn, or be memory that now serves another purpose: then a
// useless line is fetched, and nothing else happens, for arena memory stays readable and a prefetch does not fault.
func (s *Space) PrefetchEntry(token uint64) {
	if token == 0 {
		return
	}
	b := bucketAt(arena.Ref(token>>8), 0)
	for m := b.match(byte(token)); m != 0; m &= m - 1 {
		r := b.ref(bits.TrailingZeros32(m))
		arena.Prefetch(r)
		arena.Prefetch(r + 8) // entries of usual sizes span two lines
	}
}
