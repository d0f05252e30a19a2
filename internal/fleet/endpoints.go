package fleet

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
)

// Endpoint is an address of a group that clients are told, and who listens there.
type Endpoint struct {
	ID          uuid.UUID
	OwnerKind   string // replication-group or cache-cluster
	OwnerUID    uuid.UUID
	NodeGroupID string // empty for the configuration endpoint
	Kind        agentv1.EndpointKind
	Host        string
	Port        int32
	Listeners   []EndpointListener // read only
}

// EndpointListener is one agent's part in an endpoint.
type EndpointListener struct {
	AgentID  uuid.UUID
	Spec     *agentv1.EndpointSpec
	Observed *agentv1.EndpointStatus // nil: nothing reported yet
}

// Ready says whether each agent that should listen reports that it does, at its present spec.
func (e Endpoint) Ready() bool {
	running := 0
	for _, l := range e.Listeners {
		if l.Spec.GetDesired() != agentv1.DesiredState_DESIRED_STATE_RUNNING {
			continue
		}
		running++
		if l.Observed == nil || l.Observed.GetEpoch() < l.Spec.GetEpoch() || !l.Observed.GetListening() {
			return false
		}
	}
	return running > 0
}

// Gone says whether no agent has anything left of the endpoint, so that it can be deleted.
func (e Endpoint) Gone() bool { return len(e.Listeners) == 0 }

// InsertEndpoints adds endpoints; their addresses come from AllocateAddresses.
func InsertEndpoints(ctx context.Context, tx pgx.Tx, endpoints []Endpoint) error {
	return errors.New("fleet: endpoints are not connected yet")
}

// EndpointsOf reads the endpoints of an owner with their listeners, ordered by node group, then kind.
func EndpointsOf(ctx context.Context, tx pgx.Tx, ownerUID uuid.UUID) ([]Endpoint, error) {
	return nil, errors.New("fleet: endpoints are not connected yet")
}

// EndpointTargets says which nodes an endpoint leads to. No targets: nobody listens any more, and
// each agent's row goes away once the agent has confirmed.
type EndpointTargets struct {
	EndpointID uuid.UUID
	Targets    []uuid.UUID // node ids; their addresses and agents are taken from nodes
	ShardEpoch uint64      // primary endpoint: of the targets' shard; a lower one gets no connections
}

// SetEndpointTargets makes the agents' endpoint specs follow the targets: in loopback mode each agent
// with a target listens, in ports mode the one agent that the endpoint's address belongs to. Rows
// that differ from the stored ones get the next epoch and their agents are notified; equal ones
// change nothing.
func SetEndpointTargets(ctx context.Context, tx pgx.Tx, targets []EndpointTargets) error {
	return errors.New("fleet: endpoints are not connected yet")
}

// DeleteEndpoints removes endpoints and frees their addresses. Call it when they are Gone.
func DeleteEndpoints(ctx context.Context, tx pgx.Tx, endpointIDs []uuid.UUID) error {
	return errors.New("fleet: endpoints are not connected yet")
}
