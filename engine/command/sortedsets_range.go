package command

import (
	"bytes"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/resp"
)

// The commands over a range of a sorted set: by rank, by score or by member (sortedsets.go has the
// rest of the family). Every range becomes one of ranks first.

var (
	eventZrangeStore      = keyspace.Event{Name: "zrangestore", Class: 'z'}
	eventZremRangeByRank  = keyspace.Event{Name: "zremrangebyrank", Class: 'z'}
	eventZremRangeByScore = keyspace.Event{Name: "zremrangebyscore", Class: 'z'}
	eventZremRangeByLex   = keyspace.Event{Name: "zremrangebylex", Class: 'z'}
)

// rangeBy says what the ends of a range are.
type rangeBy uint8

const (
	byRank rangeBy = iota
	byScore
	byLex
)

// bound is one end of a range: a rank, a score, or a member.
type bound struct {
	rank      int64
	score     float64
	member    []byte
	infinite  int // of a member: -1 is "-", 1 is "+"
	exclusive bool
}

// readBound reads an end: a rank; a score, "(" before it to leave it out; "[member", "(member", "-" or "+".
func readBound(a *Args, by rangeBy) (b bound) {
	if by == byRank {
		b.rank = a.Int()
		return b
	}
	text := a.Bytes()
	if a.Failed() {
		return b
	}
	if by == byLex {
		switch {
		case string(text) == "-":
			b.infinite = -1
		case string(text) == "+":
			b.infinite = 1
		case len(text) > 0 && (text[0] == '[' || text[0] == '('):
			b.member, b.exclusive = text[1:], text[0] == '('
		default:
			a.Fail(ErrNotStringMinMax)
		}
		return b
	}
	if len(text) > 0 && text[0] == '(' {
		text, b.exclusive = text[1:], true
	}
	score, ok := parseFloat(text)
	if !ok {
		a.Fail(ErrNotFloatMinMax)
	}
	b.score = score
	return b
}

// isBelow says whether a member lies before the bound; equal says what a member right on it counts as.
func (b *bound) isBelow(by rangeBy, member []byte, score float64, equal bool) bool {
	if by == byScore {
		return score < b.score || (equal && score == b.score)
	}
	if b.infinite != 0 {
		return b.infinite > 0
	}
	order := bytes.Compare(member, b.member)
	return order < 0 || (equal && order == 0)
}

// ranks turns a range into the first rank and the number of members.
func ranks(z *ds.SortedSet, by rangeBy, low, high bound) (first, count int) {
	if by == byRank {
		return clampRange(low.rank, high.rank, z.Len())
	}
	first = z.Search(func(m []byte, s float64) bool { return low.isBelow(by, m, s, low.exclusive) })
	end := z.Search(func(m []byte, s float64) bool { return high.isBelow(by, m, s, !high.exclusive) })
	return first, max(end-first, 0)
}

// rangeQuery is a range with what is done to it.
type rangeQuery struct {
	by            rangeBy
	low, high     bound
	reverse       bool
	withScores    bool
	offset, limit int64 // limit < 0: none
}

// window is the part of the range that the query asks for: the rank to begin with, in the direction
// of the query, and the number of members.
func (q *rangeQuery) window(z *ds.SortedSet) (from, count int) {
	low, high := q.low, q.high
	if q.by == byRank && q.reverse { // ranks count from the highest score
		low.rank, high.rank = reversedRanks(q.low.rank, q.high.rank, int64(z.Len()))
	}
	first, n := ranks(z, q.by, low, high)
	if q.offset < 0 || q.offset >= int64(n) {
		return 0, 0
	}
	count = n - int(q.offset)
	if q.limit >= 0 {
		count = int(min(q.limit, int64(count)))
	}
	if q.reverse {
		return first + n - 1 - int(q.offset), count
	}
	return first + int(q.offset), count
}

// reversedRanks turns ranks counted from the highest score into ones from the lowest.
func reversedRanks(start, end, n int64) (low, high int64) {
	first, count := clampRange(start, end, int(n))
	if count == 0 {
		return 1, 0
	}
	high = n - 1 - int64(first)
	return high - int64(count) + 1, high
}

// each calls f with the members of the window.
func (q *rangeQuery) each(z *ds.SortedSet, f func(member []byte, score float64)) {
	from, count := q.window(z)
	if count == 0 {
		return
	}
	z.Each(from, q.reverse, func(member []byte, score float64) bool {
		f(member, score)
		count--
		return count > 0
	})
}

