package reconcile

import (
	"fmt"

	"github.com/elastane/elastane/internal/catalog"
)

// Source types of events, as DescribeEvents names them.
const (
	sourceCacheCluster     = "cache-cluster"
	sourceReplicationGroup = "replication-group"
)

// cacheNodeID is the one node of every Redis and Valkey cache cluster.
const cacheNodeID = "0001"

// event is a row of DescribeEvents, in ElastiCache's wording where that is known.
type event struct{ sourceType, source, message string }

func clusterEvent(cluster, format string, args ...any) event {
	return event{sourceCacheCluster, cluster, fmt.Sprintf(format, args...)}
}

func groupEvent(group, format string, args ...any) event {
	return event{sourceReplicationGroup, group, fmt.Sprintf(format, args...)}
}

func eventsCreated(s *State) []event {
	var events []event
	_, _, isDefault := catalog.ParseDefaultParameterGroup(s.Group.ParameterGroupName)
	for _, m := range s.members() {
		if !isDefault {
			events = append(events, clusterEvent(m.CacheClusterID, "Updated to use a CacheParameterGroup %s", s.Group.ParameterGroupName))
		}
		events = append(events,
			clusterEvent(m.CacheClusterID, "Added cache node %s in availability zone %s", cacheNodeID, m.AvailabilityZone),
			clusterEvent(m.CacheClusterID, "Cache cluster created"))
	}
	id := s.Group.ReplicationGroupID
	events = append(events, groupEvent(id, "Replication group %s created", id))
	if s.Group.AutomaticFailover != "disabled" {
		events = append(events, groupEvent(id, "Automatic failover has been turned on for replication group %s", id))
	}
	return events
}

func eventsCreateFailed(s *State, why string) []event {
	id := s.Group.ReplicationGroupID
	return []event{groupEvent(id, "Failed to create replication group %s: %s", id, why)}
}

func eventsFailedOver(s *State, from, to string) []event {
	completed := fmt.Sprintf("Failover from primary node %s to replica node %s completed", from, to)
	return []event{
		clusterEvent(from, "%s", completed),
		groupEvent(s.Group.ReplicationGroupID, "%s", completed),
		clusterEvent(from, "Recovering cache nodes %s", cacheNodeID),
		clusterEvent(from, "Finished recovery for cache nodes %s", cacheNodeID),
	}
}

func eventsFailoverGivenUp(s *State, shard *Shard, from, to string) []event {
	return []event{groupEvent(s.Group.ReplicationGroupID,
		"Failover from primary node %s to replica node %s of node group %s was given up: the replica did not catch up in time",
		from, to, shard.NodeGroupID)}
}

func eventsDeleted(s *State) []event {
	var events []event
	for _, m := range s.members() {
		events = append(events, clusterEvent(m.CacheClusterID, "Cache cluster deleted"))
	}
	id := s.Group.ReplicationGroupID
	return append(events, groupEvent(id, "Replication group %s deleted", id))
}
