package command

import (
	"math"
	"math/big"
	"strconv"

	"github.com/elastane/elastane/engine/keyspace"
)

// The keyspace notifications of strings.
var (
	eventSet         = keyspace.Event{Name: "set", Class: '$'}
	eventAppend      = keyspace.Event{Name: "append", Class: '$'}
	eventSetRange    = keyspace.Event{Name: "setrange", Class: '$'}
	eventIncrBy      = keyspace.Event{Name: "incrby", Class: '$'}
	eventIncrByFloat = keyspace.Event{Name: "incrbyfloat", Class: '$'}
)

// maxString is the greatest length of a string in bytes (proto-max-bulk-len).
const maxString = 512 << 20

// findString looks a string up. If another type is there, it answers with WRONGTYPE and ok is false.
func (c *Ctx) findString(key []byte) (value []byte, found, ok bool) {
	e, found := c.View.Find(key)
	if !found {
		return nil, false, true
	}
	if e.Type() != keyspace.TypeString {
		c.Reply.Error(ErrWrongType)
		return nil, false, false
	}
	return e.Value(), true, true
}

// bulkOrNull answers with the value, or with a null if it was not found.
func (c *Ctx) bulkOrNull(value []byte, found bool) {
	if found {
		c.Reply.Bulk(value)
	} else {
		c.Reply.Null()
	}
}

// GET key
func cmdGET(c *Ctx) {
	key := c.Args.Bytes()

	value, found, ok := c.findString(key)
	if !ok {
		return
	}

	c.bulkOrNull(value, found)
}

// setOptions are the options of SET and GETEX.
type setOptions struct {
	onlyNew, onlyOld, get, keepTTL, persist bool
	expireAt                                int64 // unix milliseconds; 0: none
}

// readSetOptions reads [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] of SET, or
// [EX s | PX ms | EXAT s | PXAT ms | PERSIST] of GETEX.
func readSetOptions(c *Ctx, isSet bool) (o setOptions) {
	expiry := false // one of EX PX EXAT PXAT KEEPTTL PERSIST was given
	a := &c.Args
	for a.More() {
		switch {
		case isSet && !o.onlyOld && a.Word("NX"):
			o.onlyNew = true
		case isSet && !o.onlyNew && a.Word("XX"):
			o.onlyOld = true
		case isSet && a.Word("GET"):
			o.get = true
		case isSet && (!expiry || o.keepTTL) && a.Word("KEEPTTL"):
			o.keepTTL, expiry = true, true
		case !isSet && (!expiry || o.persist) && a.Word("PERSIST"):
			o.persist, expiry = true, true
		case !expiry && a.Len() > 1 && a.Word("EX"):
			o.expireAt, expiry = readExpiry(c, 1000, true, true), true
		case !expiry && a.Len() > 1 && a.Word("PX"):
			o.expireAt, expiry = readExpiry(c, 1, true, true), true
		case !expiry && a.Len() > 1 && a.Word("EXAT"):
			o.expireAt, expiry = readExpiry(c, 1000, false, true), true
		case !expiry && a.Len() > 1 && a.Word("PXAT"):
			o.expireAt, expiry = readExpiry(c, 1, false, true), true
		default:
			a.Syntax()
		}
	}
	return o
}

// readExpiry reads a time in units of unit milliseconds, from now on if it is relative, and returns it
// in unix milliseconds. positive says that zero and less are refused.
func readExpiry(c *Ctx, unit int64, relative, positive bool) int64 {
	return expiryOf(c, c.Args.Bytes(), unit, relative, positive)
}

// expiryOf is readExpiry for an argument that was taken before.
func expiryOf(c *Ctx, text []byte, unit int64, relative, positive bool) int64 {
	if c.Args.Failed() {
		return 0
	}
	n, ok := parseInt(text)
	if !ok {
		c.Args.Fail(ErrNotInteger)
		return 0
	}
	base := int64(0)
	if relative {
		base = c.Now
	}
	if (positive && n <= 0) || n > math.MaxInt64/unit || n < math.MinInt64/unit || n*unit > math.MaxInt64-base {
		c.Args.Fail(errExpireTime(c.Spec.FullName()))
		return 0
	}
	return n*unit + base
}

// isPast says whether an expiry that a command sets is over already, so that the key goes at once. On
// a replica the primary decides.
func (c *Ctx) isPast(expireAt int64) bool {
	return expireAt != 0 && expireAt <= c.Now && !c.Client.Has(ClientPrimary)
}

