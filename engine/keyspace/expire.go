package keyspace

import (
	"math/bits"
	"sync"
	"time"
)

// expirer is where the search for expired keys goes on.
type expirer struct {
	mu     sync.Mutex
	db     int
	stripe int
	cursor cursor
}

// One hold of a stripe looks through so many buckets, or at about so many keys with an expiry: 20 µs or so.
const (
	expireBuckets = 64
	expireKeys    = 64
)

// ExpireStep looks for keys whose time has come and deletes them (EventExpired through the hook, to be propagated as
// DEL), going on where the last call left, for about budget at most, and once round all keys at the most. On a replica
// pass ExpiryHide: nothing is deleted. It also frees what an asynchronous flush left. It returns how many keys it deleted
// and whether another call soon is worth while. No stripe may be held. If another goroutine is at it, nothing is done.
func (s *Space) ExpireStep(now int64, x Expiry, budget time.Duration) (deleted int, more bool) {
	if !s.expiry.mu.TryLock() {
		return 0, false
	}
	defer s.expiry.mu.Unlock()
	deadline := time.Now().Add(budget)
	more = s.reclaimUnlessNeeded(deadline)
	if x != ExpiryDelete {
		return 0, more
	}
	looked := 0
	for left := len(s.databases) * Stripes; left > 0; {
		found, gone, passed := s.expireSome(now)
		looked, deleted, left = looked+found, deleted+gone, left-passed
		if !time.Now().Before(deadline) {
			// As in Valkey, a tenth of stale keys among those looked at is good enough.
			return deleted, more || deleted*10 > looked
		}
	}
	return deleted, more
}

func (s *Space) reclaimUnlessNeeded(deadline time.Time) (left bool) {
	if !s.garbage.waiting.Load() {
		return false
	}
	s.stripes[0].mu.Lock()
	needed := s.snapshot != nil
	s.stripes[0].mu.Unlock()
	// A snapshot that begins from here on does not have what was flushed before.
	return !needed && s.reclaim(deadline)
}

// expireSome looks through the next buckets of the next table that has keys with an expiry, and returns how many
// tables it has left behind.
func (s *Space) expireSome(now int64) (looked, deleted, passed int) {
	x := &s.expiry
	for ; x.db < len(s.databases); x.db, x.stripe = x.db+1, 0 {
		d := s.databases[x.db].Load()
		if d == nil {
			passed += Stripes - x.stripe
			continue
		}
		for ; x.stripe < Stripes; x.stripe++ {
			if d.tables[x.stripe].expires.Load() != 0 {
				var end bool
				if looked, deleted, end = s.expireTable(now); end {
					x.stripe, x.cursor = x.stripe+1, cursor{}
					passed++
				}
				return looked, deleted, passed
			}
			x.cursor = cursor{}
			passed++
		}
	}
	x.db = 0
	return 0, 0, passed
}

func (s *Space) expireTable(now int64) (looked, deleted int, end bool) {
	x := &s.expiry
	set := StripeSet(1) << x.stripe
	var v View
	v.Begin(s, set, x.db, now, ExpiryDelete)
	defer v.End()
	if v.database == nil {
		return 0, 0, true
	}
	p := spot{database: v.database, stripe: x.stripe}
	t := p.table()
	for i := 0; i < expireBuckets && looked < expireKeys && !end; i++ {
		if p.b, x.cursor, end = t.next(x.cursor); p.b == nil {
			continue
		}
		if ahead, _, _ := t.next(x.cursor); ahead != nil {
			prefetchEntries(ahead, ahead.volatile())
		}
		for m := p.b.volatile(); m != 0; m &= m - 1 {
			looked++
			p.slot = bits.TrailingZeros32(m)
			if e := p.entry(); e.ExpireAt() < now {
				p.hash = s.hash(e.Key())
				v.expire(&p)
				deleted++
			}
		}
	}
	if end && t.dir.Load() != nil {
		v.shrink(&p)
	}
	return looked, deleted, end
}

// AverageTTL reckons for how many more milliseconds the keys of a database that have an expiry live, from some of them; 0
// if there are none. No stripe may be held.
func (s *Space) AverageTTL(db int, now int64) int64 {
	const enough = 64
	var sum, n int64
	for stripe := range Stripes {
		d := s.databases[db].Load()
		if d == nil || n >= enough {
			break
		}
		if d.tables[stripe].expires.Load() == 0 {
			continue
		}
		var v View
		v.Begin(s, StripeSet(1)<<stripe, db, now, ExpiryIgnore)
		if v.database != nil {
			t := &v.database.tables[stripe]
			end := t.dir.Load() == nil
			for c := (cursor{}); !end && n < enough; {
				var b *bucket
				if b, c, end = t.next(c); b == nil {
					continue
				}
				for m := b.volatile(); m != 0; m &= m - 1 {
					sum += max(0, entryAt(b.ref(bits.TrailingZeros32(m))).ExpireAt()-now)
					n++
				}
			}
		}
		v.End()
	}
	if n == 0 {
		return 0
	}
	return sum / n
}
