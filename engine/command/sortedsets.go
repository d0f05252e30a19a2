package command

import (
	"math"

	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// The keyspace notifications of sorted sets.
var (
	eventZadd    = keyspace.Event{Name: "zadd", Class: 'z'}
	eventZincr   = keyspace.Event{Name: "zincr", Class: 'z'}
	eventZrem    = keyspace.Event{Name: "zrem", Class: 'z'}
	eventZpopMin = keyspace.Event{Name: "zpopmin", Class: 'z'}
	eventZpopMax = keyspace.Event{Name: "zpopmax", Class: 'z'}
)

func (c *Ctx) findSortedSet(key []byte) (z ds.SortedSet, ok bool) {
	root, ok := c.find(key, keyspace.TypeZSet)
	return ds.OpenSortedSet(c.heap(), root), ok
}

func (c *Ctx) editSortedSet(key []byte) (w keyspace.Edit, z ds.SortedSet, ok bool) {
	w, root, ok := c.edit(key, keyspace.TypeZSet)
	return w, ds.OpenSortedSet(c.heap(), root), ok
}

func settleSortedSet(w *keyspace.Edit, z *ds.SortedSet, ev keyspace.Event) {
	settle(w, keyspace.TypeZSet, z.Encoding(), z.Root(), z.Len(), ev)
}

// zaddOptions are the options of ZADD.
type zaddOptions struct{ nx, xx, gt, lt, ch, incr bool }

func readZaddOptions(a *Args) (o zaddOptions) {
	for {
		switch {
		case a.Word("NX"):
			o.nx = true
		case a.Word("XX"):
			o.xx = true
		case a.Word("GT"):
			o.gt = true
		case a.Word("LT"):
			o.lt = true
		case a.Word("CH"):
			o.ch = true
		case a.Word("INCR"):
			o.incr = true
		default:
			return o
		}
	}
}

// ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member …]
func cmdZADD(c *Ctx) {
	key, o := c.Args.Bytes(), readZaddOptions(&c.Args)
	switch n := c.Args.Len(); {
	case n == 0 || n%2 != 0:
		c.Args.Syntax()
	case o.nx && o.xx:
		c.Args.Fail(ErrZaddNX)
	case (o.gt && o.nx) || (o.lt && o.nx) || (o.gt && o.lt):
		c.Args.Fail(ErrZaddGT)
	case o.incr && n > 2:
		c.Args.Fail(ErrZaddIncr)
	}
	// All scores are read before the first is used: a wrong one must leave nothing half done.
	pairs := c.Args
	for c.Args.More() {
		c.Args.Float()
		c.Args.Bytes()
	}
	if c.Failed() {
		return
	}

	zadd(c, key, pairs, o, eventZadd)
}

// ZINCRBY key increment member
func cmdZINCRBY(c *Ctx) {
	key, pair := c.Args.Bytes(), c.Args
	c.Args.Float()
	if c.Failed() {
		return
	}

	zadd(c, key, pair, zaddOptions{incr: true}, eventZincr)
}

func zadd(c *Ctx, key []byte, pairs Args, o zaddOptions, ev keyspace.Event) {
	w, z, ok := c.editSortedSet(key)
	if !ok {
		return
	}
	added, updated := 0, 0
	score, applied := 0.0, false // of the last pair, for INCR
	for pairs.More() {
		score = pairs.Float()
		member := pairs.Bytes()
		old, exists := z.Score(member)
		if (o.nx && exists) || (o.xx && !exists) {
			continue
		}
		if o.incr && exists {
			score += old
			if math.IsNaN(score) {
				w.Unchanged()
				c.Reply.Error(ErrScoreNaN)
				return
			}
		}
		if exists && ((o.gt && score <= old) || (o.lt && score >= old)) {
			continue
		}
		applied = true
		switch {
		case !exists:
			added++
		case score != old:
			updated++
		default:
			continue
		}
		z.Set(member, score, c.encodings().sortedSet)
	}
	if added+updated == 0 {
		w.Unchanged()
	} else {
		settleSortedSet(&w, &z, ev)
	}

	switch {
	case o.incr && applied:
		c.Reply.Double(score)
	case o.incr:
		c.Reply.Null()
	case o.ch:
		c.Reply.Int(int64(added + updated))
	default:
		c.Reply.Int(int64(added))
	}
}

// ZREM key member [member …]
func cmdZREM(c *Ctx) {
	key, members := c.Args.Bytes(), c.Args.Rest()

	w, z, ok := c.editSortedSet(key)
	if !ok {
		return
	}
	n := 0
	for _, member := range members {
		if z.Delete(member) {
			n++
		}
	}
	if n == 0 {
		w.Unchanged()
	} else {
		settleSortedSet(&w, &z, eventZrem)
	}

	c.Reply.Int(int64(n))
}

// ZSCORE key member
func cmdZSCORE(c *Ctx) {
	key, member := c.Args.Bytes(), c.Args.Bytes()

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}
	score, found := z.Score(member)

	c.doubleOrNull(score, found)
}

