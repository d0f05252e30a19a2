package command

import (
	"math"
	"time"

	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/resp"
)

// The keyspace notifications of lists.
var (
	eventLpush   = keyspace.Event{Name: "lpush", Class: 'l'}
	eventRpush   = keyspace.Event{Name: "rpush", Class: 'l'}
	eventLpop    = keyspace.Event{Name: "lpop", Class: 'l'}
	eventRpop    = keyspace.Event{Name: "rpop", Class: 'l'}
	eventLset    = keyspace.Event{Name: "lset", Class: 'l'}
	eventLinsert = keyspace.Event{Name: "linsert", Class: 'l'}
	eventLrem    = keyspace.Event{Name: "lrem", Class: 'l'}
	eventLtrim   = keyspace.Event{Name: "ltrim", Class: 'l'}
)

func (c *Ctx) findList(key []byte) (l ds.List, ok bool) {
	root, ok := c.find(key, keyspace.TypeList)
	return ds.OpenList(c.heap(), root), ok
}

func (c *Ctx) editList(key []byte) (w keyspace.Edit, l ds.List, ok bool) {
	w, root, ok := c.edit(key, keyspace.TypeList)
	return w, ds.OpenList(c.heap(), root), ok
}

func settleList(w *keyspace.Edit, l *ds.List, ev keyspace.Event) {
	settle(w, keyspace.TypeList, l.Encoding(), l.Root(), l.Len(), ev)
}

func pushEvent(head bool) keyspace.Event {
	if head {
		return eventLpush
	}
	return eventRpush
}

func popEvent(head bool) keyspace.Event {
	if head {
		return eventLpop
	}
	return eventRpop
}

// LPUSH key element [element …]
func cmdLPUSH(c *Ctx) { push(c, true, false) }

// RPUSH key element [element …]
func cmdRPUSH(c *Ctx) { push(c, false, false) }

// LPUSHX key element [element …]
func cmdLPUSHX(c *Ctx) { push(c, true, true) }

// RPUSHX key element [element …]
func cmdRPUSHX(c *Ctx) { push(c, false, true) }

func push(c *Ctx, head, onlyOld bool) {
	key, elems := c.Args.Bytes(), c.Args.Rest()

	w, l, ok := c.editList(key)
	if !ok {
		return
	}
	if onlyOld && !w.Exists() {
		w.Unchanged()
		c.Reply.Int(0)
		return
	}
	for _, elem := range elems {
		l.Push(head, elem, c.encodings().list)
	}
	n := l.Len()
	settleList(&w, &l, pushEvent(head))

	c.Reply.Int(int64(n))
}

// LPOP key [count]
func cmdLPOP(c *Ctx) { pop(c, true) }

// RPOP key [count]
func cmdRPOP(c *Ctx) { pop(c, false) }

func pop(c *Ctx, head bool) {
	key := c.Args.Bytes()
	count, given := int64(1), c.Args.More()
	if given {
		if c.Args.Len() > 1 {
			c.Args.Fail(errArity(c.Spec.Name))
		}
		count = c.Args.IntRange(0, math.MaxInt64, ErrPositive)
	}
	if c.Failed() {
		return
	}

	w, l, ok := c.editList(key)
	if !ok {
		return
	}
	if !w.Exists() {
		w.Unchanged()
		if given {
			c.Reply.NullArray()
		} else {
			c.Reply.Null()
		}
		return
	}
	n := int(min(count, int64(l.Len())))
	if given {
		c.Reply.Array(n)
	}
	c.popInto(&w, &l, head, n)
}

// popInto writes n elements from one end of a list to the reply, and removes them.
func (c *Ctx) popInto(w *keyspace.Edit, l *ds.List, head bool, n int) {
	if n == 0 {
		w.Unchanged()
		return
	}
	from, first := 0, 0
	if !head {
		from, first = l.Len()-1, l.Len()-n
	}
	left := n
	l.Each(from, !head, func(elem []byte) bool {
		c.Reply.Bulk(elem)
		left--
		return left > 0
	})
	l.Remove(first, n, c.encodings().list)
	settleList(w, l, popEvent(head))
}

