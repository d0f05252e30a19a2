package command

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/elastane/elastane/engine/arena"
	"github.com/elastane/elastane/engine/ds"
	"github.com/elastane/elastane/engine/keyspace"
)

// tableSlot is a key's share of its table in bytes, if that is filled as tables are on average.
const tableSlot = 10

// memorySamples is how many elements of a collection MEMORY USAGE looks at unless told otherwise.
const memorySamples = 5

var memorySpecs = []Spec{{
	Name: "memory", Group: "server", Since: "4.0.0", Arity: -2,
	Summary: "Container of the commands about memory.", Categories: "slow",
	Sub: []Spec{
		{
			Name: "doctor", Since: "4.0.0", Arity: 2, Summary: "Tells in words how memory is used.",
			Lock: LockNone, Categories: "slow", Handler: cmdMEMORYDOCTOR,
		},
		{
			Name: "help", Since: "4.0.0", Arity: 2, Summary: "Describes the subcommands.",
			Flags: Loading | Stale, Categories: "slow", Handler: cmdHELP,
		},
		{
			Name: "malloc-stats", Since: "4.0.0", Arity: 2, Summary: "Describes the allocator.",
			Lock: LockNone, Categories: "slow", Handler: cmdMEMORYMALLOCSTATS,
		},
		{
			Name: "purge", Since: "4.0.0", Arity: 2, Summary: "Gives unused memory back to the system.",
			Lock: LockNone, Categories: "slow", Handler: cmdMEMORYPURGE,
		},
		{
			Name: "stats", Since: "4.0.0", Arity: 2, Summary: "Returns how memory is used.",
			Lock: LockNone, Categories: "slow", Handler: cmdMEMORYSTATS,
		},
		{
			Name: "usage", Since: "4.0.0", Arity: -3, Summary: "Returns the memory that a key takes.",
			Flags: ReadOnly, Keys: Keys{First: 2, Last: 2, Step: 1}.Uses("RO"), Categories: "read slow", Handler: cmdMEMORYUSAGE,
		},
	},
}}

