package command

import (
	"bytes"
	"strconv"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/glob"
	"github.com/elastane/elastane/engine/keyspace"
)

// The keyspace notifications of any key.
var (
	eventExpire     = keyspace.Event{Name: "expire", Class: 'g'}
	eventPersist    = keyspace.Event{Name: "persist", Class: 'g'}
	eventRenameFrom = keyspace.Event{Name: "rename_from", Class: 'g'}
	eventRenameTo   = keyspace.Event{Name: "rename_to", Class: 'g'}
	eventMoveFrom   = keyspace.Event{Name: "move_from", Class: 'g'}
	eventMoveTo     = keyspace.Event{Name: "move_to", Class: 'g'}
	eventCopyTo     = keyspace.Event{Name: "copy_to", Class: 'g'}
)

// DEL key [key …]; UNLINK is the same here: memory is given back in slabs, at once.
func cmdDEL(c *Ctx) {
	keys := c.Args.Rest()

	n := 0
	for _, key := range keys {
		if c.View.Delete(key, eventDel) {
			n++
		}
	}

	c.Reply.Int(int64(n))
}

// EXISTS key [key …]
func cmdEXISTS(c *Ctx) {
	keys := c.Args.Rest()

	n := 0
	for _, key := range keys {
		if _, found := c.View.Find(key); found {
			n++
		}
	}

	c.Reply.Int(int64(n))
}

// TYPE key
func cmdTYPE(c *Ctx) {
	key := c.Args.Bytes()

	t := keyspace.TypeNone
	if e, found := c.View.Peek(key); found {
		t = e.Type()
	}

	c.Reply.Simple(t.String())
}

// EXPIRE key seconds [NX | XX | GT | LT]
func cmdEXPIRE(c *Ctx) { expire(c, 1000, true) }

// PEXPIRE key milliseconds [NX | XX | GT | LT]
func cmdPEXPIRE(c *Ctx) { expire(c, 1, true) }

// EXPIREAT key unix-time-seconds [NX | XX | GT | LT]
func cmdEXPIREAT(c *Ctx) { expire(c, 1000, false) }

// PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]
func cmdPEXPIREAT(c *Ctx) { expire(c, 1, false) }

func expire(c *Ctx, unit int64, relative bool) {
	key, when := c.Args.Bytes(), c.Args.Bytes()
	var nx, xx, gt, lt bool
	for c.Args.More() {
		switch {
		case c.Args.Word("NX"):
			nx = true
		case c.Args.Word("XX"):
			xx = true
		case c.Args.Word("GT"):
			gt = true
		case c.Args.Word("LT"):
			lt = true
		default:
			c.Args.Fail(errUnsupportedOption(c.Args.Bytes()))
		}
	}
	if nx && (xx || gt || lt) {
		c.Args.Fail(ErrExpireNX)
	}
	if gt && lt {
		c.Args.Fail(ErrExpireGT)
	}
	at := expiryOf(c, when, unit, relative, false)
	if c.Failed() {
		return
	}

	e, found := c.View.Peek(key)
	if found {
		old := e.ExpireAt()
		switch {
		case nx && old != 0, xx && old == 0, gt && (old == 0 || at <= old), lt && old != 0 && at >= old:
			found = false
		}
	}
	if found {
		c.expireAt(key, at)
	}

	c.Reply.Int(boolInt(found))
}

// expireAt sets the expiry of a key that exists, in unix milliseconds, and propagates the effect. A
// time that is over deletes the key.
func (c *Ctx) expireAt(key []byte, at int64) {
	if at <= 0 {
		at = 1 // zero means no expiry to the keyspace; both are long over
	}
	if c.isPast(at) {
		c.View.Delete(key, eventDel)
		c.Propagate(c.Server.deletion("lazyfree-lazy-expire"), key)
		return
	}
	w := c.View.Edit(key)
	w.SetExpireAt(at)
	w.Done(eventExpire)
	c.Propagate(wordPEXPIREAT, key, c.number(at))
}

