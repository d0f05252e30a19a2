package keyspace

import (
	"math/bits"
	"time"

	"github.com/elastane/elastane/engine/arena"
)

// Expiry says what a View does with a key whose time has come.
type Expiry uint8

const (
	// ExpiryDelete treats it as missing and deletes it (EventExpired): on a primary.
	ExpiryDelete Expiry = iota
	// ExpiryHide treats it as missing but leaves it to the primary's DEL: clients of a replica.
	ExpiryHide
	// ExpiryIgnore treats it as present: the replication stream and loading.
	ExpiryIgnore
)

// View is one command's (or one transaction's) window on the keyspace: a set of stripes that it holds locked, a
// database, and a time that stands still. A loop keeps one View and uses it again for each command; a View is
// not for several goroutines. Touching a key outside its stripes panics.
//
// Byte slices that a View hands out are the store's own memory: read-only unless an Edit says otherwise, valid
// until that key is changed or the View ends. Arguments are copied into the store, and must not be slices that
// the View handed out for the key being changed.
type View struct {
	space    *Space
	set      StripeSet
	db       int
	database *database // of db; nil if it has no keys
	now      int64
	expiry   Expiry
	lfu      bool
	noTouch  bool
	open     int // Edits
	changes  int
	writing  bool // a miss is no news
	hits     uint32
	misses   uint32
}

// Begin locks the stripes and fixes the time (now, unix milliseconds). End must follow.
func (v *View) Begin(s *Space, set StripeSet, db int, now int64, x Expiry) {
	s.Lock(set)
	v.init(s, set, db, now, x)
}

// init is Begin for callers that hold the stripes.
func (v *View) init(s *Space, set StripeSet, db int, now int64, x Expiry) {
	policy := s.limit.Load().Policy
	*v = View{
		space: s, set: set, db: db, database: s.databases[db].Load(), now: now, expiry: x,
		lfu: policy == AllKeysLFU || policy == VolatileLFU,
	}
}

// End releases the stripes. It panics if an Edit was not ended: its change would have gone unsettled.
func (v *View) End() {
	s, set := v.space, v.set
	v.settle()
	open := v.open
	*v = View{}
	s.Unlock(set)
	if open != 0 {
		panic("keyspace: a View ended with an open Edit")
	}
}

// Extend takes further stripes if they are free at the moment, and reports whether it holds them now. It never waits, so
// that two Views cannot wait for each other.
func (v *View) Extend(set StripeSet) bool {
	missing := set &^ v.set
	for left := missing; left != 0; left &= left - 1 {
		if v.space.stripes[bits.TrailingZeros64(uint64(left))].mu.TryLock() {
			continue
		}
		v.space.Unlock(missing & (left&-left - 1)) // those before it
		return false
	}
	v.set |= missing
	return true
}

// settle adds what the View counted to the counters of one of its stripes.
func (v *View) settle() {
	st := &v.space.stripes[bits.TrailingZeros64(uint64(v.set))%Stripes]
	if v.changes != 0 {
		st.dirty.Add(uint64(v.changes))
	}
	if v.hits != 0 {
		st.hits.Add(uint64(v.hits))
	}
	if v.misses != 0 {
		st.misses.Add(uint64(v.misses))
	}
}

// NoTouch keeps the View from marking keys as used (CLIENT NO-TOUCH).
func (v *View) NoTouch() { v.noTouch = true }

// Space returns the space that the View is of.
func (v *View) Space() *Space { return v.space }

// Stripes returns the stripes that the View holds.
func (v *View) Stripes() StripeSet { return v.set }

// Expiry returns what the View does with keys whose time has come.
func (v *View) Expiry() Expiry { return v.expiry }

// DB returns the selected database.
func (v *View) DB() int { return v.db }

// Now returns the View's time in unix milliseconds.
func (v *View) Now() int64 { return v.now }

// Select changes the database for the calls that follow (transactions, scripts).
func (v *View) Select(db int) { v.db, v.database = db, v.space.databases[db].Load() }

// Changes returns how many changes were made through this View since Begin: zero means that there is nothing to
// propagate. Lazy deletion of expired keys does not count; the hook hears of it.
func (v *View) Changes() int { return v.changes }

// spot is where a key is, or, with slot -1, that it is nowhere.
type spot struct {
	database *database
	b        *bucket
	hash     uint64
	stripe   int
	slot     int
	moves    uint32 // of the table when b was found
	found    Entry  // what was there when it was found, or was put there since
}

func (p *spot) table() *table { return &p.database.tables[p.stripe] }

