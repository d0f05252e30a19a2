// Package snapshot carries a keyspace to and from the RDB format, and keeps a node's snapshot file.
package snapshot

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/rdb"
)

const (
	// slice is how long the walk goes on before it lets go of everything: long enough to be cheap, short enough that a
	// loop that waits for a stripe does not show.
	slice = 100 * time.Microsecond
	// sendAt is how much may gather before it is sent on.
	sendAt = 64 << 10
)

// Position is where a data set stands in a replication history.
type Position struct {
	ID     string
	Offset int64
	DB     int // that the stream has selected
}

// Walker writes snapshots of one keyspace, one at a time.
type Walker struct {
	Space *keyspace.Space
	// Version is what the file says about its writer (redis-ver).
	Version string
	// Clock tells the time; it may not be nil.
	Clock func() time.Time
	// Exclude is held around the cut, for writers that the keyspace's own locks do not keep apart (the application of a
	// primary's stream). Position is called at the cut. Both may be nil.
	Exclude  sync.Locker
	Position func() (p Position, ok bool)

	// Limits are the limits of the encodings when a Saver loads into Space; nil: DefaultLimits.
	Limits func() Limits

	once sync.Once
	turn chan struct{}
}

// Write writes the keyspace as it is at one moment, while writers go on. It waits for its turn while another snapshot
// is written. atCut, which may be nil, is called at that moment, with every writer excluded.
func (s *Walker) Write(ctx context.Context, w io.Writer, atCut func()) error {
	s.once.Do(func() { s.turn = make(chan struct{}, 1) })
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()

	out := &queue{heap: s.Space.Heap()}
	out.rdb = rdb.NewWriter(&out.fresh)
	var position Position
	located := false
	cut := func() {
		if s.Position != nil {
			position, located = s.Position()
		}
		if atCut != nil {
			atCut()
		}
	}
	walk, err := s.begin(out.add, cut)
	if err != nil {
		return err
	}
	defer walk.Close()

	out.mu.Lock()
	out.rdb.Aux("redis-ver", s.Version)
	out.rdb.Aux("redis-bits", "64")
	out.rdb.Aux("ctime", fmt.Sprint(s.Clock().Unix()))
	out.rdb.Aux("used-mem", fmt.Sprint(s.Space.UsedMemory()))
	if located {
		out.rdb.Aux("repl-stream-db", fmt.Sprint(position.DB))
		out.rdb.Aux("repl-id", position.ID)
		out.rdb.Aux("repl-offset", fmt.Sprint(position.Offset))
	}
	out.mu.Unlock()
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		done = walk.Step(slice)
		if err := out.send(w, done); err != nil {
			return err
		}
	}
	return nil
}

func (s *Walker) begin(fn keyspace.SnapshotFunc, cut func()) (*keyspace.Snapshot, error) {
	if s.Exclude != nil {
		s.Exclude.Lock()
		defer s.Exclude.Unlock()
	}
	return s.Space.BeginSnapshot(fn, cut)
}

// queue serialises entries in memory, where the walk and the writers that overtake it put them, and sends them on when no
// lock of the keyspace is held.
type queue struct {
	heap *arena.Heap
	mu   sync.Mutex
	rdb  *rdb.Writer
	// fresh is what the writer has flushed; spare, the other buffer, is being sent.
	fresh, spare buffer
}

type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// add serialises one entry. It runs under the entry's stripe.
func (q *queue) add(_, db int, e keyspace.Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	write(q.rdb, q.heap, rdb.Key{DB: db, Name: e.Key(), ExpireAt: e.ExpireAt()}, e)
}

// send passes on what has gathered, if it is worth it or the end.
func (q *queue) send(w io.Writer, last bool) error {
	q.mu.Lock()
	if err := q.rdb.Err(); err != nil {
		q.mu.Unlock()
		return err
	}
	if last {
		if err := q.rdb.Close(); err != nil {
			q.mu.Unlock()
			return err
		}
	} else if len(q.fresh) < sendAt {
		q.mu.Unlock()
		return nil
	}
	q.fresh, q.spare = q.spare[:0], q.fresh
	q.mu.Unlock()
	_, err := w.Write(q.spare)
	if cap(q.spare) > 16*sendAt {
		q.spare = nil // a huge value or a slow reader must not keep its memory
	}
	return err
}