// persist removes the expiry of a key and says whether it had one.
func (c *Ctx) persist(key []byte) bool {
	w := c.View.Edit(key)
	if !w.Exists() || w.ExpireAt() == 0 {
		w.Unchanged()
		return false
	}
	w.SetExpireAt(0)
	w.Done(eventPersist)
	c.Propagate(wordPERSIST, key)
	return true
}

// PERSIST key
func cmdPERSIST(c *Ctx) {
	key := c.Args.Bytes()

	removed := c.persist(key)

	c.Reply.Int(boolInt(removed))
}

// TTL key
func cmdTTL(c *Ctx) { replyExpiry(c, 1000, c.Now) }

// PTTL key
func cmdPTTL(c *Ctx) { replyExpiry(c, 1, c.Now) }

// EXPIRETIME key
func cmdEXPIRETIME(c *Ctx) { replyExpiry(c, 1000, 0) }

// PEXPIRETIME key
func cmdPEXPIRETIME(c *Ctx) { replyExpiry(c, 1, 0) }

// replyExpiry answers with a key's expiry since base, in units of unit milliseconds, rounded; -1 if
// it has none, -2 if there is no key.
func replyExpiry(c *Ctx, unit, base int64) {
	key := c.Args.Bytes()

	e, found := c.View.Peek(key)

	switch {
	case !found:
		c.Reply.Int(-2)
	case e.ExpireAt() == 0:
		c.Reply.Int(-1)
	default:
		c.Reply.Int((max(e.ExpireAt()-base, 0) + unit/2) / unit)
	}
}

// KEYS pattern
func cmdKEYS(c *Ctx) {
	pattern := c.Args.Bytes()

	var keys [][]byte
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = c.View.Scan(cursor, 1000,
			func(e keyspace.Entry) bool { return glob.Match(pattern, e.Key()) },
			func(e keyspace.Entry) { keys = append(keys, e.Key()) })
	}

	c.Reply.Array(len(keys))
	for _, key := range keys {
		c.Reply.Bulk(key)
	}
}

// scanOptions are what SCAN, HSCAN, SSCAN and ZSCAN share.
type scanOptions struct {
	count    int
	match    []byte // nil: everything
	typeName []byte // nil: any type
	bare     bool   // NOVALUES, NOSCORES
}

// readScanCursor reads the cursor; what follows the key is read by readScanOptions.
func readScanCursor(c *Ctx) uint64 {
	text := c.Args.Bytes()
	cursor, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		c.Args.Fail(ErrCursor)
	}
	return cursor
}

// readScanOptions reads [MATCH pattern] [COUNT count], of SCAN [TYPE type], and a family's word for names alone, if bare
// is not empty: NOVALUES of HSCAN, NOSCORES of ZSCAN.
func readScanOptions(c *Ctx, withType bool, bare string) (o scanOptions) {
	o.count = 10
	for a := &c.Args; a.More(); {
		switch {
		case a.Len() > 1 && a.Word("COUNT"):
			if n := a.Int(); n < 1 {
				a.Syntax()
			} else {
				o.count = int(min(n, 1<<30))
			}
		case a.Len() > 1 && a.Word("MATCH"):
			o.match = a.Bytes()
		case withType && a.Len() > 1 && a.Word("TYPE"):
			o.typeName = a.Bytes()
			if !keyspace.IsTypeName(string(bytes.ToLower(o.typeName))) {
				a.Fail("ERR unknown type name '" + string(o.typeName) + "'")
			}
		case bare != "" && a.Word(bare):
			o.bare = true
		default:
			a.Syntax()
		}
	}
	return o
}

func (o *scanOptions) matches(name []byte) bool { return o.match == nil || glob.Match(o.match, name) }

// reply answers with the next cursor and what was found.
func (o *scanOptions) reply(c *Ctx, next uint64, items [][]byte) {
	c.Reply.Array(2)
	c.Reply.BulkString(strconv.FormatUint(next, 10))
	c.Reply.Array(len(items))
	for _, item := range items {
		c.Reply.Bulk(item)
	}
}

// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
func cmdSCAN(c *Ctx) {
	cursor := readScanCursor(c)
	o := readScanOptions(c, true, "")
	if c.Failed() {
		return
	}

	var keys [][]byte
	next := c.View.Scan(cursor, o.count,
		func(e keyspace.Entry) bool {
			return o.matches(e.Key()) && (o.typeName == nil || foldEqual(o.typeName, e.Type().String()))
		},
		func(e keyspace.Entry) { // the entry is locked during this call only
			keys = append(keys, bytes.Clone(e.Key()))
		})

	o.reply(c, next, keys)
}

// RENAME key newkey
func cmdRENAME(c *Ctx) {
	src, dst := c.Args.Bytes(), c.Args.Bytes()

	if !rename(c, src, dst) {
		c.Reply.Error(ErrNoSuchKey)
		return
	}

	c.Reply.OK()
}

// RENAMENX key newkey
func cmdRENAMENX(c *Ctx) {
	src, dst := c.Args.Bytes(), c.Args.Bytes()

	if _, found := c.View.Peek(src); !found {
		c.Reply.Error(ErrNoSuchKey)
		return
	}
	_, taken := c.View.Peek(dst)
	if !taken {
		rename(c, src, dst)
	}

	c.Reply.Int(boolInt(!taken))
}

// rename moves src to dst; it says whether src exists.
func rename(c *Ctx, src, dst []byte) bool {
	if _, found := c.View.Peek(src); !found {
		return false
	}
	if string(src) != string(dst) {
		c.View.Rename(src, dst, c.View.DB(), eventRenameFrom, eventRenameTo)
	}
	return true
}

// readDB reads the index of a database.
func readDB(c *Ctx) int {
	n := c.Args.Int()
	if !c.Args.Failed() && (n < 0 || n >= int64(c.View.Space().Databases())) {
		c.Args.Fail(ErrDBIndex)
	}
	return int(n)
}

// MOVE key db
func cmdMOVE(c *Ctx) {
	key, db := c.Args.Bytes(), readDB(c)
	if !c.Args.Failed() && db == c.View.DB() {
		c.Args.Fail(ErrSameObject)
	}
	if c.Failed() {
		return
	}

	_, found := c.View.Peek(key)
	if found && !c.existsIn(db, key) {
		c.View.Rename(key, key, db, eventMoveFrom, eventMoveTo)
	} else {
		found = false
	}

	c.Reply.Int(boolInt(found))
}

// SWAPDB index1 index2
func cmdSWAPDB(c *Ctx) {
	if c.Server.Cluster != nil {
		c.Reply.Error("ERR SWAPDB is not allowed in cluster mode")
		return
	}
	a := c.Args.IntOr("ERR invalid first DB index")
	b := c.Args.IntOr("ERR invalid second DB index")
	if last := int64(c.Server.Space.Databases() - 1); a < 0 || a > last || b < 0 || b > last {
		c.Args.Fail(ErrDBIndex)
	}
	if c.Failed() {
		return
	}

	if a != b {
		changed := c.watchedIn(int(a), int(b))
		c.View.SwapDB(int(a), int(b))
		c.Server.watches.touchEach(changed)
		for _, k := range c.Server.waiting.of(int(a), int(b)) {
			c.Server.waiting.signal(k.db, []byte(k.key))
		}
	}
	c.Propagate(c.Args.argv...)

	c.Reply.OK()
}

// existsIn says whether another database has a key.
func (c *Ctx) existsIn(db int, key []byte) bool {
	home := c.View.DB()
	c.View.Select(db)
	_, found := c.View.Peek(key)
	c.View.Select(home)
	return found
}

// COPY source destination [DB destination-db] [REPLACE]
func cmdCOPY(c *Ctx) {
	src, dst, db, replace := c.Args.Bytes(), c.Args.Bytes(), c.View.DB(), false
	for c.Args.More() {
		switch {
		case c.Args.Len() > 1 && c.Args.Word("DB"):
			db = readDB(c)
		case c.Args.Word("REPLACE"):
			replace = true
		default:
			c.Args.Syntax()
		}
	}
	if !c.Args.Failed() && db == c.View.DB() && string(src) == string(dst) {
		c.Args.Fail(ErrSameObject)
	}
	if c.Failed() {
		return
	}

	e, found := c.View.Find(src)
	if !found || (!replace && c.existsIn(db, dst)) {
		c.Reply.Int(0)
		return
	}
	c.copyTo(dst, db, e)

	c.Reply.Int(1)
}

