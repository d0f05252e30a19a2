package command

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// The keyspace notifications of hashes.
var (
	eventHset         = keyspace.Event{Name: "hset", Class: 'h'}
	eventHdel         = keyspace.Event{Name: "hdel", Class: 'h'}
	eventHincrBy      = keyspace.Event{Name: "hincrby", Class: 'h'}
	eventHincrByFloat = keyspace.Event{Name: "hincrbyfloat", Class: 'h'}
)

func (c *Ctx) findHash(key []byte) (h ds.Hash, ok bool) {
	root, ok := c.find(key, keyspace.TypeHash)
	return ds.OpenHash(c.heap(), root), ok
}

func (c *Ctx) editHash(key []byte) (w keyspace.Edit, h ds.Hash, ok bool) {
	w, root, ok := c.edit(key, keyspace.TypeHash)
	return w, ds.OpenHash(c.heap(), root), ok
}

func settleHash(w *keyspace.Edit, h *ds.Hash, ev keyspace.Event) {
	settle(w, keyspace.TypeHash, h.Encoding(), h.Root(), h.Len(), ev)
}

// HSET key field value [field value …]
func cmdHSET(c *Ctx) {
	if created, ok := hset(c); ok {
		c.Reply.Int(int64(created))
	}
}

// HMSET key field value [field value …]
func cmdHMSET(c *Ctx) {
	if _, ok := hset(c); ok {
		c.Reply.OK()
	}
}

func hset(c *Ctx) (created int, ok bool) {
	key, pairs := c.Args.Bytes(), readPairs(c, c.Spec.Name)
	if c.Failed() {
		return 0, false
	}
	w, h, ok := c.editHash(key)
	if !ok {
		return 0, false
	}
	for i := 0; i < len(pairs); i += 2 {
		if h.Set(pairs[i], pairs[i+1], c.encodings().hash) {
			created++
		}
	}
	settleHash(&w, &h, eventHset)
	return created, true
}

// HSETNX key field value
func cmdHSETNX(c *Ctx) {
	key, field, value := c.Args.Bytes(), c.Args.Bytes(), c.Args.Bytes()

	w, h, ok := c.editHash(key)
	if !ok {
		return
	}
	_, exists := h.Get(field)
	if exists {
		w.Unchanged()
	} else {
		h.Set(field, value, c.encodings().hash)
		settleHash(&w, &h, eventHset)
	}

	c.Reply.Int(boolInt(!exists))
}

// HGET key field
func cmdHGET(c *Ctx) {
	key, field := c.Args.Bytes(), c.Args.Bytes()

	h, ok := c.findHash(key)
	if !ok {
		return
	}
	value, found := h.Get(field)

	c.bulkOrNull(value, found)
}

// HMGET key field [field …]
func cmdHMGET(c *Ctx) {
	key, fields := c.Args.Bytes(), c.Args.Rest()

	h, ok := c.findHash(key)
	if !ok {
		return
	}

	c.Reply.Array(len(fields))
	for _, field := range fields {
		value, found := h.Get(field)
		c.bulkOrNull(value, found)
	}
}

// HGETALL key
func cmdHGETALL(c *Ctx) {
	key := c.Args.Bytes()

	h, ok := c.findHash(key)
	if !ok {
		return
	}

	c.Reply.Map(h.Len())
	h.Each(func(field, value []byte) bool {
		c.Reply.Bulk(field)
		c.Reply.Bulk(value)
		return true
	})
}

// HKEYS key
func cmdHKEYS(c *Ctx) {
	key := c.Args.Bytes()

	h, ok := c.findHash(key)
	if !ok {
		return
	}

	c.Reply.Array(h.Len())
	h.Each(func(field, _ []byte) bool {
		c.Reply.Bulk(field)
		return true
	})
}

// HVALS key
func cmdHVALS(c *Ctx) {
	key := c.Args.Bytes()

	h, ok := c.findHash(key)
	if !ok {
		return
	}

	c.Reply.Array(h.Len())
	h.Each(func(_, value []byte) bool {
		c.Reply.Bulk(value)
		return true
	})
}

// HDEL key field [field …]
func cmdHDEL(c *Ctx) {
	key, fields := c.Args.Bytes(), c.Args.Rest()

	w, h, ok := c.editHash(key)
	if !ok {
		return
	}
	n := 0
	for _, field := range fields {
		if h.Delete(field) {
			n++
		}
	}
	if n == 0 {
		w.Unchanged()
	} else {
		settleHash(&w, &h, eventHdel)
	}

	c.Reply.Int(int64(n))
}

// HLEN key
func cmdHLEN(c *Ctx) {
	key := c.Args.Bytes()

	h, ok := c.findHash(key)
	if !ok {
		return
	}

	c.Reply.Int(int64(h.Len()))
}

// HEXISTS key field
func cmdHEXISTS(c *Ctx) {
	key, field := c.Args.Bytes(), c.Args.Bytes()

	h, ok := c.findHash(key)
	if !ok {
		return
	}
	_, found := h.Get(field)

	c.Reply.Int(boolInt(found))
}