// MEMORY USAGE key [SAMPLES count]
func cmdMEMORYUSAGE(c *Ctx) {
	a := &c.Args
	key := a.Bytes()
	samples := int64(memorySamples)
	if a.More() {
		if !a.Word("SAMPLES") {
			a.Syntax()
		}
		if samples = a.Int(); samples < 0 {
			a.Syntax()
		}
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
	c.Reply.Int(c.memoryUsage(e, int(min(samples, 1<<31-1))))
}

// memoryUsage is what a key takes: its entry, its collection's blocks, and its share of the table.
func (c *Ctx) memoryUsage(e keyspace.Entry, samples int) int64 {
	total := int64(tableSlot + e.Memory())
	if e.Type() == keyspace.TypeString {
		return total
	}
	return total + c.collectionMemory(e, samples)
}

func (c *Ctx) collectionMemory(e keyspace.Entry, samples int) int64 {
	heap := c.heap()
	switch e.Type() {
	case keyspace.TypeHash:
		v := ds.OpenHash(heap, arena.GetRef(e.Value()))
		return v.Memory(samples)
	case keyspace.TypeList:
		v := ds.OpenList(heap, arena.GetRef(e.Value()))
		return v.Memory(samples)
	case keyspace.TypeSet:
		v := ds.OpenSet(heap, arena.GetRef(e.Value()))
		return v.Memory(samples)
	case keyspace.TypeZSet:
		v := ds.OpenSortedSet(heap, arena.GetRef(e.Value()))
		return v.Memory(samples)
	}
	return 0
}

// memoryStats is where a node's memory is, in bytes.
type memoryStats struct {
	used, peak, reserved, resident int64
	overhead, dataset              int64
	clients, replicas, backlog     int64
	keys                           int64
}

// Backlog is what a Replication may have besides, for MEMORY STATS.
type Backlog interface {
	// BacklogMemory is the memory of the replication stream in bytes.
	BacklogMemory() int64
}

func (c *Ctx) memoryStats() memoryStats {
	s := c.Server
	totals := c.clientTotals()
	m := memoryStats{
		used: s.Space.UsedMemory(), reserved: s.Space.ReservedMemory(), resident: s.residentMemory(),
		clients: int64(totals.normalMemory), replicas: int64(totals.replicaMemory),
	}
	m.peak = max(m.used, s.Stats.PeakMemory.Load())
	if b, ok := s.Replication.(Backlog); ok {
		m.backlog = b.BacklogMemory()
	}
	for db := range s.Databases {
		keys, _ := s.Space.Keys(db)
		m.keys += int64(keys)
	}
	m.overhead = min(m.keys*tableSlot, m.used)
	m.dataset = m.used - m.overhead
	return m
}

// dbOverhead is what a database's table takes in bytes.
type dbOverhead int64

// MEMORY STATS
func cmdMEMORYSTATS(c *Ctx) {
	m := c.memoryStats()
	type row struct {
		name  string
		value any
	}
	rows := []row{
		{"peak.allocated", m.peak},
		{"total.allocated", m.used},
		{"startup.allocated", int64(0)},
		{"replication.backlog", m.backlog},
		{"clients.slaves", m.replicas},
		{"clients.normal", m.clients},
		{"cluster.links", int64(0)},
		{"aof.buffer", int64(0)},
		{"lua.caches", int64(0)},
		{"functions.caches", int64(0)},
	}
	for db := range c.Server.Databases {
		keys, _ := c.Server.Space.Keys(db)
		if keys > 0 {
			rows = append(rows, row{fmt.Sprintf("db.%d", db), dbOverhead(keys * tableSlot)})
		}
	}
	perKey := int64(0)
	if m.keys > 0 {
		perKey = m.used / m.keys
	}
	rows = append(rows, []row{
		{"overhead.total", m.overhead},
		{"db.dict.rehashing.count", int64(0)},
		{"keys.count", m.keys},
		{"keys.bytes-per-key", perKey},
		{"dataset.bytes", m.dataset},
		{"dataset.percentage", percent(m.dataset, m.used)},
		{"peak.percentage", percent(m.used, m.peak)},
		{"allocator.allocated", m.used},
		{"allocator.active", m.reserved},
		{"allocator.resident", m.reserved},
		{"allocator.muzzy", int64(0)},
		{"allocator-fragmentation.ratio", ratio(m.reserved, m.used)},
		{"allocator-fragmentation.bytes", max(0, m.reserved-m.used)},
		{"allocator-rss.ratio", 1.0},
		{"allocator-rss.bytes", int64(0)},
		{"rss-overhead.ratio", ratio(m.resident, m.reserved)},
		{"rss-overhead.bytes", m.resident - m.reserved},
		{"fragmentation", ratio(m.resident, m.used)},
		{"fragmentation.bytes", m.resident - m.used},
	}...)
	c.Reply.Map(len(rows))
	for _, r := range rows {
		c.Reply.BulkString(r.name)
		switch v := r.value.(type) {
		case int64:
			c.Reply.Int(v)
		case float64:
			c.Reply.Double(v)
		case dbOverhead:
			c.Reply.Map(2)
			c.Reply.BulkString("overhead.hashtable.main")
			c.Reply.Int(int64(v))
			c.Reply.BulkString("overhead.hashtable.expires")
			c.Reply.Int(0) // the time is in the key's entry
		}
	}
}

// MEMORY DOCTOR
func cmdMEMORYDOCTOR(c *Ctx) {
	m := c.memoryStats()
	var b strings.Builder
	if m.used < 5<<20 {
		b.WriteString("This instance holds less than 5 MiB: too little to say anything about it.")
	} else {
		if m.peak > m.used+m.used/2 {
			fmt.Fprintf(&b, "Memory was at %s once and is at %s now: pages that are shared by old and new keys may not have been given back.\n",
				human(m.peak), human(m.used))
		}
		if m.reserved > m.used+m.used*2/5 {
			fmt.Fprintf(&b, "The heap takes %s for %s of blocks: many keys of one size were deleted, and others of that size will use their room.\n",
				human(m.reserved), human(m.used))
		}
		if m.clients > 1<<20 && m.clients > m.used/5 {
			fmt.Fprintf(&b, "Clients' buffers hold %s: see CLIENT LIST for those that do not read their replies.\n", human(m.clients))
		}
		if limit := c.Server.Space.MemoryLimit().Max; limit > 0 && m.used > limit-limit/20 {
			fmt.Fprintf(&b, "maxmemory (%s) is all but reached.\n", human(limit))
		}
		if b.Len() == 0 {
			b.WriteString("Nothing is wrong with this instance's memory.")
		}
	}
	c.Reply.Verbatim("txt", strings.TrimRight(b.String(), "\n"))
}

// MEMORY MALLOC-STATS
func cmdMEMORYMALLOCSTATS(c *Ctx) {
	m := c.memoryStats()
	c.Reply.Verbatim("txt", fmt.Sprintf("elastane arena: blocks %d, pages %d, resident %d bytes\n", m.used, m.reserved, m.resident))
}

// MEMORY PURGE: the heap gives free pages back by itself; what is left is the process' own.
func cmdMEMORYPURGE(c *Ctx) {
	debug.FreeOSMemory()
	c.Reply.OK()
}
