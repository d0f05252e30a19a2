// Package keyspace holds a node's keys: databases of pointer-free tables, their locks, expiry,
// eviction and the point-in-time snapshot walk.
//
// A Space has 64 stripes; a key belongs to the stripe of its cluster slot. A command opens a View over the
// stripes of its keys, looks up with Find, changes with SetString, Edit, Delete or Rename, and ends the View.
// Those are the only doors: each settles memory accounting, the snapshot, the dirty counter and the change
// hook, so that a handler cannot forget one.
package keyspace

import "github.com/elastane/elastane/engine/arena"

// Stripes is the number of locks of a Space.
const Stripes = 64

// StripeSet is a set of stripes, a bit each. Sets are joined with |.
type StripeSet uint64

// AllStripes is the set for what needs the whole keyspace; NoStripes the one for commands without keys
// that walk stripe by stripe (SCAN, RANDOMKEY, DBSIZE).
const (
	NoStripes  StripeSet = 0
	AllStripes StripeSet = ^StripeSet(0)
)

// StripeOf returns the stripe of a key.
func StripeOf(key []byte) StripeSet { return 1 << (Slot(key) % Stripes) }

// Hook hears of every change, under the lock of the key's stripe, after the change; for a deletion just before
// the memory is freed. key is valid during the call only, and the hook must not call back into the Space. It
// serves propagation of expired and evicted keys, WATCH, keyspace notifications and blocked clients.
type Hook func(db int, key []byte, ev Event)

// Options configures a Space.
type Options struct {
	Databases int  // number of databases; 0 means Valkey's default of 16
	Hook      Hook // may be nil
}

// Space is the keyspace of one node.
type Space struct{ heap arena.Heap }

// New returns an empty Space. It costs a few kilobytes until the first key.
func New(o Options) *Space { panic("keyspace: not built yet") }

// Close gives all memory back. No View or Snapshot may be open, nor be opened afterwards.
func (s *Space) Close() { panic("keyspace: not built yet") }

// Heap is where the collections of this Space live.
func (s *Space) Heap() *arena.Heap { return &s.heap }

// Databases returns the number of databases.
func (s *Space) Databases() int { panic("keyspace: not built yet") }

// Lock takes the stripes of set in ascending order, Unlock gives them back. Views do this themselves.
func (s *Space) Lock(set StripeSet) { panic("keyspace: not built yet") }

// Unlock releases what Lock took.
func (s *Space) Unlock(set StripeSet) { panic("keyspace: not built yet") }

// UsedMemory returns the bytes of live blocks: entries, collections and tables.
func (s *Space) UsedMemory() int64 { return s.heap.Used() }

// Dirty returns the number of changes since the Space was made; it only grows. Persistence compares two readings.
func (s *Space) Dirty() uint64 { panic("keyspace: not built yet") }

// Stats are counters for INFO. They only grow.
type Stats struct {
	Hits, Misses     uint64 // of Find
	Expired, Evicted uint64 // keys
}

// Stats returns the counters.
func (s *Space) Stats() Stats { panic("keyspace: not built yet") }

// Keys returns how many keys a database has, and how many of them have an expiry. Keys that have expired but
// are not yet deleted count, as in Valkey.
func (s *Space) Keys(db int) (keys, withExpiry int) { panic("keyspace: not built yet") }