// HSTRLEN key field
func cmdHSTRLEN(c *Ctx) {
	key, field := c.Args.Bytes(), c.Args.Bytes()

	h, ok := c.findHash(key)
	if !ok {
		return
	}
	value, _ := h.Get(field)

	c.Reply.Int(int64(len(value)))
}

// HINCRBY key field increment
func cmdHINCRBY(c *Ctx) {
	key, field, by := c.Args.Bytes(), c.Args.Bytes(), c.Args.Int()
	if c.Failed() {
		return
	}

	w, h, ok := c.editHash(key)
	if !ok {
		return
	}
	n := int64(0)
	if value, found := h.Get(field); found {
		if n, ok = parseInt(value); !ok {
			w.Unchanged()
			c.Reply.Error(ErrHashNotInteger)
			return
		}
	}
	if addOverflows(n, by) {
		w.Unchanged()
		c.Reply.Error(ErrOverflow)
		return
	}
	var text [20]byte
	h.Set(field, strconv.AppendInt(text[:0], n+by, 10), c.encodings().hash)
	settleHash(&w, &h, eventHincrBy)

	c.Reply.Int(n + by)
}

// HINCRBYFLOAT key field increment
func cmdHINCRBYFLOAT(c *Ctx) {
	key, field, by := c.Args.Bytes(), c.Args.Bytes(), c.Args.Bytes()
	if f, ok := parseFloat(by); !ok {
		c.Args.Fail(ErrNotFloat)
	} else if math.IsInf(f, 0) {
		c.Args.Fail(ErrNaNOrInfValue)
	}
	if c.Failed() {
		return
	}

	w, h, ok := c.editHash(key)
	if !ok {
		return
	}
	value, found := h.Get(field)
	if !found {
		value = wordZero
	}
	sum, text := addLongDoubles(value, by)
	if text != "" {
		w.Unchanged()
		if text == ErrNotFloat {
			text = ErrHashNotFloat
		}
		c.Reply.Error(text)
		return
	}
	h.Set(field, sum, c.encodings().hash)
	settleHash(&w, &h, eventHincrByFloat)
	c.Propagate(wordHSET, key, field, sum)

	c.Reply.Bulk(sum)
}

// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
func cmdHSCAN(c *Ctx) {
	key, cursor := c.Args.Bytes(), readScanCursor(c)
	if c.Failed() {
		return
	}

	h, ok := c.findHash(key)
	if !ok {
		return
	}
	o := scanOptions{}
	if h.Len() > 0 { // of a missing key the options are not looked at
		o = readScanOptions(c, false, "NOVALUES")
	}
	if c.Failed() {
		return
	}
	var items [][]byte
	next := h.Scan(cursor, o.count, func(field, value []byte) {
		if !o.matches(field) {
			return
		}
		items = append(items, field)
		if !o.bare {
			items = append(items, value)
		}
	})

	o.reply(c, next, items)
}

// random is the source of random choices. It may be used by several loops at once.
var random = rand.New(threadSource{})

type threadSource struct{}

func (threadSource) Uint64() uint64 { return rand.Uint64() }

// maxDraws is how many elements that may repeat one command draws. Valkey knows no limit here, but many
// nodes share the memory of this process.
const maxDraws = 1 << 24

// readRandomCount reads [count [word]] of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER. given is false
// without a count; with tells whether the word was there.
func readRandomCount(c *Ctx, word string) (count int, given, with bool) {
	if !c.Args.More() {
		return 0, false, false
	}
	n := c.Args.Int()
	if n < -maxDraws {
		c.Args.Fail(ErrValueRange)
	}
	if word != "" && c.Args.More() {
		if !c.Args.Word(word) {
			c.Args.Syntax()
		}
		with = true
		if n > math.MaxInt64/2 {
			c.Args.Fail(ErrValueRange)
		}
	}
	c.Args.End()
	return int(n), true, with
}

// sampleRanks returns what HRANDFIELD and its kind answer with from size elements: count different
// ranks, or, for a negative count, as many that may repeat.
func sampleRanks(size, count int) []int {
	if count < 0 {
		ranks := make([]int, 0, min(-count, 1<<20))
		for range -count {
			ranks = append(ranks, random.IntN(size))
		}
		return ranks
	}
	count = min(count, size)
	ranks := make([]int, 0, count)
	if count*3 < size {
		seen := make(map[int]bool, count)
		for len(ranks) < count {
			if r := random.IntN(size); !seen[r] {
				seen[r] = true
				ranks = append(ranks, r)
			}
		}
		return ranks
	}
	return append(ranks, random.Perm(size)[:count]...)
}

// sample is sampleRanks for a structure that knows no ranks: one draws an element, each hands out all.
// Few of many are drawn one by one, so that the structure need not be walked.
func sample(size, count int, one func() []byte, each func(add func([]byte))) [][]byte {
	if count >= 0 && count*3 >= size {
		all := make([][]byte, 0, size)
		each(func(elem []byte) { all = append(all, elem) })
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return all[:min(count, size)]
	}
	var drawn [][]byte
	if count < 0 {
		for range -count {
			drawn = append(drawn, one())
		}
		return drawn
	}
	seen := make(map[string]bool, count)
	for len(drawn) < count {
		if elem := one(); !seen[string(elem)] {
			seen[string(elem)] = true
			drawn = append(drawn, elem)
		}
	}
	return drawn
}

