package command

import (
	"bytes"
	"slices"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

var eventSortStore = keyspace.Event{Name: "sortstore", Class: 'l'}

// sortQuery is what SORT reads.
type sortQuery struct {
	descending, alpha bool
	start, count      int64 // count < 0: all
	by                []byte
	get               [][]byte
	store             []byte
}

// sorted is an element and what it is sorted by.
type sorted struct {
	element []byte
	weight  float64
	text    []byte // with ALPHA; nil sorts first
}

// readSort reads "[BY pattern] [LIMIT offset count] [GET pattern [GET pattern …]] [ASC | DESC] [ALPHA]
// [STORE destination]".
func readSort(c *Ctx, key []byte, stores bool) (q sortQuery) {
	q.count = -1
	for a := &c.Args; a.More(); {
		switch {
		case a.Word("ASC"):
			q.descending = false
		case a.Word("DESC"):
			q.descending = true
		case a.Word("ALPHA"):
			q.alpha = true
		case a.Len() > 2 && a.Word("LIMIT"):
			q.start, q.count = a.Int(), a.Int()
		case stores && a.Len() > 1 && a.Word("STORE"):
			q.store = a.Bytes()
		case a.Len() > 1 && a.Word("BY"):
			q.by = a.Bytes()
			if hasStar(q.by) && c.mayLeaveSlot(q.by, key) {
				a.Fail(ErrSortByCluster)
			}
		case a.Len() > 1 && a.Word("GET"):
			pattern := a.Bytes()
			if string(pattern) != "#" && c.mayLeaveSlot(pattern, key) {
				a.Fail(ErrSortGetCluster)
			}
			q.get = append(q.get, pattern)
		default:
			a.Syntax()
		}
	}
	return q
}

func hasStar(pattern []byte) bool { return bytes.IndexByte(pattern, '*') >= 0 }

// mayLeaveSlot tells whether a pattern may name keys of another slot than key's, on a cluster node. It does not if it
// has a hash tag before its first wildcard.
func (c *Ctx) mayLeaveSlot(pattern, key []byte) bool {
	if c.Server.Cluster == nil {
		return false
	}
	if i := bytes.IndexAny(pattern, `*?[\`); i >= 0 {
		_, tag, open := bytes.Cut(pattern[:i], []byte("{"))
		if end := bytes.IndexByte(tag, '}'); !open || end <= 0 {
			return true
		}
	}
	return keyspace.Slot(pattern) != keyspace.Slot(key)
}

// SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern …]] [ASC | DESC] [ALPHA]
// [STORE destination]
func cmdSORT(c *Ctx) { sortKey(c, true) }

// SORT_RO is SORT without STORE.
func cmdSORTRO(c *Ctx) { sortKey(c, false) }

func sortKey(c *Ctx, stores bool) {
	key := c.Args.Bytes()
	q := readSort(c, key, stores)
	if c.Failed() {
		return
	}

	e, found := c.View.Find(key)
	if found && e.Type() != keyspace.TypeList && e.Type() != keyspace.TypeSet && e.Type() != keyspace.TypeZSet {
		c.Reply.Error(ErrWrongType)
		return
	}
	unsorted := q.by != nil && !hasStar(q.by)
	if unsorted && found && e.Type() == keyspace.TypeSet && q.store != nil {
		// A set has no order, and every replica must store the same.
		unsorted, q.alpha, q.by = false, true, nil
	}
	var elements []sorted
	if found {
		elements = c.elements(e, unsorted && q.descending)
	}
	if !unsorted && !q.sort(c, elements) {
		c.Reply.Error(ErrSortScores)
		return
	}
	elements = q.window(elements)

	if q.store != nil {
		c.Reply.Int(int64(q.storeList(c, elements)))
		return
	}
	if len(q.get) == 0 {
		c.Reply.Array(len(elements))
		for i := range elements {
			c.Reply.Bulk(elements[i].element)
		}
		return
	}
	c.Reply.Array(len(elements) * len(q.get))
	for i := range elements {
		for _, pattern := range q.get {
			c.bulkOrNull(c.byPattern(pattern, elements[i].element))
		}
	}
}

// elements lists a list, a set or a sorted set in its own order, or in reverse where it has one.
func (c *Ctx) elements(e keyspace.Entry, reverse bool) (all []sorted) {
	root, first := arena.GetRef(e.Value()), 0
	add := func(element []byte) bool {
		all = append(all, sorted{element: element})
		return true
	}
	switch e.Type() {
	case keyspace.TypeList:
		l := ds.OpenList(c.heap(), root)
		if reverse {
			first = l.Len() - 1
		}
		l.Each(first, reverse, add)
	case keyspace.TypeSet:
		s := ds.OpenSet(c.heap(), root)
		s.Each(func(member []byte) bool { return add(slices.Clone(member)) }) // of integers it is written anew each time
	default:
		z := ds.OpenSortedSet(c.heap(), root)
		if reverse {
			first = z.Len() - 1
		}
		z.Each(first, reverse, func(member []byte, _ float64) bool { return add(member) })
	}
	return all
}

// sort weighs and sorts the elements; it reports false if a weight is no number.
func (q *sortQuery) sort(c *Ctx, elements []sorted) bool {
	for i := range elements {
		s := &elements[i]
		s.text = s.element
		if q.by != nil {
			if s.text, _ = c.byPattern(q.by, s.element); s.text == nil {
				continue // the weight of what is missing is 0
			}
		}
		if !q.alpha {
			var ok bool
			if s.weight, ok = parseWeight(s.text); !ok {
				return false
			}
		}
	}
	slices.SortStableFunc(elements, func(a, b sorted) int {
		order := 0
		switch {
		case q.alpha && a.text == nil && b.text != nil:
			order = -1
		case q.alpha && a.text != nil && b.text == nil:
			order = 1
		case q.alpha:
			order = bytes.Compare(a.text, b.text)
		case a.weight < b.weight:
			order = -1
		case a.weight > b.weight:
			order = 1
		default:
			order = bytes.Compare(a.element, b.element)
		}
		if q.descending {
			return -order
		}
		return order
	})
	return true
}

// parseWeight reads a number as strtod does: blanks may come first, a zero byte ends the text, and nothing at all
// is 0.
func parseWeight(text []byte) (float64, bool) {
	text, _, _ = bytes.Cut(text, []byte{0})
	if len(text) == 0 {
		return 0, true
	}
	return parseFloat(bytes.TrimLeft(text, " \t\n\v\f\r"))
}

// window returns the part that LIMIT asks for.
func (q *sortQuery) window(elements []sorted) []sorted {
	n := int64(len(elements))
	start := min(max(q.start, 0), n)
	end := n
	if q.count >= 0 {
		end = min(start+min(q.count, n), n)
	}
	return elements[start:end]
}

// byPattern returns the string that a pattern names for an element: the element takes the place of the first *,
// and "->field" after it names a field of a hash. "#" is the element itself.
func (c *Ctx) byPattern(pattern, element []byte) (value []byte, found bool) {
	if string(pattern) == "#" {
		return element, true
	}
	prefix, postfix, ok := bytes.Cut(pattern, []byte("*"))
	if !ok {
		return nil, false
	}
	var field []byte
	if before, after, isHash := bytes.Cut(postfix, []byte("->")); isHash && len(after) > 0 {
		postfix, field = before, after
	}
	key := slices.Concat(prefix, element, postfix)
	e, found := c.View.Find(key)
	switch {
	case !found:
		return nil, false
	case field == nil:
		if !isString(e) {
			return nil, false
		}
		return notNil(e.Value()), true
	case e.Type() != keyspace.TypeHash:
		return nil, false
	}
	h := ds.OpenHash(c.heap(), arena.GetRef(e.Value()))
	value, found = h.Get(field)
	if !found {
		return nil, false
	}
	return notNil(value), true
}

func isString(e keyspace.Entry) bool { return e.Type() == keyspace.TypeString }

// notNil keeps an empty string apart from none.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// storeList makes the result the list at the destination, and returns its length.
func (q *sortQuery) storeList(c *Ctx, elements []sorted) int {
	l := ds.OpenList(c.heap(), arena.Nil)
	for i := range elements {
		if len(q.get) == 0 {
			l.Push(false, elements[i].element, c.encodings().list)
		}
		for _, pattern := range q.get {
			value, _ := c.byPattern(pattern, elements[i].element)
			l.Push(false, value, c.encodings().list)
		}
	}
	return c.replaceWith(q.store, keyspace.TypeList, l.Encoding(), l.Root(), l.Len(), eventSortStore)
}

// sortKeys finds the keys of SORT that can be told from its arguments: the key, and the destination.
func sortKeys(argv [][]byte, dst []int) []int {
	store := 0
	for i := 2; i < len(argv); i++ {
		switch {
		case isWord(argv[i], "LIMIT"):
			i += 2
		case isWord(argv[i], "BY"), isWord(argv[i], "GET"):
			i++
		case isWord(argv[i], "STORE") && i+1 < len(argv):
			i++
			store = i
		}
	}
	dst = append(dst, 1)
	if store > 0 {
		dst = append(dst, store)
	}
	return dst
}

// BY and GET reach keys that only the elements tell: the whole keyspace is locked.
var sortSpecs = []Spec{
	{
		Name: "sort", Group: "generic", Since: "1.0.0", Arity: -2,
		Summary: "Sorts the elements of a list, a set or a sorted set, and returns or stores them.",
		Flags:   Write | DenyOOM, Lock: LockAll, Categories: "write set sortedset list slow dangerous", Handler: cmdSORT,
		Keys: Keys{First: 1, Last: 1, Step: 1, Find: sortKeys, Shape: []KeyShape{
			{Use: "RO access", Index: 1, Step: 1}, {Use: "RO access", Unknown: true}, {Use: "OW update", Unknown: true},
		}}.Uses("RO access", "OW update"),
	},
	{
		Name: "sort_ro", Group: "generic", Since: "7.0.0", Arity: -2,
		Summary: "Sorts the elements of a list, a set or a sorted set.",
		Flags:   ReadOnly, Lock: LockAll, Categories: "read set sortedset list slow dangerous", Handler: cmdSORTRO,
		Keys: Keys{
			First: 1, Last: 1, Step: 1, Find: func(_ [][]byte, dst []int) []int { return append(dst, 1) },
			Shape: []KeyShape{{Use: "RO access", Index: 1, Step: 1}, {Use: "RO access", Unknown: true}},
		}.Uses("RO access"),
	},
}
