package command

import (
	"math"
	"strconv"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// Streams: adding, trimming and reading by range are here; streams_read.go has XREAD and XREADGROUP,
// streams_groups.go the commands of consumer groups, streams_info.go XINFO.

// The keyspace notifications of streams.
var (
	eventXadd   = keyspace.Event{Name: "xadd", Class: 't'}
	eventXdel   = keyspace.Event{Name: "xdel", Class: 't'}
	eventXsetid = keyspace.Event{Name: "xsetid", Class: 't'}
	eventXtrim  = keyspace.Event{Name: "xtrim", Class: 't'}
)

func (c *Ctx) findStream(key []byte) (s ds.Stream, ok bool) {
	root, ok := c.find(key, keyspace.TypeStream)
	return ds.OpenStream(c.heap(), root), ok
}

func (c *Ctx) editStream(key []byte) (w keyspace.Edit, s ds.Stream, ok bool) {
	w, root, ok := c.edit(key, keyspace.TypeStream)
	return w, ds.OpenStream(c.heap(), root), ok
}

// settleStream ends an Edit: a stream stays when its last entry has gone.
func settleStream(w *keyspace.Edit, s *ds.Stream, ev keyspace.Event) {
	if !w.Exists() {
		w.Create(keyspace.TypeStream, keyspace.EncodingStream, arena.RefBytes)
	}
	arena.PutRef(w.Value(), s.Root())
	w.Done(ev)
}

// readNumber reads the digits of an ID's part as strtoull does: leading zeros and a + are allowed.
func readNumber(b []byte) (uint64, bool) {
	if len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 127 {
		return 0, false
	}
	var n uint64
	for _, d := range b {
		if d < '0' || d > '9' || n > (math.MaxUint64-uint64(d-'0'))/10 {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	return n, true
}

// parseStreamID reads ms-seq or ms, which then has the sequence number missing. If mayLeave is set, ms-* leaves
// the sequence number to the stream.
func parseStreamID(b []byte, missing uint64, mayLeave bool) (id ds.StreamID, left, ok bool) {
	ms, seq := b, []byte(nil)
	dash := false
	for i := range b {
		if b[i] == '-' {
			ms, seq, dash = b[:i], b[i+1:], true
			break
		}
	}
	if id.Ms, ok = readNumber(ms); !ok {
		return ds.StreamID{}, false, false
	}
	switch {
	case !dash:
		id.Seq = missing
	case mayLeave && len(seq) == 1 && seq[0] == '*':
		left = true
	default:
		id.Seq, ok = readNumber(seq)
	}
	return id, left, ok
}

// readStreamID takes an ID; without a sequence number it has missing.
func readStreamID(a *Args, missing uint64) ds.StreamID {
	b := a.Bytes()
	if a.Failed() {
		return ds.StreamID{}
	}
	id, _, ok := parseStreamID(b, missing, false)
	if !ok {
		a.Fail(ErrStreamID)
	}
	return id
}

// readAnyStreamID is readStreamID that knows - and + as well.
func readAnyStreamID(a *Args, missing uint64) ds.StreamID {
	switch b := a.Peek(); string(b) {
	case "-":
		a.Bytes()
		return ds.StreamID{}
	case "+":
		a.Bytes()
		return ds.MaxStreamID
	}
	return readStreamID(a, missing)
}

// readStart and readStop read the ends of an interval; a ( leaves the ID itself out.
func readStart(a *Args) ds.StreamID {
	b := a.Peek()
	if len(b) < 2 || b[0] != '(' {
		return readAnyStreamID(a, 0)
	}
	a.Bytes()
	id, _, ok := parseStreamID(b[1:], 0, false)
	if !ok {
		a.Fail(ErrStreamID)
	} else if id, ok = id.Next(); !ok {
		a.Fail(ErrStreamStart)
	}
	return id
}

func readStop(a *Args) ds.StreamID {
	b := a.Peek()
	if len(b) < 2 || b[0] != '(' {
		return readAnyStreamID(a, math.MaxUint64)
	}
	a.Bytes()
	id, _, ok := parseStreamID(b[1:], math.MaxUint64, false)
	if !ok {
		a.Fail(ErrStreamID)
	} else if id, ok = id.Previous(); !ok {
		a.Fail(ErrStreamEnd)
	}
	return id
}

func appendStreamID(dst []byte, id ds.StreamID) []byte {
	dst = strconv.AppendUint(dst, id.Ms, 10)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, id.Seq, 10)
}

// streamID writes an ID for Propagate.
func (c *Ctx) streamID(id ds.StreamID) []byte {
	start := len(c.digits)
	c.digits = appendStreamID(c.digits, id)
	return c.digits[start:len(c.digits):len(c.digits)]
}

func (c *Ctx) replyStreamID(id ds.StreamID) {
	var buf [48]byte
	c.Reply.Bulk(appendStreamID(buf[:0], id))
}

// replyEntry answers with an entry: its ID, and its fields with their values.
func (c *Ctx) replyEntry(e *ds.StreamEntry) {
	c.Reply.Array(2)
	c.replyStreamID(e.ID)
	c.Reply.Array(2 * e.Len())
	e.Each(func(field, value []byte) {
		c.Reply.Bulk(field)
		c.Reply.Bulk(value)
	})
}

// replyEntries answers with at most count entries (0: all) of an interval.
func (c *Ctx) replyEntries(s *ds.Stream, start, end ds.StreamID, reverse bool, count int64) {
	mark, n := len(c.Reply.Buf), int64(0)
	s.Range(start, end, reverse, func(e *ds.StreamEntry) bool {
		c.replyEntry(e)
		n++
		return n != count
	})
	c.Reply.ArrayFrom(mark, int(n))
}

// trimming are the options MAXLEN and MINID.
type trimming struct {
	ds.Trim
	given    bool
	limited  bool // LIMIT was given
	limit    int64
	sign, at int // indices of the sign (0: there is none), and of what follows it
	noStream bool
	id       ds.StreamID
	auto     bool // the ID is to be made
	autoSeq  bool // its sequence number is
	idAt     int
}

// readTrimming reads the options of XTRIM, or those of XADD up to and with the ID.
func readTrimming(c *Ctx, xadd bool) (t trimming) {
	a := &c.Args
options:
	for a.More() {
		switch {
		case xadd && string(a.Peek()) == "*":
			t.idAt, t.auto = a.pos, true
			a.Bytes()
			break options
		case a.Len() > 1 && a.Word("MAXLEN"):
			readTrimSign(a, &t)
			n := a.Int()
			if !a.Failed() && n < 0 {
				a.Fail(ErrMaxLen)
			}
			t.MaxLen = uint64(n)
		case a.Len() > 1 && a.Word("MINID"):
			readTrimSign(a, &t)
			t.ByID, t.MinID = true, readStreamID(a, 0)
		case a.Len() > 1 && a.Word("LIMIT"):
			t.limit, t.limited = a.Int(), true
			if !a.Failed() && t.limit < 0 {
				a.Fail(ErrTrimLimit)
			}
		case xadd && a.Word("NOMKSTREAM"):
			t.noStream = true
		case xadd:
			t.idAt = a.pos
			var ok bool
			if t.id, t.autoSeq, ok = parseStreamID(a.Bytes(), 0, true); !ok {
				a.Fail(ErrStreamID)
			}
			break options
		default:
			a.Syntax()
		}
	}
	checkTrimming(c, &t, xadd)
	return t
}

// readTrimSign reads the sign that may stand before what MAXLEN and MINID are given.
func readTrimSign(a *Args, t *trimming) {
	if t.given {
		a.Fail(ErrTrimBoth)
	}
	t.given, t.Approx, t.sign = true, false, 0
	if a.Len() > 1 {
		switch string(a.Peek()) {
		case "~":
			t.Approx, t.sign = true, a.pos
			a.Bytes()
		case "=":
			t.sign = a.pos
			a.Bytes()
		}
	}
	t.at = a.pos
}

func checkTrimming(c *Ctx, t *trimming, xadd bool) {
	a := &c.Args
	switch {
	case t.limit != 0 && !t.given:
		a.Fail(ErrTrimLimitAlone)
	case !xadd && !t.given:
		a.Fail(ErrTrimMissing)
	case c.Client.Has(ClientPrimary): // the primary has limited it
	case t.limited:
		if !t.Approx {
			a.Fail(ErrTrimLimitExact)
		}
		t.Limit = int(min(t.limit, math.MaxInt))
	case t.Approx:
		// A hundred blocks at the most, so that one command does not take long.
		if t.Limit = 100 * c.encodings().stream.Entries; t.Limit <= 0 {
			t.Limit = 10_000
		}
		t.Limit = min(t.Limit, 1_000_000)
	}
}

// exact replaces what MAXLEN ~ and MINID ~ were given by what they came to, for replicas.
func (t *trimming) exact(c *Ctx, s *ds.Stream, words [][]byte) {
	if !t.Approx {
		return
	}
	words[t.sign] = wordEquals
	switch {
	case !t.ByID:
		words[t.at] = c.number(int64(s.Len()))
	case s.Len() > 0: // without a first entry the ID that was given tells as much
		words[t.at] = c.streamID(s.FirstID())
	}
}

// XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value …]
func cmdXADD(c *Ctx) {
	key := c.Args.Bytes()
	t := readTrimming(c, true)
	fields := c.Args.Rest()
	switch {
	case c.Args.Failed():
	case len(fields) < 2 || len(fields)%2 == 1:
		c.Args.Fail(errArity("xadd"))
	case !t.auto && !t.autoSeq && t.id.IsZero():
		c.Args.Fail(ErrStreamIDZero)
	}
	if c.Failed() {
		return
	}

	w, s, ok := c.editStream(key)
	if !ok {
		return
	}
	if !w.Exists() && t.noStream {
		w.Unchanged()
		c.Reply.Null()
		return
	}
	id, problem := nextStreamID(&s, &t, uint64(c.Now))
	size := 0
	for _, f := range fields {
		size += len(f)
	}
	if problem == "" && size > ds.MaxStreamEntry {
		problem = ErrStreamTooLarge
	}
	if problem != "" {
		w.Unchanged()
		c.Reply.Error(problem)
		return
	}
	s.Append(id, fields, c.encodings().stream)
	settleStream(&w, &s, eventXadd)
	text := c.streamID(id)
	c.Reply.Bulk(text)
	if t.given {
		w := c.View.Edit(key)
		if s.Trim(t.Trim) > 0 {
			w.Done(eventXtrim)
		} else {
			w.Unchanged()
		}
	}

	if t.auto || t.autoSeq || t.Approx {
		var buf [16][]byte
		words := append(buf[:0], c.Args.argv...)
		words[t.idAt] = text
		t.exact(c, &s, words)
		c.Propagate(words...)
	}
}

// nextStreamID works out the ID of an entry to be added.
func nextStreamID(s *ds.Stream, t *trimming, now uint64) (id ds.StreamID, problem string) {
	last := s.LastID()
	if last == ds.MaxStreamID {
		return id, ErrStreamFull
	}
	id = t.id
	switch {
	case t.auto:
		if id = (ds.StreamID{Ms: now}); id.Ms <= last.Ms {
			id, _ = last.Next()
		}
	case t.autoSeq && last.Ms == id.Ms:
		if last.Seq == math.MaxUint64 {
			return id, ErrStreamIDSmall
		}
		id.Seq = last.Seq + 1
	}
	if !last.Less(id) {
		return id, ErrStreamIDSmall
	}
	return id, ""
}

// XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]
func cmdXTRIM(c *Ctx) {
	key := c.Args.Bytes()
	t := readTrimming(c, false)
	if c.Failed() {
		return
	}

	w, s, ok := c.editStream(key)
	if !ok {
		return
	}
	n := 0
	if w.Exists() {
		n = s.Trim(t.Trim)
	}
	if n == 0 {
		w.Unchanged()
	} else {
		settleStream(&w, &s, eventXtrim)
		if t.Approx {
			var buf [16][]byte
			words := append(buf[:0], c.Args.argv...)
			t.exact(c, &s, words)
			c.Propagate(words...)
		}
	}

	c.Reply.Int(int64(n))
}

// XLEN key
func cmdXLEN(c *Ctx) {
	key := c.Args.Bytes()

	s, ok := c.findStream(key)
	if !ok {
		return
	}

	c.Reply.Int(int64(s.Len()))
}

// XRANGE key start end [COUNT count]
func cmdXRANGE(c *Ctx) { streamRange(c, false) }

// XREVRANGE key end start [COUNT count]
func cmdXREVRANGE(c *Ctx) { streamRange(c, true) }

func streamRange(c *Ctx, reverse bool) {
	a := &c.Args
	key := a.Bytes()
	var start, end ds.StreamID
	if reverse {
		// The start is looked at first, although it comes last.
		from := a.pos
		a.pos++
		start = readStart(a)
		after := a.pos
		a.pos = from
		end = readStop(a)
		a.pos = after
	} else {
		start, end = readStart(a), readStop(a)
	}
	count := int64(-1)
	for a.More() {
		if a.Len() < 2 || !a.Word("COUNT") {
			a.Syntax()
		}
		count = max(a.Int(), 0)
	}
	if c.Failed() {
		return
	}

	e, found := c.View.Find(key)
	switch {
	case !found:
		c.Reply.Array(0)
	case e.Type() != keyspace.TypeStream:
		c.Reply.Error(ErrWrongType)
	case count == 0:
		c.Reply.NullArray()
	default:
		s := ds.OpenStream(c.heap(), arena.GetRef(e.Value()))
		c.replyEntries(&s, start, end, reverse, max(count, 0))
	}
}

// XDEL key id [id …]
func cmdXDEL(c *Ctx) {
	key := c.Args.Bytes()

	w, s, ok := c.editStream(key)
	if !ok {
		return
	}
	if !w.Exists() { // a missing key is answered before the IDs are looked at
		w.Unchanged()
		c.Reply.Int(0)
		return
	}
	var buf [16]ds.StreamID
	ids := buf[:0]
	for c.Args.More() {
		ids = append(ids, readStreamID(&c.Args, 0))
	}
	if c.Failed() {
		w.Unchanged()
		return
	}
	n := 0
	for _, id := range ids {
		if s.Delete(id) {
			n++
		}
	}
	if n == 0 {
		w.Unchanged()
	} else {
		settleStream(&w, &s, eventXdel)
	}

	c.Reply.Int(int64(n))
}

// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
func cmdXSETID(c *Ctx) {
	a := &c.Args
	key, id := a.Bytes(), readStreamID(a, 0)
	added, deleted := int64(-1), ds.StreamID{}
	for a.More() {
		switch {
		case a.Len() > 1 && a.Word("ENTRIESADDED"):
			if added = a.Int(); !a.Failed() && added < 0 {
				a.Fail(ErrEntriesAdded)
			}
		case a.Len() > 1 && a.Word("MAXDELETEDID"):
			if deleted = readStreamID(a, 0); !a.Failed() && id.Less(deleted) {
				a.Fail(ErrSetIDGiven)
			}
		default:
			a.Syntax()
		}
	}
	if c.Failed() {
		return
	}

	w, s, ok := c.editStream(key)
	if !ok {
		return
	}
	problem := ""
	switch {
	case !w.Exists():
		problem = ErrNoSuchKey
	case id.Less(s.MaxDeletedID()):
		problem = ErrSetIDDeleted
	case s.Len() > 0 && id.Less(s.TopID()):
		problem = ErrSetIDTop
	case added >= 0 && int64(s.Len()) > added:
		problem = ErrSetIDAdded
	}
	if problem != "" {
		w.Unchanged()
		c.Reply.Error(problem)
		return
	}
	s.SetLastID(id)
	if added >= 0 {
		s.SetEntriesAdded(uint64(added))
	}
	if !deleted.IsZero() {
		s.SetMaxDeletedID(deleted)
	}
	settleStream(&w, &s, eventXsetid)

	c.Reply.OK()
}

var streamSpecs = []Spec{
	{
		Name: "xadd", Group: "stream", Since: "5.0.0", Arity: -5,
		Summary: "Adds an entry to a stream.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW update"), Categories: "write stream fast", Handler: cmdXADD,
	},
	{
		Name: "xdel", Group: "stream", Since: "5.0.0", Arity: -3,
		Summary: "Removes entries by their IDs.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW delete"), Categories: "write stream fast", Handler: cmdXDEL,
	},
	{
		Name: "xlen", Group: "stream", Since: "5.0.0", Arity: 2,
		Summary: "Returns the number of entries.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO"), Categories: "read stream fast", Handler: cmdXLEN,
	},
	{
		Name: "xrange", Group: "stream", Since: "5.0.0", Arity: -4,
		Summary: "Returns the entries of an interval of IDs.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read stream slow", Handler: cmdXRANGE,
	},
	{
		Name: "xrevrange", Group: "stream", Since: "5.0.0", Arity: -4,
		Summary: "Returns the entries of an interval of IDs, the last first.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read stream slow", Handler: cmdXREVRANGE,
	},
	{
		Name: "xsetid", Group: "stream", Since: "5.0.0", Arity: -3,
		Summary: "Sets the last ID of a stream, for replication.",
		Flags:   Write | DenyOOM | Fast, Keys: OneKey.Uses("RW update"), Categories: "write stream fast", Handler: cmdXSETID,
	},
	{
		Name: "xtrim", Group: "stream", Since: "5.0.0", Arity: -4,
		Summary: "Removes the oldest entries beyond a number, or before an ID.",
		Flags:   Write, Keys: OneKey.Uses("RW delete"), Categories: "write stream slow", Handler: cmdXTRIM,
	},
}