func (c *Ctx) doubleOrNull(v float64, found bool) {
	if found {
		c.Reply.Double(v)
	} else {
		c.Reply.Null()
	}
}

// ZMSCORE key member [member …]
func cmdZMSCORE(c *Ctx) {
	key, members := c.Args.Bytes(), c.Args.Rest()

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}

	c.Reply.Array(len(members))
	for _, member := range members {
		c.doubleOrNull(z.Score(member))
	}
}

// ZCARD key
func cmdZCARD(c *Ctx) {
	key := c.Args.Bytes()

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}

	c.Reply.Int(int64(z.Len()))
}

// ZRANK key member [WITHSCORE]
func cmdZRANK(c *Ctx) { rank(c, false) }

// ZREVRANK key member [WITHSCORE]
func cmdZREVRANK(c *Ctx) { rank(c, true) }

func rank(c *Ctx, reverse bool) {
	key, member := c.Args.Bytes(), c.Args.Bytes()
	withScore := c.Args.Word("WITHSCORE")
	c.Args.End()
	if c.Failed() {
		return
	}

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}
	r, found := z.Rank(member)
	if reverse {
		r = z.Len() - 1 - r
	}

	switch {
	case !found && withScore:
		c.Reply.NullArray()
	case !found:
		c.Reply.Null()
	case withScore:
		score, _ := z.Score(member)
		c.Reply.Array(2)
		c.Reply.Int(int64(r))
		c.Reply.Double(score)
	default:
		c.Reply.Int(int64(r))
	}
}

// ZPOPMIN key [count]
func cmdZPOPMIN(c *Ctx) { zpop(c, false, eventZpopMin) }

// ZPOPMAX key [count]
func cmdZPOPMAX(c *Ctx) { zpop(c, true, eventZpopMax) }

func zpop(c *Ctx, highest bool, ev keyspace.Event) {
	key := c.Args.Bytes()
	count, given := int64(1), c.Args.More()
	if given {
		count = c.Args.IntRange(0, math.MaxInt64, ErrPositive)
	}
	c.Args.End()
	if c.Failed() {
		return
	}

	w, z, ok := c.editSortedSet(key)
	if !ok {
		return
	}
	n := int(min(count, int64(z.Len())))
	if n == 0 {
		w.Unchanged()
		c.Reply.Array(0)
		return
	}
	// With a count, RESP3 has a pair for each member; without, the pair is the reply.
	if given {
		c.openPairs(n, true)
	} else {
		c.Reply.Array(2)
	}
	from, first := 0, 0
	if highest {
		from, first = z.Len()-1, z.Len()-n
	}
	left := n
	z.Each(from, highest, func(member []byte, score float64) bool {
		if given {
			c.nextPair(true)
		}
		c.Reply.Bulk(member)
		c.Reply.Double(score)
		left--
		return left > 0
	})
	z.Remove(first, n)
	settleSortedSet(&w, &z, ev)
}

// BZPOPMIN key [key …] timeout
func cmdBZPOPMIN(c *Ctx) { blockingZpop(c, false) }

// BZPOPMAX key [key …] timeout
func cmdBZPOPMAX(c *Ctx) { blockingZpop(c, true) }

func blockingZpop(c *Ctx, highest bool) {
	var keys [][]byte
	for c.Args.Len() > 1 {
		keys = append(keys, c.Args.Bytes())
	}
	deadline := readTimeout(c)
	if c.Failed() {
		return
	}

	answered := c.zpopFirst(keys, highest, 1, func(key []byte, _ int) {
		c.Reply.Array(3)
		c.Reply.Bulk(key)
	}, func() {})
	if !answered && !c.Block(deadline, nullArray) {
		c.Reply.NullArray()
	}
}

