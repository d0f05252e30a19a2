package ops

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// group is a replication group as its view needs it.
type group struct {
	row           db.ReplicationGroup
	shards        []shard
	configuration *api.Endpoint // nil: cluster mode disabled, or not there yet
}

type shard struct {
	row             db.NodeGroup
	members         []member
	primary, reader *api.Endpoint
}

type member struct {
	row      db.CacheCluster
	endpoint *api.Endpoint // nil: no node yet
}

func (g *group) members() []member {
	var all []member
	for i := range g.shards {
		all = append(all, g.shards[i].members...)
	}
	return all
}

// insertReplicationGroup writes the rows of a new group.
func (o *operations) insertReplicationGroup(ctx context.Context, tx pgx.Tx, w *wantedGroup) (group, error) {
	caller := api.CallerFrom(ctx)
	subnets, err := o.resolveNetwork(ctx, tx, w)
	if err != nil {
		return group{}, err
	}
	if err := validateZones(w, subnets); err != nil {
		return group{}, err
	}
	nodes, err := store.Q.ReplicationGroupCountNodes(ctx, tx, db.ReplicationGroupCountNodesParams{AccountID: caller.Account, Region: caller.Region})
	if err != nil {
		return group{}, fmt.Errorf("count nodes: %w", err)
	}
	if int(nodes)+w.nodes() > maxNodesPerRegion {
		return group{}, api.NodeQuotaForCustomerExceeded("Customer node quota exceeded. You can have at most %d nodes in this region.", maxNodesPerRegion)
	}

	row := w.row
	row.Uid, row.AccountID, row.Region, row.CreatedAt = uuid.New(), caller.Account, caller.Region, o.now()
	row.ReplicationPassword = rand.Text()
	if len(row.AuthTokenSha256) > 0 {
		row.AuthTokenModifiedAt = &row.CreatedAt
	}
	g := group{row: row}
	inserted, err := store.Q.ReplicationGroupInsertIfAbsent(ctx, tx, db.ReplicationGroupInsertIfAbsentParams(row))
	if err != nil {
		return g, fmt.Errorf("insert replication group: %w", err)
	}
	if inserted == 0 {
		return g, api.ReplicationGroupAlreadyExists("Replication group with specified name already exists.")
	}

	shards := db.NodeGroupInsertManyParams{ReplicationGroupUid: row.Uid}
	clusters := db.CacheClusterInsertManyParams{AccountID: caller.Account, Region: caller.Region, ReplicationGroupUid: row.Uid, CreatedAt: row.CreatedAt}
	for _, wanted := range w.shards {
		next := shard{row: db.NodeGroup{Uid: uuid.New(), ReplicationGroupUid: row.Uid, NodeGroupID: wanted.nodeGroupID, Slots: wanted.slots}}
		for i, zone := range wanted.zones {
			c := db.CacheCluster{
				Uid: uuid.New(), CacheClusterID: memberID(row, wanted.nodeGroupID, i), NodeGroupUid: next.row.Uid, RequestedZone: zone,
			}
			next.members = append(next.members, member{row: c})
			clusters.Uids, clusters.CacheClusterIds = append(clusters.Uids, c.Uid), append(clusters.CacheClusterIds, c.CacheClusterID)
			clusters.NodeGroupUids, clusters.RequestedZones = append(clusters.NodeGroupUids, c.NodeGroupUid), append(clusters.RequestedZones, zone)
		}
		shards.Uids, shards.NodeGroupIds = append(shards.Uids, next.row.Uid), append(shards.NodeGroupIds, next.row.NodeGroupID)
		shards.Slots, shards.PrimaryMembers = append(shards.Slots, next.row.Slots), append(shards.PrimaryMembers, next.members[0].row.Uid)
		g.shards = append(g.shards, next)
	}
	taken, err := store.Q.CacheClusterListExisting(ctx, tx, db.CacheClusterListExistingParams{
		AccountID: caller.Account, Region: caller.Region, CacheClusterIds: clusters.CacheClusterIds,
	})
	if err != nil {
		return g, fmt.Errorf("read cache clusters: %w", err)
	}
	if len(taken) > 0 {
		return g, api.InvalidParameterValue("Cache cluster %s already exists.", taken[0])
	}
	if err := store.Q.NodeGroupInsertMany(ctx, tx, shards); err != nil {
		return g, fmt.Errorf("insert node groups: %w", err)
	}
	if err := store.Q.CacheClusterInsertMany(ctx, tx, clusters); err != nil {
		return g, fmt.Errorf("insert cache clusters: %w", err)
	}
	return g, putTags(ctx, tx, append([]uuid.UUID{row.Uid}, clusters.Uids...), w.tags)
}