// store sets a string with an expiry (unix milliseconds, 0 for none, keyspace.KeepExpiry) and
// propagates the effect.
func (c *Ctx) store(key, value []byte, expireAt int64) {
	if expireAt != keyspace.KeepExpiry && c.isPast(expireAt) {
		c.View.Delete(key, eventDel)
		c.Propagate(c.Server.deletion("lazyfree-lazy-expire"), key)
		return
	}
	c.View.SetString(key, value, expireAt, eventSet)
	switch expireAt {
	case 0:
		c.Propagate(wordSET, key, value)
	case keyspace.KeepExpiry:
		c.Propagate(wordSET, key, value, wordKEEPTTL)
	default:
		c.Propagate(wordSET, key, value, wordPXAT, c.number(expireAt))
	}
}

// useOfSET tells that only SET … GET reads its key.
func useOfSET(argv [][]byte) KeyUse {
	for _, word := range argv[min(3, len(argv)):] {
		if isWord(word, "GET") {
			return KeyRW | KeyAccess | KeyUpdate
		}
	}
	return KeyOW | KeyUpdate
}

// SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds |
// PXAT unix-time-milliseconds | KEEPTTL]
func cmdSET(c *Ctx) {
	key, value := c.Args.Bytes(), c.Args.Bytes()
	if !c.Args.More() {
		c.View.SetString(key, value, 0, eventSet)
		c.Reply.OK()
		return
	}
	o := readSetOptions(c, true)
	if c.Failed() {
		return
	}

	if o.get {
		old, found, ok := c.findString(key)
		if !ok {
			return
		}
		// The reply is written before the old value goes.
		c.bulkOrNull(old, found)
	}
	_, exists := c.View.Peek(key)
	if (o.onlyNew && exists) || (o.onlyOld && !exists) {
		if !o.get {
			c.Reply.Null()
		}
		return
	}
	if o.keepTTL {
		o.expireAt = keyspace.KeepExpiry
	}
	c.store(key, value, o.expireAt)

	if !o.get {
		c.Reply.OK()
	}
}

// SETNX key value
func cmdSETNX(c *Ctx) {
	key, value := c.Args.Bytes(), c.Args.Bytes()

	_, exists := c.View.Peek(key)
	if !exists {
		c.store(key, value, 0)
	}

	c.Reply.Int(boolInt(!exists))
}

// SETEX key seconds value
func cmdSETEX(c *Ctx) { setWithExpiry(c, 1000) }

// PSETEX key milliseconds value
func cmdPSETEX(c *Ctx) { setWithExpiry(c, 1) }

func setWithExpiry(c *Ctx, unit int64) {
	key := c.Args.Bytes()
	expireAt := readExpiry(c, unit, true, true)
	value := c.Args.Bytes()
	if c.Failed() {
		return
	}

	c.store(key, value, expireAt)

	c.Reply.OK()
}

// GETSET key value
func cmdGETSET(c *Ctx) {
	key, value := c.Args.Bytes(), c.Args.Bytes()

	old, found, ok := c.findString(key)
	if !ok {
		return
	}
	c.bulkOrNull(old, found)
	c.store(key, value, 0)
}

// GETDEL key
func cmdGETDEL(c *Ctx) {
	key := c.Args.Bytes()

	value, found, ok := c.findString(key)
	if !ok {
		return
	}
	c.bulkOrNull(value, found)
	if found {
		c.View.Delete(key, eventDel)
		c.Propagate(wordDEL, key)
	}
}

// GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds |
// PERSIST]
func cmdGETEX(c *Ctx) {
	key := c.Args.Bytes()
	o := readSetOptions(c, false)
	if c.Failed() {
		return
	}

	value, found, ok := c.findString(key)
	if !ok {
		return
	}
	c.bulkOrNull(value, found)
	switch {
	case !found:
	case o.persist:
		c.persist(key)
	case o.expireAt != 0:
		c.expireAt(key, o.expireAt)
	}
}

// MGET key [key …]
func cmdMGET(c *Ctx) {
	keys := c.Args.Rest()

	c.Reply.Array(len(keys))
	for _, key := range keys {
		e, found := c.View.Find(key)
		if found && e.Type() == keyspace.TypeString {
			c.Reply.Bulk(e.Value())
		} else {
			c.Reply.Null()
		}
	}
}