// HRANDFIELD key [count [WITHVALUES]]
func cmdHRANDFIELD(c *Ctx) {
	key := c.Args.Bytes()
	count, given, withValues := readRandomCount(c, "WITHVALUES")
	if c.Failed() {
		return
	}

	h, ok := c.findHash(key)
	if !ok {
		return
	}
	if !given {
		if h.Len() == 0 {
			c.Reply.Null()
			return
		}
		field, _ := h.Random(random)
		c.Reply.Bulk(field)
		return
	}
	if h.Len() == 0 || count == 0 {
		c.Reply.Array(0)
		return
	}
	fields := sample(h.Len(), count,
		func() []byte { field, _ := h.Random(random); return field },
		func(add func([]byte)) { h.Each(func(field, _ []byte) bool { add(field); return true }) })

	c.openPairs(len(fields), withValues)
	for _, field := range fields {
		c.nextPair(withValues)
		c.Reply.Bulk(field)
		if withValues {
			value, _ := h.Get(field)
			c.Reply.Bulk(value)
		}
	}
}

// openPairs announces n elements that come with a value each or without. RESP3 gives each pair an
// array of its own, which nextPair announces; RESP2 has them one after the other.
func (c *Ctx) openPairs(n int, with bool) {
	if with && c.Reply.Proto < 3 {
		n *= 2
	}
	c.Reply.Array(n)
}

func (c *Ctx) nextPair(with bool) {
	if with && c.Reply.Proto >= 3 {
		c.Reply.Array(2)
	}
}

var hashSpecs = []Spec{
	{
		Name: "hdel", Group: "hash", Since: "2.0.0", Arity: -3,
		Summary: "Deletes fields; the hash goes with its last one.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW delete"), Categories: "write hash fast", Handler: cmdHDEL,
	},
	{
		Name: "hexists", Group: "hash", Since: "2.0.0", Arity: 3,
		Summary: "Tells whether a field exists.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "read hash fast", Handler: cmdHEXISTS,
	},
	{
		Name: "hget", Group: "hash", Since: "2.0.0", Arity: 3,
		Summary: "Returns the value of a field.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read hash fast", Handler: cmdHGET,
	},
	{
		Name: "hgetall", Group: "hash", Since: "2.0.0", Arity: 2,
		Summary: "Returns all fields and values.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read hash slow", Handler: cmdHGETALL,
	},
	{
		Name: "hincrby", Group: "hash", Since: "2.0.0", Arity: 4,
		Summary: "Adds to the integer in a field; a missing one counts as 0.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write hash fast", Handler: cmdHINCRBY,
	},
	{
		Name: "hincrbyfloat", Group: "hash", Since: "2.6.0", Arity: 4,
		Summary: "Adds to the floating point number in a field; a missing one counts as 0.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write hash fast", Handler: cmdHINCRBYFLOAT,
	},
	{
		Name: "hkeys", Group: "hash", Since: "2.0.0", Arity: 2,
		Summary: "Returns all fields.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read hash slow", Handler: cmdHKEYS,
	},
	{
		Name: "hlen", Group: "hash", Since: "2.0.0", Arity: 2,
		Summary: "Returns the number of fields.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "read hash fast", Handler: cmdHLEN,
	},
	{
		Name: "hmget", Group: "hash", Since: "2.0.0", Arity: -3,
		Summary: "Returns the values of several fields.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read hash fast", Handler: cmdHMGET,
	},
	{
		Name: "hmset", Group: "hash", Since: "2.0.0", Arity: -4,
		Summary: "Sets several fields (older form of HSET).",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW update"), Categories: "write hash fast", Handler: cmdHMSET,
	},
	{
		Name: "hrandfield", Group: "hash", Since: "6.2.0", Arity: -2,
		Summary: "Returns random fields.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read hash slow", Handler: cmdHRANDFIELD,
	},
	{
		Name: "hscan", Group: "hash", Since: "2.8.0", Arity: -3,
		Summary: "Lists fields and values part by part.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read hash slow", Handler: cmdHSCAN,
	},
	{
		Name: "hset", Group: "hash", Since: "2.0.0", Arity: -4,
		Summary: "Sets fields and counts the new ones.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW update"), Categories: "write hash fast", Handler: cmdHSET,
	},
	{
		Name: "hsetnx", Group: "hash", Since: "2.0.0", Arity: 4,
		Summary: "Sets a field that does not exist.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW insert"), Categories: "write hash fast", Handler: cmdHSETNX,
	},
	{
		Name: "hstrlen", Group: "hash", Since: "3.2.0", Arity: 3,
		Summary: "Returns the length of a field's value.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "read hash fast", Handler: cmdHSTRLEN,
	},
	{
		Name: "hvals", Group: "hash", Since: "2.0.0", Arity: 2,
		Summary: "Returns all values.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read hash slow", Handler: cmdHVALS,
	},
}
