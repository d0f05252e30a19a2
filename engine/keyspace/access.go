package keyspace

import "math/rand/v2"

// The 24 access bits of an entry are, as in Valkey, the second of its last use (LRU), or, under an LFU policy, the
// minute of the last decay (16 bits) and a logarithmic use counter (8 bits).
const (
	accessMask = 1<<24 - 1
	lfuInit    = 5  // a new key's counter, so that it is not evicted at once
	lfuLog     = 10 // lfu-log-factor
	lfuDecay   = 1  // lfu-decay-time, minutes
)

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
		return lfuMinutes(v.now)<<8 | lfuIncrement(lfuCounter(e.access(), v.now))
	}
	return lruClock(v.now)
}

// use marks an entry as used. It writes only if something changed, to keep the cache line clean.
func (v *View) use(e Entry) {
	if fresh := v.nextAccess(e); fresh != e.access() {
		putAccess(e.head(), fresh)
	}
}

// lfuCounter returns the use counter less one for each decay time that has passed.
func lfuCounter(access uint32, now int64) uint32 {
	passed := (lfuMinutes(now) - access>>8) & 0xffff / lfuDecay
	counter := access & 0xff
	return counter - min(counter, passed)
}

// lfuIncrement adds one with a probability that falls as the counter grows.
func lfuIncrement(counter uint32) uint32 {
	if counter == 255 {
		return counter
	}
	base := max(int(counter)-lfuInit, 0)
	if rand.IntN(base*lfuLog+1) == 0 {
		counter++
	}
	return counter
}

// Idle returns for how many seconds the key was not used; meaningless under an LFU policy.
func (e Entry) Idle(now int64) int64 { return int64((lruClock(now) - e.access()) & accessMask) }

// Frequency returns the logarithmic use counter (0 to 255); meaningless unless the policy is an LFU one.
func (e Entry) Frequency(now int64) int { return int(lfuCounter(e.access(), now)) }

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