// copyTo makes dst in a database hold a copy of an entry, expiry included.
func (c *Ctx) copyTo(dst []byte, db int, e keyspace.Entry) {
	home := c.View.DB()
	defer c.View.Select(home)
	if e.Type() == keyspace.TypeString {
		value := append([]byte(nil), e.Value()...)
		expireAt := e.ExpireAt()
		c.View.Select(db)
		c.View.SetString(dst, value, expireAt, eventCopyTo)
		return
	}
	enc, root := c.cloneCollection(e)
	t, expireAt := e.Type(), e.ExpireAt()
	c.View.Select(db)
	w := c.View.Edit(dst)
	arena.PutRef(w.Create(t, keyspace.EncodingOf(enc), arena.RefBytes), root)
	w.SetExpireAt(expireAt)
	w.Done(eventCopyTo)
}

// cloneCollection returns the root of a copy of a collection.
func (c *Ctx) cloneCollection(e keyspace.Entry) (enc ds.Encoding, root arena.Ref) {
	limits, from := c.encodings(), arena.GetRef(e.Value())
	switch e.Type() {
	case keyspace.TypeHash:
		old, fresh := ds.OpenHash(c.heap(), from), ds.OpenHash(c.heap(), arena.Nil)
		old.Each(func(field, value []byte) bool { fresh.Set(field, value, limits.hash); return true })
		return fresh.Encoding(), fresh.Root()
	case keyspace.TypeList:
		old, fresh := ds.OpenList(c.heap(), from), ds.OpenList(c.heap(), arena.Nil)
		old.Each(0, false, func(elem []byte) bool { fresh.Push(false, elem, limits.list); return true })
		return fresh.Encoding(), fresh.Root()
	case keyspace.TypeSet:
		old, fresh := ds.OpenSet(c.heap(), from), ds.OpenSet(c.heap(), arena.Nil)
		old.Each(func(member []byte) bool { fresh.Add(member, limits.set); return true })
		return fresh.Encoding(), fresh.Root()
	case keyspace.TypeZSet:
		old, fresh := ds.OpenSortedSet(c.heap(), from), ds.OpenSortedSet(c.heap(), arena.Nil)
		old.Each(0, false, func(member []byte, score float64) bool { fresh.Set(member, score, limits.sortedSet); return true })
		return fresh.Encoding(), fresh.Root()
	case keyspace.TypeStream:
		old := ds.OpenStream(c.heap(), from)
		fresh := old.Clone()
		return ds.Listpacks, fresh.Root()
	}
	panic("command: COPY of a type that is not built: " + e.Type().String())
}

// RANDOMKEY
func cmdRANDOMKEY(c *Ctx) {
	key, found := c.View.Random(nil)

	c.bulkOrNull(key, found)
}

// OBJECT ENCODING key
func cmdObjectENCODING(c *Ctx) {
	key := c.Args.Bytes()

	e, found := c.View.Peek(key)
	if !found {
		c.Reply.Null()
		return
	}

	if e.Type() == keyspace.TypeString {
		name := e.Encoding().String()
		if e.Encoding() == keyspace.EncodingRaw {
			name = stringEncoding(e.Value())
		}
		c.Reply.BulkString(name)
		return
	}
	c.Reply.BulkString(e.Encoding().String())
}

// stringEncoding is the name of the layout that Valkey would choose for a string.
func stringEncoding(value []byte) string {
	const embedded = 44 // the longest string that Valkey keeps in one block with its header
	if _, ok := parseInt(value); ok {
		return "int"
	}
	if len(value) <= embedded {
		return "embstr"
	}
	return "raw"
}

// OBJECT REFCOUNT key: values are never shared.
func cmdObjectREFCOUNT(c *Ctx) {
	key := c.Args.Bytes()

	_, found := c.View.Peek(key)
	if !found {
		c.Reply.Null()
		return
	}

	c.Reply.Int(1)
}