// LLEN key
func cmdLLEN(c *Ctx) {
	key := c.Args.Bytes()

	l, ok := c.findList(key)
	if !ok {
		return
	}

	c.Reply.Int(int64(l.Len()))
}

// clampRange turns the ends of a range, of which negative ones count from the end, into the first
// index and the number of elements.
func clampRange(start, end int64, n int) (first, count int) {
	size := int64(n)
	if start < 0 {
		start = max(start+size, 0)
	}
	if end < 0 {
		end += size
	}
	end = min(end, size-1)
	if start > end {
		return 0, 0
	}
	return int(start), int(end - start + 1)
}

// LRANGE key start stop
func cmdLRANGE(c *Ctx) {
	key, start, stop := c.Args.Bytes(), c.Args.Int(), c.Args.Int()
	if c.Failed() {
		return
	}

	l, ok := c.findList(key)
	if !ok {
		return
	}
	first, n := clampRange(start, stop, l.Len())

	c.Reply.Array(n)
	if n > 0 {
		l.Each(first, false, func(elem []byte) bool {
			c.Reply.Bulk(elem)
			n--
			return n > 0
		})
	}
}

// listIndex turns an index, of which a negative one counts from the end, into one from the head.
func listIndex(l *ds.List, i int64) (index int, ok bool) {
	if i < 0 {
		i += int64(l.Len())
	}
	return int(i), i >= 0 && i < int64(l.Len())
}

// LINDEX key index
func cmdLINDEX(c *Ctx) {
	key := c.Args.Bytes()

	l, ok := c.findList(key)
	if !ok {
		return
	}
	if l.Len() == 0 { // a missing key is answered before the index is looked at
		c.Reply.Null()
		return
	}
	index := c.Args.Int()
	if c.Failed() {
		return
	}
	i, found := listIndex(&l, index)

	if !found {
		c.Reply.Null()
		return
	}
	c.Reply.Bulk(l.Index(i))
}

// LSET key index element
func cmdLSET(c *Ctx) {
	key := c.Args.Bytes()

	w, l, ok := c.editList(key)
	if !ok {
		return
	}
	if !w.Exists() { // a missing key is answered before the index is looked at
		w.Unchanged()
		c.Reply.Error(ErrNoSuchKey)
		return
	}
	index, elem := c.Args.Int(), c.Args.Bytes()
	i, found := listIndex(&l, index)
	if !c.Args.Failed() && !found {
		c.Args.Fail(ErrOutOfRange)
	}
	if c.Failed() {
		w.Unchanged()
		return
	}
	l.Set(i, elem, c.encodings().list)
	settleList(&w, &l, eventLset)

	c.Reply.OK()
}

// LINSERT key BEFORE | AFTER pivot element
func cmdLINSERT(c *Ctx) {
	key := c.Args.Bytes()
	after := c.Args.Word("AFTER")
	if !after && !c.Args.Word("BEFORE") {
		c.Args.Syntax()
	}
	pivot, elem := c.Args.Bytes(), c.Args.Bytes()
	if c.Failed() {
		return
	}

	w, l, ok := c.editList(key)
	if !ok {
		return
	}
	if !w.Exists() {
		w.Unchanged()
		c.Reply.Int(0)
		return
	}
	at, found := 0, false
	l.Each(0, false, func(e []byte) bool {
		found = string(e) == string(pivot)
		at++
		return !found
	})
	if !found {
		w.Unchanged()
		c.Reply.Int(-1)
		return
	}
	if !after {
		at--
	}
	l.Insert(at, elem, c.encodings().list)
	n := l.Len()
	settleList(&w, &l, eventLinsert)

	c.Reply.Int(int64(n))
}