// resolveNetwork finds the subnet group and the security groups, and returns the zones to choose from.
func (o *operations) resolveNetwork(ctx context.Context, tx pgx.Tx, w *wantedGroup) (zones []string, err error) {
	caller := api.CallerFrom(ctx)
	subnetGroup, err := store.Q.CacheSubnetGroupGetForShare(ctx, tx, db.CacheSubnetGroupGetForShareParams{
		AccountID: caller.Account, Region: caller.Region, Name: w.subnetGroup,
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.CacheSubnetGroupNotFoundFault("Cache subnet group %s not found.", w.subnetGroup)
	}
	if err != nil {
		return nil, fmt.Errorf("read cache subnet group: %w", err)
	}
	w.row.SubnetGroupUid = subnetGroup.Uid
	if w.row.SecurityGroupIds, err = o.securityGroups(ctx, tx, w.securityGroups, subnetGroup.VpcID); err != nil {
		return nil, err
	}
	subnets, err := store.Q.CacheSubnetGroupListSubnets(ctx, tx, []uuid.UUID{subnetGroup.Uid})
	if err != nil {
		return nil, fmt.Errorf("read subnets: %w", err)
	}
	for _, s := range subnets {
		if !slices.Contains(zones, s.AvailabilityZone) {
			zones = append(zones, s.AvailabilityZone)
		}
	}
	return zones, nil
}

// memberID is <group>-001 with cluster mode disabled, <group>-<node group>-001 with cluster mode enabled.
func memberID(row db.ReplicationGroup, nodeGroup string, i int) string {
	if row.ClusterMode == api.ClusterModeDisabled {
		return fmt.Sprintf("%s-%03d", row.ReplicationGroupID, i+1)
	}
	return fmt.Sprintf("%s-%s-%03d", row.ReplicationGroupID, nodeGroup, i+1)
}

func listReplicationGroups(ctx context.Context, tx pgx.Tx, caller api.Caller, in *api.DescribeReplicationGroupsInput) ([]db.ReplicationGroup, *string, error) {
	if id := strings.ToLower(api.Value(in.ReplicationGroupId)); id != "" {
		row, err := store.Q.ReplicationGroupGet(ctx, tx, db.ReplicationGroupGetParams{AccountID: caller.Account, Region: caller.Region, ReplicationGroupID: id})
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil, groupNotFound(id)
		}
		return []db.ReplicationGroup{row}, nil, err
	}
	return readPage(in.MaxRecords, in.Marker, func(g db.ReplicationGroup) string { return g.ReplicationGroupID },
		func(after string, size int32) ([]db.ReplicationGroup, error) {
			return store.Q.ReplicationGroupListPage(ctx, tx, db.ReplicationGroupListPageParams{
				AccountID: caller.Account, Region: caller.Region, After: after, PageSize: size,
			})
		})
}

// loadGroups reads what belongs to the groups, for all of them at once.
func loadGroups(ctx context.Context, tx pgx.Tx, rows []db.ReplicationGroup) ([]group, error) {
	uids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		uids[i] = row.Uid
	}
	nodeGroups, err := store.Q.NodeGroupListByGroups(ctx, tx, uids)
	if err != nil {
		return nil, fmt.Errorf("read node groups: %w", err)
	}
	clusters, err := store.Q.CacheClusterListByGroups(ctx, tx, uids)
	if err != nil {
		return nil, fmt.Errorf("read cache clusters: %w", err)
	}
	addresses, err := nodeEndpoints(ctx, tx, uids)
	if err != nil {
		return nil, err
	}
	endpoints, err := store.Q.EndpointListByOwners(ctx, tx, uids)
	if err != nil {
		return nil, fmt.Errorf("read endpoints: %w", err)
	}
	endpoint := func(owner uuid.UUID, nodeGroup, kind string) *api.Endpoint {
		for _, e := range endpoints {
			if e.OwnerUid == owner && e.NodeGroupID == nodeGroup && e.Kind == kind {
				return &api.Endpoint{Address: &e.Host, Port: &e.Port}
			}
		}
		return nil
	}
	members := map[uuid.UUID][]member{}
	for _, c := range clusters {
		members[c.NodeGroupUid] = append(members[c.NodeGroupUid], member{row: c, endpoint: addresses[c.CacheClusterID].endpoint})
	}
	groups := make([]group, len(rows))
	for i, row := range rows {
		groups[i] = group{row: row, configuration: endpoint(row.Uid, "", "configuration")}
		for _, n := range nodeGroups {
			if n.ReplicationGroupUid == row.Uid {
				groups[i].shards = append(groups[i].shards, shard{
					row: n, members: members[n.Uid],
					primary: endpoint(row.Uid, n.NodeGroupID, "primary"), reader: endpoint(row.Uid, n.NodeGroupID, "reader"),
				})
			}
		}
	}
	return groups, nil
}

// setGroupStatus moves a group and all its members to the status of the row.
func setGroupStatus(ctx context.Context, tx pgx.Tx, row db.ReplicationGroup) error {
	err := store.Q.ReplicationGroupSetStatus(ctx, tx, db.ReplicationGroupSetStatusParams{
		Uid: row.Uid, Status: row.Status, AutomaticFailover: row.AutomaticFailover,
	})
	if err != nil {
		return fmt.Errorf("set status: %w", err)
	}
	err = store.Q.CacheClusterSetStatusByGroup(ctx, tx, db.CacheClusterSetStatusByGroupParams{ReplicationGroupUid: row.Uid, Status: row.Status})
	if err != nil {
		return fmt.Errorf("set status of members: %w", err)
	}
	return nil
}

// beginHandover stores the intent to make the most advanced replica in sync the primary.
func (o *operations) beginHandover(ctx context.Context, tx pgx.Tx, s *shard) error {
	replicas, err := store.Q.NodeListReplicasInSync(ctx, tx, s.row.Uid)
	if err != nil {
		return fmt.Errorf("read replicas: %w", err)
	}
	if len(replicas) == 0 {
		return api.TestFailoverNotAvailableFault("No replica of node group %s is in sync with the primary.", s.row.NodeGroupID)
	}
	return store.Q.NodeGroupSetFailover(ctx, tx, db.NodeGroupSetFailoverParams{
		Uid: s.row.Uid, FailoverFrom: &s.row.PrimaryMember, FailoverTo: &replicas[0], FailoverStartedAt: new(o.now()),
	})
}