// ZMPOP numkeys key [key …] MIN | MAX [COUNT count]
func cmdZMPOP(c *Ctx) {
	keys := readNumKeys(c, ErrSyntax)
	highest, count := readExtreme(c), readPopCount(c)
	if c.Failed() {
		return
	}

	if !c.zpopPairs(keys, highest, count) {
		c.Reply.NullArray()
	}
}

// BZMPOP timeout numkeys key [key …] MIN | MAX [COUNT count]
func cmdBZMPOP(c *Ctx) {
	deadline := readTimeout(c)
	keys := readNumKeys(c, ErrSyntax)
	highest, count := readExtreme(c), readPopCount(c)
	if c.Failed() {
		return
	}

	if !c.zpopPairs(keys, highest, count) && !c.Block(deadline, nullArray) {
		c.Reply.NullArray()
	}
}

// readExtreme reads MIN or MAX.
func readExtreme(c *Ctx) (highest bool) {
	if c.Args.Word("MAX") {
		return true
	}
	if !c.Args.Word("MIN") {
		c.Args.Syntax()
	}
	return false
}

// zpopPairs is zpopFirst with the reply of ZMPOP: the key, and an array of pairs in either protocol.
func (c *Ctx) zpopPairs(keys [][]byte, highest bool, count int64) (answered bool) {
	return c.zpopFirst(keys, highest, count, func(key []byte, n int) {
		c.Reply.Array(2)
		c.Reply.Bulk(key)
		c.Reply.Array(n)
	}, func() { c.Reply.Array(2) })
}

// zpopFirst takes up to count members from the first sorted set that has any. head announces the
// reply, pair each member with its score. It says whether it has answered, with an error if one of the
// keys holds no sorted set.
func (c *Ctx) zpopFirst(keys [][]byte, highest bool, count int64, head func(key []byte, n int), pair func()) (answered bool) {
	for _, key := range keys {
		w, z, ok := c.editSortedSet(key)
		if !ok {
			return true
		}
		if !w.Exists() {
			w.Unchanged()
			continue
		}
		n := int(min(count, int64(z.Len())))
		from, first, word, ev := 0, 0, wordZPOPMIN, eventZpopMin
		if highest {
			from, first, word, ev = z.Len()-1, z.Len()-n, wordZPOPMAX, eventZpopMax
		}
		head(key, n)
		left := n
		z.Each(from, highest, func(member []byte, score float64) bool {
			pair()
			c.Reply.Bulk(member)
			c.Reply.Double(score)
			left--
			return left > 0
		})
		z.Remove(first, n)
		settleSortedSet(&w, &z, ev)
		c.Propagate(word, key, c.number(int64(n)))
		return true
	}
	return false
}

// ZRANDMEMBER key [count [WITHSCORES]]
func cmdZRANDMEMBER(c *Ctx) {
	key := c.Args.Bytes()
	count, given, withScores := readRandomCount(c, "WITHSCORES")
	if c.Failed() {
		return
	}

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}
	if !given {
		if z.Len() == 0 {
			c.Reply.Null()
			return
		}
		member, _ := z.Random(random)
		c.Reply.Bulk(member)
		return
	}
	if z.Len() == 0 || count == 0 {
		c.Reply.Array(0)
		return
	}
	ranks := sampleRanks(z.Len(), count)

	c.openPairs(len(ranks), withScores)
	for _, r := range ranks {
		z.Each(r, false, func(member []byte, score float64) bool {
			c.member(member, score, withScores)
			return false
		})
	}
}

// member writes one member of a list that openPairs announced.
func (c *Ctx) member(member []byte, score float64, withScore bool) {
	c.nextPair(withScore)
	c.Reply.Bulk(member)
	if withScore {
		c.Reply.Double(score)
	}
}

// ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES]
func cmdZSCAN(c *Ctx) {
	key, cursor := c.Args.Bytes(), readScanCursor(c)
	if c.Failed() {
		return
	}

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}
	o := scanOptions{}
	if z.Len() > 0 { // of a missing key the options are not looked at
		o = readScanOptions(c, false, "NOSCORES")
	}
	if c.Failed() {
		return
	}
	var items [][]byte
	next := z.Scan(cursor, o.count, func(member []byte, score float64) {
		if !o.matches(member) {
			return
		}
		items = append(items, member)
		if !o.bare {
			items = append(items, appendScore(nil, score))
		}
	})

	o.reply(c, next, items)
}

