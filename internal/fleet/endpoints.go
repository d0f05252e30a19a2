package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
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

// endpointKinds maps the protocol's kinds to those of endpoints.kind.
var endpointKinds = map[agentv1.EndpointKind]string{
	agentv1.EndpointKind_ENDPOINT_KIND_PRIMARY:       "primary",
	agentv1.EndpointKind_ENDPOINT_KIND_READER:        "reader",
	agentv1.EndpointKind_ENDPOINT_KIND_CONFIGURATION: "configuration",
}

func endpointKind(name string) agentv1.EndpointKind {
	for kind, n := range endpointKinds {
		if n == name {
			return kind
		}
	}
	return agentv1.EndpointKind_ENDPOINT_KIND_UNSPECIFIED
}

// InsertEndpoints adds endpoints; their addresses come from AllocateAddresses. Nobody listens until
// SetEndpointTargets.
func InsertEndpoints(ctx context.Context, tx pgx.Tx, endpoints []Endpoint) error {
	p := db.EndpointsInsertParams{}
	for _, e := range endpoints {
		p.EndpointIds, p.OwnerKinds = append(p.EndpointIds, e.ID), append(p.OwnerKinds, e.OwnerKind)
		p.OwnerUids, p.NodeGroupIds = append(p.OwnerUids, e.OwnerUID), append(p.NodeGroupIds, e.NodeGroupID)
		p.Kinds, p.Hosts = append(p.Kinds, endpointKinds[e.Kind]), append(p.Hosts, e.Host)
		p.Ports = append(p.Ports, e.Port)
	}
	if err := store.Q.EndpointsInsert(ctx, tx, p); err != nil {
		return fmt.Errorf("insert endpoints: %w", err)
	}
	return nil
}

