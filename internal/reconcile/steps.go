package reconcile

import (
	"github.com/google/uuid"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/store/db"
)

// A step is one change of the database. The executor applies the steps of a plan in their order.
type step interface{ isStep() }

type (
	// placeMembers gives each member that has none a node: an agent, an address and its first spec;
	// and the group its endpoints.
	placeMembers struct{}

	// putSpecs replaces the desired specs of nodes.
	putSpecs struct{ specs []*agentv1.NodeSpec }

	// setTargets says where endpoints lead to.
	setTargets struct{ targets []fleet.EndpointTargets }

	// putClusterMap replaces the group's slot map.
	putClusterMap struct{ clusterMap *agentv1.ClusterMap }

	// setPrimary moves the role of the primary, from the epoch that the plan saw to the next.
	setPrimary struct {
		shard, member uuid.UUID
		fromEpoch     int64
	}

	// endHandover forgets a planned hand-over, finished or given up.
	endHandover struct{ shard uuid.UUID }

	// endParameterChange: every node has taken in the values of the parameter group.
	endParameterChange struct{}

	// setStatus moves the group and its members in their life cycles.
	setStatus struct{ group, automaticFailover, members string }

	// recordEvents appends events.
	recordEvents struct{ events []event }

	// deleteNodes removes nodes that are gone, and frees their addresses.
	deleteNodes struct{ nodes []uuid.UUID }

	// deleteEndpoints removes endpoints that nobody listens for, and frees their addresses.
	deleteEndpoints struct{ endpoints []uuid.UUID }

	// deleteGroup removes the group's last rows.
	deleteGroup struct{ group db.ReplicationGroup }
)

func (placeMembers) isStep()       {}
func (putSpecs) isStep()           {}
func (setTargets) isStep()         {}
func (putClusterMap) isStep()      {}
func (setPrimary) isStep()         {}
func (endHandover) isStep()        {}
func (endParameterChange) isStep() {}
func (setStatus) isStep()          {}
func (recordEvents) isStep()       {}
func (deleteNodes) isStep()        {}
func (deleteEndpoints) isStep()    {}
func (deleteGroup) isStep()        {}