// MSET key value [key value …]
func cmdMSET(c *Ctx) {
	pairs := readPairs(c, "mset")
	if c.Failed() {
		return
	}

	for i := 0; i < len(pairs); i += 2 {
		c.View.SetString(pairs[i], pairs[i+1], 0, eventSet)
	}

	c.Reply.OK()
}

// MSETNX key value [key value …]
func cmdMSETNX(c *Ctx) {
	pairs := readPairs(c, "msetnx")
	if c.Failed() {
		return
	}

	for i := 0; i < len(pairs); i += 2 {
		if _, exists := c.View.Peek(pairs[i]); exists {
			c.Reply.Int(0)
			return
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		c.View.SetString(pairs[i], pairs[i+1], 0, eventSet)
	}

	c.Reply.Int(1)
}

// readPairs takes the rest, which must be an even number of arguments.
func readPairs(c *Ctx, name string) [][]byte {
	pairs := c.Args.Rest()
	if len(pairs)%2 != 0 {
		c.Args.Fail(errArity(name))
		return nil
	}
	return pairs
}

// STRLEN key
func cmdSTRLEN(c *Ctx) {
	key := c.Args.Bytes()

	value, _, ok := c.findString(key)
	if !ok {
		return
	}

	c.Reply.Int(int64(len(value)))
}

// APPEND key value
func cmdAPPEND(c *Ctx) {
	key, value := c.Args.Bytes(), c.Args.Bytes()

	n, ok := c.overwrite(key, value, -1, eventAppend)
	if !ok {
		return
	}

	c.Reply.Int(int64(n))
}

// SETRANGE key offset value
func cmdSETRANGE(c *Ctx) {
	key, offset, value := c.Args.Bytes(), c.Args.Int(), c.Args.Bytes()
	if !c.Args.Failed() && offset < 0 {
		c.Args.Fail(ErrOffset)
	}
	if c.Failed() {
		return
	}

	n, ok := c.overwrite(key, value, int(min(offset, maxString+1)), eventSetRange)
	if !ok {
		return
	}

	c.Reply.Int(int64(n))
}

// overwrite writes value into a string at an offset (-1: at its end), which grows with zero bytes as
// needed, and returns the new length. If that cannot be, it answers, and ok is false. Writing nothing
// changes nothing.
func (c *Ctx) overwrite(key, value []byte, offset int, ev keyspace.Event) (n int, ok bool) {
	w := c.View.Edit(key)
	old := 0
	if w.Exists() {
		if w.Type() != keyspace.TypeString {
			w.Unchanged()
			c.Reply.Error(ErrWrongType)
			return 0, false
		}
		old = len(w.Value())
	}
	atEnd := offset < 0
	if atEnd {
		offset = old
	}
	if len(value) == 0 && (w.Exists() || !atEnd) {
		w.Unchanged()
		return old, true
	}
	if offset+len(value) > maxString {
		w.Unchanged()
		c.Reply.Error(ErrStringTooLong)
		return 0, false
	}
	n = max(old, offset+len(value))
	var b []byte
	if w.Exists() {
		b = w.Resize(n)
		w.SetEncoding(keyspace.EncodingChanged)
	} else {
		enc := keyspace.EncodingChanged
		if atEnd {
			enc = keyspace.EncodingRaw
		}
		b = w.Create(keyspace.TypeString, enc, n)
	}
	copy(b[offset:], value)
	w.Done(ev)
	return n, true
}

// GETRANGE key start end
func cmdGETRANGE(c *Ctx) {
	key, start, end := c.Args.Bytes(), c.Args.Int(), c.Args.Int()
	if c.Failed() {
		return
	}

	value, _, ok := c.findString(key)
	if !ok {
		return
	}
	n := int64(len(value))
	if start < 0 && end < 0 && start > end {
		n = 0
	}
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	end = min(end, n-1)
	if start > end || n == 0 {
		c.Reply.Bulk(nil)
		return
	}

	c.Reply.Bulk(value[start : end+1])
}

// INCR key
func cmdINCR(c *Ctx) { increment(c, c.Args.Bytes(), 1) }

// DECR key
func cmdDECR(c *Ctx) { increment(c, c.Args.Bytes(), -1) }

// INCRBY key increment
func cmdINCRBY(c *Ctx) {
	key, by := c.Args.Bytes(), c.Args.Int()
	if c.Failed() {
		return
	}
	increment(c, key, by)
}

// DECRBY key decrement
func cmdDECRBY(c *Ctx) {
	key, by := c.Args.Bytes(), c.Args.Int()
	if !c.Args.Failed() && by == math.MinInt64 {
		c.Args.Fail(ErrDecrOverflow)
	}
	if c.Failed() {
		return
	}
	increment(c, key, -by)
}

func increment(c *Ctx, key []byte, by int64) {
	w := c.View.Edit(key)
	n, ok := int64(0), true
	switch w.Type() {
	case keyspace.TypeNone:
	case keyspace.TypeString:
		n, ok = parseInt(w.Value())
	default:
		w.Unchanged()
		c.Reply.Error(ErrWrongType)
		return
	}
	if !ok || addOverflows(n, by) {
		w.Unchanged()
		if ok {
			c.Reply.Error(ErrOverflow)
		} else {
			c.Reply.Error(ErrNotInteger)
		}
		return
	}
	var scratch [20]byte
	text := strconv.AppendInt(scratch[:0], n+by, 10)
	switch {
	case !w.Exists():
		copy(w.Create(keyspace.TypeString, keyspace.EncodingRaw, len(text)), text)
	case len(w.Value()) == len(text):
		copy(w.Value(), text)
	default:
		copy(w.Resize(len(text)), text)
	}
	w.Done(eventIncrBy)

	c.Reply.Int(n + by)
}

func addOverflows(a, b int64) bool {
	return (b > 0 && a > math.MaxInt64-b) || (b < 0 && a < math.MinInt64-b)
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// INCRBYFLOAT key increment
func cmdINCRBYFLOAT(c *Ctx) {
	key, by := c.Args.Bytes(), c.Args.Bytes()

	value, found, ok := c.findString(key)
	if !ok {
		return
	}
	if !found {
		value = wordZero
	}
	sum, err := addLongDoubles(value, by)
	if err != "" {
		c.Reply.Error(err)
		return
	}
	c.View.SetString(key, sum, keyspace.KeepExpiry, eventIncrByFloat)
	c.Propagate(wordSET, key, sum, wordKEEPTTL)

	c.Reply.Bulk(sum)
}

// addLongDoubles adds two numbers as Valkey does with the 80-bit floating point numbers of its C
// compiler (64 bits of mantissa), and writes the sum with at most 17 decimals. text is what is wrong
// otherwise.
func addLongDoubles(a, b []byte) (sum []byte, text string) {
	x, ok1 := parseLongDouble(a)
	y, ok2 := parseLongDouble(b)
	switch {
	case !ok1 || !ok2:
		return nil, ErrNotFloat
	case x.IsInf() || y.IsInf():
		return nil, ErrNaNOrInf
	}
	sum = x.Add(x, y).Append(nil, 'f', 17)
	end := len(sum)
	for sum[end-1] == '0' {
		end--
	}
	if sum[end-1] == '.' {
		end--
	}
	if sum = sum[:end]; string(sum) == "-0" {
		sum = wordZero
	}
	return sum, ""
}

func parseLongDouble(b []byte) (*big.Float, bool) {
	f, ok := parseFloat(b)
	if !ok {
		return nil, false
	}
	if math.IsInf(f, 0) {
		return new(big.Float).SetInf(f < 0), true
	}
	// Numbers that a float64 holds; the exponent is bounded, so that the conversion is too.
	x, _, err := big.ParseFloat(string(b), 0, 64, big.ToNearestEven)
	return x, err == nil
}

var stringSpecs = []Spec{
	{
		Name: "append", Group: "string", Since: "2.0.0", Arity: 3,
		Summary: "Adds bytes to the end of a string, which is made if it is missing.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW insert"), Categories: "write string fast", Handler: cmdAPPEND,
	},
	{
		Name: "decr", Group: "string", Since: "1.0.0", Arity: 2,
		Summary: "Takes one from an integer; a missing key counts as 0.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write string fast", Handler: cmdDECR,
	},
	{
		Name: "decrby", Group: "string", Since: "1.0.0", Arity: 3,
		Summary: "Takes a number from an integer; a missing key counts as 0.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write string fast", Handler: cmdDECRBY,
	},
	{
		Name: "get", Group: "string", Since: "1.0.0", Arity: 2,
		Summary: "Returns a string.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read string fast", Handler: cmdGET,
	},
	{
		Name: "getdel", Group: "string", Since: "6.2.0", Arity: 2,
		Summary: "Returns a string and deletes its key.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW access delete"), Categories: "write string fast", Handler: cmdGETDEL,
	},
	{
		Name: "getex", Group: "string", Since: "6.2.0", Arity: -2,
		Summary: "Returns a string and changes its expiry.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write string fast", Handler: cmdGETEX,
	},
	{
		Name: "getrange", Group: "string", Since: "2.4.0", Arity: 4,
		Summary: "Returns a part of a string.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read string slow", Handler: cmdGETRANGE,
	},
	{
		Name: "getset", Group: "string", Since: "1.0.0", Arity: 3,
		Summary: "Sets a string and returns the one before.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write string fast", Handler: cmdGETSET,
	},
	{
		Name: "incr", Group: "string", Since: "1.0.0", Arity: 2,
		Summary: "Adds one to an integer; a missing key counts as 0.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write string fast", Handler: cmdINCR,
	},
	{
		Name: "incrby", Group: "string", Since: "1.0.0", Arity: 3,
		Summary: "Adds a number to an integer; a missing key counts as 0.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write string fast", Handler: cmdINCRBY,
	},
	{
		Name: "incrbyfloat", Group: "string", Since: "2.6.0", Arity: 3,
		Summary: "Adds a floating point number to a number; a missing key counts as 0.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW access update"), Categories: "write string fast", Handler: cmdINCRBYFLOAT,
	},
	{
		Name: "mget", Group: "string", Since: "1.0.0", Arity: -2,
		Summary: "Returns the strings of several keys.",
		Flags:   ReadOnly | Fast, Keys: AllKeys.Uses("RO access"), Categories: "read string fast", Handler: cmdMGET,
	},
	{
		Name: "mset", Group: "string", Since: "1.0.1", Arity: -3,
		Summary: "Sets the strings of several keys at once.",
		Flags:   Write | DenyOOM, Keys: Keys{First: 1, Last: -1, Step: 2}.Uses("OW update"), Categories: "write string slow", Handler: cmdMSET,
	},
	{
		Name: "msetnx", Group: "string", Since: "1.0.1", Arity: -3,
		Summary: "Sets the strings of several keys at once, if none of them exists.",
		Flags:   Write | DenyOOM, Keys: Keys{First: 1, Last: -1, Step: 2}.Uses("OW insert"), Categories: "write string slow", Handler: cmdMSETNX,
	},
	{
		Name: "psetex", Group: "string", Since: "2.6.0", Arity: 4,
		Summary: "Sets a string with an expiry in milliseconds.",
		Flags:   Write | DenyOOM, Keys: OneKey.Uses("OW update"), Categories: "write string slow", Handler: cmdPSETEX,
	},
	{
		Name: "set", Group: "string", Since: "1.0.0", Arity: -3,
		Summary: "Sets a string, whatever the key held.",
		Flags:   Write | DenyOOM, Keys: OneKey.Uses("RW access update variable_flags").Varies(useOfSET), Categories: "write string slow", Handler: cmdSET,
	},
	{
		Name: "setex", Group: "string", Since: "2.0.0", Arity: 4,
		Summary: "Sets a string with an expiry in seconds.",
		Flags:   Write | DenyOOM, Keys: OneKey.Uses("OW update"), Categories: "write string slow", Handler: cmdSETEX,
	},
	{
		Name: "setnx", Group: "string", Since: "1.0.0", Arity: 3,
		Summary: "Sets a string if the key does not exist.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("OW insert"), Categories: "write string fast", Handler: cmdSETNX,
	},
	{
		Name: "setrange", Group: "string", Since: "2.2.0", Arity: 4,
		Summary: "Overwrites a part of a string, which grows as needed.",
		Flags:   Write | DenyOOM, Keys: OneKey.Uses("RW update"), Categories: "write string slow", Handler: cmdSETRANGE,
	},
	{
		Name: "strlen", Group: "string", Since: "2.2.0", Arity: 2,
		Summary: "Returns the length of a string.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "read string fast", Handler: cmdSTRLEN,
	},
	{
		Name: "substr", Group: "string", Since: "1.0.0", Arity: 4,
		Summary: "Returns a part of a string (older name of GETRANGE).",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read string slow", Handler: cmdGETRANGE,
	},
}
