package command

import (
	"math"

	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// The keyspace notifications of consumer groups.
var (
	eventXgroupCreate         = keyspace.Event{Name: "xgroup-create", Class: 't'}
	eventXgroupCreateConsumer = keyspace.Event{Name: "xgroup-createconsumer", Class: 't'}
	eventXgroupDelConsumer    = keyspace.Event{Name: "xgroup-delconsumer", Class: 't'}
	eventXgroupDestroy        = keyspace.Event{Name: "xgroup-destroy", Class: 't'}
	eventXgroupSetID          = keyspace.Event{Name: "xgroup-setid", Class: 't'}
)

// groupEdit is a stream that was opened for a change of one of its groups.
type groupEdit struct {
	keyspace.Edit
	stream ds.Stream
	group  ds.Group
	found  bool // the group is there
}

// end ends the Edit.
func (e *groupEdit) end(changed bool, ev keyspace.Event) {
	if changed {
		settleStream(&e.Edit, &e.stream, ev)
	} else {
		e.Unchanged()
	}
}

// editGroup opens a group; a missing one is answered with an error where the text is not empty.
func (c *Ctx) editGroup(key, group []byte, missing string) (e groupEdit, ok bool) {
	e.Edit, e.stream, ok = c.editStream(key)
	if !ok {
		return e, false
	}
	e.group, e.found = e.stream.Group(group)
	if !e.found && missing != "" {
		e.Unchanged()
		c.Reply.Error(missing)
		return e, false
	}
	return e, true
}

// editGroupOf is editGroup for the subcommands of XGROUP, which need the key.
func (c *Ctx) editGroupOf(key, group []byte, mustExist bool) (e groupEdit, ok bool) {
	e, ok = c.editGroup(key, group, "")
	if !ok {
		return e, false
	}
	problem := ""
	if !e.Exists() {
		problem = ErrGroupNoKey
	} else if !e.found && mustExist {
		problem = errNoSuchGroup(key, group)
	}
	if problem != "" {
		e.Unchanged()
		c.Reply.Error(problem)
	}
	return e, problem == ""
}

// readGroupOptions reads what follows the ID of XGROUP CREATE and SETID.
func readGroupOptions(c *Ctx, create bool) (make bool, read int64) {
	a := &c.Args
	read = ds.EntriesReadUnknown
	for a.More() {
		switch {
		case create && a.Word("MKSTREAM"):
			make = true
		case a.Len() > 1 && a.Word("ENTRIESREAD"):
			read = a.Int()
			if !a.Failed() && read < 0 && read != ds.EntriesReadUnknown {
				a.Fail(ErrEntriesRead)
			}
		default:
			a.Fail(errSubcommandSyntax("XGROUP", a.argv[1]))
		}
	}
	return make, read
}

// readGroupID reads the ID of XGROUP CREATE and SETID, of which $ is the last of the stream.
func readGroupID(word []byte, s *ds.Stream) (id ds.StreamID, problem string) {
	if string(word) == "$" {
		return s.LastID(), ""
	}
	id, _, ok := parseStreamID(word, 0, false)
	if !ok {
		return id, ErrStreamID
	}
	return id, ""
}

// XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read]
func cmdXGROUPCREATE(c *Ctx) {
	key, group, word := c.Args.Bytes(), c.Args.Bytes(), c.Args.Bytes()
	mkstream, read := readGroupOptions(c, true)
	if c.Failed() {
		return
	}

	w, s, ok := c.editStream(key)
	if !ok {
		return
	}
	id, problem := readGroupID(word, &s)
	if !w.Exists() && !mkstream {
		problem = ErrGroupNoKey
	}
	if problem == "" {
		if _, ok := s.CreateGroup(group, id, read); !ok {
			problem = ErrBusyGroup
		}
	}
	if problem != "" {
		w.Unchanged()
		c.Reply.Error(problem)
		return
	}
	settleStream(&w, &s, eventXgroupCreate)

	c.Reply.OK()
}

// XGROUP SETID key group id | $ [ENTRIESREAD entries-read]
func cmdXGROUPSETID(c *Ctx) {
	key, group, word := c.Args.Bytes(), c.Args.Bytes(), c.Args.Bytes()
	_, read := readGroupOptions(c, false)
	if c.Failed() {
		return
	}

	e, ok := c.editGroupOf(key, group, true)
	if !ok {
		return
	}
	var id ds.StreamID
	problem := ""
	switch string(word) {
	case "-":
	case "+":
		id = ds.MaxStreamID
	default:
		id, problem = readGroupID(word, &e.stream)
	}
	if problem != "" {
		e.Unchanged()
		c.Reply.Error(problem)
		return
	}
	e.group.Set(id, read)
	e.end(true, eventXgroupSetID)

	c.Reply.OK()
}

// XGROUP DESTROY key group
func cmdXGROUPDESTROY(c *Ctx) {
	key, group := c.Args.Bytes(), c.Args.Bytes()

	e, ok := c.editGroupOf(key, group, false)
	if !ok {
		return
	}
	destroyed := e.stream.DestroyGroup(group)
	e.end(destroyed, eventXgroupDestroy)

	c.Reply.Int(boolInt(destroyed))
}

// XGROUP CREATECONSUMER key group consumer
func cmdXGROUPCREATECONSUMER(c *Ctx) {
	key, group, name := c.Args.Bytes(), c.Args.Bytes(), c.Args.Bytes()

	e, ok := c.editGroupOf(key, group, true)
	if !ok {
		return
	}
	_, created := e.group.CreateConsumer(name, c.Now, -1)
	e.end(created, eventXgroupCreateConsumer)

	c.Reply.Int(boolInt(created))
}

// XGROUP DELCONSUMER key group consumer
func cmdXGROUPDELCONSUMER(c *Ctx) {
	key, group, name := c.Args.Bytes(), c.Args.Bytes(), c.Args.Bytes()

	e, ok := c.editGroupOf(key, group, true)
	if !ok {
		return
	}
	pending, deleted := e.group.DeleteConsumer(name)
	e.end(deleted, eventXgroupDelConsumer)

	c.Reply.Int(int64(pending))
}

// XACK key group id [id …]
func cmdXACK(c *Ctx) {
	key, group := c.Args.Bytes(), c.Args.Bytes()

	e, ok := c.editGroup(key, group, "")
	if !ok {
		return
	}
	if !e.found { // without a group the IDs are not looked at
		e.Unchanged()
		c.Reply.Int(0)
		return
	}
	var buf [16]ds.StreamID
	ids := buf[:0]
	for c.Args.More() {
		ids = append(ids, readStreamID(&c.Args, 0))
	}
	if c.Failed() {
		e.Unchanged()
		return
	}
	n := 0
	for _, id := range ids {
		if e.group.Ack(id) {
			n++
		}
	}
	e.end(n > 0, keyspace.Event{})

	c.Reply.Int(int64(n))
}

// XPENDING key group [[IDLE min-idle-time] start end count [consumer]]
func cmdXPENDING(c *Ctx) {
	a := &c.Args
	key, group := a.Bytes(), a.Bytes()
	summary := !a.More()
	var start, end ds.StreamID
	var count, idle int64
	var name []byte
	if !summary {
		if len(a.argv) < 6 || len(a.argv) > 9 {
			a.Syntax()
		}
		if a.Word("IDLE") {
			if idle = a.Int(); a.Len() < 3 {
				a.Syntax()
			}
		}
		if !a.Failed() { // the count is looked at first, although it comes last
			from := a.pos
			a.pos += 2
			count = max(a.Int(), 0)
			after := a.pos
			a.pos = from
			start, end = readStart(a), readStop(a)
			a.pos = after
		}
		if a.More() {
			name = a.Bytes()
		}
	}
	if c.Failed() {
		return
	}

	s, ok := c.findStream(key)
	if !ok {
		return
	}
	g, found := s.Group(group)
	if !found {
		c.Reply.Error(errNoGroup(key, group))
		return
	}
	if summary {
		c.replyPendingSummary(g)
		return
	}
	var of *ds.Consumer
	if name != nil {
		consumer, found := g.Consumer(name)
		if !found {
			c.Reply.Array(0)
			return
		}
		of = &consumer
	}
	mark, n := len(c.Reply.Buf), int64(0)
	d, ok := g.PendingFrom(start, of)
	for ; ok && n < count && !end.Less(d.ID); d, ok = g.PendingAfter(d.ID, of) {
		if idle != 0 && c.Now-d.Time < idle {
			continue
		}
		n++
		c.Reply.Array(4)
		c.replyStreamID(d.ID)
		c.Reply.Bulk(d.Consumer.Name())
		c.Reply.Int(max(c.Now-d.Time, 0))
		c.Reply.Int(int64(d.Count))
	}
	c.Reply.ArrayFrom(mark, int(n))
}

// replyPendingSummary answers with the number of pending entries, the first, the last, and how many each consumer has.
func (c *Ctx) replyPendingSummary(g ds.Group) {
	c.Reply.Array(4)
	c.Reply.Int(int64(g.PendingLen()))
	if g.PendingLen() == 0 {
		c.Reply.Null()
		c.Reply.Null()
		c.Reply.NullArray()
		return
	}
	first, _ := g.PendingFrom(ds.StreamID{}, nil)
	last, _ := g.LastPending()
	c.replyStreamID(first.ID)
	c.replyStreamID(last.ID)
	mark, n := len(c.Reply.Buf), 0
	for i := range g.Consumers() {
		consumer := g.ConsumerAt(i)
		if consumer.PendingLen() == 0 {
			continue
		}
		n++
		c.Reply.Array(2)
		c.Reply.Bulk(consumer.Name())
		c.Reply.BulkInt(int64(consumer.PendingLen()))
	}
	c.Reply.ArrayFrom(mark, n)
}

// claiming are the options of XCLAIM.
type claiming struct {
	idle          int64 // least idle time
	time, retries int64 // -1: not given
	force, justID bool
	last          ds.StreamID
	words         [][]byte // the IDs as they were given, and read
	ids           []ds.StreamID
}

func readClaiming(c *Ctx) (o claiming) {
	a := &c.Args
	if o.idle = a.IntOr(ErrClaimIdle); a.Failed() {
		return o
	}
	o.idle, o.time, o.retries = max(o.idle, 0), -1, -1
	first := a.pos
	for a.More() {
		id, _, ok := parseStreamID(a.Peek(), 0, false)
		if !ok {
			break // perhaps an option
		}
		o.ids = append(o.ids, id)
		a.Bytes()
	}
	o.words = a.argv[first:a.pos]
	for a.More() {
		switch {
		case a.Word("FORCE"):
			o.force = true
		case a.Word("JUSTID"):
			o.justID = true
		case a.Len() > 1 && a.Word("IDLE"):
			o.time = c.Now - a.IntOr(ErrClaimIdleOption)
		case a.Len() > 1 && a.Word("TIME"):
			o.time = a.IntOr(ErrClaimTime)
		case a.Len() > 1 && a.Word("RETRYCOUNT"):
			o.retries = a.IntOr(ErrClaimRetry)
		case a.Len() > 1 && a.Word("LASTID"):
			o.last = readStreamID(a, 0)
		default:
			a.Fail(errClaimOption(a.Bytes()))
		}
	}
	if o.time < 0 || o.time > c.Now { // a client's clock may be wrong
		o.time = c.Now
	}
	return o
}

// XCLAIM key group consumer min-idle-time id [id …] [IDLE ms] [TIME unix-time-ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]
func cmdXCLAIM(c *Ctx) {
	key, group, name := c.Args.Bytes(), c.Args.Bytes(), c.Args.Bytes()

	e, ok := c.editGroup(key, group, errNoGroup(key, group)) // a missing group is answered before the options are looked at
	if !ok {
		return
	}
	o := readClaiming(c)
	if c.Failed() {
		e.Unchanged()
		return
	}
	g := e.group
	moved := g.LastID().Less(o.last)
	if moved {
		g.Set(o.last, g.EntriesRead())
	}
	consumer, created := c.claimer(g, name)
	mark, n, before := len(c.Reply.Buf), 0, len(c.effects)
	for _, id := range o.ids {
		d, pending := g.Pending(id)
		switch {
		case !e.stream.Get(id, nil):
			if pending {
				c.propagateClaim(key, g, d)
				g.Ack(id)
			}
			continue
		case !pending && !o.force, pending && o.idle > 0 && c.Now-d.Time < o.idle:
			continue
		}
		d.ID, d.Consumer, d.Time = id, consumer, o.time
		if !pending {
			d.Count = 1
		}
		if o.retries >= 0 {
			d.Count = uint64(o.retries)
		} else if !o.justID {
			d.Count++
		}
		c.claim(key, &e.stream, g, d, o.justID)
		n++
	}
	c.Reply.ArrayFrom(mark, n)
	if moved && len(c.effects) == before {
		c.propagateGroupID(key, g)
	}
	c.endClaims(&e, key, before, created, n > 0)
}

// claimer is the consumer of XCLAIM and XAUTOCLAIM, which they make if it is not there.
func (c *Ctx) claimer(g ds.Group, name []byte) (consumer ds.Consumer, created bool) {
	consumer, found := g.Consumer(name)
	if !found {
		consumer, _ = g.CreateConsumer(name, c.Now, -1)
	}
	consumer.SetSeen(c.Now)
	return consumer, !found
}

// claim gives a pending entry to its new consumer, and answers with it.
func (c *Ctx) claim(key []byte, s *ds.Stream, g ds.Group, d ds.Delivery, justID bool) {
	g.Deliver(d.ID, d.Consumer, d.Time, d.Count)
	d.Consumer.SetActive(c.Now)
	if justID {
		c.replyStreamID(d.ID)
	} else {
		s.Get(d.ID, c.replyEntry)
	}
	c.propagateClaim(key, g, d)
}

// endClaims ends XCLAIM and XAUTOCLAIM. created says that they made the consumer, claimed that it got an entry.
func (c *Ctx) endClaims(e *groupEdit, key []byte, before int, created, claimed bool) {
	ev := keyspace.Event{}
	if created {
		ev = eventXgroupCreateConsumer
		if !claimed { // no claim tells the replicas of the consumer
			c.Propagate(wordXGROUP, wordCREATECONSUMER, key, e.group.Name(), c.Args.argv[3])
		}
	}
	e.end(len(c.effects) > before, ev)
	if len(c.effects) == before {
		c.PropagateNothing()
	}
}

// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]
func cmdXAUTOCLAIM(c *Ctx) {
	const attempts = 10 // entries looked at for each that may be claimed
	a := &c.Args
	key, group, name := a.Bytes(), a.Bytes(), a.Bytes()
	idle := max(a.IntOr(ErrAutoClaimIdle), 0)
	start := readStart(a)
	count, justID := int64(100), false
	for a.More() {
		switch {
		case a.Len() > 1 && a.Word("COUNT"):
			count = a.IntRange(1, math.MaxInt64/16, ErrClaimCount)
		case a.Word("JUSTID"):
			justID = true
		default:
			a.Syntax()
		}
	}
	if c.Failed() {
		return
	}

	e, ok := c.editGroup(key, group, errNoGroup(key, group))
	if !ok {
		return
	}
	g := e.group
	consumer, created := c.claimer(g, name)
	mark, n, before := len(c.Reply.Buf), 0, len(c.effects)
	var deleted []ds.StreamID
	d, more := g.PendingFrom(start, nil)
	for left := count * attempts; more && left > 0 && count > 0; left-- {
		if !e.stream.Get(d.ID, nil) {
			c.propagateClaim(key, g, d)
			g.Ack(d.ID)
			deleted = append(deleted, d.ID)
			count--
		} else if idle == 0 || c.Now-d.Time >= idle {
			d.Consumer, d.Time = consumer, c.Now
			if !justID {
				d.Count++
			}
			c.claim(key, &e.stream, g, d, justID)
			n++
			count--
		}
		d, more = g.PendingAfter(d.ID, nil)
	}
	c.Reply.ArrayFrom(mark, n)
	end := len(c.Reply.Buf)
	c.Reply.Array(3)
	if !more {
		d.ID = ds.StreamID{}
	}
	c.replyStreamID(d.ID)
	c.Reply.Turn(mark, end)
	c.Reply.Array(len(deleted))
	for _, id := range deleted {
		c.replyStreamID(id)
	}
	c.endClaims(&e, key, before, created, n > 0)
}

var secondKey = Keys{First: 2, Last: 2, Step: 1}

var streamGroupSpecs = []Spec{
	{
		Name: "xack", Group: "stream", Since: "5.0.0", Arity: -4,
		Summary: "Acknowledges entries, which are then no longer pending.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW update"), Categories: "write stream fast", Handler: cmdXACK,
	},
	{
		Name: "xautoclaim", Group: "stream", Since: "6.2.0", Arity: -6,
		Summary: "Gives entries that have been pending for long to another consumer.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW delete"), Categories: "write stream fast", Handler: cmdXAUTOCLAIM,
	},
	{
		Name: "xclaim", Group: "stream", Since: "5.0.0", Arity: -6,
		Summary: "Gives pending entries to another consumer.",
		Flags:   Write | Fast, Keys: OneKey.Uses("RW update"), Categories: "write stream fast", Handler: cmdXCLAIM,
	},
	{
		Name: "xgroup", Group: "stream", Since: "5.0.0", Arity: -2,
		Summary: "Manages consumer groups.", Categories: "slow",
		Sub: []Spec{
			{
				Name: "create", Since: "5.0.0", Arity: -5,
				Summary: "Creates a consumer group.",
				Flags:   Write | DenyOOM, Keys: secondKey.Uses("RW insert"), Categories: "write stream slow", Handler: cmdXGROUPCREATE,
			},
			{
				Name: "createconsumer", Since: "6.2.0", Arity: 5,
				Summary: "Creates a consumer in a group.",
				Flags:   Write | DenyOOM, Keys: secondKey.Uses("RW insert"), Categories: "write stream slow", Handler: cmdXGROUPCREATECONSUMER,
			},
			{
				Name: "delconsumer", Since: "5.0.0", Arity: 5,
				Summary: "Removes a consumer with its pending entries.",
				Flags:   Write, Keys: secondKey.Uses("RW delete"), Categories: "write stream slow", Handler: cmdXGROUPDELCONSUMER,
			},
			{
				Name: "destroy", Since: "5.0.0", Arity: 4,
				Summary: "Removes a consumer group.",
				Flags:   Write, Keys: secondKey.Uses("RW delete"), Categories: "write stream slow", Handler: cmdXGROUPDESTROY,
			},
			{
				Name: "help", Since: "5.0.0", Arity: 2, Summary: "Describes the subcommands.",
				Flags: Loading | Stale, Categories: "stream slow", Handler: cmdHELP,
			},
			{
				Name: "setid", Since: "5.0.0", Arity: -5,
				Summary: "Sets the last ID that a group has read.",
				Flags:   Write, Keys: secondKey.Uses("RW update"), Categories: "write stream slow", Handler: cmdXGROUPSETID,
			},
		},
	},
	{
		Name: "xpending", Group: "stream", Since: "5.0.0", Arity: -3,
		Summary: "Returns what is pending in a group.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read stream slow", Handler: cmdXPENDING,
	},
}