// LREM key count element
func cmdLREM(c *Ctx) {
	key, count, elem := c.Args.Bytes(), c.Args.Int(), c.Args.Bytes()
	if !c.Args.Failed() && count == math.MinInt64 {
		c.Args.Fail(ErrValueRange)
	}
	if c.Failed() {
		return
	}

	w, l, ok := c.editList(key)
	if !ok {
		return
	}
	n := l.RemoveEqual(elem, int(max(count, -count)), count < 0, c.encodings().list)
	if n == 0 {
		w.Unchanged()
	} else {
		settleList(&w, &l, eventLrem)
	}

	c.Reply.Int(int64(n))
}

// LTRIM key start stop
func cmdLTRIM(c *Ctx) {
	key, start, stop := c.Args.Bytes(), c.Args.Int(), c.Args.Int()
	if c.Failed() {
		return
	}

	w, l, ok := c.editList(key)
	if !ok {
		return
	}
	if !w.Exists() {
		w.Unchanged()
		c.Reply.OK()
		return
	}
	first, n := clampRange(start, stop, l.Len())
	l.Remove(first+n, l.Len()-first-n, c.encodings().list)
	l.Remove(0, first, c.encodings().list)
	settleList(&w, &l, eventLtrim)

	c.Reply.OK()
}

// LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]
func cmdLPOS(c *Ctx) {
	key, elem := c.Args.Bytes(), c.Args.Bytes()
	rank, count, maxLen, given := int64(1), int64(1), int64(0), false
	for a := &c.Args; a.More(); {
		switch {
		case a.Len() > 1 && a.Word("RANK"):
			if rank = a.Int(); rank == math.MinInt64 {
				a.Fail("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")
			}
			if rank == 0 {
				a.Fail(ErrLposRank)
			}
		case a.Len() > 1 && a.Word("COUNT"):
			count, given = a.IntRange(0, math.MaxInt64, ErrLposCount), true
		case a.Len() > 1 && a.Word("MAXLEN"):
			maxLen = a.IntRange(0, math.MaxInt64, ErrLposMaxLen)
		default:
			a.Syntax()
		}
	}
	if c.Failed() {
		return
	}

	l, ok := c.findList(key)
	if !ok {
		return
	}
	var found []int
	reverse, skip := rank < 0, max(rank, -rank)-1
	i, step := 0, 1
	if reverse {
		i, step = l.Len()-1, -1
	}
	looked := int64(0)
	l.Each(i, reverse, func(e []byte) bool {
		if string(e) == string(elem) {
			if skip > 0 {
				skip--
			} else {
				found = append(found, i)
			}
		}
		i += step
		looked++
		return (maxLen == 0 || looked < maxLen) && (count == 0 || int64(len(found)) < count)
	})

	switch {
	case given:
		c.Reply.Array(len(found))
		for _, i := range found {
			c.Reply.Int(int64(i))
		}
	case len(found) == 0:
		c.Reply.Null()
	default:
		c.Reply.Int(int64(found[0]))
	}
}

// LMOVE source destination LEFT | RIGHT LEFT | RIGHT
func cmdLMOVE(c *Ctx) {
	src, dst := c.Args.Bytes(), c.Args.Bytes()
	fromHead, toHead := readEnd(c), readEnd(c)
	if c.Failed() {
		return
	}

	if moved, ok := c.moveElement(src, dst, fromHead, toHead); ok && !moved {
		c.Reply.Null()
	}
}

// RPOPLPUSH source destination
func cmdRPOPLPUSH(c *Ctx) {
	src, dst := c.Args.Bytes(), c.Args.Bytes()

	if moved, ok := c.moveElement(src, dst, false, true); ok && !moved {
		c.Reply.Null()
	}
}

// LMPOP numkeys key [key …] LEFT | RIGHT [COUNT count]
func cmdLMPOP(c *Ctx) {
	keys := readNumKeys(c, ErrSyntax)
	head := readEnd(c)
	count := readPopCount(c)
	if c.Failed() {
		return
	}

	if answered := c.popFirst(keys, head, count); !answered {
		c.Reply.NullArray()
	}
}

