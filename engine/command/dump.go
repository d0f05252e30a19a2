package command

import (
	"errors"

	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/rdb"
	"github.com/elastane/elastane/engine/snapshot"
)

var eventRestore = keyspace.Event{Name: "restore", Class: 'g'}

// EncodingLimits are the configured limits of the compact encodings, for values that are loaded.
func (s *Server) EncodingLimits() snapshot.Limits {
	e := s.Config.encodings.Load()
	return snapshot.Limits{Hash: e.hash, List: e.list, Set: e.set, SortedSet: e.sortedSet}
}

// DUMP key
func cmdDUMP(c *Ctx) {
	key := c.Args.Bytes()

	e, found := c.View.Find(key)
	if !found {
		c.Reply.Null()
		return
	}
	dump, err := snapshot.AppendDump(nil, c.heap(), e)
	if err != nil {
		c.Server.Logger.Error("DUMP failed", "error", err)
		c.Reply.Error(ErrInternal)
		return
	}

	c.Reply.Bulk(dump)
}

// restoring are the options of RESTORE.
type restoring struct {
	replace, absolute bool
	idle, freq        int64 // -1: not given
}

func readRestoring(a *Args) (o restoring) {
	o.idle, o.freq = -1, -1
	for a.More() {
		switch {
		case a.Word("REPLACE"):
			o.replace = true
		case a.Word("ABSTTL"):
			o.absolute = true
		case a.Len() > 1 && o.freq < 0 && a.Word("IDLETIME"):
			if o.idle = a.Int(); !a.Failed() && o.idle < 0 {
				a.Fail(ErrRestoreIdle)
			}
		case a.Len() > 1 && o.idle < 0 && a.Word("FREQ"):
			if o.freq = a.Int(); !a.Failed() && (o.freq < 0 || o.freq > 255) {
				a.Fail(ErrRestoreFreq)
			}
		default:
			a.Syntax()
		}
	}
	return o
}

// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
func cmdRESTORE(c *Ctx) {
	a := &c.Args
	key, ttlAt := a.Bytes(), a.pos
	a.pos++
	dump := a.Bytes()
	o := readRestoring(a) // the options are looked at before the time to live
	if c.Failed() {
		return
	}
	if _, found := c.View.Peek(key); found && !o.replace {
		c.Reply.Error(ErrBusyKey)
		return
	}
	a.pos = ttlAt
	ttl := a.Int()
	if !a.Failed() && ttl < 0 {
		a.Fail(ErrRestoreTTL)
	}
	if c.Failed() {
		return
	}

	value, err := snapshot.RestoreDump(dump, c.heap(), c.Server.EncodingLimits())
	if err != nil {
		if errors.Is(err, rdb.ErrDumpFooter) {
			c.Reply.Error(ErrDumpFooter)
		} else {
			c.Reply.Error(ErrDumpFormat)
		}
		return
	}
	if ttl > 0 && !o.absolute {
		ttl += c.Now
	}
	// A replica and the stream of a primary keep what has expired until its DEL comes.
	if ttl > 0 && ttl <= c.Now && !c.Client.Has(ClientPrimary) {
		value.Free()
		if c.View.Delete(key, eventDel) {
			c.Propagate(wordDEL, key)
		}
		c.Reply.OK()
		return
	}
	value.Put(c.View, key, ttl, eventRestore)
	if e, found := c.View.Peek(key); found {
		switch {
		case o.idle >= 0:
			c.View.SetIdle(e, o.idle)
		case o.freq >= 0:
			c.View.SetFrequency(e, uint8(o.freq))
		}
	}
	if ttl > 0 && !o.absolute {
		words := append([][]byte(nil), a.argv...)
		words[ttlAt] = c.number(ttl)
		c.Propagate(append(words, wordABSTTL)...)
	}

	c.Reply.OK()
}

var dumpSpecs = []Spec{
	{
		Name: "dump", Group: "generic", Since: "2.6.0", Arity: 2,
		Summary: "Returns a value in a form that RESTORE takes.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "keyspace read slow", Handler: cmdDUMP,
	},
	{
		Name: "restore", Group: "generic", Since: "2.6.0", Arity: -4,
		Summary: "Creates a key from what DUMP has returned.",
		Flags:   Write | DenyOOM, Keys: OneKey.Uses("OW update"), Categories: "keyspace write slow dangerous", Handler: cmdRESTORE,
	},
}
