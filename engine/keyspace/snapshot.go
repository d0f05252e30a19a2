package keyspace

import (
	"errors"
	"math/bits"
	"time"
)

// ErrSnapshotRunning is BeginSnapshot's answer while another snapshot is open: there is one at a time, as in Valkey.
var ErrSnapshotRunning = errors.New("keyspace: a snapshot is already running")

// SnapshotFunc receives one entry as it was at the cut. It is called under the entry's stripe, by the walker and by
// any goroutine that is about to change the entry: calls for different stripes may overlap, and
// it has to serialise the entry (collections included) before it returns, without blocking. Entries come in no
// order, each exactly once. Keys that have expired are included.
type SnapshotFunc func(stripe, db int, e Entry)

// Snapshot is a walk over the keyspace as it was at the cut, while writers go on.
//
// Each bucket has the version of the last snapshot that saw it. The cut raises the Space's version; from then on whoever
// wants to change a bucket of an older version first copies it (Space.touch), and the walker copies those that
// nobody changed. Splits hand the version on.
type Snapshot struct {
	space     *Space
	fn        SnapshotFunc
	databases []*database // as at the cut: a flush does not take them away
	db        int
	stripe    int
	cursor    cursor
}

// snapshotBatch is how many buckets are copied in one hold of a stripe.
const snapshotBatch = 8

// BeginSnapshot makes the cut: the Snapshot holds every change made before and none made after. atCut, if not nil,
// runs while all stripes are held, so that a replication offset can be read that belongs to exactly this cut. It takes
// microseconds. The caller must hold no stripe, and has to call Close in the end.
func (s *Space) BeginSnapshot(fn SnapshotFunc, atCut func()) (*Snapshot, error) {
	w := &Snapshot{space: s, fn: fn, databases: make([]*database, len(s.databases))}
	s.Lock(AllStripes)
	defer s.Unlock(AllStripes)
	if s.snapshot != nil {
		return nil, ErrSnapshotRunning
	}
	for i := range w.databases {
		if d := s.databases[i].Load(); d != nil {
			d.cutNumber = i
			w.databases[i] = d
		}
	}
	s.version = (s.version + 1) & versionMask
	s.snapshot = w
	if atCut != nil {
		atCut()
	}
	return w, nil
}

// Step walks on for about budget and reports whether the walk is complete; then fn is not called any more. If the
// Space was closed meanwhile it never is. One goroutine at a time. Call it from a loop in slices of about 100 µs,
// so that no stripe's lock is held by a preempted thread. It takes stripes itself, so none may be held.
func (w *Snapshot) Step(budget time.Duration) (done bool) {
	deadline := time.Now().Add(budget)
	for ; w.db < len(w.databases); w.db++ {
		d := w.databases[w.db]
		if d == nil {
			continue
		}
		for ; w.stripe < Stripes; w.stripe++ {
			for end := false; !end; {
				if end = w.copySome(d); !time.Now().Before(deadline) {
					if end {
						w.stripe++
						w.cursor = cursor{}
					}
					return false
				}
			}
			w.cursor = cursor{}
		}
		w.stripe = 0
	}
	return true
}

// copySome copies the next buckets of the current table that nobody has copied, and reports whether that was the
// last of it.
func (w *Snapshot) copySome(d *database) (end bool) {
	st := &w.space.stripes[w.stripe]
	st.mu.Lock()
	defer st.mu.Unlock()
	if w.space.snapshot != w {
		return false // the Space was closed: the tables are gone
	}
	t := &d.tables[w.stripe]
	for i := 0; i < snapshotBatch && !end; i++ {
		var b *bucket
		if b, w.cursor, end = t.next(w.cursor); b == nil {
			continue
		}
		if ahead, _, _ := t.next(w.cursor); ahead != nil {
			prefetchEntries(ahead, ahead.used())
		}
		w.space.touch(d, w.stripe, b)
	}
	return end
}

// copyBucket hands a bucket's entries to the callback.
func (w *Snapshot) copyBucket(stripe, db int, b *bucket) {
	for m := b.used(); m != 0; m &= m - 1 {
		w.fn(stripe, db, entryAt(b.ref(bits.TrailingZeros32(m))))
	}
}

// Close ends the snapshot, complete or not. fn is not running when it returns and is not called any more.
func (w *Snapshot) Close() {
	w.space.Lock(AllStripes)
	defer w.space.Unlock(AllStripes)
	if w.space.snapshot == w {
		w.space.snapshot = nil
	}
}
