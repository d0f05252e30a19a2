package command

import (
	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// streamToDescribe finds the stream that XINFO tells of. ok is false if it has answered with an error.
func (c *Ctx) streamToDescribe(key []byte) (s ds.Stream, ok bool) {
	e, found := c.View.Find(key)
	switch {
	case !found:
		c.Reply.Error(ErrNoSuchKey)
		return s, false
	case e.Type() != keyspace.TypeStream:
		c.Reply.Error(ErrWrongType)
		return s, false
	}
	return ds.OpenStream(c.heap(), arena.GetRef(e.Value())), true
}

// XINFO STREAM key [FULL [COUNT count]]
func cmdXINFOSTREAM(c *Ctx) {
	key := c.Args.Bytes()

	s, ok := c.streamToDescribe(key) // before the options are looked at
	if !ok {
		return
	}
	full, count := c.Args.More(), int64(10)
	if full {
		n := c.Args.Len()
		if n != 1 && n != 3 || !c.Args.Word("FULL") || n == 3 && !c.Args.Word("COUNT") {
			c.Args.Fail(errSubcommandSyntax("XINFO", c.Args.argv[1]))
		} else if n == 3 {
			if count = c.Args.Int(); count < 0 {
				count = 10
			}
		}
	}
	if c.Failed() {
		return
	}

	r := c.Reply
	if full {
		r.Map(9)
	} else {
		r.Map(10)
	}
	number := func(name string, n int64) {
		r.BulkString(name)
		r.Int(n)
	}
	id := func(name string, id ds.StreamID) {
		r.BulkString(name)
		c.replyStreamID(id)
	}
	blocks := int64(s.Blocks())
	number("length", int64(s.Len()))
	number("radix-tree-keys", blocks)
	number("radix-tree-nodes", blocks+1)
	id("last-generated-id", s.LastID())
	id("max-deleted-entry-id", s.MaxDeletedID())
	number("entries-added", int64(s.EntriesAdded()))
	id("recorded-first-entry-id", s.FirstID())
	if full {
		r.BulkString("entries")
		c.replyEntries(&s, ds.StreamID{}, ds.MaxStreamID, false, count)
		r.BulkString("groups")
		r.Array(s.Groups())
		for i := range s.Groups() {
			c.replyGroupInFull(&s, s.GroupAt(i), count)
		}
		return
	}
	number("groups", int64(s.Groups()))
	r.BulkString("first-entry")
	c.replyEdge(&s, false)
	r.BulkString("last-entry")
	c.replyEdge(&s, true)
}

// replyEdge answers with the first or the last entry.
func (c *Ctx) replyEdge(s *ds.Stream, last bool) {
	found := false
	s.Range(ds.StreamID{}, ds.MaxStreamID, last, func(e *ds.StreamEntry) bool {
		found = true
		c.replyEntry(e)
		return false
	})
	if !found {
		c.Reply.Null()
	}
}

// replyProgress answers with the fields that tell how far a group is.
func (c *Ctx) replyProgress(s *ds.Stream, g ds.Group) {
	c.Reply.BulkString("last-delivered-id")
	c.replyStreamID(g.LastID())
	c.Reply.BulkString("entries-read")
	c.intOrNull(g.EntriesRead(), g.EntriesRead() != ds.EntriesReadUnknown)
	c.Reply.BulkString("lag")
	c.intOrNull(s.Lag(g))
}

func (c *Ctx) intOrNull(n int64, known bool) {
	if known {
		c.Reply.Int(n)
	} else {
		c.Reply.Null()
	}
}

// replyGroupInFull answers with all of a group, but at most count (0: all) pending entries of it and of each consumer.
func (c *Ctx) replyGroupInFull(s *ds.Stream, g ds.Group, count int64) {
	r := c.Reply
	r.Map(7)
	r.BulkString("name")
	r.Bulk(g.Name())
	c.replyProgress(s, g)
	r.BulkString("pel-count")
	r.Int(int64(g.PendingLen()))
	r.BulkString("pending")
	c.replyDeliveries(g, nil, count)
	r.BulkString("consumers")
	r.Array(g.Consumers())
	for i := range g.Consumers() {
		consumer := g.ConsumerAt(i)
		r.Map(5)
		r.BulkString("name")
		r.Bulk(consumer.Name())
		r.BulkString("seen-time")
		r.Int(consumer.Seen())
		r.BulkString("active-time")
		r.Int(consumer.Active())
		r.BulkString("pel-count")
		r.Int(int64(consumer.PendingLen()))
		r.BulkString("pending")
		c.replyDeliveries(g, &consumer, count)
	}
}

// replyDeliveries answers with pending entries, with their consumers if they are not all of one.
func (c *Ctx) replyDeliveries(g ds.Group, of *ds.Consumer, count int64) {
	mark, n := len(c.Reply.Buf), int64(0)
	d, ok := g.PendingFrom(ds.StreamID{}, of)
	for ; ok && (count == 0 || n < count); d, ok = g.PendingAfter(d.ID, of) {
		n++
		if of == nil {
			c.Reply.Array(4)
			c.replyStreamID(d.ID)
			c.Reply.Bulk(d.Consumer.Name())
		} else {
			c.Reply.Array(3)
			c.replyStreamID(d.ID)
		}
		c.Reply.Int(d.Time)
		c.Reply.Int(int64(d.Count))
	}
	c.Reply.ArrayFrom(mark, int(n))
}

// XINFO GROUPS key
func cmdXINFOGROUPS(c *Ctx) {
	key := c.Args.Bytes()

	s, ok := c.streamToDescribe(key)
	if !ok {
		return
	}

	c.Reply.Array(s.Groups())
	for i := range s.Groups() {
		g := s.GroupAt(i)
		c.Reply.Map(6)
		c.Reply.BulkString("name")
		c.Reply.Bulk(g.Name())
		c.Reply.BulkString("consumers")
		c.Reply.Int(int64(g.Consumers()))
		c.Reply.BulkString("pending")
		c.Reply.Int(int64(g.PendingLen()))
		c.replyProgress(&s, g)
	}
}

// XINFO CONSUMERS key group
func cmdXINFOCONSUMERS(c *Ctx) {
	key, group := c.Args.Bytes(), c.Args.Bytes()

	s, ok := c.streamToDescribe(key)
	if !ok {
		return
	}
	g, found := s.Group(group)
	if !found {
		c.Reply.Error(errNoSuchGroup(key, group))
		return
	}

	c.Reply.Array(g.Consumers())
	for i := range g.Consumers() {
		consumer := g.ConsumerAt(i)
		c.Reply.Map(4)
		c.Reply.BulkString("name")
		c.Reply.Bulk(consumer.Name())
		c.Reply.BulkString("pending")
		c.Reply.Int(int64(consumer.PendingLen()))
		c.Reply.BulkString("idle")
		c.Reply.Int(max(c.Now-consumer.Seen(), 0))
		c.Reply.BulkString("inactive")
		if active := consumer.Active(); active >= 0 {
			c.Reply.Int(c.Now - active)
		} else {
			c.Reply.Int(-1)
		}
	}
}

var streamInfoSpecs = []Spec{{
	Name: "xinfo", Group: "stream", Since: "5.0.0", Arity: -2,
	Summary: "Tells about streams and their consumer groups.", Categories: "slow",
	Sub: []Spec{
		{
			Name: "consumers", Since: "5.0.0", Arity: 4,
			Summary: "Lists the consumers of a group.",
			Flags:   ReadOnly, Keys: secondKey.Uses("RO access"), Categories: "read stream slow", Handler: cmdXINFOCONSUMERS,
		},
		{
			Name: "groups", Since: "5.0.0", Arity: 3,
			Summary: "Lists the consumer groups of a stream.",
			Flags:   ReadOnly, Keys: secondKey.Uses("RO access"), Categories: "read stream slow", Handler: cmdXINFOGROUPS,
		},
		{
			Name: "help", Since: "5.0.0", Arity: 2, Summary: "Describes the subcommands.",
			Flags: Loading | Stale, Categories: "stream slow", Handler: cmdHELP,
		},
		{
			Name: "stream", Since: "5.0.0", Arity: -3,
			Summary: "Describes a stream.",
			Flags:   ReadOnly, Keys: secondKey.Uses("RO access"), Categories: "read stream slow", Handler: cmdXINFOSTREAM,
		},
	},
}}
