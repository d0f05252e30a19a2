package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// Node is one row of nodes: what should run, and what was seen.
type Node struct {
	ID             uuid.UUID
	AgentID        uuid.UUID
	AccountID      string
	Region         string
	OwnerKind      string // replication-group or cache-cluster
	OwnerUID       uuid.UUID
	CacheClusterID string

	Spec                *agentv1.NodeSpec // node_id and epoch are set by this package
	ReservedMemoryBytes int64
	ReservedVCPUs       int32

	Observed   *agentv1.NodeStatus // nil: nothing reported yet
	ObservedAt *time.Time
	CreatedAt  time.Time
}

// encode and decode are how specs and statuses stand in jsonb columns. Unknown fields are passed over,
// so that an older program can read what a newer one wrote.
func encode(m proto.Message) ([]byte, error) { return protojson.Marshal(m) }

func decode(data []byte, m proto.Message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, m)
}

// InsertNodes adds nodes at spec epoch 1 and notifies their agents.
func InsertNodes(ctx context.Context, tx pgx.Tx, nodes []Node) error {
	p := db.NodesInsertParams{}
	for _, n := range nodes {
		spec := proto.CloneOf(n.Spec)
		spec.NodeId, spec.Epoch = n.ID.String(), 1
		data, err := encode(spec)
		if err != nil {
			return fmt.Errorf("encode spec of node %s: %w", n.ID, err)
		}
		p.NodeIds, p.AgentIds = append(p.NodeIds, n.ID), append(p.AgentIds, n.AgentID)
		p.AccountIds, p.Regions = append(p.AccountIds, n.AccountID), append(p.Regions, n.Region)
		p.OwnerKinds, p.OwnerUids = append(p.OwnerKinds, n.OwnerKind), append(p.OwnerUids, n.OwnerUID)
		p.CacheClusterIds, p.Specs = append(p.CacheClusterIds, n.CacheClusterID), append(p.Specs, data)
		p.ReservedMemoryBytes = append(p.ReservedMemoryBytes, n.ReservedMemoryBytes)
		p.ReservedVcpus = append(p.ReservedVcpus, n.ReservedVCPUs)
		p.CreatedAts = append(p.CreatedAts, n.CreatedAt)
	}
	if err := store.Q.NodesInsert(ctx, tx, p); err != nil {
		return fmt.Errorf("insert nodes: %w", err)
	}
	return notify(ctx, tx, p.AgentIds)
}

// notify wakes the sessions of agents once tx commits.
func notify(ctx context.Context, tx pgx.Tx, agentIDs []uuid.UUID) error {
	if len(agentIDs) == 0 {
		return nil
	}
	if err := store.Q.AgentsNotify(ctx, tx, agentIDs); err != nil {
		return fmt.Errorf("notify agents: %w", err)
	}
	return nil
}