// BLMPOP timeout numkeys key [key …] LEFT | RIGHT [COUNT count]
func cmdBLMPOP(c *Ctx) {
	deadline := readTimeout(c)
	keys := readNumKeys(c, ErrSyntax)
	head := readEnd(c)
	count := readPopCount(c)
	if c.Failed() {
		return
	}

	if answered := c.popFirst(keys, head, count); !answered && !c.Block(deadline, nullArray) {
		c.Reply.NullArray()
	}
}

// readPopCount reads [COUNT count], which is 1 if it is not given.
func readPopCount(c *Ctx) int64 {
	count := int64(1)
	if c.Args.More() {
		if c.Args.Len() < 2 || !c.Args.Word("COUNT") {
			c.Args.Syntax()
		}
		count = c.Args.IntRange(1, math.MaxInt64, ErrCount)
	}
	c.Args.End()
	return count
}

// popFirst takes up to count elements from the first list that has any, and answers with its key and
// them. It says whether it has answered, with an error if one of the keys holds no list.
func (c *Ctx) popFirst(keys [][]byte, head bool, count int64) (answered bool) {
	for _, key := range keys {
		w, l, ok := c.editList(key)
		if !ok {
			return true
		}
		if !w.Exists() {
			w.Unchanged()
			continue
		}
		n := int(min(count, int64(l.Len())))
		c.Reply.Array(2)
		c.Reply.Bulk(key)
		c.Reply.Array(n)
		c.popInto(&w, &l, head, n)
		word := wordRPOP
		if head {
			word = wordLPOP
		}
		c.Propagate(word, key, c.number(int64(n)))
		return true
	}
	return false
}

// readEnd reads LEFT or RIGHT.
func readEnd(c *Ctx) (head bool) {
	if c.Args.Word("LEFT") {
		return true
	}
	if !c.Args.Word("RIGHT") {
		c.Args.Syntax()
	}
	return false
}

// moveElement moves an element from an end of src to an end of dst, and answers with it. moved is
// false if src is missing. If one of the two is no list, it answers, and ok is false.
func (c *Ctx) moveElement(src, dst []byte, fromHead, toHead bool) (moved, ok bool) {
	w, l, ok := c.editList(src)
	if !ok {
		return false, false
	}
	if !w.Exists() {
		w.Unchanged()
		return false, true
	}
	from := 0
	if !fromHead {
		from = l.Len() - 1
	}
	if string(src) == string(dst) {
		elem := append([]byte(nil), l.Index(from)...)
		l.Remove(from, 1, c.encodings().list)
		l.Push(toHead, elem, c.encodings().list)
		settleList(&w, &l, pushEvent(toHead))
		c.Reply.Bulk(elem)
		return true, true
	}
	wTo, to, ok := c.editList(dst)
	if !ok {
		w.Unchanged()
		return false, false
	}
	elem := l.Index(from)
	to.Push(toHead, elem, c.encodings().list)
	c.Reply.Bulk(elem)
	l.Remove(from, 1, c.encodings().list)
	settleList(&wTo, &to, pushEvent(toHead))
	settleList(&w, &l, popEvent(fromHead))
	return true, true
}

// readTimeout reads how long a blocking command waits, in seconds, as a point in time; zero: for ever.
func readTimeout(c *Ctx) time.Time {
	seconds := c.Args.FloatOr(ErrTimeout)
	switch {
	case c.Args.Failed() || seconds == 0:
		return time.Time{}
	case seconds < 0:
		c.Args.Fail(ErrTimeoutNegative)
		return time.Time{}
	case seconds > math.MaxInt64/1e6:
		c.Args.Fail(ErrTimeoutRange)
		return time.Time{}
	}
	return time.UnixMilli(c.Now + int64(math.Ceil(seconds*1000)))
}

func nullArray(w *resp.Writer) { w.NullArray() }

// BLPOP key [key …] timeout
func cmdBLPOP(c *Ctx) { blockingPop(c, true) }