func (p *spot) entry() Entry { return entryAt(p.b.ref(p.slot)) }

// locate finds a key in a database, expired or not.
func (v *View) locate(d *database, key []byte) (p spot) {
	stripe := int(Slot(key) % Stripes)
	if v.set>>stripe&1 == 0 {
		panic("keyspace: a key outside the View's stripes")
	}
	p = spot{database: d, hash: v.space.hash(key), stripe: stripe, slot: -1}
	if d != nil {
		t := p.table()
		p.b, p.slot, p.found = t.find(p.hash, key)
		p.moves = t.moves
	}
	return p
}

// lookup is locate for keys whose time has not come.
func (v *View) lookup(key []byte, write bool) (p spot) {
	p = v.locate(v.database, key)
	if p.slot < 0 || p.b[p.slot]&tagExpires == 0 || v.expiry == ExpiryIgnore {
		return p
	}
	if p.found.ExpireAt() >= v.now {
		return p
	}
	switch {
	case v.expiry == ExpiryDelete:
		v.expire(&p)
	case write: // on a writable replica what is hidden gives way, without a word to anyone
		v.drop(v.db, &p, Event{})
	}
	p.slot = -1
	return p
}

// expire deletes the key at p because its time has come.
func (v *View) expire(p *spot) {
	v.drop(v.db, p, EventExpired)
	v.space.stripes[p.stripe].expired.Add(1)
	v.space.stripes[p.stripe].dirty.Add(1)
}

// drop is the one door through which a key leaves: the snapshot sees it, the hook hears of it, its memory goes back.
func (v *View) drop(db int, p *spot, ev Event) {
	e := p.entry()
	v.space.touch(p.database, p.stripe, p.b)
	v.tell(db, e.Key(), ev)
	e.freeValue(&v.space.heap)
	v.remove(p)
}

// remove takes the entry at p out of its table and frees it, but not what its value names.
func (v *View) remove(p *spot) {
	t, r := p.table(), p.b.ref(p.slot)
	if p.b[p.slot]&tagExpires != 0 {
		t.expires.Add(-1)
	}
	t.keys.Add(-1)
	t.clear(p.hash, p.b, p.slot)
	v.space.heap.Free(r)
	p.slot = -1
}

func (v *View) tell(db int, key []byte, ev Event) {
	if hook := v.space.hook; hook != nil {
		hook(db, key, ev)
	}
}

// SetWriting says that what follows is a command that writes: EventMiss is for commands that read.
func (v *View) SetWriting(on bool) { v.writing = on }

// Note raises a further event of a key that was changed through this View; it does not count as a change.
func (v *View) Note(key []byte, ev Event) { v.tell(v.db, key, ev) }

// changed settles a change that a command asked for.
func (v *View) changed(db int, key []byte, ev Event) {
	v.changes++
	v.tell(db, key, ev)
}

// insert puts a new entry into its table, with a value of size bytes that the caller fills. The key must not be there.
func (v *View) insert(db int, p *spot, key []byte, t Type, enc Encoding, access uint32, expireAt int64, size int) Entry {
	r, mem := v.space.heap.Alloc(shape{len(key), size, expireAt != 0}.size())
	writeHeader(mem, t, enc, access, expireAt, key, size)
	if p.database == nil {
		p.database = v.space.ensureDatabase(db)
		if db == v.db {
			v.database = p.database
		}
	}
	table := p.table()
	p.b, p.slot = table.place(v.space, p.hash)
	p.moves = table.moves
	v.space.touch(p.database, p.stripe, p.b)
	v.setSlot(p, r, expireAt != 0)
	table.keys.Add(1)
	p.found = entryAt(r)
	if v.space.notices.Load()&noticeNew != 0 {
		v.tell(db, key, EventNew)
	}
	return p.found
}

// setSlot makes the slot at p name the entry at r, and keeps count of the entries with an expiry.
func (v *View) setSlot(p *spot, r arena.Ref, expires bool) {
	tag := tagOf(p.hash)
	if expires {
		tag |= tagExpires
	}
	if had := p.b[p.slot]&tagExpires != 0; had != expires {
		if expires {
			p.table().expires.Add(1)
		} else {
			p.table().expires.Add(-1)
		}
	}
	p.b.set(p.slot, tag, r)
}

// Find looks a key up for reading, counts a hit or a miss, and marks the key as used for LRU and LFU.
func (v *View) Find(key []byte) (Entry, bool) {
	p := v.lookup(key, false)
	if p.slot < 0 {
		v.misses++
		if v.space.notices.Load()&noticeMiss != 0 && !v.writing {
			v.tell(v.db, key, EventMiss)
		}
		return Entry{}, false
	}
	v.hits++
	v.use(p.found)
	return p.found, true
}

