package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
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

// InsertNodes adds nodes at spec epoch 1 and notifies their agents.
func InsertNodes(ctx context.Context, tx pgx.Tx, nodes []Node) error {
	return errors.New("fleet: nodes are not connected yet")
}

// NodesOf reads the nodes of an owner, ordered by cache cluster id, then node id.
func NodesOf(ctx context.Context, tx pgx.Tx, ownerUID uuid.UUID) ([]Node, error) {
	return nil, errors.New("fleet: nodes are not connected yet")
}

// PutNodeSpecs replaces the desired specs of existing nodes, found by spec.node_id. A spec that
// differs from the stored one (its epoch aside) gets the next epoch and its agent is notified; an
// equal one changes nothing. The specs passed in are not modified.
func PutNodeSpecs(ctx context.Context, tx pgx.Tx, specs []*agentv1.NodeSpec) error {
	return errors.New("fleet: nodes are not connected yet")
}

// DeleteNodes removes the rows of nodes that their agents reported ABSENT, and frees their addresses.
func DeleteNodes(ctx context.Context, tx pgx.Tx, nodeIDs []uuid.UUID) error {
	return errors.New("fleet: nodes are not connected yet")
}

// PutClusterMap stores a group's slot map and notifies each agent with a member. An equal map (its
// epoch aside) changes nothing. It returns the epoch in force.
func PutClusterMap(ctx context.Context, tx pgx.Tx, m *agentv1.ClusterMap) (uint64, error) {
	return 0, errors.New("fleet: nodes are not connected yet")
}

// DeleteClusterMap removes a group's slot map, after its nodes are gone.
func DeleteClusterMap(ctx context.Context, tx pgx.Tx, ownerUID uuid.UUID) error {
	return errors.New("fleet: nodes are not connected yet")
}