// BRPOP key [key …] timeout
func cmdBRPOP(c *Ctx) { blockingPop(c, false) }

func blockingPop(c *Ctx, head bool) {
	keys := make([][]byte, 0, 8)
	for c.Args.Len() > 1 {
		keys = append(keys, c.Args.Bytes())
	}
	deadline := readTimeout(c)
	if c.Failed() {
		return
	}

	for _, key := range keys {
		w, l, ok := c.editList(key)
		if !ok {
			return
		}
		if !w.Exists() {
			w.Unchanged()
			continue
		}
		c.Reply.Array(2)
		c.Reply.Bulk(key)
		c.popInto(&w, &l, head, 1)
		word := wordRPOP
		if head {
			word = wordLPOP
		}
		c.Propagate(word, key)
		return
	}
	if !c.Block(deadline, nullArray) {
		c.Reply.NullArray()
	}
}

// BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout
func cmdBLMOVE(c *Ctx) {
	src, dst := c.Args.Bytes(), c.Args.Bytes()
	fromHead, toHead := readEnd(c), readEnd(c)
	blockingMove(c, src, dst, fromHead, toHead)
}

// BRPOPLPUSH source destination timeout
func cmdBRPOPLPUSH(c *Ctx) {
	src, dst := c.Args.Bytes(), c.Args.Bytes()
	blockingMove(c, src, dst, false, true)
}

func blockingMove(c *Ctx, src, dst []byte, fromHead, toHead bool) {
	deadline := readTimeout(c)
	if c.Failed() {
		return
	}

	moved, ok := c.moveElement(src, dst, fromHead, toHead)
	switch {
	case !ok:
	case moved:
		c.Propagate(wordLMOVE, src, dst, endWord(fromHead), endWord(toHead))
	case !c.Block(deadline, nullArray):
		c.Reply.Null()
	}
}

func endWord(head bool) []byte {
	if head {
		return wordLEFT
	}
	return wordRIGHT
}

