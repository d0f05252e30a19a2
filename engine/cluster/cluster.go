// Package cluster holds the slot map of a cluster-mode-enabled node and answers where a slot lives.
//
// Elastane's nodes do not gossip: the map is pushed from outside, whole and with an epoch, and a node
// takes a map only if its epoch is not lower than that of the map it has. There is no cluster bus;
// replies show port 1122 for it, as ElastiCache's do.
package cluster

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Slots is the number of hash slots of a cluster.
const Slots = 16384

// BusPort is what CLUSTER NODES shows after the @. Nothing listens there.
const BusPort = 1122

// Map is a whole slot map.
type Map struct {
	Epoch  uint64
	Shards []Shard
}

// Shard is a set of nodes that hold the same slots.
type Shard struct {
	ID    string // 40 lower-case hexadecimal digits
	Slots []SlotRange
	Nodes []Node // exactly one of them is the primary
}

// SlotRange is inclusive at both ends, within 0–16383.
type SlotRange struct{ Start, End int }

// Node is one member as clients are told about it.
type Node struct {
	ID      string // 40 lower-case hexadecimal digits: CLUSTER MYID
	Host    string // what clients connect to: with TLS a name, otherwise an address
	Port    int
	IP      string // address behind Host; may be empty
	TLS     bool
	Primary bool
	// Epoch is the configuration epoch that CLUSTER NODES shows: the shard's.
	Epoch uint64
}

// Address is host:port as MOVED and ASK name it.
func (n *Node) Address() string { return n.Host + ":" + strconv.Itoa(n.Port) }

// ErrStaleEpoch is returned for a map older than the one in force.
var ErrStaleEpoch = errors.New("the slot map has a lower epoch than the one in force")

const unassigned = ^uint16(0)

// Table is a checked map, ready for look-ups. It is immutable and safe for concurrent use.
type Table struct {
	m      Map
	owner  [Slots]uint16 // index into m.Shards, or unassigned
	shard  map[string]int
	covers int // slots with an owner
}

// NewTable checks m and indexes it. The table keeps m: the caller must not change it afterwards.
func NewTable(m Map) (*Table, error) {
	t := &Table{m: m, shard: make(map[string]int)}
	for i := range t.owner {
		t.owner[i] = unassigned
	}
	if len(m.Shards) >= int(unassigned) {
		return nil, fmt.Errorf("slot map: %d shards are too many", len(m.Shards))
	}
	for i := range m.Shards {
		s := &m.Shards[i]
		if !isID(s.ID) {
			return nil, fmt.Errorf("slot map: shard id %q is not 40 hexadecimal digits", s.ID)
		}
		primaries := 0
		for j := range s.Nodes {
			n := &s.Nodes[j]
			if !isID(n.ID) {
				return nil, fmt.Errorf("slot map: node id %q is not 40 hexadecimal digits", n.ID)
			}
			if _, twice := t.shard[n.ID]; twice {
				return nil, fmt.Errorf("slot map: node %s is listed twice", n.ID)
			}
			if n.Host == "" || n.Port < 1 || n.Port > 65535 {
				return nil, fmt.Errorf("slot map: node %s has no usable address (%q, port %d)", n.ID, n.Host, n.Port)
			}
			t.shard[n.ID] = i
			if n.Primary {
				primaries++
			}
		}
		if primaries != 1 {
			return nil, fmt.Errorf("slot map: shard %s has %d primaries", s.ID, primaries)
		}
		for _, r := range s.Slots {
			if r.Start < 0 || r.End >= Slots || r.Start > r.End {
				return nil, fmt.Errorf("slot map: range %d-%d of shard %s is not within 0-%d", r.Start, r.End, s.ID, Slots-1)
			}
			for slot := r.Start; slot <= r.End; slot++ {
				if t.owner[slot] != unassigned {
					return nil, fmt.Errorf("slot map: slot %d has two owners", slot)
				}
				t.owner[slot] = uint16(i)
				t.covers++
			}
		}
	}
	return t, nil
}

func isID(s string) bool {
	if len(s) != 40 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Epoch of the map.
func (t *Table) Epoch() uint64 { return t.m.Epoch }

// Shards of the map, in its order. The caller must not change them.
func (t *Table) Shards() []Shard { return t.m.Shards }

// ShardOf returns the shard that node id belongs to, or nil.
func (t *Table) ShardOf(id string) *Shard {
	i, ok := t.shard[id]
	if !ok {
		return nil
	}
	return &t.m.Shards[i]
}

// Primary returns the shard's primary.
func (s *Shard) Primary() *Node {
	for i := range s.Nodes {
		if s.Nodes[i].Primary {
			return &s.Nodes[i]
		}
	}
	return nil // NewTable refuses such a shard
}

// Where says what to do with a command for a slot.
type Where uint8

const (
	// Here: this node serves it.
	Here Where = iota
	// Moved: another node does; tell the client which.
	Moved
	// Unassigned: nobody does.
	Unassigned
)

// Route decides for a command on slot at node self. isPrimary is the role that self has now, which
// around a failover may be ahead of the map or behind it; readable says that the command only reads
// and its connection has sent READONLY. node is set for Moved.
func (t *Table) Route(slot int, self string, isPrimary, readable bool) (where Where, node *Node) {
	i := t.owner[slot]
	if i == unassigned {
		return Unassigned, nil
	}
	s := &t.m.Shards[i]
	primary := s.Primary()
	if mine, ok := t.shard[self]; ok && mine == int(i) {
		// A node that the map calls primary but that is a replica must not point at itself: it
		// goes on, and a write is then refused as READONLY until the next map comes.
		if isPrimary || readable || primary.ID == self {
			return Here, nil
		}
	}
	return Moved, primary
}

// Complete says whether every slot has an owner.
func (t *Table) Complete() bool { return t.covers == Slots }

// Hostname is the node's DNS name, empty where it is known by its address only.
func (n *Node) Hostname() string {
	if net.ParseIP(n.Host) != nil {
		return ""
	}
	return n.Host
}