// NodesOf reads the nodes of an owner, ordered by cache cluster id, then node id.
func NodesOf(ctx context.Context, tx pgx.Tx, ownerUID uuid.UUID) ([]Node, error) {
	rows, err := store.Q.NodesOfOwner(ctx, tx, ownerUID)
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	nodes := make([]Node, len(rows))
	for i, r := range rows {
		if nodes[i], err = NodeFromRow(r); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// NodeFromRow decodes a row of nodes, for readers that select nodes with queries of their own.
func NodeFromRow(r db.Node) (Node, error) {
	n := Node{
		ID: r.NodeID, AgentID: r.AgentID, AccountID: r.AccountID, Region: r.Region,
		OwnerKind: r.OwnerKind, OwnerUID: r.OwnerUid, CacheClusterID: r.CacheClusterID,
		Spec: &agentv1.NodeSpec{}, ReservedMemoryBytes: r.ReservedMemoryBytes, ReservedVCPUs: r.ReservedVcpus,
		ObservedAt: r.ObservedAt, CreatedAt: r.CreatedAt,
	}
	if err := decode(r.Spec, n.Spec); err != nil {
		return Node{}, fmt.Errorf("decode spec of node %s: %w", r.NodeID, err)
	}
	if r.Observed != nil {
		n.Observed = &agentv1.NodeStatus{}
		if err := decode(r.Observed, n.Observed); err != nil {
			return Node{}, fmt.Errorf("decode status of node %s: %w", r.NodeID, err)
		}
	}
	return n, nil
}

// PutNodeSpecs replaces the desired specs of existing nodes, found by spec.node_id. A spec that
// differs from the stored one (its epoch aside) gets the next epoch and its agent is notified; an
// equal one changes nothing. The specs passed in are not modified.
func PutNodeSpecs(ctx context.Context, tx pgx.Tx, specs []*agentv1.NodeSpec) error {
	wanted := map[uuid.UUID]*agentv1.NodeSpec{}
	ids := make([]uuid.UUID, 0, len(specs))
	for _, spec := range specs {
		id, err := uuid.Parse(spec.GetNodeId())
		if err != nil {
			return fmt.Errorf("node id %q: %w", spec.GetNodeId(), err)
		}
		if wanted[id] == nil {
			ids = append(ids, id)
		}
		wanted[id] = proto.CloneOf(spec)
	}
	rows, err := store.Q.NodesLock(ctx, tx, ids)
	if err != nil {
		return fmt.Errorf("lock nodes: %w", err)
	}
	if len(rows) != len(ids) {
		return fmt.Errorf("put specs of %d nodes: only %d exist", len(ids), len(rows))
	}
	p := db.NodesSetSpecsParams{}
	agents := []uuid.UUID{}
	for _, r := range rows {
		spec, changed, err := nextSpec(r.Spec, &agentv1.NodeSpec{}, wanted[r.NodeID], r.SpecEpoch)
		if err != nil {
			return fmt.Errorf("spec of node %s: %w", r.NodeID, err)
		}
		if !changed {
			continue
		}
		p.NodeIds, p.Specs, p.Epochs = append(p.NodeIds, r.NodeID), append(p.Specs, spec), append(p.Epochs, r.SpecEpoch+1)
		agents = append(agents, r.AgentID)
	}
	if len(p.NodeIds) == 0 {
		return nil
	}
	if err := store.Q.NodesSetSpecs(ctx, tx, p); err != nil {
		return fmt.Errorf("write node specs: %w", err)
	}
	return notify(ctx, tx, agents)
}

// epoched is any spec: whole, and numbered.
type epoched interface {
	proto.Message
	GetEpoch() uint64
}

// nextSpec compares a wanted spec with the stored one, their epochs aside, and if they differ encodes
// the wanted one at the next epoch. scratch is an empty message of the same type; wanted is changed.
func nextSpec(stored []byte, scratch, wanted epoched, epoch int64) ([]byte, bool, error) {
	if err := decode(stored, scratch); err != nil {
		return nil, false, fmt.Errorf("decode: %w", err)
	}
	setEpoch(wanted, scratch.GetEpoch())
	if proto.Equal(scratch, wanted) {
		return nil, false, nil
	}
	setEpoch(wanted, uint64(epoch)+1)
	data, err := encode(wanted)
	if err != nil {
		return nil, false, fmt.Errorf("encode: %w", err)
	}
	return data, true, nil
}

func setEpoch(m epoched, epoch uint64) {
	switch m := m.(type) {
	case *agentv1.NodeSpec:
		m.Epoch = epoch
	case *agentv1.EndpointSpec:
		m.Epoch = epoch
	case *agentv1.ClusterMap:
		m.Epoch = epoch
	}
}

// DeleteNodes removes the rows of nodes that their agents reported ABSENT, and frees their addresses.
// It fails, and removes nothing, if one of them was not reported ABSENT.
func DeleteNodes(ctx context.Context, tx pgx.Tx, nodeIDs []uuid.UUID) error {
	n, err := store.Q.NodesDelete(ctx, tx, nodeIDs)
	if err != nil {
		return fmt.Errorf("delete nodes: %w", err)
	}
	if int(n) != len(nodeIDs) {
		return fmt.Errorf("delete %d nodes: only %d were reported absent", len(nodeIDs), n)
	}
	return FreeAddresses(ctx, tx, nodeIDs)
}

// PutClusterMap stores a group's slot map and notifies each agent with a member. An equal map (its
// epoch aside) changes nothing. It returns the epoch in force. The map passed in is not modified.
func PutClusterMap(ctx context.Context, tx pgx.Tx, m *agentv1.ClusterMap) (uint64, error) {
	id, err := uuid.Parse(m.GetClusterMapId())
	if err != nil {
		return 0, fmt.Errorf("cluster map id %q: %w", m.GetClusterMapId(), err)
	}
	m = proto.CloneOf(m)
	var data []byte
	epoch := int64(1)
	switch row, err := store.Q.ClusterMapLock(ctx, tx, id); {
	case errors.Is(err, pgx.ErrNoRows):
		m.Epoch = 1
		if data, err = encode(m); err != nil {
			return 0, fmt.Errorf("encode cluster map: %w", err)
		}
	case err != nil:
		return 0, fmt.Errorf("lock cluster map: %w", err)
	default:
		next, changed, err := nextSpec(row.Spec, &agentv1.ClusterMap{}, m, row.Epoch)
		if err != nil {
			return 0, fmt.Errorf("cluster map %s: %w", id, err)
		}
		if !changed {
			return uint64(row.Epoch), nil
		}
		data, epoch = next, row.Epoch+1
	}
	if err := store.Q.ClusterMapPut(ctx, tx, db.ClusterMapPutParams{ClusterMapID: id, Spec: data, Epoch: epoch}); err != nil {
		return 0, fmt.Errorf("write cluster map: %w", err)
	}
	agents, err := store.Q.AgentsOfOwner(ctx, tx, id)
	if err != nil {
		return 0, fmt.Errorf("read the group's agents: %w", err)
	}
	return uint64(epoch), notify(ctx, tx, agents)
}

// DeleteClusterMap removes a group's slot map, after its nodes are gone.
func DeleteClusterMap(ctx context.Context, tx pgx.Tx, ownerUID uuid.UUID) error {
	if err := store.Q.ClusterMapDelete(ctx, tx, ownerUID); err != nil {
		return fmt.Errorf("delete cluster map: %w", err)
	}
	return nil
}