var listSpecs = []Spec{
	{
		Name: "blmpop", Group: "list", Since: "7.0.0", Arity: -5,
		Summary: "Takes elements from the first list that has any; waits for one.",
		Flags:   Write | Blocking, Keys: NumKeys(2).Uses("RW access delete"), Categories: "write list slow blocking", Handler: cmdBLMPOP,
	},
	{
		Name: "blmove", Group: "list", Since: "6.2.0", Arity: 6,
		Summary: "Moves an element between lists; waits for one.",
		Flags:   Write | DenyOOM | Blocking, Keys: TwoKeys.Uses("RW access delete", "RW insert"), Categories: "write list slow blocking", Handler: cmdBLMOVE,
	},
	{
		Name: "blpop", Group: "list", Since: "2.0.0", Arity: -3,
		Summary: "Takes the first element of the first list that has one; waits for it.",
		Flags:   Write | Blocking, Keys: Keys{First: 1, Last: -2, Step: 1}.Uses("RW access delete"), Categories: "write list slow blocking", Handler: cmdBLPOP,
	},
	{
		Name: "brpop", Group: "list", Since: "2.0.0", Arity: -3,
		Summary: "Takes the last element of the first list that has one; waits for it.",
		Flags:   Write | Blocking, Keys: Keys{First: 1, Last: -2, Step: 1}.Uses("RW access delete"), Categories: "write list slow blocking", Handler: cmdBRPOP,
	},
	{
		Name: "brpoplpush", Group: "list", Since: "2.2.0", Arity: 4,
		Summary: "Moves the last element of a list to the head of another; waits for one.",
		Flags:   Write | DenyOOM | Blocking, Keys: TwoKeys.Uses("RW access delete", "RW insert"), Categories: "write list slow blocking", Handler: cmdBRPOPLPUSH,
	},
	{
		Name: "lindex", Group: "list", Since: "1.0.0", Arity: 3,
		Summary: "Returns an element by its index.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read list slow", Handler: cmdLINDEX,
	},
	{
		Name: "linsert", Group: "list", Since: "2.2.0", Arity: 5,
		Summary: "Inserts an element before or after another one.",
		Flags:   Write | DenyOOM, Keys: OneKey.Uses("RW insert"), Categories: "write list slow", Handler: cmdLINSERT,
	},
	{
		Name: "llen", Group: "list", Since: "1.0.0", Arity: 2,
		Summary: "Returns the length of a list.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "read list fast", Handler: cmdLLEN,
	},
	{
		Name: "lmpop", Group: "list", Since: "7.0.0", Arity: -4,
		Summary: "Takes elements from the first list that has any.",
		Flags:   Write, Keys: NumKeys(1).Uses("RW access delete"), Categories: "write list slow", Handler: cmdLMPOP,
	},
	{
		Name: "lmove", Group: "list", Since: "6.2.0", Arity: 5,
		Summary: "Moves an element from an end of a list to an end of another.",
		Flags:   Write | DenyOOM, Keys: TwoKeys.Uses("RW access delete", "RW insert"), Categories: "write list slow", Handler: cmdLMOVE,
	},
	{
		Name: "lpop", Group: "list", Since: "1.0.0", Arity: -2,
		Summary: "Takes elements from the head.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW access delete"), Categories: "write list fast", Handler: cmdLPOP,
	},
	{
		Name: "lpos", Group: "list", Since: "6.0.6", Arity: -3,
		Summary: "Finds the indices of an element.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read list slow", Handler: cmdLPOS,
	},
	{
		Name: "lpush", Group: "list", Since: "1.0.0", Arity: -3,
		Summary: "Adds elements at the head.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW insert"), Categories: "write list fast", Handler: cmdLPUSH,
	},
	{
		Name: "lpushx", Group: "list", Since: "2.2.0", Arity: -3,
		Summary: "Adds elements at the head of a list that exists.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW insert"), Categories: "write list fast", Handler: cmdLPUSHX,
	},
	{
		Name: "lrange", Group: "list", Since: "1.0.0", Arity: 4,
		Summary: "Returns a range of elements.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read list slow", Handler: cmdLRANGE,
	},
	{
		Name: "lrem", Group: "list", Since: "1.0.0", Arity: 4,
		Summary: "Removes elements equal to a given one.",
		Flags:   Write, Keys: OneKey.Uses("RW delete"), Categories: "write list slow", Handler: cmdLREM,
	},
	{
		Name: "lset", Group: "list", Since: "1.0.0", Arity: 4,
		Summary: "Sets an element by its index.",
		Flags:   Write | DenyOOM, Keys: OneKey.Uses("RW update"), Categories: "write list slow", Handler: cmdLSET,
	},
	{
		Name: "ltrim", Group: "list", Since: "1.0.0", Arity: 4,
		Summary: "Removes all but a range of elements.",
		Flags:   Write, Keys: OneKey.Uses("RW delete"), Categories: "write list slow", Handler: cmdLTRIM,
	},
	{
		Name: "rpop", Group: "list", Since: "1.0.0", Arity: -2,
		Summary: "Takes elements from the tail.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW access delete"), Categories: "write list fast", Handler: cmdRPOP,
	},
	{
		Name: "rpoplpush", Group: "list", Since: "1.2.0", Arity: 3,
		Summary: "Moves the last element of a list to the head of another.",
		Flags:   Write | DenyOOM, Keys: TwoKeys.Uses("RW access delete", "RW insert"), Categories: "write list slow", Handler: cmdRPOPLPUSH,
	},
	{
		Name: "rpush", Group: "list", Since: "1.0.0", Arity: -3,
		Summary: "Adds elements at the tail.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW insert"), Categories: "write list fast", Handler: cmdRPUSH,
	},
	{
		Name: "rpushx", Group: "list", Since: "2.2.0", Arity: -3,
		Summary: "Adds elements at the tail of a list that exists.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW insert"), Categories: "write list fast", Handler: cmdRPUSHX,
	},
}
