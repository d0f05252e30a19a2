package command

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// digest is Valkey's checksum of values (DEBUG DIGEST): equal data have equal checksums on both, whatever their layout
// in memory. What has an order is mixed in, what has none is added.
type digest [sha1.Size]byte

// add combines data whose order does not matter.
func (d *digest) add(data []byte) {
	sum := sha1.Sum(data)
	for i := range d {
		d[i] ^= sum[i]
	}
}

// mix combines data whose order matters.
func (d *digest) mix(data []byte) {
	d.add(data)
	*d = sha1.Sum(d[:])
}

func (d *digest) mixNumber(n uint32) { d.mix(binary.BigEndian.AppendUint32(nil, n)) }

// pair is the digest of two strings in order.
func pair(a, b []byte) digest {
	var d digest
	d.mix(a)
	d.mix(b)
	return d
}

// value mixes in the value of a key.
func (d *digest) value(c *Ctx, e keyspace.Entry) {
	heap := c.heap()
	root := func() arena.Ref { return arena.GetRef(e.Value()) }
	switch e.Type() {
	case keyspace.TypeString:
		d.mixNumber(0)
		d.mix(e.Value())
	case keyspace.TypeList:
		d.mixNumber(1)
		v := ds.OpenList(heap, root())
		v.Each(0, false, func(elem []byte) bool {
			d.mix(elem)
			return true
		})
	case keyspace.TypeSet:
		d.mixNumber(2)
		v := ds.OpenSet(heap, root())
		v.Each(func(member []byte) bool {
			d.add(member)
			return true
		})
	case keyspace.TypeZSet:
		d.mixNumber(3)
		v := ds.OpenSortedSet(heap, root())
		v.Each(0, false, func(member []byte, score float64) bool {
			p := pair(member, appendG17(nil, score))
			d.add(p[:])
			return true
		})
	case keyspace.TypeHash:
		d.mixNumber(4)
		v := ds.OpenHash(heap, root())
		v.Each(func(field, value []byte) bool {
			p := pair(field, value)
			d.add(p[:])
			return true
		})
	}
	if e.ExpireAt() != 0 {
		d.add([]byte("!!expire!!"))
	}
}

// appendG17 writes a score as printf's %.17g does.
func appendG17(dst []byte, score float64) []byte {
	switch {
	case math.IsInf(score, 1):
		return append(dst, "inf"...)
	case math.IsInf(score, -1):
		return append(dst, "-inf"...)
	}
	return strconv.AppendFloat(dst, score, 'g', 17, 64)
}

// DEBUG DIGEST
func cmdDEBUGDIGEST(c *Ctx) {
	var total digest
	for db := range c.Server.Databases {
		if keys, _ := c.Server.Space.Keys(db); keys == 0 {
			continue
		}
		total.mixNumber(uint32(db))
		c.View.Select(db)
		for cursor, first := uint64(0), true; first || cursor != 0; first = false {
			cursor = c.View.Scan(cursor, 1000, nil, func(e keyspace.Entry) {
				var d digest
				d.mix(e.Key())
				d.value(c, e)
				total.add(d[:])
			})
		}
	}
	c.View.Select(c.Client.DB)
	c.Reply.Simple(hex.EncodeToString(total[:]))
}

// DEBUG DIGEST-VALUE key [key …]
func cmdDEBUGDIGESTVALUE(c *Ctx) {
	keys := c.Args.Rest()
	c.Reply.Array(len(keys))
	for _, key := range keys {
		var d digest
		if e, found := c.View.Peek(key); found {
			d.value(c, e)
		}
		c.Reply.Simple(hex.EncodeToString(d[:]))
	}
}
