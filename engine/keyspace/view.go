package keyspace

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
type View struct{}

// Begin locks the stripes and fixes the time (now, unix milliseconds). End must follow.
func (v *View) Begin(s *Space, set StripeSet, db int, now int64, x Expiry) {
	panic("keyspace: not built yet")
}

// End releases the stripes. It panics if an Edit was not ended: its change would have gone unsettled.
func (v *View) End() { panic("keyspace: not built yet") }

// Space returns the space, DB the selected database, Now the fixed time in unix milliseconds.
func (v *View) Space() *Space { panic("keyspace: not built yet") }

// DB returns the selected database.
func (v *View) DB() int { panic("keyspace: not built yet") }

// Now returns the View's time in unix milliseconds.
func (v *View) Now() int64 { panic("keyspace: not built yet") }

// Select changes the database for the calls that follow (transactions, scripts).
func (v *View) Select(db int) { panic("keyspace: not built yet") }

// Changes returns how many changes were made through this View since Begin: zero means that there is nothing to
// propagate. Lazy deletion of expired keys does not count; the hook hears of it.
func (v *View) Changes() int { panic("keyspace: not built yet") }

// Entry is a key that was found. It is valid until the key is changed or the View ends.
type Entry struct{}

// Type returns the value's type.
func (e Entry) Type() Type { panic("keyspace: not built yet") }

// Encoding returns a collection's encoding.
func (e Entry) Encoding() Encoding { panic("keyspace: not built yet") }

// Key returns the key's name; read-only.
func (e Entry) Key() []byte { panic("keyspace: not built yet") }

// Value returns a string's bytes or a collection's root; read-only.
func (e Entry) Value() []byte { panic("keyspace: not built yet") }

// ExpireAt returns the expiry in unix milliseconds, 0 if the key has none.
func (e Entry) ExpireAt() int64 { panic("keyspace: not built yet") }

// Find looks a key up for reading, counts a hit or a miss, and marks the key as used for LRU and LFU.
func (v *View) Find(key []byte) (Entry, bool) { panic("keyspace: not built yet") }

// Peek is Find without counting and without marking: for TYPE, TTL, OBJECT, EXISTS-like tests and guards.
func (v *View) Peek(key []byte) (Entry, bool) { panic("keyspace: not built yet") }

// KeepExpiry as SetString's expireAt keeps the expiry that the key had.
const KeepExpiry int64 = -1

// SetString makes key a string, whatever it was. expireAt is unix milliseconds, 0 for none, or KeepExpiry. An
// expireAt in the past is stored as it is: callers decide (SET … PXAT deletes).
func (v *View) SetString(key, value []byte, expireAt int64, ev Event) {
	panic("keyspace: not built yet")
}

// Delete removes a key and frees its value; it reports whether there was one.
func (v *View) Delete(key []byte, ev Event) bool { panic("keyspace: not built yet") }

// Rename moves the value and expiry of src in the selected database to dst in database dstDB, replacing what was there; src must exist,
// and differ from dst. MOVE uses it with src and dst equal and dstDB another one.
func (v *View) Rename(src, dst []byte, dstDB int, from, to Event) bool {
	panic("keyspace: not built yet")
}

// Random returns some key of the selected database, each with about the same chance, or false if it has none.
// Only for Views of NoStripes or AllStripes; the key is appended to buf.
func (v *View) Random(buf []byte) ([]byte, bool) { panic("keyspace: not built yet") }

// Scan calls fn with the entries of some buckets from cursor on, until at least count were seen (or looked for), and returns the
// next cursor, 0 at the end. Start with 0. An entry that is there from start to end is seen at least once,
// whatever is inserted meanwhile; others may be seen or not (Valkey's SCAN guarantees). Expired keys are left
// out. Only for Views of NoStripes or AllStripes. fn runs under the entry's stripe and must not change anything.
func (v *View) Scan(cursor uint64, count int, fn func(Entry)) uint64 {
	panic("keyspace: not built yet")
}

// Flush empties the selected database and returns how many keys it had. Only for Views of AllStripes. With async the memory is given back
// by later calls of Space.ExpireStep.
func (v *View) Flush(async bool) int { panic("keyspace: not built yet") }

// FlushAll empties every database. See Flush.
func (v *View) FlushAll(async bool) int { panic("keyspace: not built yet") }
