package ops

import (
	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store/db"
)

// viewReplicationGroup is the API's shape of a group. While it is created or deleted it shows neither
// node groups nor endpoints; while it is deleted no members either.
func viewReplicationGroup(caller api.Caller, g group) *api.ReplicationGroup {
	row := g.row
	clusterEnabled := row.ClusterMode != api.ClusterModeDisabled
	view := &api.ReplicationGroup{
		ReplicationGroupId:         &row.ReplicationGroupID,
		Description:                &row.Description,
		GlobalReplicationGroupInfo: &api.GlobalReplicationGroupInfo{},
		Status:                     &row.Status,
		PendingModifiedValues:      &api.ReplicationGroupPendingModifiedValues{},
		AutomaticFailover:          &row.AutomaticFailover,
		MultiAZ:                    new(enabledOrDisabled(row.MultiAz)),
		SnapshotRetentionLimit:     &row.SnapshotRetentionLimit,
		SnapshotWindow:             &row.SnapshotWindow,
		CacheNodeType:              &row.CacheNodeType,
		AuthTokenEnabled:           new(len(row.AuthTokenSha256) > 0),
		AuthTokenLastModifiedDate:  row.AuthTokenModifiedAt,
		TransitEncryptionEnabled:   new(row.TlsMode != tlsOff),
		TransitEncryptionMode:      transitEncryptionMode(row),
		AtRestEncryptionEnabled:    &row.AtRestEncryption,
		MemberClustersOutpostArns:  []string{},
		KmsKeyId:                   unlessEmpty(row.KmsKeyID),
		ARN:                        new(caller.ARN(arnReplicationGroup, row.ReplicationGroupID)),
		ReplicationGroupCreateTime: new(row.CreatedAt.UTC()),
		DataTiering:                new(api.DataTieringStatusDisabled),
		AutoMinorVersionUpgrade:    &row.AutoMinorVersionUpgrade,
		NetworkType:                new(api.NetworkTypeIpv4),
		IpDiscovery:                new(api.IpDiscoveryIpv4),
		ClusterMode:                &row.ClusterMode,
		Engine:                     &row.Engine,
	}
	if row.Status == statusDeleting {
		return view
	}
	view.ClusterEnabled = &clusterEnabled
	view.MemberClusters = []string{}
	for _, m := range g.members() {
		view.MemberClusters = append(view.MemberClusters, m.row.CacheClusterID)
	}
	if row.Status == statusCreating || row.Status == statusCreateFailed {
		return view
	}
	view.ConfigurationEndpoint = g.configuration
	for _, s := range g.shards {
		view.NodeGroups = append(view.NodeGroups, viewNodeGroup(row, s))
	}
	return view
}

// viewNodeGroup shows roles and endpoints of a shard with cluster mode disabled, and its slots with
// cluster mode enabled.
func viewNodeGroup(row db.ReplicationGroup, s shard) api.NodeGroup {
	view := api.NodeGroup{
		NodeGroupId:     &s.row.NodeGroupID,
		Status:          &row.Status,
		PrimaryEndpoint: s.primary,
		ReaderEndpoint:  s.reader,
		Slots:           unlessEmpty(s.row.Slots),
	}
	for _, m := range s.members {
		next := api.NodeGroupMember{
			CacheClusterId:            &m.row.CacheClusterID,
			CacheNodeId:               new(cacheNodeID),
			PreferredAvailabilityZone: unlessEmpty(m.row.AvailabilityZone),
		}
		if row.ClusterMode == api.ClusterModeDisabled {
			next.ReadEndpoint = m.endpoint
			next.CurrentRole = new("replica")
			if m.row.Uid == s.row.PrimaryMember {
				next.CurrentRole = new("primary")
			}
		}
		view.NodeGroupMembers = append(view.NodeGroupMembers, next)
	}
	return view
}

func transitEncryptionMode(row db.ReplicationGroup) *string {
	if row.TlsMode == tlsOff {
		return nil
	}
	return &row.TlsMode
}

func enabledOrDisabled(is bool) string {
	if is {
		return api.MultiAZStatusEnabled
	}
	return api.MultiAZStatusDisabled
}

// unlessEmpty leaves a member out of the answer where there is nothing to say.
func unlessEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