var sortedSetSpecs = []Spec{
	{
		Name: "bzmpop", Group: "sorted-set", Since: "7.0.0", Arity: -5,
		Summary: "Takes members from the first sorted set that has any; waits for one.",
		Flags:   Write | Blocking, Keys: NumKeys(2).Uses("RW access delete"), Categories: "write sortedset slow blocking", Handler: cmdBZMPOP,
	},
	{
		Name: "bzpopmax", Group: "sorted-set", Since: "5.0.0", Arity: -3,
		Summary: "Takes the member with the highest score from the first sorted set that has one; waits for it.",
		Flags:   Write | Blocking | Fast, Keys: Keys{First: 1, Last: -2, Step: 1}.Uses("RW access delete"), Categories: "write sortedset fast blocking", Handler: cmdBZPOPMAX,
	},
	{
		Name: "bzpopmin", Group: "sorted-set", Since: "5.0.0", Arity: -3,
		Summary: "Takes the member with the lowest score from the first sorted set that has one; waits for it.",
		Flags:   Write | Blocking | Fast, Keys: Keys{First: 1, Last: -2, Step: 1}.Uses("RW access delete"), Categories: "write sortedset fast blocking", Handler: cmdBZPOPMIN,
	},
	{
		Name: "zadd", Group: "sorted-set", Since: "1.2.0", Arity: -4,
		Summary: "Adds members or changes their scores.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW update"), Categories: "write sortedset fast", Handler: cmdZADD,
	},
	{
		Name: "zcard", Group: "sorted-set", Since: "1.2.0", Arity: 2,
		Summary: "Returns the number of members.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "read sortedset fast", Handler: cmdZCARD,
	},
	{
		Name: "zincrby", Group: "sorted-set", Since: "1.2.0", Arity: 4,
		Summary: "Adds to the score of a member; a missing one counts as 0.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write sortedset fast", Handler: cmdZINCRBY,
	},
	{
		Name: "zmpop", Group: "sorted-set", Since: "7.0.0", Arity: -4,
		Summary: "Takes members from the first sorted set that has any.",
		Flags:   Write, Keys: NumKeys(1).Uses("RW access delete"), Categories: "write sortedset slow", Handler: cmdZMPOP,
	},
	{
		Name: "zmscore", Group: "sorted-set", Since: "6.2.0", Arity: -3,
		Summary: "Returns the scores of several members.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read sortedset fast", Handler: cmdZMSCORE,
	},
	{
		Name: "zpopmax", Group: "sorted-set", Since: "5.0.0", Arity: -2,
		Summary: "Takes the members with the highest scores.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW access delete"), Categories: "write sortedset fast", Handler: cmdZPOPMAX,
	},
	{
		Name: "zpopmin", Group: "sorted-set", Since: "5.0.0", Arity: -2,
		Summary: "Takes the members with the lowest scores.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW access delete"), Categories: "write sortedset fast", Handler: cmdZPOPMIN,
	},
	{
		Name: "zrandmember", Group: "sorted-set", Since: "6.2.0", Arity: -2,
		Summary: "Returns random members.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZRANDMEMBER,
	},
	{
		Name: "zrank", Group: "sorted-set", Since: "2.0.0", Arity: -3,
		Summary: "Returns the place of a member, the lowest score first.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read sortedset fast", Handler: cmdZRANK,
	},
	{
		Name: "zrem", Group: "sorted-set", Since: "1.2.0", Arity: -3,
		Summary: "Removes members; the sorted set goes with its last one.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW delete"), Categories: "write sortedset fast", Handler: cmdZREM,
	},
	{
		Name: "zrevrank", Group: "sorted-set", Since: "2.0.0", Arity: -3,
		Summary: "Returns the place of a member, the highest score first.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read sortedset fast", Handler: cmdZREVRANK,
	},
	{
		Name: "zscan", Group: "sorted-set", Since: "2.8.0", Arity: -3,
		Summary: "Lists members and scores part by part.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZSCAN,
	},
	{
		Name: "zscore", Group: "sorted-set", Since: "1.2.0", Arity: 3,
		Summary: "Returns the score of a member.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read sortedset fast", Handler: cmdZSCORE,
	},
}