// Peek is Find without counting and without marking: for TYPE, TTL, OBJECT and guards.
func (v *View) Peek(key []byte) (Entry, bool) {
	p := v.lookup(key, false)
	if p.slot < 0 {
		return Entry{}, false
	}
	return p.found, true
}

// Counted is Find without marking the key as used, as EXISTS looks.
func (v *View) Counted(key []byte) bool {
	p := v.lookup(key, false)
	if p.slot < 0 {
		v.misses++
		return false
	}
	v.hits++
	return true
}

// Live tells whether a key of the selected database is there and has not expired; one that has is left alone.
func (v *View) Live(key []byte) bool {
	p := v.locate(v.database, key)
	return p.slot >= 0 && !v.hasExpired(p.found)
}

// KeepExpiry as SetString's expireAt keeps the expiry that the key had.
const KeepExpiry int64 = -1

// SetString makes key a string, whatever it was. expireAt is unix milliseconds, 0 for none, or KeepExpiry. An
// expireAt in the past is stored as it is: callers decide (SET … PXAT deletes).
func (v *View) SetString(key, value []byte, expireAt int64, ev Event) {
	p := v.lookup(key, true)
	if p.slot < 0 {
		if expireAt == KeepExpiry {
			expireAt = 0
		}
		e := v.insert(v.db, &p, key, TypeString, EncodingRaw, v.newAccess(), expireAt, len(value))
		copy(e.Value(), value)
	} else {
		e := p.found
		if expireAt == KeepExpiry {
			expireAt = e.ExpireAt()
		}
		v.space.touch(p.database, p.stripe, p.b)
		v.overwrite(&p, e, key, value, expireAt)
	}
	v.changed(v.db, key, ev)
}

// overwrite replaces the value of an entry by a string, in the same block if it fits.
func (v *View) overwrite(p *spot, e Entry, key, value []byte, expireAt int64) {
	heap := &v.space.heap
	e.freeValue(heap)
	access := v.nextAccess(e)
	s := shape{len(key), len(value), expireAt != 0}
	size := s.size()
	r, mem := e.ref, heap.Slice(e.ref, size)
	if arena.Size(size) != arena.Size(e.size()) {
		r, mem = heap.Alloc(size)
	}
	copy(mem[size-len(value):], value)
	writeHeader(mem, TypeString, EncodingRaw, access, expireAt, key, len(value))
	v.setSlot(p, r, s.expires)
	if r != e.ref {
		heap.Free(e.ref)
	}
}

// Delete removes a key and frees its value; it reports whether there was one.
func (v *View) Delete(key []byte, ev Event) bool {
	p := v.lookup(key, true)
	if p.slot < 0 {
		return false
	}
	v.drop(v.db, &p, ev)
	v.changes++
	v.shrink(&p)
	return true
}

// shrink gives the segments of a table back once it is empty. A single segment stays: it will be needed again soon.
func (v *View) shrink(p *spot) {
	if t := p.table(); t.keys.Load() == 0 && t.dir.Load().depth > 0 {
		t.moves++
		t.free(v.space, cursor{}, time.Time{})
	}
}

// Rename moves the value and expiry of src in the selected database to dst in database dstDB, replacing what was there,
// and reports whether there was a src. from is raised for src, to for dst. MOVE uses it with dst equal to src
// and another database. Renaming a key to itself changes nothing.
func (v *View) Rename(src, dst []byte, dstDB int, from, to Event) bool {
	p := v.lookup(src, true)
	if p.slot < 0 {
		return false
	}
	if dstDB == v.db && string(src) == string(dst) {
		return true
	}
	e := p.found
	target := v.space.databases[dstDB].Load()
	if old := v.locate(target, dst); old.slot >= 0 {
		v.space.touch(old.database, old.stripe, old.b)
		old.entry().freeValue(&v.space.heap)
		v.remove(&old)
	}
	q := v.locate(target, dst)
	moved := v.insert(dstDB, &q, dst, e.Type(), e.Encoding(), e.access(), e.ExpireAt(), int(e.valueLen))
	copy(moved.Value(), e.Value())
	// The insertion may have split the table that src is in too.
	p = v.locate(v.database, src)
	v.space.touch(p.database, p.stripe, p.b)
	v.remove(&p)
	v.shrink(&p)
	v.changed(v.db, src, from)
	v.changed(dstDB, dst, to)
	return true
}
