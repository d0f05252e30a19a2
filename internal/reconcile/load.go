package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/catalog"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// load reads everything about a group whose row the caller has locked. startedAt is the process's.
func load(ctx context.Context, tx pgx.Tx, group db.ReplicationGroup, now, startedAt time.Time) (*State, error) {
	s := &State{Group: group, Now: now, Since: group.CreatedAt}
	if startedAt.After(s.Since) {
		s.Since = startedAt
	}
	owner := []uuid.UUID{group.Uid}
	shards, err := store.Q.NodeGroupListByGroups(ctx, tx, owner)
	if err != nil {
		return nil, fmt.Errorf("read node groups: %w", err)
	}
	clusters, err := store.Q.CacheClusterListByGroups(ctx, tx, owner)
	if err != nil {
		return nil, fmt.Errorf("read cache clusters: %w", err)
	}
	nodes, err := fleet.NodesOf(ctx, tx, group.Uid)
	if err != nil {
		return nil, err
	}
	byCluster := map[string]*fleet.Node{}
	for i := range nodes {
		byCluster[nodes[i].CacheClusterID] = &nodes[i]
	}
	for _, shard := range shards {
		next := Shard{NodeGroup: shard}
		for _, c := range clusters {
			if c.NodeGroupUid == shard.Uid {
				next.Members = append(next.Members, Member{CacheCluster: c, Node: byCluster[c.CacheClusterID]})
			}
		}
		s.Shards = append(s.Shards, next)
	}
	if s.Endpoints, err = fleet.EndpointsOf(ctx, tx, group.Uid); err != nil {
		return nil, err
	}
	if s.Zones, err = loadZones(ctx, tx, group.SubnetGroupUid); err != nil {
		return nil, err
	}
	if s.Parameters, err = loadParameters(ctx, tx, group); err != nil {
		return nil, err
	}
	if s.clusterEnabled() {
		if s.ClusterMap, err = loadClusterMap(ctx, tx, group.Uid); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func loadZones(ctx context.Context, tx pgx.Tx, subnetGroup uuid.UUID) ([]string, error) {
	subnets, err := store.Q.CacheSubnetGroupListSubnets(ctx, tx, []uuid.UUID{subnetGroup})
	if err != nil {
		return nil, fmt.Errorf("read subnets: %w", err)
	}
	var zones []string
	for _, subnet := range subnets {
		if !slices.Contains(zones, subnet.AvailabilityZone) {
			zones = append(zones, subnet.AvailabilityZone)
		}
	}
	return zones, nil
}

func loadParameters(ctx context.Context, tx pgx.Tx, group db.ReplicationGroup) (map[string]string, error) {
	rows, err := store.Q.CacheParameterGroupListValues(ctx, tx, db.CacheParameterGroupListValuesParams{
		AccountID: group.AccountID, Region: group.Region, Names: []string{group.ParameterGroupName},
	})
	if err != nil {
		return nil, fmt.Errorf("read parameter values: %w", err)
	}
	values := map[string]string{}
	for _, row := range rows {
		values[row.Name] = row.Value
	}
	return values, nil
}

func loadClusterMap(ctx context.Context, tx pgx.Tx, group uuid.UUID) (*agentv1.ClusterMap, error) {
	row, err := store.Q.ClusterMapLock(ctx, tx, group)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read cluster map: %w", err)
	}
	clusterMap := &agentv1.ClusterMap{}
	if err := protojson.Unmarshal(row.Spec, clusterMap); err != nil {
		return nil, fmt.Errorf("decode cluster map: %w", err)
	}
	return clusterMap, nil
}

// placementWants lists, shard by shard, the members that have no node and what each of them needs.
func placementWants(s *State, driver string) (newcomers [][]*Member, wants []fleet.ShardWant) {
	nodeType, _ := catalog.FindNodeType(s.Group.CacheNodeType)
	for i := range s.Shards {
		want := fleet.ShardWant{
			Region: s.Group.Region, Driver: driver,
			MemoryBytes: nodeType.MaxMemory(s.Group.Engine), VCPUs: int32(nodeType.VCPUs), //nolint:gosec // below 1000
			AllowedZones: s.Zones,
		}
		var members []*Member
		for j := range s.Shards[i].Members {
			m := &s.Shards[i].Members[j]
			if m.Node != nil {
				want.Existing = append(want.Existing, m.Node.AgentID)
				continue
			}
			members = append(members, m)
			want.Zones = append(want.Zones, m.RequestedZone)
		}
		if len(members) > 0 {
			newcomers, wants = append(newcomers, members), append(wants, want)
		}
	}
	return newcomers, wants
}

// missingEndpoints are those that the group should have and has not: primary and reader endpoint of
// the one shard, or the configuration endpoint in cluster mode; compatible groups have all three.
func missingEndpoints(s *State) []fleet.Endpoint {
	var missing []fleet.Endpoint
	add := func(nodeGroup string, kind agentv1.EndpointKind) {
		for _, e := range s.Endpoints {
			if e.NodeGroupID == nodeGroup && e.Kind == kind {
				return
			}
		}
		missing = append(missing, fleet.Endpoint{
			ID: uuid.New(), OwnerKind: store.OwnerReplicationGroup, OwnerUID: s.Group.Uid, NodeGroupID: nodeGroup, Kind: kind,
		})
	}
	if s.Group.ClusterMode != "enabled" {
		for i := range s.Shards {
			add(s.Shards[i].NodeGroupID, agentv1.EndpointKind_ENDPOINT_KIND_PRIMARY)
			add(s.Shards[i].NodeGroupID, agentv1.EndpointKind_ENDPOINT_KIND_READER)
		}
	}
	if s.clusterEnabled() {
		add("", agentv1.EndpointKind_ENDPOINT_KIND_CONFIGURATION)
	}
	return missing
}
