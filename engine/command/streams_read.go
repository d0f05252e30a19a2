package command

import (
	"math"
	"slices"
	"time"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// reading is a call of XREAD or XREADGROUP.
type reading struct {
	group, consumer []byte // nil for XREAD
	noAck           bool
	count           int64 // 0: all
	blocks          bool
	deadline        time.Time
	keys, ids       [][]byte
	after           []ds.StreamID // what the IDs mean
	fresh           []bool        // XREADGROUP: the ID is >
}

// streamKeys finds the keys of XREAD and XREADGROUP: the first half of what follows STREAMS.
func streamKeys(from int) Keys {
	return Keys{
		Find: func(argv [][]byte, dst []int) []int {
			for i := 1; i < len(argv); i++ {
				switch word := argv[i]; {
				case isWord(word, "BLOCK"), isWord(word, "COUNT"):
					i++
				case isWord(word, "GROUP"):
					i += 2
				case isWord(word, "NOACK"):
				case isWord(word, "STREAMS"):
					n := len(argv) - i - 1
					if n%2 != 0 {
						return dst
					}
					for k := range n / 2 {
						dst = append(dst, i+1+k)
					}
					return dst
				default:
					return dst
				}
			}
			return dst
		},
		Shape: []KeyShape{{Use: "RO access", Keyword: "STREAMS", StartFrom: from, Last: -1, Step: 1, Limit: 2}},
	}.Uses("RO access")
}

// XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key …] id [id …]
func cmdXREAD(c *Ctx) {
	r := readReading(c, false)
	if c.Failed() || !c.resolve(&r) {
		return
	}

	mark, served := len(c.Reply.Buf), 0
	for i, key := range r.keys {
		e, found := c.View.Find(key)
		if !found {
			continue
		}
		s := ds.OpenStream(c.heap(), arena.GetRef(e.Value()))
		start, ok := r.after[i].Next()
		if !ok || s.Len() == 0 || s.TopID().Less(start) {
			continue
		}
		served++
		c.replyStreamName(key)
		c.replyEntries(&s, start, ds.MaxStreamID, false, r.count)
	}
	if served > 0 {
		c.replyStreams(mark, served)
		return
	}
	if r.blocks && c.Block(r.deadline, nullArray) {
		if c.Client.block.since == nil {
			c.Client.block.since = slices.Clone(r.after)
		}
		return
	}
	c.Reply.NullArray()
}

// XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key …] id [id …]
func cmdXREADGROUP(c *Ctx) {
	r := readReading(c, true)
	if c.Failed() || !c.resolve(&r) {
		return
	}

	mark, served := len(c.Reply.Buf), 0
	before := len(c.effects)
	for i, key := range r.keys {
		if c.readGroup(&r, i, key) {
			served++
		}
	}
	if len(c.effects) == before {
		c.PropagateNothing()
	}
	switch {
	case served > 0:
		c.replyStreams(mark, served)
	case !r.blocks || !c.Block(r.deadline, nullArray):
		c.Reply.NullArray()
	}
}

// replyStreamName begins the reply for one stream, replyStreams puts the announcement before all of them.
func (c *Ctx) replyStreamName(key []byte) {
	if c.Reply.Proto < 3 {
		c.Reply.Array(2)
	}
	c.Reply.Bulk(key)
}

func (c *Ctx) replyStreams(mark, n int) {
	if c.Reply.Proto < 3 {
		c.Reply.ArrayFrom(mark, n)
	} else {
		c.Reply.MapFrom(mark, n)
	}
}

func readReading(c *Ctx, group bool) (r reading) {
	a := &c.Args
	found := false
	for a.More() && !found {
		switch {
		case a.Len() > 1 && a.Word("BLOCK"):
			r.blocks, r.deadline = true, readMilliseconds(c)
		case a.Len() > 1 && a.Word("COUNT"):
			r.count = max(a.Int(), 0)
		case a.Len() > 1 && a.Word("STREAMS"):
			found = true
			words := a.Rest()
			if len(words)%2 != 0 {
				symbol := byte('$')
				if group {
					symbol = '>'
				}
				a.Fail(errUnbalanced(c.Spec.Name, symbol))
				break
			}
			r.keys, r.ids = words[:len(words)/2], words[len(words)/2:]
		case a.Len() > 2 && a.Word("GROUP"):
			if !group {
				a.Fail(ErrReadGroupOption)
			}
			r.group, r.consumer = a.Bytes(), a.Bytes()
		case a.Word("NOACK"):
			if !group {
				a.Fail(ErrReadNoAck)
			}
			r.noAck = true
		default:
			a.Syntax()
		}
	}
	if !found {
		a.Syntax()
	} else if group && r.group == nil {
		a.Fail(ErrReadGroupMissing)
	}
	return r
}

// readMilliseconds reads how long XREAD waits as a point in time; zero: for ever.
func readMilliseconds(c *Ctx) time.Time {
	ms := c.Args.IntOr(ErrReadTimeout)
	switch {
	case c.Args.Failed() || ms == 0:
		return time.Time{}
	case ms < 0:
		c.Args.Fail(ErrTimeoutNegative)
		return time.Time{}
	case ms > math.MaxInt64-c.Now:
		c.Args.Fail(ErrTimeoutRange)
		return time.Time{}
	}
	return time.UnixMilli(c.Now + ms)
}

// resolve works out what the IDs mean, and sees that the streams and the group are there. ok is false if it has
// answered with an error.
func (c *Ctx) resolve(r *reading) (ok bool) {
	r.after, r.fresh = make([]ds.StreamID, len(r.ids)), make([]bool, len(r.ids))
	for i, id := range r.ids {
		s, ok := c.findStream(r.keys[i])
		if !ok {
			return false
		}
		if r.group != nil {
			if _, found := s.Group(r.group); !found {
				c.Reply.Error(errNoGroupToRead(r.keys[i], r.group))
				return false
			}
		}
		if problem := c.resolveID(r, i, id, &s); problem != "" {
			c.Reply.Error(problem)
			return false
		}
	}
	return true
}

func (c *Ctx) resolveID(r *reading, i int, id []byte, s *ds.Stream) (problem string) {
	ok := true
	switch string(id) {
	case "$":
		if r.group != nil {
			return ErrReadGroupLast
		}
		r.after[i] = s.LastID()
		// When the command is run again, it means what it meant when the client was blocked.
		if since := c.Client.block.since; since != nil {
			r.after[i] = since[i]
		}
	case "+":
		if r.group != nil {
			return ErrReadGroupPlus
		}
		if s.Root() != arena.Nil {
			if r.after[i], ok = s.LastID().Previous(); !ok {
				return ErrReadZero
			}
		}
	case ">":
		if r.group == nil {
			return ErrReadNew
		}
		r.fresh[i] = true
	default:
		if r.after[i], _, ok = parseStreamID(id, 0, false); !ok {
			return ErrStreamID
		}
	}
	return ""
}

// readGroup serves a consumer from one stream, and says whether it has.
func (c *Ctx) readGroup(r *reading, i int, key []byte) (served bool) {
	w := c.View.Edit(key)
	s := ds.OpenStream(c.heap(), arena.GetRef(w.Value()))
	g, _ := s.Group(r.group)
	consumer, there := g.Consumer(r.consumer)
	ev := keyspace.Event{}
	changed := false
	if !there {
		consumer, _ = g.CreateConsumer(r.consumer, c.Now, -1)
		ev, changed = eventXgroupCreateConsumer, true
		if r.noAck {
			c.Propagate(wordXGROUP, wordCREATECONSUMER, key, r.group, r.consumer)
		}
	}
	consumer.SetSeen(c.Now)

	before := len(c.effects)
	switch {
	case !r.fresh[i]:
		served = true
		c.replyStreamName(key)
		c.replyHistory(&s, g, consumer, r.after[i], r.count)
	case s.Len() > 0 && g.LastID().Less(s.TopID()):
		served, changed = true, true
		c.replyStreamName(key)
		c.deliver(r, key, &s, g, consumer)
	}
	if !there && !r.noAck && len(c.effects) == before { // no delivery tells the replicas of the consumer
		c.Propagate(wordXGROUP, wordCREATECONSUMER, key, r.group, r.consumer)
	}
	if changed {
		w.Done(ev)
	} else {
		w.Unchanged()
	}
	return served
}

// replyHistory answers with what is pending for a consumer after an ID.
func (c *Ctx) replyHistory(s *ds.Stream, g ds.Group, consumer ds.Consumer, after ds.StreamID, count int64) {
	mark, n := len(c.Reply.Buf), int64(0)
	d, ok := g.PendingAfter(after, &consumer)
	for ; ok && (count == 0 || n < count); d, ok = g.PendingAfter(d.ID, &consumer) {
		n++
		if s.Get(d.ID, c.replyEntry) {
			g.Deliver(d.ID, consumer, c.Now, d.Count+1)
			continue
		}
		c.Reply.Array(2) // the entry has been deleted
		c.replyStreamID(d.ID)
		c.Reply.NullArray()
	}
	c.Reply.ArrayFrom(mark, int(n))
}

// deliver answers with the entries that the group has not read yet, and makes them pending for the consumer.
func (c *Ctx) deliver(r *reading, key []byte, s *ds.Stream, g ds.Group, consumer ds.Consumer) {
	mark, n := len(c.Reply.Buf), int64(0)
	start, _ := g.LastID().Next()
	s.Range(start, ds.MaxStreamID, false, func(e *ds.StreamEntry) bool {
		n++
		c.replyEntry(e)
		read := g.EntriesRead()
		if read != ds.EntriesReadUnknown && !s.HasTombstonesFrom(e.ID) {
			read++
		} else if s.EntriesAdded() > 0 {
			read = s.EntriesUpTo(e.ID)
		}
		g.Set(e.ID, read)
		if !r.noAck {
			g.Deliver(e.ID, consumer, c.Now, 1)
			consumer.SetActive(c.Now)
			c.propagateClaim(key, g, ds.Delivery{ID: e.ID, Consumer: consumer, Time: c.Now, Count: 1})
		}
		return n != r.count
	})
	c.Reply.ArrayFrom(mark, int(n))
	if n > 0 {
		c.propagateGroupID(key, g)
	}
}

// propagateClaim tells the replicas of a pending entry, in a form that may be applied twice.
func (c *Ctx) propagateClaim(key []byte, g ds.Group, d ds.Delivery) {
	c.Propagate(wordXCLAIM, key, g.Name(), d.Consumer.Name(), wordZero, c.streamID(d.ID), wordTIME, c.number(d.Time),
		wordRETRYCOUNT, c.number(int64(d.Count)), wordFORCE, wordJUSTID, wordLASTID, c.streamID(g.LastID()))
}

// propagateGroupID tells the replicas how far a group has read.
func (c *Ctx) propagateGroupID(key []byte, g ds.Group) {
	c.Propagate(wordXGROUP, wordSETID, key, g.Name(), c.streamID(g.LastID()), wordENTRIESREAD, c.number(g.EntriesRead()))
}

var streamReadSpecs = []Spec{
	{
		Name: "xread", Group: "stream", Since: "5.0.0", Arity: -4,
		Summary: "Returns entries after given IDs from several streams; can wait for one.",
		Flags:   ReadOnly | Blocking | MovableKeys, Keys: streamKeys(1), Categories: "read stream slow blocking", Handler: cmdXREAD,
	},
	{
		Name: "xreadgroup", Group: "stream", Since: "5.0.0", Arity: -7,
		Summary: "Returns entries that a group has not read, or that are pending for a consumer; can wait for one.",
		Flags:   Write | Blocking | MovableKeys, Keys: streamKeys(4), Categories: "write stream slow blocking", Handler: cmdXREADGROUP,
	},
}
