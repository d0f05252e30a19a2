package keyspace

import (
	"math/bits"
	"math/rand/v2"
	"strings"
	"time"
)

// Policy is what gives way when maxmemory is reached.
type Policy uint8

// Valkey's maxmemory-policy values.
const (
	NoEviction Policy = iota
	AllKeysLRU
	VolatileLRU
	AllKeysLFU
	VolatileLFU
	AllKeysRandom
	VolatileRandom
	VolatileTTL
)

var policyNames = [...]string{
	"noeviction", "allkeys-lru", "volatile-lru", "allkeys-lfu", "volatile-lfu", "allkeys-random", "volatile-random", "volatile-ttl",
}

// String returns the name as in the configuration.
func (p Policy) String() string { return policyNames[p] }

// ParsePolicy is the inverse of Policy.String; it ignores case.
func ParsePolicy(name string) (Policy, bool) {
	for i, n := range policyNames {
		if strings.EqualFold(n, name) {
			return Policy(i), true
		}
	}
	return NoEviction, false
}

// volatile reports whether only keys with an expiry may be evicted.
func (p Policy) volatile() bool {
	return p == VolatileLRU || p == VolatileLFU || p == VolatileRandom || p == VolatileTTL
}

// MemoryLimit is the maxmemory configuration of a Space.
type MemoryLimit struct {
	Max     int64  // bytes; 0 means no limit
	Policy  Policy // what to do about it
	Samples int    // keys looked at for each eviction (maxmemory-samples); 0 means Valkey's default of 5
}

// SetMemoryLimit changes the limit; any time, from any goroutine.
func (s *Space) SetMemoryLimit(l MemoryLimit) {
	if l.Samples <= 0 {
		l.Samples = 5
	}
	s.limit.Store(&l)
}

// MemoryLimit returns the limit that is set.
func (s *Space) MemoryLimit() MemoryLimit { return *s.limit.Load() }

// evictionTime bounds one call of EnsureRoom: when maxmemory was lowered by much, several commands share the work.
const evictionTime = 5 * time.Millisecond

// EnsureRoom makes room below maxmemory: it deletes keys by the policy (EventEvicted through the hook, to be
// propagated as DEL) until the memory used fits, or reports false if it cannot: the command that wants memory is
// then refused with OOM. While a far too large keyspace is being brought down it returns true, as Valkey does. Call it
// before the command's View is opened, with no stripe held, and not on a replica.
func (s *Space) EnsureRoom(now int64) bool {
	limit := s.limit.Load()
	if limit.Max == 0 || s.heap.Used() <= limit.Max {
		return true
	}
	deadline := time.Now().Add(evictionTime)
	if s.reclaimUnlessNeeded(deadline) {
		return true
	}
	for s.heap.Used() > limit.Max {
		if limit.Policy == NoEviction || !s.evict(limit, now) {
			return false
		}
		if !time.Now().Before(deadline) {
			return true
		}
	}
	return true
}

// evict deletes the best of some keys of a random stripe, or of the next one that has any.
func (s *Space) evict(limit *MemoryLimit, now int64) bool {
	start := rand.IntN(Stripes)
	for i := range Stripes {
		if s.evictFrom((start+i)%Stripes, limit, now) {
			return true
		}
	}
	return false
}

func (s *Space) evictFrom(stripe int, limit *MemoryLimit, now int64) bool {
	var v View
	v.Begin(s, 1<<stripe, 0, now, ExpiryIgnore)
	defer v.End()
	var best spot
	var bestDB int
	bestScore := int64(-1 << 62)
	for db := range s.databases {
		d := s.databases[db].Load()
		if d == nil {
			continue
		}
		t := &d.tables[stripe]
		if t.keys.Load() == 0 || limit.Policy.volatile() && t.expires.Load() == 0 {
			continue
		}
		t.sample(limit, func(b *bucket, slot int) {
			p := spot{database: d, stripe: stripe, b: b, slot: slot}
			if score := s.score(limit.Policy, p.entry(), now); score > bestScore {
				best, bestDB, bestScore = p, db, score
			}
		})
	}
	if best.database == nil {
		return false
	}
	best.hash = s.hash(best.entry().Key())
	v.drop(bestDB, &best, EventEvicted)
	v.shrink(&best)
	s.stripes[stripe].evicted.Add(1)
	s.stripes[stripe].dirty.Add(1)
	return true
}

// sample calls fn with as many candidates as the limit says, neighbours from a random place on: the hash has mixed
// them. The table must have a candidate.
func (t *table) sample(limit *MemoryLimit, fn func(b *bucket, slot int)) {
	d := t.dir.Load()
	left := limit.Samples
	c := cursor{prefix: rand.Uint64(), bucket: rand.Uint64() & d.mask}
	for range (len(d.segments) + 1) * int(d.mask+1) {
		var b *bucket
		if b, c, _ = t.next(c); b == nil {
			continue
		}
		m := b.used()
		if limit.Policy.volatile() {
			m = b.volatile()
		}
		prefetchEntries(b, m)
		for ; m != 0; m &= m - 1 {
			fn(b, bits.TrailingZeros32(m))
			if left--; left == 0 {
				return
			}
		}
	}
}

// score says how well a key is fit for eviction: the higher, the sooner it goes.
func (s *Space) score(p Policy, e Entry, now int64) int64 {
	switch p {
	case AllKeysLRU, VolatileLRU:
		return e.Idle(now)
	case AllKeysLFU, VolatileLFU:
		return int64(255 - s.Frequency(e, now))
	case VolatileTTL:
		return -e.ExpireAt()
	}
	return 0
}
