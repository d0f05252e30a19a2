package command

import (
	"math"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// The keyspace notifications of sets.
var (
	eventSadd        = keyspace.Event{Name: "sadd", Class: 's'}
	eventSrem        = keyspace.Event{Name: "srem", Class: 's'}
	eventSpop        = keyspace.Event{Name: "spop", Class: 's'}
	eventSinterStore = keyspace.Event{Name: "sinterstore", Class: 's'}
	eventSunionStore = keyspace.Event{Name: "sunionstore", Class: 's'}
	eventSdiffStore  = keyspace.Event{Name: "sdiffstore", Class: 's'}
)

func (c *Ctx) findSet(key []byte) (s ds.Set, ok bool) {
	root, ok := c.find(key, keyspace.TypeSet)
	return ds.OpenSet(c.heap(), root), ok
}

func (c *Ctx) editSet(key []byte) (w keyspace.Edit, s ds.Set, ok bool) {
	w, root, ok := c.edit(key, keyspace.TypeSet)
	return w, ds.OpenSet(c.heap(), root), ok
}

func settleSet(w *keyspace.Edit, s *ds.Set, ev keyspace.Event) {
	settle(w, keyspace.TypeSet, s.Encoding(), s.Root(), s.Len(), ev)
}

// SADD key member [member …]
func cmdSADD(c *Ctx) {
	key, members := c.Args.Bytes(), c.Args.Rest()

	w, s, ok := c.editSet(key)
	if !ok {
		return
	}
	n := 0
	for _, member := range members {
		if s.Add(member, c.encodings().set) {
			n++
		}
	}
	if n == 0 {
		w.Unchanged()
	} else {
		settleSet(&w, &s, eventSadd)
	}

	c.Reply.Int(int64(n))
}

// SREM key member [member …]
func cmdSREM(c *Ctx) {
	key, members := c.Args.Bytes(), c.Args.Rest()

	w, s, ok := c.editSet(key)
	if !ok {
		return
	}
	n := 0
	for _, member := range members {
		if s.Delete(member) {
			n++
		}
	}
	if n == 0 {
		w.Unchanged()
	} else {
		settleSet(&w, &s, eventSrem)
	}

	c.Reply.Int(int64(n))
}

// SMOVE source destination member
func cmdSMOVE(c *Ctx) {
	src, dst, member := c.Args.Bytes(), c.Args.Bytes(), c.Args.Bytes()

	w, from, ok := c.editSet(src)
	if !ok {
		return
	}
	if !w.Exists() { // a missing source is answered before the destination is looked at
		w.Unchanged()
		c.Reply.Int(0)
		return
	}
	if string(src) == string(dst) {
		w.Unchanged()
		c.Reply.Int(boolInt(from.Contains(member)))
		return
	}
	wTo, to, ok := c.editSet(dst)
	if !ok {
		w.Unchanged()
		return
	}
	if !from.Delete(member) {
		w.Unchanged()
		wTo.Unchanged()
		c.Reply.Int(0)
		return
	}
	settleSet(&w, &from, eventSrem)
	if to.Add(member, c.encodings().set) {
		settleSet(&wTo, &to, eventSadd)
	} else {
		wTo.Unchanged()
	}

	c.Reply.Int(1)
}

// SISMEMBER key member
func cmdSISMEMBER(c *Ctx) {
	key, member := c.Args.Bytes(), c.Args.Bytes()

	s, ok := c.findSet(key)
	if !ok {
		return
	}

	c.Reply.Int(boolInt(s.Contains(member)))
}

// SMISMEMBER key member [member …]
func cmdSMISMEMBER(c *Ctx) {
	key, members := c.Args.Bytes(), c.Args.Rest()

	s, ok := c.findSet(key)
	if !ok {
		return
	}

	c.Reply.Array(len(members))
	for _, member := range members {
		c.Reply.Int(boolInt(s.Contains(member)))
	}
}

// SCARD key
func cmdSCARD(c *Ctx) {
	key := c.Args.Bytes()

	s, ok := c.findSet(key)
	if !ok {
		return
	}

	c.Reply.Int(int64(s.Len()))
}

// SMEMBERS key
func cmdSMEMBERS(c *Ctx) {
	key := c.Args.Bytes()

	s, ok := c.findSet(key)
	if !ok {
		return
	}

	c.Reply.Set(s.Len())
	s.Each(func(member []byte) bool {
		c.Reply.Bulk(member)
		return true
	})
}

// sampleMembers draws members of a set (sample); they are copies, which outlive a change of the set.
func sampleMembers(s *ds.Set, count int) [][]byte {
	return sample(s.Len(), count,
		func() []byte { return append([]byte(nil), s.Random(random)...) },
		func(add func([]byte)) {
			s.Each(func(member []byte) bool { add(append([]byte(nil), member...)); return true })
		})
}

// SPOP key [count]
func cmdSPOP(c *Ctx) {
	key := c.Args.Bytes()
	count, given := int64(1), c.Args.More()
	if given {
		count = c.Args.IntRange(0, math.MaxInt64, ErrPositive)
	}
	c.Args.End()
	if c.Failed() {
		return
	}

	w, s, ok := c.editSet(key)
	if !ok {
		return
	}
	n := int(min(count, int64(s.Len())))
	if n == 0 {
		w.Unchanged()
		if given {
			c.Reply.Set(0)
		} else {
			c.Reply.Null()
		}
		return
	}
	// Which members go is chosen here, so the replicas are told the members.
	taken := sampleMembers(&s, n)
	effect := make([][]byte, 0, n+2)
	effect = append(effect, wordSREM, key)
	if given {
		c.Reply.Set(n)
	}
	for _, member := range taken {
		s.Delete(member)
		c.Reply.Bulk(member)
		effect = append(effect, member)
	}
	if given && s.Len() == 0 {
		effect = append(effect[:0], c.Server.deletion("lazyfree-lazy-server-del"), key)
	}
	settleSet(&w, &s, eventSpop)
	c.Propagate(effect...)
}

// SRANDMEMBER key [count]
func cmdSRANDMEMBER(c *Ctx) {
	key := c.Args.Bytes()
	count, given, _ := readRandomCount(c, "")
	if c.Failed() {
		return
	}

	s, ok := c.findSet(key)
	if !ok {
		return
	}
	switch {
	case !given && s.Len() == 0:
		c.Reply.Null()
	case !given:
		c.Reply.Bulk(s.Random(random))
	case s.Len() == 0 || count == 0:
		c.Reply.Array(0)
	default:
		drawn := sampleMembers(&s, count)
		c.Reply.Array(len(drawn))
		for _, member := range drawn {
			c.Reply.Bulk(member)
		}
	}
}

// SSCAN key cursor [MATCH pattern] [COUNT count]
func cmdSSCAN(c *Ctx) {
	key, cursor := c.Args.Bytes(), readScanCursor(c)
	if c.Failed() {
		return
	}

	s, ok := c.findSet(key)
	if !ok {
		return
	}
	o := scanOptions{}
	if s.Len() > 0 { // of a missing key the options are not looked at
		o = readScanOptions(c, false, "")
	}
	if c.Failed() {
		return
	}
	var items [][]byte
	next := s.Scan(cursor, o.count, func(member []byte) {
		if o.matches(member) {
			items = append(items, append([]byte(nil), member...))
		}
	})

	o.reply(c, next, items)
}

// combine is what a set operation does with its sets: it calls f with each member of the result once.
type combine func(sets []ds.Set, f func(member []byte))

func intersect(sets []ds.Set, f func(member []byte)) {
	smallest := 0
	for i := range sets {
		if sets[i].Len() < sets[smallest].Len() {
			smallest = i
		}
	}
	sets[smallest].Each(func(member []byte) bool {
		for i := range sets {
			if i != smallest && !sets[i].Contains(member) {
				return true
			}
		}
		f(member)
		return true
	})
}

func unite(sets []ds.Set, f func(member []byte)) {
	for i := range sets {
		sets[i].Each(func(member []byte) bool {
			for j := range i {
				if sets[j].Contains(member) {
					return true
				}
			}
			f(member)
			return true
		})
	}
}

func subtract(sets []ds.Set, f func(member []byte)) {
	sets[0].Each(func(member []byte) bool {
		for i := 1; i < len(sets); i++ {
			if sets[i].Contains(member) {
				return true
			}
		}
		f(member)
		return true
	})
}

func (c *Ctx) findSets(keys [][]byte) (sets []ds.Set, ok bool) {
	sets = make([]ds.Set, len(keys))
	for i, key := range keys {
		if sets[i], ok = c.findSet(key); !ok {
			return nil, false
		}
	}
	return sets, true
}

// SINTER key [key …]
func cmdSINTER(c *Ctx) { setOperation(c, intersect) }

// SUNION key [key …]
func cmdSUNION(c *Ctx) { setOperation(c, unite) }

// SDIFF key [key …]
func cmdSDIFF(c *Ctx) { setOperation(c, subtract) }

func setOperation(c *Ctx, op combine) {
	keys := c.Args.Rest()

	sets, ok := c.findSets(keys)
	if !ok {
		return
	}
	var result [][]byte
	op(sets, func(member []byte) { result = append(result, append([]byte(nil), member...)) })

	c.Reply.Set(len(result))
	for _, member := range result {
		c.Reply.Bulk(member)
	}
}

// SINTERSTORE destination key [key …]
func cmdSINTERSTORE(c *Ctx) { storeSetOperation(c, intersect, eventSinterStore) }

// SUNIONSTORE destination key [key …]
func cmdSUNIONSTORE(c *Ctx) { storeSetOperation(c, unite, eventSunionStore) }

// SDIFFSTORE destination key [key …]
func cmdSDIFFSTORE(c *Ctx) { storeSetOperation(c, subtract, eventSdiffStore) }

func storeSetOperation(c *Ctx, op combine, ev keyspace.Event) {
	dst, keys := c.Args.Bytes(), c.Args.Rest()

	sets, ok := c.findSets(keys)
	if !ok {
		return
	}
	result := ds.OpenSet(c.heap(), arena.Nil)
	op(sets, func(member []byte) { result.Add(member, c.encodings().set) })
	n := c.replaceWith(dst, keyspace.TypeSet, result.Encoding(), result.Root(), result.Len(), ev)

	c.Reply.Int(int64(n))
}

// SINTERCARD numkeys key [key …] [LIMIT limit]
func cmdSINTERCARD(c *Ctx) {
	keys := readNumKeys(c, ErrManyKeys)
	limit := int64(0)
	for c.Args.More() {
		if c.Args.Len() > 1 && c.Args.Word("LIMIT") {
			limit = c.Args.IntRange(0, math.MaxInt64, ErrLimitNegative)
		} else {
			c.Args.Syntax()
		}
	}
	if c.Failed() {
		return
	}

	sets, ok := c.findSets(keys)
	if !ok {
		return
	}
	n := int64(0)
	intersect(sets, func([]byte) { n++ })
	if limit > 0 {
		n = min(n, limit)
	}

	c.Reply.Int(n)
}

// readNumKeys reads "numkeys key [key …]"; tooMany is the error if there are fewer words than keys.
func readNumKeys(c *Ctx, tooMany string) [][]byte {
	n := c.Args.IntRange(1, math.MaxInt64, ErrNumKeys)
	if !c.Args.Failed() && n > int64(c.Args.Len()) {
		c.Args.Fail(tooMany)
	}
	var keys [][]byte
	for range n {
		if c.Args.Failed() {
			return nil
		}
		keys = append(keys, c.Args.Bytes())
	}
	return keys
}

var setSpecs = []Spec{
	{
		Name: "sadd", Group: "set", Since: "1.0.0", Arity: -3,
		Summary: "Adds members.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW insert"), Categories: "write set fast", Handler: cmdSADD,
	},
	{
		Name: "scard", Group: "set", Since: "1.0.0", Arity: 2,
		Summary: "Returns the number of members.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "read set fast", Handler: cmdSCARD,
	},
	{
		Name: "sdiff", Group: "set", Since: "1.0.0", Arity: -2,
		Summary: "Returns the members of the first set that no other has.",
		Flags:   ReadOnly, Keys: AllKeys.Uses("RO access"), Categories: "read set slow", Handler: cmdSDIFF,
	},
	{
		Name: "sdiffstore", Group: "set", Since: "1.0.0", Arity: -3,
		Summary: "Stores the members of the first set that no other has.",
		Flags:   Write | DenyOOM, Keys: AllKeys.Uses("OW update", "RO access"), Categories: "write set slow", Handler: cmdSDIFFSTORE,
	},
	{
		Name: "sinter", Group: "set", Since: "1.0.0", Arity: -2,
		Summary: "Returns the members that all sets have.",
		Flags:   ReadOnly, Keys: AllKeys.Uses("RO access"), Categories: "read set slow", Handler: cmdSINTER,
	},
	{
		Name: "sintercard", Group: "set", Since: "7.0.0", Arity: -3,
		Summary: "Counts the members that all sets have.",
		Flags:   ReadOnly, Keys: NumKeys(1).Uses("RO access"), Categories: "read set slow", Handler: cmdSINTERCARD,
	},
	{
		Name: "sinterstore", Group: "set", Since: "1.0.0", Arity: -3,
		Summary: "Stores the members that all sets have.",
		Flags:   Write | DenyOOM, Keys: AllKeys.Uses("OW update", "RO access"), Categories: "write set slow", Handler: cmdSINTERSTORE,
	},
	{
		Name: "sismember", Group: "set", Since: "1.0.0", Arity: 3,
		Summary: "Tells whether a set has a member.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "read set fast", Handler: cmdSISMEMBER,
	},
	{
		Name: "smembers", Group: "set", Since: "1.0.0", Arity: 2,
		Summary: "Returns all members.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read set slow", Handler: cmdSMEMBERS,
	},
	{
		Name: "smismember", Group: "set", Since: "6.2.0", Arity: -3,
		Summary: "Tells of several members whether a set has them.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read set fast", Handler: cmdSMISMEMBER,
	},
	{
		Name: "smove", Group: "set", Since: "1.0.0", Arity: 4,
		Summary: "Moves a member from one set to another.",
		Flags:   Write | Fast, Keys: TwoKeys.Uses("RW access delete", "RW insert"), Categories: "write set fast", Handler: cmdSMOVE,
	},
	{
		Name: "spop", Group: "set", Since: "1.0.0", Arity: -2,
		Summary: "Takes random members.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW access delete"), Categories: "write set fast", Handler: cmdSPOP,
	},
	{
		Name: "srandmember", Group: "set", Since: "1.0.0", Arity: -2,
		Summary: "Returns random members.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read set slow", Handler: cmdSRANDMEMBER,
	},
	{
		Name: "srem", Group: "set", Since: "1.0.0", Arity: -3,
		Summary: "Removes members; the set goes with its last one.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW delete"), Categories: "write set fast", Handler: cmdSREM,
	},
	{
		Name: "sscan", Group: "set", Since: "2.8.0", Arity: -3,
		Summary: "Lists members part by part.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read set slow", Handler: cmdSSCAN,
	},
	{
		Name: "sunion", Group: "set", Since: "1.0.0", Arity: -2,
		Summary: "Returns the members that any set has.",
		Flags:   ReadOnly, Keys: AllKeys.Uses("RO access"), Categories: "read set slow", Handler: cmdSUNION,
	},
	{
		Name: "sunionstore", Group: "set", Since: "1.0.0", Arity: -3,
		Summary: "Stores the members that any set has.",
		Flags:   Write | DenyOOM, Keys: AllKeys.Uses("OW update", "RO access"), Categories: "write set slow", Handler: cmdSUNIONSTORE,
	},
}
