package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/catalog"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// Operations.

// ListAllowedNodeTypeModifications lists the node types that a replication group or a cache cluster
// can be changed to, the greater and the smaller ones.
func (o *operations) ListAllowedNodeTypeModifications(ctx context.Context, in *api.ListAllowedNodeTypeModificationsInput) (*api.ListAllowedNodeTypeModificationsOutput, error) {
	caller := api.CallerFrom(ctx)
	groupID, clusterID := strings.ToLower(api.Value(in.ReplicationGroupId)), strings.ToLower(api.Value(in.CacheClusterId))
	if (groupID == "") == (clusterID == "") {
		return nil, api.InvalidParameterCombination("Exactly one of CacheClusterId and ReplicationGroupId must be provided.")
	}
	var out *api.ListAllowedNodeTypeModificationsOutput
	err := o.Store.View(ctx, func(tx pgx.Tx) error {
		group, err := findScaled(ctx, tx, caller, groupID, clusterID)
		if err != nil {
			return err
		}
		out = viewNodeTypeModifications(group)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Rows.

// findScaled finds a replication group by its id, or by that of a member.
func findScaled(ctx context.Context, tx pgx.Tx, caller api.Caller, groupID, clusterID string) (db.ReplicationGroup, error) {
	if clusterID == "" {
		row, err := store.Q.ReplicationGroupGet(ctx, tx, db.ReplicationGroupGetParams{
			AccountID: caller.Account, Region: caller.Region, ReplicationGroupID: groupID,
		})
		if errors.Is(err, store.ErrNotFound) {
			return row, groupNotFound(groupID)
		}
		return row, err
	}
	cluster, err := store.Q.CacheClusterGet(ctx, tx, db.CacheClusterGetParams{AccountID: caller.Account, Region: caller.Region, CacheClusterID: clusterID})
	if errors.Is(err, store.ErrNotFound) {
		return db.ReplicationGroup{}, api.CacheClusterNotFound("CacheCluster not found: %s", clusterID)
	}
	if err != nil {
		return db.ReplicationGroup{}, fmt.Errorf("read cache cluster: %w", err)
	}
	groups, err := store.Q.ReplicationGroupListByUIDs(ctx, tx, []uuid.UUID{cluster.ReplicationGroupUid})
	if err != nil || len(groups) == 0 {
		return db.ReplicationGroup{}, fmt.Errorf("read the cluster's replication group: %w", errors.Join(err, store.ErrNotFound))
	}
	return groups[0].ReplicationGroup, nil
}

// View.

// viewNodeTypeModifications compares by memory. Types with data tiering are only for groups that have
// it. Of the same memory is a greater one: it is newer or has more of something else.
func viewNodeTypeModifications(g db.ReplicationGroup) *api.ListAllowedNodeTypeModificationsOutput {
	out := &api.ListAllowedNodeTypeModificationsOutput{ScaleUpModifications: []string{}, ScaleDownModifications: []string{}}
	present, _ := catalog.FindNodeType(g.CacheNodeType)
	for _, t := range catalog.NodeTypes() {
		memory := t.MaxMemory(g.Engine)
		switch {
		case t.Name == present.Name || memory == 0 || !t.NewClusters || t.DataTiering != present.DataTiering:
		case memory < present.MaxMemory(g.Engine):
			out.ScaleDownModifications = append(out.ScaleDownModifications, t.Name)
		default:
			out.ScaleUpModifications = append(out.ScaleUpModifications, t.Name)
		}
	}
	return out
}
