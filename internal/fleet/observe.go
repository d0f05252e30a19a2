package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// observations collects reported statuses until they are written; a newer status of a thing replaces
// an older one, so that there are never more than the agent has things.
type observations struct {
	ready     chan struct{} // holds one: there is something to write
	mu        *sync.Mutex
	nodes     map[uuid.UUID]*agentv1.NodeStatus
	endpoints map[uuid.UUID]*agentv1.EndpointStatus
}

func newObservations() observations {
	return observations{
		ready: make(chan struct{}, 1), mu: &sync.Mutex{},
		nodes: map[uuid.UUID]*agentv1.NodeStatus{}, endpoints: map[uuid.UUID]*agentv1.EndpointStatus{},
	}
}

// add takes statuses in. Ids that are no UUIDs name nothing in the database and are left out.
func (o *observations) add(nodes []*agentv1.NodeStatus, endpoints []*agentv1.EndpointStatus) {
	o.mu.Lock()
	for _, status := range nodes {
		if id, err := uuid.Parse(status.GetNodeId()); err == nil {
			o.nodes[id] = status
		}
	}
	for _, status := range endpoints {
		if id, err := uuid.Parse(status.GetEndpointId()); err == nil {
			o.endpoints[id] = status
		}
	}
	o.mu.Unlock()
	o.signal()
}

func (o *observations) signal() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// take empties the collection.
func (o *observations) take() (map[uuid.UUID]*agentv1.NodeStatus, map[uuid.UUID]*agentv1.EndpointStatus) {
	o.mu.Lock()
	defer o.mu.Unlock()
	nodes, endpoints := o.nodes, o.endpoints
	o.nodes, o.endpoints = map[uuid.UUID]*agentv1.NodeStatus{}, map[uuid.UUID]*agentv1.EndpointStatus{}
	return nodes, endpoints
}

// putBack returns what could not be written, under anything that came since.
func (o *observations) putBack(nodes map[uuid.UUID]*agentv1.NodeStatus, endpoints map[uuid.UUID]*agentv1.EndpointStatus) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, status := range nodes {
		if o.nodes[id] == nil {
			o.nodes[id] = status
		}
	}
	for id, status := range endpoints {
		if o.endpoints[id] == nil {
			o.endpoints[id] = status
		}
	}
	o.signal()
}

// observe writes what the agent reports: at once, and all that came in during one write with the next.
func (n *session) observe(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-n.seen.ready:
		}
		nodes, endpoints := n.seen.take()
		if len(nodes)+len(endpoints) == 0 {
			continue
		}
		err := n.write(ctx, nodes, endpoints)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n.log.Warn("could not write what the agent observed, trying again", "error", err)
		n.seen.putBack(nodes, endpoints)
		fires, stop := n.server.opts.Clock.After(200 * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-fires:
		}
		stop()
	}
}

// owner is whose reconciler a change concerns.
type owner struct {
	kind string
	uid  uuid.UUID
}

