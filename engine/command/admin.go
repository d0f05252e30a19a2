package command

import (
	"strconv"
	"strings"
	"time"

	"github.com/elastane/elastane/engine/keyspace"
)

const hidden = Admin | Restricted

var serverSpecs = []Spec{
	{
		Name: "config", Group: "server", Since: "2.0.0", Arity: -2,
		Summary: "Container of the configuration commands.", Flags: Restricted, Categories: "slow",
		Sub: []Spec{
			{
				Name: "get", Since: "2.0.0", Arity: -3, Summary: "Returns directives.",
				Flags: hidden | NoScript | Loading | Stale, Categories: "admin slow dangerous", Handler: cmdCONFIGGET,
			},
			{
				Name: "resetstat", Since: "2.0.0", Arity: 2, Summary: "Resets the statistics.",
				Flags: hidden | NoScript | Loading | Stale, Categories: "admin slow dangerous", Handler: cmdCONFIGRESETSTAT,
			},
			{
				Name: "set", Since: "2.0.0", Arity: -4, Summary: "Changes directives.",
				Flags: hidden | NoScript | Loading | Stale | Alone, Lock: LockNone, Categories: "admin slow dangerous", Handler: cmdCONFIGSET,
			},
		},
	},
	{
		Name: "dbsize", Group: "server", Since: "1.0.0", Arity: 1,
		Summary: "Returns the number of keys in the database.",
		Flags:   ReadOnly | Fast, Lock: LockNone, Categories: "keyspace read fast",
		Handler: cmdDBSIZE,
	},
	{
		Name: "flushall", Group: "server", Since: "1.0.0", Arity: -1,
		Summary: "Removes all keys of all databases.",
		Flags:   Write, Lock: LockAll, Categories: "keyspace write slow dangerous",
		Handler: cmdFLUSHALL,
	},
	{
		Name: "flushdb", Group: "server", Since: "1.0.0", Arity: -1,
		Summary: "Removes all keys of the database.",
		Flags:   Write, Lock: LockAll, Categories: "keyspace write slow dangerous",
		Handler: cmdFLUSHDB,
	},
	{
		Name: "info", Group: "server", Since: "1.0.0", Arity: -1,
		Summary: "Describes the server.",
		Flags:   Loading | Stale, Lock: LockNone, Categories: "slow dangerous",
		Handler: cmdINFO,
	},
	{
		Name: "memory", Group: "server", Since: "4.0.0", Arity: -2,
		Summary: "Container of the commands about memory.", Categories: "slow",
		Sub: []Spec{{
			Name: "usage", Since: "4.0.0", Arity: -3, Summary: "Estimates the memory that a key takes.",
			Flags: ReadOnly, Keys: Keys{First: 2, Last: 2, Step: 1}.Uses("RO"), Categories: "read slow", Handler: cmdMEMORYUSAGE,
		}},
	},
	{
		Name: "shutdown", Group: "server", Since: "1.0.0", Arity: -1,
		Summary: "Saves the data set and ends the server.",
		Flags:   hidden | NoScript | Loading | Stale | NoMulti, Lock: LockNone, Categories: "admin slow dangerous",
		Handler: cmdSHUTDOWN,
	},
	{
		Name: "time", Group: "server", Since: "2.6.0", Arity: 1,
		Summary: "Returns the server's time.",
		Flags:   Loading | Stale | Fast, Categories: "fast",
		Handler: cmdTIME,
	},
}

// CONFIG RESETSTAT
func cmdCONFIGRESETSTAT(c *Ctx) {
	c.Server.Stats.reset()
	c.Reply.OK()
}

// DBSIZE
func cmdDBSIZE(c *Ctx) {
	keys, _ := c.Server.Space.Keys(c.View.DB())
	c.Reply.Int(int64(keys))
}

// FLUSHALL [ASYNC | SYNC]
func cmdFLUSHALL(c *Ctx) {
	var gone []dbKey
	for db := range c.Server.Space.Databases() {
		gone = append(gone, c.watchedIn(db)...)
	}
	c.flush(gone, c.View.FlushAll)
}

// FLUSHDB [ASYNC | SYNC]
func cmdFLUSHDB(c *Ctx) { c.flush(c.watchedIn(c.View.DB()), c.View.Flush) }

func (c *Ctx) flush(watched []dbKey, flush func(async bool) int) {
	async := c.Args.Word("ASYNC")
	if !async {
		c.Args.Word("SYNC")
	}
	c.Args.End()
	if c.Failed() {
		return
	}
	flush(async)
	c.Server.watches.touchEach(watched)
	c.Server.InvalidateAll()
	c.Propagate(c.Args.argv...)
	c.Reply.OK()
}

// MEMORY USAGE key [SAMPLES count]
func cmdMEMORYUSAGE(c *Ctx) {
	a := &c.Args
	key := a.Bytes()
	if a.More() {
		if !a.Word("SAMPLES") {
			a.Syntax()
		}
		a.IntRange(0, 1<<62, ErrSyntax)
	}
	a.End()
	if c.Failed() {
		return
	}
	e, found := c.View.Peek(key)
	if !found {
		c.Reply.Null()
		return
	}
	c.Reply.Int(c.memoryUsage(e))
}

// memoryUsage estimates what an entry takes: its header, key and value, and its share of the table.
func (c *Ctx) memoryUsage(e keyspace.Entry) int64 {
	const header, slot = 16, 10
	return int64(header + slot + len(e.Key()) + len(e.Value()))
}

// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE]
func cmdSHUTDOWN(c *Ctx) {
	a := &c.Args
	save := true
	for a.More() {
		switch {
		case a.Word("NOSAVE"):
			save = false
		case a.Word("SAVE"):
			save = true
		case a.Word("NOW"), a.Word("FORCE"):
		case a.Word("ABORT"):
			a.Fail("ERR No shutdown in progress.")
		default:
			a.Syntax()
		}
	}
	if c.Failed() {
		return
	}
	if err := c.Server.Host.Shutdown(save); err != nil {
		c.Reply.Error("ERR " + err.Error())
		return
	}
	c.Client.Flags |= ClientReplySkip // the connection ends without a reply
	c.Client.CloseAfterReply()
}

// TIME
func cmdTIME(c *Ctx) {
	now := c.Server.Clock()
	c.Reply.Array(2)
	c.Reply.BulkString(strconv.FormatInt(now.Unix(), 10))
	c.Reply.BulkString(strconv.FormatInt(int64(now.Nanosecond()/int(time.Microsecond)), 10))
}

func (s *Server) mode() string {
	if s.Cluster != nil {
		return "cluster"
	}
	return "standalone"
}

// role is the word that HELLO and INFO use.
func (s *Server) role() string {
	if s.Has(StateReplica) {
		if s.Engine == "valkey" && !strings.HasPrefix(s.Version, "7.") {
			return "replica"
		}
		return "slave"
	}
	return "master"
}
