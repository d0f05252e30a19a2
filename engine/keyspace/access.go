package keyspace

import (
	"math/rand/v2"
	"sync/atomic"
)

// The 24 access bits of an entry are, as in Valkey, the second of its last use (LRU), or, under an LFU policy, the
// minute of the last decay (16 bits) and a logarithmic use counter (8 bits).
const (
	accessMask = 1<<24 - 1
	lfuInit    = 5 // a new key's counter, so that it is not evicted at once
)

// lfu is how the use counter grows and decays; any goroutine may change it.
type lfu struct{ log, decay atomic.Int64 }

// SetLFU sets lfu-log-factor, and lfu-decay-time in minutes (0: a counter never decays). The defaults are 10 and 1.
func (s *Space) SetLFU(logFactor, decayMinutes int) {
	s.lfu.log.Store(int64(logFactor))
	s.lfu.decay.Store(int64(decayMinutes))
}

func lruClock(now int64) uint32 { return uint32(now/1000) & accessMask }

func lfuMinutes(now int64) uint32 { return uint32(now/60_000) & 0xffff }

// newAccess returns the access bits of a new key.
func (v *View) newAccess() uint32 {
	if v.lfu {
		return lfuMinutes(v.now)<<8 | lfuInit
	}
	return lruClock(v.now)
}

// nextAccess returns the access bits of an entry that is used now.
func (v *View) nextAccess(e Entry) uint32 {
	if v.lfu {
		return lfuMinutes(v.now)<<8 | v.space.lfu.increment(v.space.lfu.counter(e.access(), v.now))
	}
	return lruClock(v.now)
}

// use marks an entry as used. It writes only if something changed, to keep the cache line clean.
func (v *View) use(e Entry) {
	if v.noTouch {
		return
	}
	if fresh := v.nextAccess(e); fresh != e.access() {
		putAccess(e.head(), fresh)
	}
}

// counter returns the use counter less one for each decay time that has passed.
func (l *lfu) counter(access uint32, now int64) uint32 {
	counter, decay := access&0xff, l.decay.Load()
	if decay == 0 {
		return counter
	}
	passed := int64((lfuMinutes(now)-access>>8)&0xffff) / decay
	return counter - uint32(min(int64(counter), passed))
}

// increment adds one with a probability that falls as the counter grows.
func (l *lfu) increment(counter uint32) uint32 {
	if counter == 255 {
		return counter
	}
	base := max(int(counter)-lfuInit, 0)
	if rand.Int64N(int64(base)*l.log.Load()+1) == 0 {
		counter++
	}
	return counter
}

// Idle returns for how many seconds the key was not used; meaningless under an LFU policy.
func (e Entry) Idle(now int64) int64 { return int64((lruClock(now) - e.access()) & accessMask) }

// Frequency returns the logarithmic use counter (0 to 255) of an entry; meaningless unless the policy is an LFU one.
func (s *Space) Frequency(e Entry, now int64) int { return int(s.lfu.counter(e.access(), now)) }

// SetIdle makes the key look unused for so many seconds; without effect under an LFU policy.
func (v *View) SetIdle(e Entry, seconds int64) {
	if !v.lfu {
		putAccess(e.head(), lruClock(v.now-1000*min(seconds, accessMask)))
	}
}

// SetFrequency sets the logarithmic use counter; without effect unless the policy is an LFU one.
func (v *View) SetFrequency(e Entry, counter uint8) {
	if v.lfu {
		putAccess(e.head(), lfuMinutes(v.now)<<8|uint32(counter))
	}
}
