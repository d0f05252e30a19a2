package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// cacheNodeID is the one node of every Redis and Valkey cache cluster.
const cacheNodeID = "0001"

// Operations.

// DescribeCacheClusters lists the caller's cache clusters, or one of them. Each member of a
// replication group is a cache cluster.
func (o *operations) DescribeCacheClusters(ctx context.Context, in *api.DescribeCacheClustersInput) (*api.DescribeCacheClustersOutput, error) {
	caller := api.CallerFrom(ctx)
	out := &api.DescribeCacheClustersOutput{CacheClusters: []api.CacheCluster{}}
	err := o.Store.View(ctx, func(tx pgx.Tx) error {
		rows, next, err := listCacheClusters(ctx, tx, caller, in)
		if err != nil {
			return err
		}
		out.Marker = next
		groups, nodes, err := loadClusters(ctx, tx, rows)
		if err != nil {
			return err
		}
		reboots, err := readReboots(ctx, tx, caller, groups)
		if err != nil {
			return err
		}
		for _, row := range rows {
			g := groups[row.ReplicationGroupUid]
			applied := parameterApplyStatus(g.ReplicationGroup, reboots[row.CacheClusterID])
			view := viewCacheCluster(caller, row, g.ReplicationGroup, g.SubnetGroupName, applied)
			if api.Value(in.ShowCacheNodeInfo) && row.Status == statusAvailable {
				view.CacheNodes = []api.CacheNode{viewCacheNode(row, nodes[row.CacheClusterID], applied)}
			}
			out.CacheClusters = append(out.CacheClusters, view)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Rows.

func listCacheClusters(ctx context.Context, tx pgx.Tx, caller api.Caller, in *api.DescribeCacheClustersInput) ([]db.CacheCluster, *string, error) {
	if id := strings.ToLower(api.Value(in.CacheClusterId)); id != "" {
		row, err := store.Q.CacheClusterGet(ctx, tx, db.CacheClusterGetParams{AccountID: caller.Account, Region: caller.Region, CacheClusterID: id})
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil, api.CacheClusterNotFound("CacheCluster not found: %s", id)
		}
		return []db.CacheCluster{row}, nil, err
	}
	return readPage(in.MaxRecords, in.Marker, func(c db.CacheCluster) string { return c.CacheClusterID },
		func(after string, size int32) ([]db.CacheCluster, error) {
			if api.Value(in.ShowCacheClustersNotInReplicationGroups) {
				return nil, nil // every cluster that can be made so far is a member of a group
			}
			return store.Q.CacheClusterListPage(ctx, tx, db.CacheClusterListPageParams{
				AccountID: caller.Account, Region: caller.Region, After: after, PageSize: size,
			})
		})
}

// loadClusters reads the groups and the nodes of the clusters, for all of them at once.
func loadClusters(ctx context.Context, tx pgx.Tx, rows []db.CacheCluster) (map[uuid.UUID]db.ReplicationGroupListByUIDsRow, map[string]node, error) {
	groups := map[uuid.UUID]db.ReplicationGroupListByUIDsRow{}
	var uids []uuid.UUID
	for _, row := range rows {
		if _, seen := groups[row.ReplicationGroupUid]; !seen {
			groups[row.ReplicationGroupUid] = db.ReplicationGroupListByUIDsRow{}
			uids = append(uids, row.ReplicationGroupUid)
		}
	}
	groupRows, err := store.Q.ReplicationGroupListByUIDs(ctx, tx, uids)
	if err != nil {
		return nil, nil, fmt.Errorf("read replication groups: %w", err)
	}
	for _, g := range groupRows {
		groups[g.ReplicationGroup.Uid] = g
	}
	nodes, err := nodeEndpoints(ctx, tx, uids)
	return groups, nodes, err
}

// node is what clients learn about a cluster's node.
type node struct {
	endpoint  *api.Endpoint
	createdAt time.Time
}

// nodeEndpoints gives the nodes of groups by their cache cluster id, which is unique within an account and region.
func nodeEndpoints(ctx context.Context, tx pgx.Tx, groups []uuid.UUID) (map[string]node, error) {
	rows, err := store.Q.CacheClusterListAddresses(ctx, tx, groups)
	if err != nil {
		return nil, fmt.Errorf("read addresses of nodes: %w", err)
	}
	nodes := make(map[string]node, len(rows))
	for _, row := range rows {
		nodes[row.CacheClusterID] = node{&api.Endpoint{Address: &row.Host, Port: &row.Port}, row.CreatedAt}
	}
	return nodes, nil
}

// View.

// clientDownloadPage is the same for every cluster of ElastiCache.
const clientDownloadPage = "https://console.aws.amazon.com/elasticache/home#client-download:"

func viewCacheCluster(caller api.Caller, row db.CacheCluster, g db.ReplicationGroup, subnetGroup, applied string) api.CacheCluster {
	view := api.CacheCluster{
		CacheClusterId:                     &row.CacheClusterID,
		ClientDownloadLandingPage:          new(clientDownloadPage),
		CacheNodeType:                      &g.CacheNodeType,
		Engine:                             &g.Engine,
		EngineVersion:                      &g.EngineVersion,
		CacheClusterStatus:                 &row.Status,
		NumCacheNodes:                      new(int32(1)),
		PreferredAvailabilityZone:          unlessEmpty(row.AvailabilityZone),
		CacheClusterCreateTime:             new(row.CreatedAt.UTC()),
		PreferredMaintenanceWindow:         &g.MaintenanceWindow,
		PendingModifiedValues:              &api.PendingModifiedValues{},
		CacheSecurityGroups:                []api.CacheSecurityGroupMembership{},
		CacheParameterGroup:                &api.CacheParameterGroupStatus{CacheParameterGroupName: &g.ParameterGroupName, ParameterApplyStatus: &applied, CacheNodeIdsToReboot: []string{}},
		CacheSubnetGroupName:               &subnetGroup,
		AutoMinorVersionUpgrade:            &g.AutoMinorVersionUpgrade,
		ReplicationGroupId:                 &g.ReplicationGroupID,
		SnapshotRetentionLimit:             &g.SnapshotRetentionLimit,
		SnapshotWindow:                     &g.SnapshotWindow,
		AuthTokenEnabled:                   new(len(g.AuthTokenSha256) > 0),
		AuthTokenLastModifiedDate:          g.AuthTokenModifiedAt,
		TransitEncryptionEnabled:           new(g.TlsMode != tlsOff),
		TransitEncryptionMode:              transitEncryptionMode(g),
		AtRestEncryptionEnabled:            &g.AtRestEncryption,
		ARN:                                new(caller.ARN(arnCluster, row.CacheClusterID)),
		ReplicationGroupLogDeliveryEnabled: new(false),
		LogDeliveryConfigurations:          []api.LogDeliveryConfiguration{},
		NetworkType:                        new(api.NetworkTypeIpv4),
		IpDiscovery:                        new(api.IpDiscoveryIpv4),
	}
	if applied == parametersPendingReboot {
		view.CacheParameterGroup.CacheNodeIdsToReboot = []string{cacheNodeID}
	}
	if row.AvailabilityZone == "" {
		view.PreferredAvailabilityZone = unlessEmpty(row.RequestedZone)
	}
	for _, id := range g.SecurityGroupIds {
		view.SecurityGroups = append(view.SecurityGroups, api.SecurityGroupMembership{SecurityGroupId: &id, Status: new("active")})
	}
	return view
}

func viewCacheNode(row db.CacheCluster, n node, applied string) api.CacheNode {
	return api.CacheNode{
		CacheNodeId:              new(cacheNodeID),
		CacheNodeStatus:          &row.Status,
		CacheNodeCreateTime:      new(n.createdAt.UTC()),
		Endpoint:                 n.endpoint,
		ParameterGroupStatus:     &applied,
		CustomerAvailabilityZone: &row.AvailabilityZone,
	}
}
