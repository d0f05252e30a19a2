package cluster

import (
	"strconv"
	"sync/atomic"

	"github.com/elastane/elastane/engine/command"
	"github.com/elastane/elastane/engine/keyspace"
)

// State is a node's part in a cluster: who it is, and the map in force. It is the Cluster of its command.Server.
type State struct {
	self    string
	table   atomic.Pointer[Table]
	primary func() bool
	offset  func() int64
}

// NewState returns the state of node self (CLUSTER MYID) before the first map: every slot is unassigned. primary tells
// the role that the node has now, offset its replication offset.
func NewState(self string, primary func() bool, offset func() int64) *State {
	s := &State{self: self, primary: primary, offset: offset}
	empty, _ := NewTable(Map{}) // an empty map is a sound one
	s.table.Store(empty)
	return s
}

// SetMap puts a map in force. ErrStaleEpoch is returned for one with a lower epoch than that in force.
func (s *State) SetMap(m Map) error {
	t, err := NewTable(m)
	if err != nil {
		return err
	}
	for {
		old := s.table.Load()
		if m.Epoch < old.Epoch() {
			return ErrStaleEpoch
		}
		if s.table.CompareAndSwap(old, t) {
			return nil
		}
	}
}

// Table returns the map in force.
func (s *State) Table() *Table { return s.table.Load() }

// Redirect returns the error for a command whose keys are not served here; "" lets it pass.
func (s *State) Redirect(client *command.Client, spec *command.Spec, argv [][]byte, keys []int) string {
	slot := keyspace.Slot(argv[keys[0]])
	for _, i := range keys[1:] {
		if keyspace.Slot(argv[i]) != slot {
			return command.ErrCrossSlot
		}
	}
	readable := client.Has(command.ClientReadOnlyMode) && spec.Is(command.ReadOnly)
	switch where, node := s.Table().Route(int(slot), s.self, s.primary(), readable); where {
	case Moved:
		return "MOVED " + strconv.Itoa(int(slot)) + " " + node.Address()
	case Unassigned:
		return command.ErrSlotUnserved
	default:
		return ""
	}
}

// Commands lists CLUSTER and its kind, for command.NewTable. What ElastiCache refuses (MEET, FAILOVER, RESET, LINKS, …)
// is not there: clients are told that the subcommand is unknown.
func Commands() []command.Spec {
	sub := func(name, since string, arity int, flags command.Flags, summary string, h command.Handler) command.Spec {
		return command.Spec{
			Name: name, Since: since, Arity: arity, Summary: summary, Flags: flags | command.Stale, Categories: "slow", Handler: h,
		}
	}
	return []command.Spec{
		{
			Name: "cluster", Group: "cluster", Since: "3.0.0", Arity: -2, Categories: "slow",
			Summary: "Tells about the cluster.",
			Sub: []command.Spec{
				sub("countkeysinslot", "3.0.0", 3, 0, "Counts the keys of a slot at this node.", inCluster(cmdCLUSTERCOUNTKEYSINSLOT)),
				sub("getkeysinslot", "3.0.0", 4, 0, "Lists keys of a slot at this node.", inCluster(cmdCLUSTERGETKEYSINSLOT)),
				sub("info", "3.0.0", 2, command.Loading, "Returns the state of the cluster.", inCluster(cmdCLUSTERINFO)),
				sub("keyslot", "3.0.0", 3, 0, "Returns the slot of a key.", inCluster(cmdCLUSTERKEYSLOT)),
				sub("myid", "3.0.0", 2, command.Loading, "Returns the node's id.", inCluster(cmdCLUSTERMYID)),
				sub("myshardid", "7.2.0", 2, command.Loading, "Returns the id of the node's shard.", inCluster(cmdCLUSTERMYSHARDID)),
				sub("nodes", "3.0.0", 2, command.Loading, "Lists the nodes, one a line.", inCluster(cmdCLUSTERNODES)),
				sub("shards", "7.0.0", 2, command.Loading, "Lists the shards with their slots and nodes.", inCluster(cmdCLUSTERSHARDS)),
				sub("slots", "3.0.0", 2, command.Loading, "Lists the slots with their nodes.", inCluster(cmdCLUSTERSLOTS)),
			},
		},
		{
			Name: "readonly", Group: "cluster", Since: "3.0.0", Arity: 1,
			Summary: "Lets a replica of the slots' shard answer reads of this connection.",
			Flags:   command.Fast | command.Loading | command.Stale, Categories: "fast connection",
			Handler: inCluster(func(c *command.Ctx, _ *State) {
				c.Client.Flags |= command.ClientReadOnlyMode
				c.Reply.OK()
			}),
		},
		{
			Name: "readwrite", Group: "cluster", Since: "3.0.0", Arity: 1,
			Summary: "Takes READONLY back.",
			Flags:   command.Fast | command.Loading | command.Stale, Categories: "fast connection",
			Handler: inCluster(func(c *command.Ctx, _ *State) {
				c.Client.Flags &^= command.ClientReadOnlyMode
				c.Reply.OK()
			}),
		},
	}
}

const errDisabled = "ERR This instance has cluster support disabled"

// inCluster refuses a command where cluster mode is off.
func inCluster(h func(c *command.Ctx, s *State)) command.Handler {
	return func(c *command.Ctx) {
		s, ok := c.Server.Cluster.(*State)
		if !ok {
			c.Reply.Error(errDisabled)
			return
		}
		h(c, s)
	}
}

// CLUSTER MYID
func cmdCLUSTERMYID(c *command.Ctx, s *State) { c.Reply.BulkString(s.self) }

