package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/fleet"
)

const (
	// handoverTimeout is how long writes may be held while a replica catches up, before the hand-over
	// is given up. Clients see it as latency, so it stays below their usual time-outs.
	handoverTimeout = 5 * time.Second
	// failedAfter is how long a node may keep failing to start before its group counts as failed.
	failedAfter = 30 * time.Second
)

// plan says what to do next for a replication group. Without steps, the outcome says how things are.
func plan(s *State) ([]step, Outcome, error) {
	switch s.Group.Status {
	case "deleting":
		steps, outcome := planRemoval(s)
		if len(steps) == 0 && outcome == done() {
			steps = []step{recordEvents{eventsDeleted(s)}, deleteGroup{s.Group}}
		}
		return steps, outcome, nil
	case "create-failed":
		steps, outcome := planRemoval(s)
		if outcome == done() {
			outcome = terminal("the group could not be created")
		}
		return steps, outcome, nil
	}
	if !s.placed() {
		return []step{placeMembers{}}, done(), nil
	}
	steps, err := planSpecs(s)
	if err != nil || len(steps) > 0 {
		return steps, done(), err
	}
	if s.Group.Status == "creating" {
		steps, outcome := planCreation(s)
		return steps, outcome, nil
	}
	if s.Group.ParametersPending && settled(s) {
		return []step{endParameterChange{}}, done(), nil
	}
	steps, outcome := planHandovers(s)
	if s.Group.ParametersPending && len(steps) == 0 && outcome == done() {
		outcome = wait(0, "the nodes take in their parameters")
	}
	return steps, outcome, nil
}

// settled says whether every node has applied the spec that it has now.
func settled(s *State) bool {
	for _, node := range s.nodes() {
		if node.Observed == nil || node.Observed.GetSpecEpoch() < node.Spec.GetEpoch() ||
			node.Observed.GetState() != agentv1.NodeState_NODE_STATE_RUNNING {
			return false
		}
	}
	return true
}

// planSpecs makes the stored specs, endpoint targets and slot map follow the rows.
func planSpecs(s *State) ([]step, error) {
	var steps []step
	var specs []*agentv1.NodeSpec
	for i := range s.Shards {
		for j := range s.Shards[i].Members {
			m := &s.Shards[i].Members[j]
			spec := specOf(s, &s.Shards[i], m)
			spec.Epoch = m.Node.Spec.GetEpoch()
			if !proto.Equal(spec, m.Node.Spec) {
				specs = append(specs, spec)
			}
		}
	}
	if len(specs) > 0 {
		steps = append(steps, putSpecs{specs})
	}
	var targets []fleet.EndpointTargets
	for i := range s.Endpoints {
		if want := targetsOf(s, &s.Endpoints[i]); !hasTargets(&s.Endpoints[i], want) {
			targets = append(targets, want)
		}
	}
	if len(targets) > 0 {
		steps = append(steps, setTargets{targets})
	}
	if s.clusterEnabled() {
		clusterMap, err := clusterMapOf(s)
		if err != nil {
			return nil, err
		}
		clusterMap.Epoch = s.ClusterMap.GetEpoch()
		if !proto.Equal(clusterMap, s.ClusterMap) {
			steps = append(steps, putClusterMap{clusterMap})
		}
	}
	return steps, nil
}

// planCreation makes the group available once every member serves, follows its primary and is
// reached through the endpoints.
func planCreation(s *State) ([]step, Outcome) {
	if why := failure(s); why != "" {
		return []step{
			setStatus{group: "create-failed", automaticFailover: s.Group.AutomaticFailover, members: "deleting"},
			recordEvents{eventsCreateFailed(s, why)},
		}, done()
	}
	for i := range s.Shards {
		for j := range s.Shards[i].Members {
			m := &s.Shards[i].Members[j]
			if why := unready(s, m.Node); why != "" {
				return nil, wait(failedAfter, "%s %s", m.CacheClusterID, why)
			}
		}
	}
	for i := range s.Endpoints {
		if !s.Endpoints[i].Ready() {
			return nil, wait(failedAfter, "%s endpoint is not listening", s.Endpoints[i].Kind)
		}
	}
	failover := s.Group.AutomaticFailover
	if failover == "enabling" {
		failover = "enabled"
	}
	return []step{
		setStatus{group: "available", automaticFailover: failover, members: "available"},
		recordEvents{eventsCreated(s)},
	}, done()
}

// failure names the fault of a node or endpoint that has failed for too long to hope; empty: none.
func failure(s *State) string {
	if s.Now.Sub(s.Since) < failedAfter {
		return ""
	}
	for _, node := range s.nodes() {
		if node.Observed.GetState() == agentv1.NodeState_NODE_STATE_FAILED &&
			node.Observed.GetSpecEpoch() >= node.Spec.GetEpoch() {
			return node.Spec.GetName() + ": " + strings.TrimSpace(node.Observed.GetError())
		}
	}
	for i := range s.Endpoints {
		for _, l := range s.Endpoints[i].Listeners {
			if l.Observed.GetError() != "" && l.Observed.GetEpoch() >= l.Spec.GetEpoch() {
				return "endpoint: " + strings.TrimSpace(l.Observed.GetError())
			}
		}
	}
	return ""
}