// write stores statuses and, in the same transaction, wakes the reconcilers of the owners for whom
// something material changed.
func (n *session) write(ctx context.Context, nodes map[uuid.UUID]*agentv1.NodeStatus, endpoints map[uuid.UUID]*agentv1.EndpointStatus) error {
	now := n.server.opts.Clock.Now()
	observeNodes := db.NodesObserveParams{AgentID: n.agent, SessionID: n.id, Now: now}
	for id, status := range nodes {
		data, err := encode(status)
		if err != nil {
			return fmt.Errorf("encode status of node %s: %w", id, err)
		}
		observeNodes.NodeIds, observeNodes.Observed = append(observeNodes.NodeIds, id), append(observeNodes.Observed, data)
	}
	observeEndpoints := db.EndpointSpecsObserveParams{AgentID: n.agent, SessionID: n.id}
	for id, status := range endpoints {
		data, err := encode(status)
		if err != nil {
			return fmt.Errorf("encode status of endpoint %s: %w", id, err)
		}
		observeEndpoints.EndpointIds, observeEndpoints.Observed = append(observeEndpoints.EndpointIds, id), append(observeEndpoints.Observed, data)
	}
	return n.server.opts.Store.Tx(ctx, func(tx pgx.Tx) error {
		owners := map[owner]bool{}
		if len(nodes) > 0 {
			rows, err := store.Q.NodesObserve(ctx, tx, observeNodes)
			if err != nil {
				return fmt.Errorf("write node statuses: %w", err)
			}
			n.tellUnknown(nodes, rows)
			for _, r := range rows {
				before := &agentv1.NodeStatus{}
				err := decodeIfAny(r.Previous, before)
				if err != nil || materialNode(before, nodes[r.NodeID], r.WatchOffset) {
					owners[owner{r.OwnerKind, r.OwnerUid}] = true
				}
			}
		}
		if len(endpoints) > 0 {
			rows, err := store.Q.EndpointSpecsObserve(ctx, tx, observeEndpoints)
			if err != nil {
				return fmt.Errorf("write endpoint statuses: %w", err)
			}
			for _, r := range rows {
				before := &agentv1.EndpointStatus{}
				err := decodeIfAny(r.Previous, before)
				if err != nil || materialEndpoint(before, endpoints[r.EndpointID]) {
					owners[owner{r.OwnerKind, r.OwnerUid}] = true
				}
			}
			err = store.Q.EndpointSpecsDeleteGone(ctx, tx, db.EndpointSpecsDeleteGoneParams{AgentID: n.agent, EndpointIds: observeEndpoints.EndpointIds})
			if err != nil {
				return fmt.Errorf("drop closed endpoints: %w", err)
			}
		}
		var errs []error
		for o := range owners {
			errs = append(errs, store.EnqueueReconcile(ctx, tx, o.kind, o.uid))
		}
		return errors.Join(errs...)
	})
}

// tellUnknown logs, once a session, nodes that an agent holds and the database does not know there.
// They are left alone: an empty or older database must destroy nothing.
func (n *session) tellUnknown(reported map[uuid.UUID]*agentv1.NodeStatus, known []db.NodesObserveRow) {
	if len(known) == len(reported) {
		return
	}
	strangers := maps.Clone(reported)
	for _, r := range known {
		delete(strangers, r.NodeID)
	}
	for id, status := range strangers {
		if status.GetState() != agentv1.NodeState_NODE_STATE_ABSENT && !n.strangers[id] {
			n.strangers[id] = true
			n.log.Warn("the agent holds a node that is not placed on it; it is left alone", "node_id", id, "state", status.GetState())
		}
	}
}

// decodeIfAny leaves m empty where nothing was stored.
func decodeIfAny(data []byte, m proto.Message) error {
	if data == nil {
		return nil
	}
	return decode(data, m)
}

// materialNode says whether the owner's reconciler could do something about the difference. Memory,
// keys and, unless it is watched, the offset change all the time and mean nothing to it.
func materialNode(before, after *agentv1.NodeStatus, watchOffset bool) bool {
	return before.GetState() != after.GetState() ||
		before.GetSpecEpoch() != after.GetSpecEpoch() ||
		before.GetError() != after.GetError() ||
		before.GetRole() != after.GetRole() ||
		before.GetShardEpoch() != after.GetShardEpoch() ||
		before.GetLinkUp() != after.GetLinkUp() ||
		before.GetWritesPaused() != after.GetWritesPaused() ||
		before.GetAttachedReplicas() != after.GetAttachedReplicas() ||
		before.GetClusterMapEpoch() != after.GetClusterMapEpoch() ||
		before.GetCertificateReady() != after.GetCertificateReady() ||
		watchOffset && before.GetReplicationOffset() != after.GetReplicationOffset()
}

// materialEndpoint is materialNode for endpoints.
func materialEndpoint(before, after *agentv1.EndpointStatus) bool {
	return before.GetEpoch() != after.GetEpoch() || before.GetListening() != after.GetListening() ||
		before.GetError() != after.GetError()
}
