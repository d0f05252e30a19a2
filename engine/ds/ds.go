// Package ds holds the engine's data structures: hashes, lists, sets, sorted sets and streams, each small as
// one packed block (but streams) and large as linked blocks of an arena. Nothing in them is a Go pointer, so the
// collector never scans a collection, whatever its size.
//
// The structures know no keys and no clock. A structure is opened from its root reference, worked
// on, and its root is stored back by the caller, because an operation may move the root. The root
// arena.Nil is an empty structure:
//
//	h := ds.OpenHash(heap, root)
//	h.Set(field, value, limits)
//	root = h.Root()
//
// Two rules hold everywhere:
//   - Byte strings handed out alias the arena: they are valid until the next change of their
//     structure.
//   - Byte strings handed in must not alias the structure that they go into: copy first.
package ds

import (
	"hash/maphash"
	"math/rand/v2"
)

// Encoding says how a collection is laid out. The values are stored in blocks, but never leave the
// process, so they may be renumbered.
type Encoding uint8

// The encodings; the names that String returns are those of OBJECT ENCODING.
const (
	Listpack Encoding = iota + 1
	Hashtable
	Quicklist
	Skiplist
	Intset
	Listpacks // of a stream
)

func (e Encoding) String() string {
	switch e {
	case Listpack:
		return "listpack"
	case Hashtable:
		return "hashtable"
	case Quicklist:
		return "quicklist"
	case Skiplist:
		return "skiplist"
	case Intset:
		return "intset"
	case Listpacks:
		return "stream"
	}
	return "unknown"
}

// Limits says how large a collection may grow before it leaves the packed encoding.
type Limits struct {
	// Entries is the greatest number of entries (fields, members) of a packed block.
	Entries int
	// Value is the greatest length in bytes of one field, value or member of a packed block.
	Value int
}

// The defaults of Valkey: DefaultLimits are zset-max-listpack-* and set-max-listpack-*,
// DefaultHashLimits hash-max-listpack-*.
var (
	DefaultLimits     = Limits{Entries: 128, Value: 64}
	DefaultHashLimits = Limits{Entries: 512, Value: 64}
)

// ListLimits says how large a packed list, and each block of a quicklist, may grow.
type ListLimits struct {
	// Bytes is the greatest size of a block; one element may always be larger.
	Bytes int
	// Entries is the greatest number of elements; 0: no limit.
	Entries int
}

// DefaultListLimits are those of Valkey (list-max-listpack-size -2).
var DefaultListLimits = ListLimits{Bytes: 8 << 10}

// fits says whether an element of a packed size fits into a block.
func (l ListLimits) fits(p packed, size int) bool {
	return p.end()+size <= l.Bytes && (l.Entries == 0 || size == 0 || p.len() < l.Entries)
}

// half are the limits below which a quicklist becomes packed again, so that it does not go to and fro.
func (l ListLimits) half() ListLimits { return ListLimits{Bytes: l.Bytes / 2, Entries: l.Entries / 2} }

// seed is one for the whole process, so that a scan's cursor stays good when a table is rebuilt.
var seed = maphash.MakeSeed()

func hashOf(key []byte) uint64 { return maphash.Bytes(seed, key) }

// Rand is the source of random choices; tests pass a seeded one.
type Rand = *rand.Rand