// EndpointsOf reads the endpoints of an owner with their listeners, ordered by node group, then kind.
func EndpointsOf(ctx context.Context, tx pgx.Tx, ownerUID uuid.UUID) ([]Endpoint, error) {
	rows, err := store.Q.EndpointsOfOwner(ctx, tx, ownerUID)
	if err != nil {
		return nil, fmt.Errorf("read endpoints: %w", err)
	}
	specs, err := store.Q.EndpointSpecsOfOwner(ctx, tx, ownerUID)
	if err != nil {
		return nil, fmt.Errorf("read endpoint specs: %w", err)
	}
	listeners := map[uuid.UUID][]EndpointListener{}
	for _, s := range specs {
		l := EndpointListener{AgentID: s.AgentID, Spec: &agentv1.EndpointSpec{}}
		if err := decode(s.Spec, l.Spec); err != nil {
			return nil, fmt.Errorf("decode spec of endpoint %s: %w", s.EndpointID, err)
		}
		if s.Observed != nil {
			l.Observed = &agentv1.EndpointStatus{}
			if err := decode(s.Observed, l.Observed); err != nil {
				return nil, fmt.Errorf("decode status of endpoint %s: %w", s.EndpointID, err)
			}
		}
		listeners[s.EndpointID] = append(listeners[s.EndpointID], l)
	}
	endpoints := make([]Endpoint, len(rows))
	for i, r := range rows {
		endpoints[i] = Endpoint{
			ID: r.EndpointID, OwnerKind: r.OwnerKind, OwnerUID: r.OwnerUid, NodeGroupID: r.NodeGroupID,
			Kind: endpointKind(r.Kind), Host: r.Host, Port: r.Port, Listeners: listeners[r.EndpointID],
		}
	}
	return endpoints, nil
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
// change nothing. An agent that no longer has a part is told ABSENT, and its row goes once it confirms.
func SetEndpointTargets(ctx context.Context, tx pgx.Tx, targets []EndpointTargets) error {
	wanted := map[uuid.UUID]EndpointTargets{}
	endpointIDs, nodeIDs := []uuid.UUID{}, []uuid.UUID{}
	for _, t := range targets {
		wanted[t.EndpointID] = t
		endpointIDs = append(endpointIDs, t.EndpointID)
		nodeIDs = append(nodeIDs, t.Targets...)
	}
	endpoints, err := store.Q.EndpointsForTargets(ctx, tx, endpointIDs)
	if err != nil {
		return fmt.Errorf("read endpoints: %w", err)
	}
	if len(endpoints) != len(wanted) {
		return fmt.Errorf("set targets of %d endpoints: only %d exist", len(wanted), len(endpoints))
	}
	nodes, err := targetNodes(ctx, tx, nodeIDs)
	if err != nil {
		return err
	}
	rows, err := store.Q.EndpointSpecsLock(ctx, tx, endpointIDs)
	if err != nil {
		return fmt.Errorf("lock endpoint specs: %w", err)
	}
	stored := map[listenerKey]db.EndpointSpec{}
	for _, r := range rows {
		stored[listenerKey{r.EndpointID, r.AgentID}] = r
	}

	p := db.EndpointSpecsPutParams{}
	put := func(key listenerKey, spec *agentv1.EndpointSpec) error {
		row, exists := stored[key]
		delete(stored, key)
		epoch := int64(1)
		spec.Epoch = 1
		data, err := encode(spec)
		if exists {
			epoch = row.Epoch + 1
			var changed bool
			if data, changed, err = nextSpec(row.Spec, &agentv1.EndpointSpec{}, spec, row.Epoch); err == nil && !changed {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("spec of endpoint %s: %w", key.endpoint, err)
		}
		p.EndpointIds, p.AgentIds = append(p.EndpointIds, key.endpoint), append(p.AgentIds, key.agent)
		p.Specs, p.Epochs = append(p.Specs, data), append(p.Epochs, epoch)
		return nil
	}
	for _, e := range endpoints {
		spec, agents, err := endpointSpec(e, wanted[e.EndpointID], nodes)
		if err != nil {
			return err
		}
		for _, agent := range agents {
			if err := put(listenerKey{e.EndpointID, agent}, proto.CloneOf(spec)); err != nil {
				return err
			}
		}
	}
	for _, r := range rows {
		key := listenerKey{r.EndpointID, r.AgentID}
		if _, left := stored[key]; !left {
			continue
		}
		spec := &agentv1.EndpointSpec{}
		if err := decode(r.Spec, spec); err != nil {
			return fmt.Errorf("decode spec of endpoint %s: %w", r.EndpointID, err)
		}
		spec.Desired, spec.Targets = agentv1.DesiredState_DESIRED_STATE_ABSENT, nil
		if err := put(key, spec); err != nil {
			return err
		}
	}
	if len(p.EndpointIds) == 0 {
		return nil
	}
	if err := store.Q.EndpointSpecsPut(ctx, tx, p); err != nil {
		return fmt.Errorf("write endpoint specs: %w", err)
	}
	return notify(ctx, tx, p.AgentIds)
}

// listenerKey names one agent's part in an endpoint.
type listenerKey struct{ endpoint, agent uuid.UUID }

// targetNode is where a target of an endpoint can be reached.
type targetNode struct {
	agent  uuid.UUID
	target *agentv1.EndpointTarget
}

func targetNodes(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) (map[uuid.UUID]targetNode, error) {
	rows, err := store.Q.NodeAddresses(ctx, tx, ids)
	if err != nil {
		return nil, fmt.Errorf("read target nodes: %w", err)
	}
	nodes := map[uuid.UUID]targetNode{}
	for _, r := range rows {
		spec := &agentv1.NodeSpec{}
		if err := decode(r.Spec, spec); err != nil {
			return nil, fmt.Errorf("decode spec of node %s: %w", r.NodeID, err)
		}
		nodes[r.NodeID] = targetNode{r.AgentID, &agentv1.EndpointTarget{
			NodeId: r.NodeID.String(), Host: spec.GetListenHost(), Port: spec.GetListenPort(),
		}}
	}
	return nodes, nil
}

// endpointSpec makes the spec that every agent of an endpoint gets, and says which agents those are.
func endpointSpec(e db.EndpointsForTargetsRow, want EndpointTargets, nodes map[uuid.UUID]targetNode) (*agentv1.EndpointSpec, []uuid.UUID, error) {
	spec := &agentv1.EndpointSpec{
		EndpointId: e.EndpointID.String(), Desired: agentv1.DesiredState_DESIRED_STATE_RUNNING,
		Kind: endpointKind(e.Kind), ListenHost: e.Host, ListenPort: uint32(e.Port), ShardEpoch: want.ShardEpoch,
	}
	agents := []uuid.UUID{}
	for _, id := range want.Targets {
		n, known := nodes[id]
		if !known {
			return nil, nil, fmt.Errorf("endpoint %s: no target node %s", e.EndpointID, id)
		}
		spec.Targets = append(spec.Targets, n.target)
		if e.AgentID == nil && !slices.Contains(agents, n.agent) {
			agents = append(agents, n.agent)
		}
	}
	if e.AgentID != nil {
		spec.ListenHost = e.ClusterHost
		if len(want.Targets) > 0 {
			agents = append(agents, *e.AgentID)
		}
	}
	return spec, agents, nil
}

// DeleteEndpoints removes endpoints and frees their addresses. It fails, and removes nothing, if one
// of them is not Gone.
func DeleteEndpoints(ctx context.Context, tx pgx.Tx, endpointIDs []uuid.UUID) error {
	n, err := store.Q.EndpointsDelete(ctx, tx, endpointIDs)
	if err != nil {
		return fmt.Errorf("delete endpoints: %w", err)
	}
	if int(n) != len(endpointIDs) {
		return fmt.Errorf("delete %d endpoints: only %d are gone from the agents", len(endpointIDs), n)
	}
	return FreeAddresses(ctx, tx, endpointIDs)
}
