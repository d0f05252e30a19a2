package reconcile

import (
	"time"

	"github.com/google/uuid"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/store/db"
)

// State is everything that a plan for one replication group looks at.
type State struct {
	Group      db.ReplicationGroup
	Shards     []Shard // by node group id
	Endpoints  []fleet.Endpoint
	ClusterMap *agentv1.ClusterMap // as stored; nil: none
	Zones      []string            // of the group's subnets
	Parameters map[string]string   // what the group's parameter group sets
	Now        time.Time
	// Since is when the present control plane began to work on the group: its creation, or the start
	// of the process if that was later. Nobody could do anything for the group in between.
	Since time.Time
}

// Shard is a node group with its members.
type Shard struct {
	db.NodeGroup
	Members []Member // by cache cluster id
}

// Member is one cache cluster of a shard and the node that runs it.
type Member struct {
	db.CacheCluster
	Node *fleet.Node // nil: not placed
}

// clusterEnabled says whether the group shards its keys over slots.
func (s *State) clusterEnabled() bool { return s.Group.ClusterMode != "disabled" }

func (s *State) members() []Member {
	var all []Member
	for i := range s.Shards {
		all = append(all, s.Shards[i].Members...)
	}
	return all
}

func (s *State) nodes() []*fleet.Node {
	var nodes []*fleet.Node
	for _, m := range s.members() {
		if m.Node != nil {
			nodes = append(nodes, m.Node)
		}
	}
	return nodes
}

// placed says whether each member has its node.
func (s *State) placed() bool {
	for _, m := range s.members() {
		if m.Node == nil {
			return false
		}
	}
	return true
}

// member finds a member of the shard by its uid; nil: none.
func (s *Shard) member(uid uuid.UUID) *Member {
	for i := range s.Members {
		if s.Members[i].Uid == uid {
			return &s.Members[i]
		}
	}
	return nil
}

// handover is how far a planned change of the primary has come.
type handover int

const (
	handoverNone      handover = iota
	handoverPausing            // the old primary holds writes, the new one catches up
	handoverSwitching          // the role has moved; the members follow
)

func (s *Shard) handover() handover {
	switch {
	case s.FailoverTo == nil:
		return handoverNone
	case s.PrimaryMember == *s.FailoverTo:
		return handoverSwitching
	default:
		return handoverPausing
	}
}
