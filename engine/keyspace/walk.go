package keyspace

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
)

// withStripe runs fn while the stripe is held: by this View already, or, in a View of NoStripes, for this call.
func (v *View) withStripe(stripe int, fn func(t *table)) {
	switch {
	case v.set>>stripe&1 != 0:
	case v.set == NoStripes:
		v.space.stripes[stripe].mu.Lock()
		defer v.space.stripes[stripe].mu.Unlock()
	default:
		panic("keyspace: a walk in a View of some stripes")
	}
	if d := v.space.databases[v.db].Load(); d != nil {
		fn(&d.tables[stripe])
	}
}

func (v *View) hasExpired(e Entry) bool {
	at := e.ExpireAt()
	return at != 0 && at < v.now && v.expiry != ExpiryIgnore
}

// Scan calls fn with the entries of some buckets from cursor on, until about count were looked at, and returns the
// next cursor, 0 at the end. Start with 0; any other value is taken for what it would mean. An entry that is there
// from start to end is seen at least once, whatever is inserted meanwhile; others may be seen or not (Valkey's
// SCAN guarantees). Only for Views of NoStripes or AllStripes. match, which may be nil, chooses entries; among these
// expired ones are treated as the View says, and left out. match and fn run under the entry's stripe and must
// not change anything.
func (v *View) Scan(position uint64, count int, match func(Entry) bool, fn func(Entry)) uint64 {
	stripe, c := decodeScan(position)
	var expired [][]byte
	// As in Valkey, a sparse table does not hold the caller up: ten buckets for each entry that was asked for.
	count = max(count, 1)
	buckets := count * 10
	for seen := 0; stripe < Stripes; stripe++ {
		end := true
		v.withStripe(stripe, func(t *table) {
			var b *bucket
			for end = false; !end && seen < count && buckets > 0; buckets-- {
				if b, c, end = t.next(c); b == nil {
					continue
				}
				for m := b.used(); m != 0; m &= m - 1 {
					seen++
					e := entryAt(b.ref(bits.TrailingZeros32(m)))
					switch {
					case match != nil && !match(e):
					case !v.hasExpired(e):
						fn(e)
					case v.expiry == ExpiryDelete:
						expired = append(expired, bytes.Clone(e.Key()))
					}
				}
			}
			v.expireIn(stripe, expired)
			expired = expired[:0]
		})
		if !end {
			return encodeScan(stripe, c)
		}
		c = cursor{}
		if stripe+1 < Stripes && (seen >= count || buckets <= 0) {
			return encodeScan(stripe+1, c)
		}
	}
	return 0
}

// expireIn deletes keys of a stripe that is held; their time has come.
func (v *View) expireIn(stripe int, keys [][]byte) {
	if len(keys) == 0 {
		return
	}
	set := v.set
	v.set |= 1 << stripe
	defer func() { v.set = set }()
	d := v.space.databases[v.db].Load()
	for _, key := range keys {
		if p := v.locate(d, key); p.slot >= 0 {
			v.expire(&p)
		}
	}
}

// A SCAN position has the bucket in its lowest six bits, then the stripe, then the prefix with its bits reversed:
// only its highest ones can be set, so the numbers stay small.
func encodeScan(stripe int, c cursor) uint64 {
	return bits.Reverse64(c.prefix)<<12 | uint64(stripe)<<6 | c.bucket
}

func decodeScan(position uint64) (stripe int, c cursor) {
	return int(position >> 6 & 63), cursor{bits.Reverse64(position >> 12), position & 63}
}

// Random returns some key of the selected database that has not expired, each with about the same chance, or false
// if it has none. Only for Views of NoStripes or AllStripes; the key is appended to buf.
func (v *View) Random(buf []byte) (key []byte, ok bool) {
	// As in Valkey, give up on finding a live key among mostly expired ones after a hundred tries.
	for range 100 {
		keys, _ := v.space.Keys(v.db)
		if keys == 0 {
			return buf, false
		}
		n := rand.IntN(keys)
		for stripe := range Stripes {
			found := false
			v.withStripe(stripe, func(t *table) {
				here := int(t.keys.Load())
				if n -= here; n >= 0 || here == 0 {
					return
				}
				if e := t.random(); !v.hasExpired(e) {
					key, found = append(buf, e.Key()...), true
				}
			})
			if found {
				return key, true
			}
			if n < 0 {
				break
			}
		}
	}
	return buf, false
}

// random returns an entry of a table that is not empty.
func (t *table) random() Entry {
	d := t.dir.Load()
	// Throwing away the free slots that were hit gives every entry the same chance.
	for range 100 {
		segment, _ := d.segment(rand.IntN(len(d.segments)))
		b := bucketAt(segment, rand.Uint64()&d.mask)
		if slot := rand.IntN(slotsPerBucket); b[slot] != 0 {
			return entryAt(b.ref(slot))
		}
	}
	c := cursor{prefix: rand.Uint64()}
	for {
		var b *bucket
		b, c, _ = t.next(c)
		if m := b.used(); m != 0 {
			return entryAt(b.ref(bits.TrailingZeros32(m)))
		}
	}
}