// CLUSTER MYSHARDID
func cmdCLUSTERMYSHARDID(c *command.Ctx, s *State) {
	shard := s.Table().ShardOf(s.self)
	if shard == nil {
		c.Reply.Error(command.ErrClusterDown)
		return
	}
	c.Reply.BulkString(shard.ID)
}

// CLUSTER KEYSLOT key
func cmdCLUSTERKEYSLOT(c *command.Ctx, _ *State) { c.Reply.Int(int64(keyspace.Slot(c.Args.Bytes()))) }

// CLUSTER NODES
func cmdCLUSTERNODES(c *command.Ctx, s *State) {
	c.Reply.Verbatim("txt", s.Table().NodesText(s.self, c.Now))
}

// CLUSTER INFO
func cmdCLUSTERINFO(c *command.Ctx, s *State) { c.Reply.Verbatim("txt", s.Table().InfoText(s.self)) }

// CLUSTER SLOTS
func cmdCLUSTERSLOTS(c *command.Ctx, s *State) {
	shards := s.Table().Shards()
	n := 0
	for i := range shards {
		n += len(shards[i].Slots)
	}
	c.Reply.Array(n)
	for i := range shards {
		shard := &shards[i]
		for _, r := range shard.Slots {
			c.Reply.Array(2 + len(shard.Nodes))
			c.Reply.Int(int64(r.Start))
			c.Reply.Int(int64(r.End))
			slotsNode(c, shard.Primary())
			for j := range shard.Nodes {
				if n := &shard.Nodes[j]; !n.Primary {
					slotsNode(c, n)
				}
			}
		}
	}
}

func slotsNode(c *command.Ctx, n *Node) {
	c.Reply.Array(4)
	c.Reply.BulkString(n.Host)
	c.Reply.Int(int64(n.Port))
	c.Reply.BulkString(n.ID)
	if n.Hostname() == "" || n.IP == "" { // what is not the endpoint itself
		c.Reply.Array(0)
		return
	}
	c.Reply.Array(2)
	c.Reply.BulkString("ip")
	c.Reply.BulkString(n.IP)
}

// CLUSTER SHARDS
func cmdCLUSTERSHARDS(c *command.Ctx, s *State) {
	shards := s.Table().Shards()
	mine := s.Table().ShardOf(s.self)
	c.Reply.Array(len(shards))
	for i := range shards {
		shard := &shards[i]
		c.Reply.Map(2)
		c.Reply.BulkString("slots")
		c.Reply.Array(2 * len(shard.Slots))
		for _, r := range shard.Slots {
			c.Reply.Int(int64(r.Start))
			c.Reply.Int(int64(r.End))
		}
		c.Reply.BulkString("nodes")
		c.Reply.Array(len(shard.Nodes))
		for j := range shard.Nodes {
			offset := int64(0) // of other shards nothing is known here
			if shard == mine {
				offset = s.offset()
			}
			shardsNode(c, &shard.Nodes[j], offset)
		}
	}
}

func shardsNode(c *command.Ctx, n *Node, offset int64) {
	fields := 7
	if n.Hostname() != "" {
		fields++
	}
	ip := n.IP
	if ip == "" {
		ip = n.Host
	}
	port, role := "port", "replica"
	if n.TLS { // then there is no port field, as on ElastiCache
		port = "tls-port"
	}
	if n.Primary {
		role = "master"
	}
	c.Reply.Map(fields)
	field := func(name, value string) {
		c.Reply.BulkString(name)
		c.Reply.BulkString(value)
	}
	field("id", n.ID)
	c.Reply.BulkString(port)
	c.Reply.Int(int64(n.Port))
	field("ip", ip)
	field("endpoint", n.Host)
	if n.Hostname() != "" {
		field("hostname", n.Hostname())
	}
	field("role", role)
	c.Reply.BulkString("replication-offset")
	c.Reply.Int(offset)
	field("health", "online")
}

// keysInSlot walks the keyspace: there is no index by slot.
func keysInSlot(c *command.Ctx, slot int, f func(key []byte) bool) {
	more := true
	for cursor := uint64(0); more; more = more && cursor != 0 {
		cursor = c.View.Scan(cursor, 1000, nil, func(e keyspace.Entry) {
			if more && int(keyspace.Slot(e.Key())) == slot {
				more = f(e.Key())
			}
		})
	}
}

func slotArgument(c *command.Ctx) int {
	return int(c.Args.IntRange(0, Slots-1, "ERR Invalid slot"))
}

// CLUSTER COUNTKEYSINSLOT slot
func cmdCLUSTERCOUNTKEYSINSLOT(c *command.Ctx, _ *State) {
	slot := slotArgument(c)
	if c.Failed() {
		return
	}
	seen := make(map[string]bool) // the walk may show a key twice
	keysInSlot(c, slot, func(key []byte) bool {
		seen[string(key)] = true
		return true
	})
	c.Reply.Int(int64(len(seen)))
}

// CLUSTER GETKEYSINSLOT slot count
func cmdCLUSTERGETKEYSINSLOT(c *command.Ctx, _ *State) {
	slot := slotArgument(c)
	count := c.Args.IntRange(0, 1<<40, "ERR Invalid number of keys")
	if c.Failed() {
		return
	}
	var keys []string
	if count > 0 {
		seen := make(map[string]bool) // the walk may show a key twice
		keysInSlot(c, slot, func(key []byte) bool {
			if k := string(key); !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
			return int64(len(keys)) < count
		})
	}
	c.Reply.Array(len(keys))
	for _, k := range keys {
		c.Reply.BulkString(k)
	}
}
