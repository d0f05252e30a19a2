package keyspace

import (
	"errors"
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
type Snapshot struct{}

// BeginSnapshot makes the cut: the Snapshot holds every change made before and none made after. atCut, if not nil, runs while all
// stripes are held, so that a replication offset can be read that belongs to exactly this cut. It takes microseconds. The
// caller must hold no stripe, and has to call Close in the end.
func (s *Space) BeginSnapshot(fn SnapshotFunc, atCut func()) (*Snapshot, error) {
	panic("keyspace: not built yet")
}

// Step walks on for about budget and reports whether the walk is complete; then fn is not called any more. One goroutine at a time.
// Call it from a loop in slices of about 100 µs, so that no stripe's lock is held by a preempted thread. It takes
// stripes itself, so none may be held.
func (w *Snapshot) Step(budget time.Duration) (done bool) { panic("keyspace: not built yet") }

// Close ends the snapshot, complete or not. fn is not running when it returns and is not called any more.
func (w *Snapshot) Close() { panic("keyspace: not built yet") }
