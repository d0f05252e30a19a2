package fleet

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// sent remembers which epoch of which thing went down a session, so that only what changed goes again.
type sent map[uuid.UUID]int64

// lists gives the two columns that the queries compare with.
func (s sent) lists() (ids []uuid.UUID, epochs []int64) {
	ids, epochs = make([]uuid.UUID, 0, len(s)), make([]int64, 0, len(s))
	for id, epoch := range s {
		ids, epochs = append(ids, id), append(epochs, epoch)
	}
	return ids, epochs
}

// follow hands the agent's desired state to the sender: everything first, then what changed each time
// it is woken, and each few seconds without being woken.
func (n *session) follow(ctx context.Context) error {
	nodes, endpoints, maps := sent{}, sent{}, sent{}
	for complete := true; ; {
		specs, err := n.changes(ctx, nodes, endpoints, maps)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			// The agent goes on with what it has; the database comes back or the agent finds another server.
			n.log.Warn("could not read the agent's specs", "error", err)
		case complete || len(specs.GetNodes())+len(specs.GetEndpoints())+len(specs.GetClusterMaps()) > 0:
			specs.Complete = complete
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case n.specs <- &agentv1.ServerMessage{Message: &agentv1.ServerMessage_Specs{Specs: specs}}:
				complete = false
			}
		}
		fires, stop := n.server.opts.Clock.After(n.server.opts.Poll)
		select {
		case <-ctx.Done():
		case <-n.woken:
		case <-fires:
		}
		stop()
	}
}

// changes reads what the agent has not been sent, and remembers it as sent. If a message is lost the
// session is over, and the next one begins with everything.
func (n *session) changes(ctx context.Context, nodes, endpoints, maps sent) (*agentv1.Specs, error) {
	pool := n.server.opts.Store.Pool()
	specs := &agentv1.Specs{}

	// Maps are read after the nodes: a node that shows up here has its map in the same message.
	ids, epochs := nodes.lists()
	nodeRows, err := store.Q.NodesChanged(ctx, pool, db.NodesChangedParams{AgentID: n.agent, SentIds: ids, SentEpochs: epochs})
	if err != nil {
		return nil, fmt.Errorf("read node specs: %w", err)
	}
	ids, epochs = endpoints.lists()
	endpointRows, err := store.Q.EndpointSpecsChanged(ctx, pool, db.EndpointSpecsChangedParams{AgentID: n.agent, SentIds: ids, SentEpochs: epochs})
	if err != nil {
		return nil, fmt.Errorf("read endpoint specs: %w", err)
	}
	ids, epochs = maps.lists()
	mapRows, err := store.Q.ClusterMapsChanged(ctx, pool, db.ClusterMapsChangedParams{AgentID: n.agent, SentIds: ids, SentEpochs: epochs})
	if err != nil {
		return nil, fmt.Errorf("read cluster maps: %w", err)
	}

	for _, r := range nodeRows {
		spec := &agentv1.NodeSpec{}
		if err := decode(r.Spec, spec); err != nil {
			return nil, fmt.Errorf("decode spec of node %s: %w", r.NodeID, err)
		}
		spec.Epoch = uint64(r.SpecEpoch)
		specs.Nodes = append(specs.Nodes, spec)
	}
	for _, r := range endpointRows {
		spec := &agentv1.EndpointSpec{}
		if err := decode(r.Spec, spec); err != nil {
			return nil, fmt.Errorf("decode spec of endpoint %s: %w", r.EndpointID, err)
		}
		spec.Epoch = uint64(r.Epoch)
		specs.Endpoints = append(specs.Endpoints, spec)
	}
	for _, r := range mapRows {
		spec := &agentv1.ClusterMap{}
		if err := decode(r.Spec, spec); err != nil {
			return nil, fmt.Errorf("decode cluster map %s: %w", r.ClusterMapID, err)
		}
		spec.Epoch = uint64(r.Epoch)
		specs.ClusterMaps = append(specs.ClusterMaps, spec)
	}
	for _, r := range nodeRows {
		nodes[r.NodeID] = r.SpecEpoch
	}
	for _, r := range endpointRows {
		endpoints[r.EndpointID] = r.Epoch
	}
	for _, r := range mapRows {
		maps[r.ClusterMapID] = r.Epoch
	}
	return specs, nil
}