// readRangeOptions reads what follows the ends of a range. Only ZRANGE and ZRANGESTORE have BYSCORE,
// BYLEX and REV.
func readRangeOptions(a *Args, q *rangeQuery, unified, scores, limit bool) {
	limited := false
	q.limit = -1
	for a.More() {
		switch {
		case scores && a.Word("WITHSCORES"):
			q.withScores = true
		case limit && a.Len() > 2 && a.Word("LIMIT"):
			q.offset, q.limit, limited = a.Int(), a.Int(), true
		case unified && a.Word("REV"):
			q.reverse = true
		case unified && a.Word("BYSCORE"):
			q.by = byScore
		case unified && a.Word("BYLEX"):
			q.by = byLex
		default:
			a.Syntax()
		}
	}
	if limited && q.by == byRank {
		a.Fail(ErrRangeLimit)
	}
	if q.withScores && q.by == byLex {
		a.Fail(ErrRangeLexScores)
	}
}

// readRange reads "start stop [options]". The options come first, because they say what the ends are.
func readRange(c *Ctx, q *rangeQuery, unified, scores, limit bool) {
	ends := c.Args
	c.Args.Bytes()
	c.Args.Bytes()
	readRangeOptions(&c.Args, q, unified, scores, limit)
	if c.Args.Failed() {
		return
	}
	if q.reverse && q.by != byRank { // the higher end comes first
		q.high = readBound(&ends, q.by)
		q.low = readBound(&ends, q.by)
	} else {
		q.low = readBound(&ends, q.by)
		q.high = readBound(&ends, q.by)
	}
	if ends.Failed() {
		c.Args.Fail(ends.err)
	}
}

// ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]
func cmdZRANGE(c *Ctx) { zrange(c, rangeQuery{}, true, true, true) }

// ZREVRANGE key start stop [WITHSCORES]
func cmdZREVRANGE(c *Ctx) { zrange(c, rangeQuery{reverse: true}, false, true, false) }

// ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]
func cmdZRANGEBYSCORE(c *Ctx) { zrange(c, rangeQuery{by: byScore}, false, true, true) }

// ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]
func cmdZREVRANGEBYSCORE(c *Ctx) {
	zrange(c, rangeQuery{by: byScore, reverse: true}, false, true, true)
}

// ZRANGEBYLEX key min max [LIMIT offset count]
func cmdZRANGEBYLEX(c *Ctx) { zrange(c, rangeQuery{by: byLex}, false, false, true) }

// ZREVRANGEBYLEX key max min [LIMIT offset count]
func cmdZREVRANGEBYLEX(c *Ctx) { zrange(c, rangeQuery{by: byLex, reverse: true}, false, false, true) }

func zrange(c *Ctx, q rangeQuery, unified, scores, limit bool) {
	key := c.Args.Bytes()
	readRange(c, &q, unified, scores, limit)
	if c.Failed() {
		return
	}

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}
	_, count := q.window(&z)

	c.openPairs(count, q.withScores)
	q.each(&z, func(member []byte, score float64) { c.member(member, score, q.withScores) })
}

// ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]
func cmdZRANGESTORE(c *Ctx) {
	dst, src := c.Args.Bytes(), c.Args.Bytes()
	var q rangeQuery
	readRange(c, &q, true, false, true)
	if c.Failed() {
		return
	}

	z, ok := c.findSortedSet(src)
	if !ok {
		return
	}
	result := ds.OpenSortedSet(c.heap(), arena.Nil)
	q.each(&z, func(member []byte, score float64) { result.Set(member, score, c.encodings().sortedSet) })
	n := c.replaceWith(dst, keyspace.TypeZSet, result.Encoding(), result.Root(), result.Len(), eventZrangeStore)

	c.Reply.Int(int64(n))
}

// ZCOUNT key min max
func cmdZCOUNT(c *Ctx) { countRange(c, byScore) }

// ZLEXCOUNT key min max
func cmdZLEXCOUNT(c *Ctx) { countRange(c, byLex) }

func countRange(c *Ctx, by rangeBy) {
	key, low, high := c.Args.Bytes(), readBound(&c.Args, by), readBound(&c.Args, by)
	if c.Failed() {
		return
	}

	z, ok := c.findSortedSet(key)
	if !ok {
		return
	}
	_, n := ranks(&z, by, low, high)

	c.Reply.Int(int64(n))
}

