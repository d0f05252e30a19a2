package keyspace

import (
	"sync"
	"sync/atomic"
	"time"
)

// garbage is the databases that were flushed and not yet freed.
type garbage struct {
	mu      sync.Mutex
	pending []*database
	stripe  int    // of the first: tables below are freed
	cursor  cursor // in that table: what lies before is freed
	waiting atomic.Bool
}

// Flush empties the selected database and returns how many keys it had. Only for Views of AllStripes. With async, or
// while a snapshot still needs the keys, the memory is given back by later calls of Space.ExpireStep.
func (v *View) Flush(async bool) int {
	if v.set != AllStripes {
		panic("keyspace: Flush in a View of some stripes")
	}
	n := v.detach(v.db)
	v.reclaimNow(async)
	return n
}

// FlushAll empties every database. See Flush.
func (v *View) FlushAll(async bool) (n int) {
	if v.set != AllStripes {
		panic("keyspace: FlushAll in a View of some stripes")
	}
	for db := range v.space.databases {
		n += v.detach(db)
	}
	v.reclaimNow(async)
	return n
}

func (v *View) detach(db int) int {
	keys, _ := v.space.Keys(db)
	if d := v.space.databases[db].Swap(nil); d != nil {
		g := &v.space.garbage
		g.mu.Lock()
		g.pending = append(g.pending, d)
		g.waiting.Store(true)
		g.mu.Unlock()
	}
	if db == v.db {
		v.database = nil
	}
	v.changes += keys
	return keys
}

func (v *View) reclaimNow(async bool) {
	if !async && v.space.snapshot == nil {
		v.space.reclaim(time.Time{})
	}
}

// reclaim frees flushed databases until the deadline (none if zero) and reports whether some are left. Nobody else
// can reach them once no snapshot is open: the caller sees to that.
func (s *Space) reclaim(deadline time.Time) (left bool) {
	g := &s.garbage
	if !g.waiting.Load() {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.pending) > 0 {
		var done bool
		if g.cursor, done = g.pending[0].tables[g.stripe].free(s, g.cursor, deadline); done {
			if g.stripe++; g.stripe == Stripes {
				g.pending, g.stripe = g.pending[1:], 0
			}
		}
		if !deadline.IsZero() && !time.Now().Before(deadline) && len(g.pending) > 0 {
			return true
		}
	}
	g.pending = nil
	g.waiting.Store(false)
	return false
}

// SwapDB exchanges the contents of two databases. Only for Views of AllStripes.
func (v *View) SwapDB(a, b int) {
	if v.set != AllStripes {
		panic("keyspace: SwapDB in a View of some stripes")
	}
	s := v.space
	s.databases[a].Store(s.databases[b].Swap(s.databases[a].Load()))
	v.database = s.databases[v.db].Load()
	v.changes++
}
