package command

import (
	"math"
	"slices"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// The commands that combine several sorted sets, or sets, whose members then have the score 1.

var (
	eventZunionStore = keyspace.Event{Name: "zunionstore", Class: 'z'}
	eventZinterStore = keyspace.Event{Name: "zinterstore", Class: 'z'}
	eventZdiffStore  = keyspace.Event{Name: "zdiffstore", Class: 'z'}
)

// zsource is one of the inputs.
type zsource struct {
	sorted ds.SortedSet
	set    ds.Set
	isSet  bool
	weight float64
}

func (s *zsource) len() int {
	if s.isSet {
		return s.set.Len()
	}
	return s.sorted.Len()
}

// score is the weighted score of a member.
func (s *zsource) score(member []byte) (score float64, ok bool) {
	if s.isSet {
		return weighted(1, s.weight), s.set.Contains(member)
	}
	score, ok = s.sorted.Score(member)
	return weighted(score, s.weight), ok
}

func (s *zsource) each(f func(member []byte, score float64) bool) {
	if s.isSet {
		s.set.Each(func(member []byte) bool { return f(member, weighted(1, s.weight)) })
		return
	}
	s.sorted.Each(0, false, func(member []byte, score float64) bool { return f(member, weighted(score, s.weight)) })
}

// weighted multiplies a score by its set's weight; 0 × inf is 0.
func weighted(score, weight float64) float64 {
	if v := score * weight; !math.IsNaN(v) {
		return v
	}
	return 0
}

// aggregate joins the scores of a member that several inputs have.
type aggregate uint8

const (
	sum aggregate = iota
	lowest
	highest
)

func (g aggregate) join(a, b float64) float64 {
	switch g {
	case lowest:
		return math.Min(a, b)
	case highest:
		return math.Max(a, b)
	}
	if s := a + b; !math.IsNaN(s) {
		return s
	}
	return 0 // inf and -inf
}

// zcombination is what ZUNION, ZINTER, ZDIFF and their kind read.
type zcombination struct {
	sources    []zsource
	aggregate  aggregate
	withScores bool
	limit      int64
}

// zcombine writes the members of a combination, each once, until emit returns false.
type zcombine func(q *zcombination, emit func(member []byte, score float64) bool)

func zunion(q *zcombination, emit func([]byte, float64) bool) {
	for i := range q.sources {
		q.sources[i].each(func(member []byte, score float64) bool {
			for j := range i {
				if _, had := q.sources[j].score(member); had {
					return true
				}
			}
			for j := i + 1; j < len(q.sources); j++ {
				if other, ok := q.sources[j].score(member); ok {
					score = q.aggregate.join(score, other)
				}
			}
			return emit(member, score)
		})
	}
}

func zinter(q *zcombination, emit func([]byte, float64) bool) {
	q.sources[0].each(func(member []byte, score float64) bool {
		for j := 1; j < len(q.sources); j++ {
			other, ok := q.sources[j].score(member)
			if !ok {
				return true
			}
			score = q.aggregate.join(score, other)
		}
		return emit(member, score)
	})
}

func zdiff(q *zcombination, emit func([]byte, float64) bool) {
	q.sources[0].each(func(member []byte, score float64) bool {
		for j := 1; j < len(q.sources); j++ {
			if _, ok := q.sources[j].score(member); ok {
				return true
			}
		}
		return emit(member, score)
	})
}

// zoptions says which options a command has beside WEIGHTS and AGGREGATE.
type zoptions struct{ weights, scores, limit bool }

// readCombination reads "numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]
// [WITHSCORES] [LIMIT limit]" and opens the inputs. If something is wrong, it answers, and ok is false.
func readCombination(c *Ctx, has zoptions) (q zcombination, ok bool) {
	a := &c.Args
	n := a.Int()
	switch {
	case a.Failed():
	case n < 1:
		a.Fail(errNoInputKeys(c.Spec.Name))
	case n > int64(a.Len()):
		a.Syntax()
	}
	if c.Failed() {
		return q, false
	}
	q.sources = make([]zsource, n)
	for i := range q.sources {
		if q.sources[i], ok = c.findSource(a.Bytes()); !ok {
			return q, false
		}
	}
	for a.More() {
		switch {
		case has.weights && int64(a.Len()) > n && a.Word("WEIGHTS"):
			for i := range q.sources {
				q.sources[i].weight = a.FloatOr(ErrWeight)
			}
		case has.weights && a.Len() > 1 && a.Word("AGGREGATE"):
			switch {
			case a.Word("SUM"):
				q.aggregate = sum
			case a.Word("MIN"):
				q.aggregate = lowest
			case a.Word("MAX"):
				q.aggregate = highest
			default:
				a.Syntax()
			}
		case has.scores && a.Word("WITHSCORES"):
			q.withScores = true
		case has.limit && a.Len() > 1 && a.Word("LIMIT"):
			q.limit = a.IntRange(0, math.MaxInt64, ErrLimitNegative)
		default:
			a.Syntax()
		}
	}
	return q, !c.Failed()
}

func (c *Ctx) findSource(key []byte) (s zsource, ok bool) {
	s.weight = 1
	e, found := c.View.Find(key)
	switch {
	case !found:
		return s, true
	case e.Type() == keyspace.TypeZSet:
		s.sorted = ds.OpenSortedSet(c.heap(), arena.GetRef(e.Value()))
	case e.Type() == keyspace.TypeSet:
		s.set, s.isSet = ds.OpenSet(c.heap(), arena.GetRef(e.Value())), true
	default:
		c.Reply.Error(ErrWrongType)
		return s, false
	}
	return s, true
}

// collect makes a new sorted set of a combination. Small inputs come first: an intersection is quick
// then, and scores are added in the order in which Valkey adds them.
func (c *Ctx) collect(q *zcombination, op zcombine, reorder bool) ds.SortedSet {
	if reorder {
		slices.SortStableFunc(q.sources, func(a, b zsource) int { return a.len() - b.len() })
	}
	result := ds.OpenSortedSet(c.heap(), arena.Nil)
	op(q, func(member []byte, score float64) bool {
		result.Set(member, score, c.encodings().sortedSet)
		return true
	})
	return result
}

// ZUNION numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]
func cmdZUNION(c *Ctx) { combineSorted(c, zunion, zoptions{weights: true, scores: true}) }

// ZINTER numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]
func cmdZINTER(c *Ctx) { combineSorted(c, zinter, zoptions{weights: true, scores: true}) }

// ZDIFF numkeys key [key …] [WITHSCORES]
func cmdZDIFF(c *Ctx) { combineSorted(c, zdiff, zoptions{scores: true}) }

func combineSorted(c *Ctx, op zcombine, has zoptions) {
	q, ok := readCombination(c, has)
	if !ok {
		return
	}

	result := c.collect(&q, op, has.weights)

	c.openPairs(result.Len(), q.withScores)
	result.Each(0, false, func(member []byte, score float64) bool {
		c.member(member, score, q.withScores)
		return true
	})
	result.Free()
}

// ZUNIONSTORE destination numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]
func cmdZUNIONSTORE(c *Ctx) { storeCombined(c, zunion, zoptions{weights: true}, eventZunionStore) }

// ZINTERSTORE destination numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]
func cmdZINTERSTORE(c *Ctx) { storeCombined(c, zinter, zoptions{weights: true}, eventZinterStore) }

// ZDIFFSTORE destination numkeys key [key …]
func cmdZDIFFSTORE(c *Ctx) { storeCombined(c, zdiff, zoptions{}, eventZdiffStore) }

func storeCombined(c *Ctx, op zcombine, has zoptions, ev keyspace.Event) {
	dst := c.Args.Bytes()
	q, ok := readCombination(c, has)
	if !ok {
		return
	}

	result := c.collect(&q, op, has.weights)
	n := c.replaceWith(dst, keyspace.TypeZSet, result.Encoding(), result.Root(), result.Len(), ev)

	c.Reply.Int(int64(n))
}

// ZINTERCARD numkeys key [key …] [LIMIT limit]
func cmdZINTERCARD(c *Ctx) {
	q, ok := readCombination(c, zoptions{limit: true})
	if !ok {
		return
	}

	n := int64(0)
	zinter(&q, func([]byte, float64) bool {
		n++
		return q.limit == 0 || n < q.limit
	})

	c.Reply.Int(n)
}

var sortedSetCombineSpecs = []Spec{
	{
		Name: "zdiff", Group: "sorted-set", Since: "6.2.0", Arity: -3,
		Summary: "Returns the members of the first sorted set that no other has.",
		Flags:   ReadOnly, Keys: NumKeys(1).Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZDIFF,
	},
	{
		Name: "zdiffstore", Group: "sorted-set", Since: "6.2.0", Arity: -4,
		Summary: "Stores the members of the first sorted set that no other has.",
		Flags:   Write | DenyOOM, Keys: NumKeys(2, 1).Uses("OW update", "RO access"), Categories: "write sortedset slow", Handler: cmdZDIFFSTORE,
	},
	{
		Name: "zinter", Group: "sorted-set", Since: "6.2.0", Arity: -3,
		Summary: "Returns the members that all sorted sets have.",
		Flags:   ReadOnly, Keys: NumKeys(1).Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZINTER,
	},
	{
		Name: "zintercard", Group: "sorted-set", Since: "7.0.0", Arity: -3,
		Summary: "Counts the members that all sorted sets have.",
		Flags:   ReadOnly, Keys: NumKeys(1).Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZINTERCARD,
	},
	{
		Name: "zinterstore", Group: "sorted-set", Since: "2.0.0", Arity: -4,
		Summary: "Stores the members that all sorted sets have.",
		Flags:   Write | DenyOOM, Keys: NumKeys(2, 1).Uses("OW update", "RO access"), Categories: "write sortedset slow", Handler: cmdZINTERSTORE,
	},
	{
		Name: "zunion", Group: "sorted-set", Since: "6.2.0", Arity: -3,
		Summary: "Returns the members that any sorted set has.",
		Flags:   ReadOnly, Keys: NumKeys(1).Uses("RO access"), Categories: "read sortedset slow", Handler: cmdZUNION,
	},
	{
		Name: "zunionstore", Group: "sorted-set", Since: "2.0.0", Arity: -4,
		Summary: "Stores the members that any sorted set has.",
		Flags:   Write | DenyOOM, Keys: NumKeys(2, 1).Uses("OW update", "RO access"), Categories: "write sortedset slow", Handler: cmdZUNIONSTORE,
	},
}