// ZREMRANGEBYRANK key start stop
func cmdZREMRANGEBYRANK(c *Ctx) { removeRange(c, byRank, eventZremRangeByRank) }

// ZREMRANGEBYSCORE key min max
func cmdZREMRANGEBYSCORE(c *Ctx) { removeRange(c, byScore, eventZremRangeByScore) }

// ZREMRANGEBYLEX key min max
func cmdZREMRANGEBYLEX(c *Ctx) { removeRange(c, byLex, eventZremRangeByLex) }

func removeRange(c *Ctx, by rangeBy, ev keyspace.Event) {
	key, low, high := c.Args.Bytes(), readBound(&c.Args, by), readBound(&c.Args, by)
	if c.Failed() {
		return
	}

	w, z, ok := c.editSortedSet(key)
	if !ok {
		return
	}
	first, n := ranks(&z, by, low, high)
	if n == 0 {
		w.Unchanged()
	} else {
		z.Remove(first, n)
		settleSortedSet(&w, &z, ev)
	}

	c.Reply.Int(int64(n))
}

// appendScore writes a score as text.
func appendScore(dst []byte, score float64) []byte { return resp.AppendDouble(dst, score) }

var sortedSetRangeSpecs = []Spec{
	{
		Name: "zcount", Group: "sorted-set", Since: "2.0.0", Arity: 4,
		Summary: "Counts the members in a range of scores.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read sortedset fast", Handler: cmdZCOUNT,
	},
	{
		Name: "zlexcount", Group: "sorted-set", Since: "2.8.9", Arity: 4,
		Summary: "Counts the members in a range of members.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read sortedset fast", Handler: cmdZLEXCOUNT,
	},
	{
		Name: "zrange", Group: "sorted-set", Since: "1.2.0", Arity: -4,
		Summary: "Returns the members in a range of ranks, scores or members.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZRANGE,
	},
	{
		Name: "zrangebylex", Group: "sorted-set", Since: "2.8.9", Arity: -4,
		Summary: "Returns the members in a range of members.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZRANGEBYLEX,
	},
	{
		Name: "zrangebyscore", Group: "sorted-set", Since: "1.0.5", Arity: -4,
		Summary: "Returns the members in a range of scores.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZRANGEBYSCORE,
	},
	{
		Name: "zrangestore", Group: "sorted-set", Since: "6.2.0", Arity: -5,
		Summary: "Stores a range of a sorted set as another.",
		Flags:   Write | DenyOOM, Keys: TwoKeys.Uses("OW update", "RO access"), Categories: "write sortedset slow", Handler: cmdZRANGESTORE,
	},
	{
		Name: "zremrangebylex", Group: "sorted-set", Since: "2.8.9", Arity: 4,
		Summary: "Removes the members in a range of members.",
		Flags:   Write, Keys: OneKey.Uses("RW delete"), Categories: "write sortedset slow", Handler: cmdZREMRANGEBYLEX,
	},
	{
		Name: "zremrangebyrank", Group: "sorted-set", Since: "2.0.0", Arity: 4,
		Summary: "Removes the members in a range of ranks.",
		Flags:   Write, Keys: OneKey.Uses("RW delete"), Categories: "write sortedset slow", Handler: cmdZREMRANGEBYRANK,
	},
	{
		Name: "zremrangebyscore", Group: "sorted-set", Since: "1.2.0", Arity: 4,
		Summary: "Removes the members in a range of scores.",
		Flags:   Write, Keys: OneKey.Uses("RW delete"), Categories: "write sortedset slow", Handler: cmdZREMRANGEBYSCORE,
	},
	{
		Name: "zrevrange", Group: "sorted-set", Since: "1.2.0", Arity: -4,
		Summary: "Returns the members in a range of ranks, the highest score first.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZREVRANGE,
	},
	{
		Name: "zrevrangebylex", Group: "sorted-set", Since: "2.8.9", Arity: -4,
		Summary: "Returns the members in a range of members, the last one first.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZREVRANGEBYLEX,
	},
	{
		Name: "zrevrangebyscore", Group: "sorted-set", Since: "2.2.0", Arity: -4,
		Summary: "Returns the members in a range of scores, the highest score first.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZREVRANGEBYSCORE,
	},
}
