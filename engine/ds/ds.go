// Package ds holds the engine's data structures: hashes, lists, sets and sorted sets, each small as
// one packed block and large as linked blocks of an arena. Nothing in them is a Go pointer, so the
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

// DefaultListBytes is the greatest size of a packed list and of one block of a quicklist in bytes
// (list-max-listpack-size -2).
const DefaultListBytes = 8 << 10

// seed is one for the whole process, so that a scan's cursor stays good when a table is rebuilt.
var seed = maphash.MakeSeed()

func hashOf(key []byte) uint64 { return maphash.Bytes(seed, key) }

// Rand is the source of random choices; tests pass a seeded one.
type Rand = *rand.Rand