// unready says what a node still lacks to serve as its spec says; empty: nothing.
func unready(s *State, node *fleet.Node) string {
	seen := node.Observed
	switch {
	case seen == nil || seen.GetSpecEpoch() < node.Spec.GetEpoch():
		return "has not applied its spec"
	case seen.GetState() != agentv1.NodeState_NODE_STATE_RUNNING:
		return "is not running"
	case seen.GetRole() != node.Spec.GetRole() || seen.GetShardEpoch() < node.Spec.GetShardEpoch():
		return "has not taken its role"
	case node.Spec.GetRole() == agentv1.Role_ROLE_REPLICA && !seen.GetLinkUp():
		return "is not in sync with its primary"
	case node.Spec.GetTlsMode() != agentv1.TLSMode_TLS_MODE_OFF && !seen.GetCertificateReady():
		return "has no certificate"
	case s.clusterEnabled() && seen.GetClusterMapEpoch() < s.ClusterMap.GetEpoch():
		return "has not taken the slot map"
	}
	return ""
}

// planHandovers moves the role of primary where an operation asked for it, shard by shard.
func planHandovers(s *State) ([]step, Outcome) {
	var steps []step
	outcome := done()
	for i := range s.Shards {
		shard := &s.Shards[i]
		if shard.handover() == handoverNone {
			continue
		}
		from, to := shard.member(*shard.FailoverFrom), shard.member(*shard.FailoverTo)
		if from == nil || to == nil { // a member was removed meanwhile
			steps = append(steps, endHandover{shard.Uid})
			continue
		}
		switch shard.handover() {
		case handoverPausing:
			left := handoverTimeout - s.Now.Sub(*shard.FailoverStartedAt)
			switch {
			case caughtUp(shard, from.Node, to.Node):
				steps = append(steps, setPrimary{shard: shard.Uid, member: to.Uid, fromEpoch: shard.ShardEpoch})
			case left <= 0:
				steps = append(steps, endHandover{shard.Uid},
					recordEvents{eventsFailoverGivenUp(s, shard, from.CacheClusterID, to.CacheClusterID)})
			default:
				outcome = wait(left, "%s catches up with %s", to.CacheClusterID, from.CacheClusterID)
			}
		case handoverSwitching:
			if why := unsettled(s, shard); why != "" {
				outcome = wait(0, "%s", why)
				continue
			}
			steps = append(steps, endHandover{shard.Uid},
				recordEvents{eventsFailedOver(s, from.CacheClusterID, to.CacheClusterID)})
		}
	}
	return steps, outcome
}

// caughtUp says whether the paused primary's last write is on the replica. Both must have applied
// the specs of the hand-over, so that neither report is older than the pause.
func caughtUp(shard *Shard, from, to *fleet.Node) bool {
	primary, replica := from.Observed, to.Observed
	epoch := uint64(shard.ShardEpoch) //nolint:gosec // >= 1 by a CHECK
	return primary != nil && replica != nil &&
		from.Spec.GetWritesPaused() && primary.GetWritesPaused() &&
		primary.GetSpecEpoch() >= from.Spec.GetEpoch() && replica.GetSpecEpoch() >= to.Spec.GetEpoch() &&
		primary.GetShardEpoch() == epoch && replica.GetShardEpoch() == epoch &&
		primary.GetRole() == agentv1.Role_ROLE_PRIMARY &&
		replica.GetState() == agentv1.NodeState_NODE_STATE_RUNNING && replica.GetLinkUp() &&
		replica.GetReplicationOffset() >= primary.GetReplicationOffset() &&
		replica.GetReplicationId() == primary.GetReplicationId()
}

// unsettled says which member of a shard has not followed the change of the primary; empty: none.
func unsettled(s *State, shard *Shard) string {
	for i := range shard.Members {
		if why := unready(s, shard.Members[i].Node); why != "" {
			return shard.Members[i].CacheClusterID + " " + why
		}
	}
	for i := range s.Endpoints {
		if e := &s.Endpoints[i]; (e.NodeGroupID == "" || e.NodeGroupID == shard.NodeGroupID) && !e.Ready() {
			return fmt.Sprintf("%s endpoint has not followed", e.Kind)
		}
	}
	return ""
}

// planRemoval ends the group's nodes and endpoints; done when nothing of them is left.
func planRemoval(s *State) ([]step, Outcome) {
	var steps []step
	var specs []*agentv1.NodeSpec
	var goneNodes, goneEndpoints []uuid.UUID
	var targets []fleet.EndpointTargets
	waiting := 0
	for _, node := range s.nodes() {
		switch {
		case node.Spec.GetDesired() != agentv1.DesiredState_DESIRED_STATE_ABSENT:
			specs = append(specs, absentSpec(node))
		case node.Observed.GetState() == agentv1.NodeState_NODE_STATE_ABSENT:
			goneNodes = append(goneNodes, node.ID)
		default:
			waiting++
		}
	}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		switch {
		case e.Gone():
			goneEndpoints = append(goneEndpoints, e.ID)
		case listening(e):
			targets = append(targets, fleet.EndpointTargets{EndpointID: e.ID})
		default:
			waiting++
		}
	}
	if len(specs) > 0 {
		steps = append(steps, putSpecs{specs})
	}
	if len(targets) > 0 {
		steps = append(steps, setTargets{targets})
	}
	if len(goneNodes) > 0 {
		steps = append(steps, deleteNodes{goneNodes})
	}
	if len(goneEndpoints) > 0 {
		steps = append(steps, deleteEndpoints{goneEndpoints})
	}
	if len(steps) == 0 && waiting > 0 {
		return nil, wait(0, "%d nodes and endpoints are still being removed", waiting)
	}
	return steps, done()
}

// listening says whether some agent is told to listen for the endpoint.
func listening(e *fleet.Endpoint) bool {
	for _, l := range e.Listeners {
		if l.Spec.GetDesired() != agentv1.DesiredState_DESIRED_STATE_ABSENT {
			return true
		}
	}
	return false
}
