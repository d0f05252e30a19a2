// Package keyspace holds a node's keys: databases of pointer-free tables, their locks, expiry,
// eviction and the point-in-time snapshot walk.
//
// A Space has 64 stripes; a key belongs to the stripe of its cluster slot. A command opens a View over the
// stripes of its keys, looks up with Find, changes with SetString, Edit, Delete or Rename, and ends the View.
// Those are the only doors: each settles memory accounting, the snapshot, the dirty counter and the change
// hook, so that a handler cannot forget one.
package keyspace

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/elastane/elastane/engine/arena"
)

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
type Space struct {
	heap      arena.Heap
	hook      Hook
	limit     atomic.Pointer[MemoryLimit]
	notices   atomic.Uint32
	databases []atomic.Pointer[database] // nil until the first key, and again after a flush
	stripes   [Stripes]stripe

	// Written under all stripes, read under any.
	version  uint32    // of the newest snapshot
	snapshot *Snapshot // nil if none is open

	expiry  expirer
	garbage garbage
}

// stripe is a lock and the counters of what was done under it, on a cache line of its own. The counters are atomic to be
// read without the lock.
type stripe struct {
	mu                                    sync.Mutex
	dirty, hits, misses, expired, evicted atomic.Uint64
	_                                     [16]byte
}

// database is the content of one database number. A flush replaces the whole of it.
type database struct {
	cutNumber int // its number when the running snapshot was cut
	tables    [Stripes]table
}

// New returns an empty Space. It costs a few kilobytes until the first key.
func New(o Options) *Space {
	if o.Databases == 0 {
		o.Databases = 16
	}
	s := &Space{hook: o.Hook, databases: make([]atomic.Pointer[database], o.Databases)}
	s.limit.Store(&MemoryLimit{})
	return s
}

// Close gives all memory back. It waits for open Views; one that comes late finds no keys, and must not write. A
// Snapshot that is still open is never completed.
func (s *Space) Close() {
	s.Lock(AllStripes)
	defer s.Unlock(AllStripes)
	for i := range s.databases {
		s.databases[i].Store(nil)
	}
	s.snapshot = nil
	s.garbage.mu.Lock()
	defer s.garbage.mu.Unlock()
	s.garbage.pending, s.garbage.stripe, s.garbage.cursor = nil, 0, cursor{}
	s.heap.Close()
}

// Heap is where the collections of this Space live.
func (s *Space) Heap() *arena.Heap { return &s.heap }

// Databases returns the number of databases.
func (s *Space) Databases() int { return len(s.databases) }

// The bits of notices.
const (
	noticeNew = 1 << iota
	noticeMiss
)

// SetNotices says whether the hook is to hear EventNew and EventMiss as well.
func (s *Space) SetNotices(created, missed bool) {
	var bits uint32
	if created {
		bits |= noticeNew
	}
	if missed {
		bits |= noticeMiss
	}
	s.notices.Store(bits)
}

// Lock takes the stripes of set in ascending order, Unlock gives them back. Views do this themselves.
func (s *Space) Lock(set StripeSet) {
	for ; set != 0; set &= set - 1 {
		s.stripes[bits.TrailingZeros64(uint64(set))].mu.Lock()
	}
}

// Unlock releases what Lock took.
func (s *Space) Unlock(set StripeSet) {
	for ; set != 0; set &= set - 1 {
		s.stripes[bits.TrailingZeros64(uint64(set))].mu.Unlock()
	}
}

// UsedMemory returns the bytes of live blocks: entries, collections and tables.
func (s *Space) UsedMemory() int64 { return s.heap.Used() }

// Dirty returns the number of changes since the Space was made; it only grows. Persistence compares two readings. A
// View's changes are counted when it ends.
func (s *Space) Dirty() (n uint64) {
	for i := range s.stripes {
		n += s.stripes[i].dirty.Load()
	}
	return n
}

// Stats are counters for INFO. They only grow.
type Stats struct {
	Hits, Misses     uint64 // of Find
	Expired, Evicted uint64 // keys
}

// Stats returns the counters.
func (s *Space) Stats() (st Stats) {
	for i := range s.stripes {
		p := &s.stripes[i]
		st.Hits += p.hits.Load()
		st.Misses += p.misses.Load()
		st.Expired += p.expired.Load()
		st.Evicted += p.evicted.Load()
	}
	return st
}

// Keys returns how many keys a database has, and how many of them have an expiry. Keys that have expired but
// are not yet deleted count, as in Valkey. It needs no lock.
func (s *Space) Keys(db int) (keys, withExpiry int) {
	d := s.databases[db].Load()
	if d == nil {
		return 0, 0
	}
	for i := range d.tables {
		keys += int(d.tables[i].keys.Load())
		withExpiry += int(d.tables[i].expires.Load())
	}
	return keys, withExpiry
}

// seed differs from process to process, so that nobody can choose keys that collide.
var seed = maphash.MakeSeed()

func (s *Space) hash(key []byte) uint64 { return maphash.Bytes(seed, key) }

// ensureDatabase returns the database of a number, made if there is none. Another stripe may make it at the same time.
func (s *Space) ensureDatabase(number int) *database {
	p := &s.databases[number]
	if p.Load() == nil {
		p.CompareAndSwap(nil, new(database))
	}
	return p.Load()
}

// touch has to be called before anything in a bucket changes: it lets a running snapshot copy what it has not seen yet.
func (s *Space) touch(d *database, stripe int, b *bucket) {
	if s.snapshot != nil && b.version() != s.version {
		s.snapshot.copyBucket(stripe, d.cutNumber, b)
		b.setVersion(s.version)
	}
}