// OBJECT IDLETIME key
func cmdObjectIDLETIME(c *Ctx) {
	key := c.Args.Bytes()

	e, found := c.View.Peek(key)
	switch {
	case !found:
		c.Reply.Null()
	case c.countsUse():
		c.Reply.Error(ErrLFU)
	default:
		c.Reply.Int(e.Idle(c.Now))
	}
}

// OBJECT FREQ key
func cmdObjectFREQ(c *Ctx) {
	key := c.Args.Bytes()

	e, found := c.View.Peek(key)
	switch {
	case !found:
		c.Reply.Null()
	case !c.countsUse():
		c.Reply.Error(ErrNoLFU)
	default:
		c.Reply.Int(int64(e.Frequency(c.Now)))
	}
}

// countsUse says whether keys count how often they are used, instead of when they were last.
func (c *Ctx) countsUse() bool {
	policy := c.View.Space().MemoryLimit().Policy
	return policy == keyspace.AllKeysLFU || policy == keyspace.VolatileLFU
}

var keySpecs = []Spec{
	{
		Name: "copy", Group: "generic", Since: "6.2.0", Arity: -3,
		Summary: "Copies a value to another key.",
		Flags:   Write | DenyOOM, Keys: TwoKeys.Uses("RO access", "OW update"), Categories: "keyspace write slow", Handler: cmdCOPY,
	},
	{
		Name: "del", Group: "generic", Since: "1.0.0", Arity: -2,
		Summary: "Deletes keys.",
		Flags:   Write, Keys: AllKeys.Uses("RM delete"), Categories: "keyspace write slow", Handler: cmdDEL,
	},
	{
		Name: "exists", Group: "generic", Since: "1.0.0", Arity: -2,
		Summary: "Counts how many of the given keys exist.",
		Flags:   ReadOnly | Fast, Keys: AllKeys.Uses("RO"), Categories: "keyspace read fast", Handler: cmdEXISTS,
	},
	{
		Name: "expire", Group: "generic", Since: "1.0.0", Arity: -3,
		Summary: "Sets the time to live of a key in seconds.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW update"), Categories: "keyspace write fast", Handler: cmdEXPIRE,
	},
	{
		Name: "expireat", Group: "generic", Since: "1.2.0", Arity: -3,
		Summary: "Sets the expiry of a key as Unix time in seconds.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW update"), Categories: "keyspace write fast", Handler: cmdEXPIREAT,
	},
	{
		Name: "expiretime", Group: "generic", Since: "7.0.0", Arity: 2,
		Summary: "Returns the expiry of a key as Unix time in seconds.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "keyspace read fast", Handler: cmdEXPIRETIME,
	},
	{
		Name: "keys", Group: "generic", Since: "1.0.0", Arity: 2,
		Summary: "Lists the keys that match a pattern.",
		Flags:   ReadOnly, Lock: LockAll, Categories: "keyspace read slow dangerous", Handler: cmdKEYS,
	},
	{
		Name: "move", Group: "generic", Since: "1.0.0", Arity: 3,
		Summary: "Moves a key to another database.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW access update"), Categories: "keyspace write fast", Handler: cmdMOVE,
	},
	{
		Name: "object", Group: "generic", Since: "2.2.3", Arity: -2,
		Summary: "Commands that look into a value's layout.", Categories: "slow",
		Sub: []Spec{
			{
				Name: "encoding", Since: "2.2.3", Arity: 3,
				Summary: "Returns the layout of a value.",
				Flags:   ReadOnly, Keys: Keys{First: 2, Last: 2, Step: 1}.Uses("RO"),
				Categories: "keyspace read slow", Handler: cmdObjectENCODING,
			},
			{
				Name: "freq", Since: "4.0.0", Arity: 3,
				Summary: "Returns how often a key is used, on a logarithmic scale.",
				Flags:   ReadOnly, Keys: Keys{First: 2, Last: 2, Step: 1}.Uses("RO"),
				Categories: "keyspace read slow", Handler: cmdObjectFREQ,
			},
			{
				Name: "idletime", Since: "2.2.3", Arity: 3,
				Summary: "Returns for how many seconds a key was not used.",
				Flags:   ReadOnly, Keys: Keys{First: 2, Last: 2, Step: 1}.Uses("RO"),
				Categories: "keyspace read slow", Handler: cmdObjectIDLETIME,
			},
			{
				Name: "refcount", Since: "2.2.3", Arity: 3,
				Summary: "Returns how often a value is referred to.",
				Flags:   ReadOnly, Keys: Keys{First: 2, Last: 2, Step: 1}.Uses("RO"),
				Categories: "keyspace read slow", Handler: cmdObjectREFCOUNT,
			},
		},
	},
	{
		Name: "persist", Group: "generic", Since: "2.2.0", Arity: 2,
		Summary: "Removes the expiry of a key.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW update"), Categories: "keyspace write fast", Handler: cmdPERSIST,
	},
	{
		Name: "pexpire", Group: "generic", Since: "2.6.0", Arity: -3,
		Summary: "Sets the time to live of a key in milliseconds.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW update"), Categories: "keyspace write fast", Handler: cmdPEXPIRE,
	},
	{
		Name: "pexpireat", Group: "generic", Since: "2.6.0", Arity: -3,
		Summary: "Sets the expiry of a key as Unix time in milliseconds.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW update"), Categories: "keyspace write fast", Handler: cmdPEXPIREAT,
	},
	{
		Name: "pexpiretime", Group: "generic", Since: "7.0.0", Arity: 2,
		Summary: "Returns the expiry of a key as Unix time in milliseconds.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "keyspace read fast", Handler: cmdPEXPIRETIME,
	},
	{
		Name: "pttl", Group: "generic", Since: "2.6.0", Arity: 2,
		Summary: "Returns the time to live of a key in milliseconds.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "keyspace read fast", Handler: cmdPTTL,
	},
	{
		Name: "randomkey", Group: "generic", Since: "1.0.0", Arity: 1,
		Summary: "Returns some key.",
		Flags:   ReadOnly, Lock: LockNone, Categories: "keyspace read slow", Handler: cmdRANDOMKEY,
	},
	{
		Name: "rename", Group: "generic", Since: "1.0.0", Arity: 3,
		Summary: "Gives a key another name, replacing what had it.",
		Flags:   Write, Keys: TwoKeys.Uses("RW access delete", "OW update"), Categories: "keyspace write slow", Handler: cmdRENAME,
	},
	{
		Name: "renamenx", Group: "generic", Since: "1.0.0", Arity: 3,
		Summary: "Gives a key another name, if none has it.",
		Flags:   Write | Fast, Keys: TwoKeys.Uses("RW access delete", "OW insert"), Categories: "keyspace write fast", Handler: cmdRENAMENX,
	},
	{
		Name: "scan", Group: "generic", Since: "2.8.0", Arity: -2,
		Summary: "Lists the keys of a database part by part.",
		Flags:   ReadOnly, Lock: LockNone, Categories: "keyspace read slow", Handler: cmdSCAN,
	},
	{
		Name: "swapdb", Group: "server", Since: "4.0.0", Arity: 3,
		Summary: "Exchanges the contents of two databases.",
		Flags:   Write | Fast, Lock: LockAll, Categories: "keyspace write fast dangerous", Handler: cmdSWAPDB,
	},
	{
		Name: "touch", Group: "generic", Since: "3.2.1", Arity: -2,
		Summary: "Marks keys as used and counts how many exist.",
		Flags:   ReadOnly | Fast, Keys: AllKeys.Uses("RO"), Categories: "keyspace read fast", Handler: cmdEXISTS,
	},
	{
		Name: "ttl", Group: "generic", Since: "1.0.0", Arity: 2,
		Summary: "Returns the time to live of a key in seconds.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "keyspace read fast", Handler: cmdTTL,
	},
	{
		Name: "type", Group: "generic", Since: "1.0.0", Arity: 2,
		Summary: "Returns the type of a key's value.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "keyspace read fast", Handler: cmdTYPE,
	},
	{
		Name: "unlink", Group: "generic", Since: "4.0.0", Arity: -2,
		Summary: "Deletes keys.",
		Flags:   Write | Fast, Keys: AllKeys.Uses("RM delete"), Categories: "keyspace write fast", Handler: cmdDEL,
	},
}
