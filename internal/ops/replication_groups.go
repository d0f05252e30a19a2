package ops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// Statuses of replication groups and cache clusters.
const (
	statusAvailable    = "available"
	statusCreating     = "creating"
	statusCreateFailed = "create-failed"
	statusDeleting     = "deleting"
)

// Source types of events.
const sourceReplicationGroup = api.SourceTypeReplicationGroup

// CreateReplicationGroup makes a replication group. It returns when the intent is stored; the group
// is creating until its nodes serve.
func (o *operations) CreateReplicationGroup(ctx context.Context, in *api.CreateReplicationGroupInput) (*api.CreateReplicationGroupOutput, error) {
	caller := api.CallerFrom(ctx)
	var view *api.ReplicationGroup
	err := o.Store.Tx(ctx, func(tx pgx.Tx) error {
		parameterGroup, err := requestedParameterGroup(ctx, tx, in.CacheParameterGroupName)
		if err != nil {
			return err
		}
		wanted, err := validateCreateReplicationGroup(caller.Region, in, parameterGroup)
		if err != nil {
			return err
		}
		if err := o.ensureNetwork(ctx, tx); err != nil {
			return err
		}
		group, err := o.insertReplicationGroup(ctx, tx, wanted)
		if err != nil {
			return err
		}
		if err := store.EnqueueReconcile(ctx, tx, store.OwnerReplicationGroup, group.row.Uid); err != nil {
			return err
		}
		view = viewReplicationGroup(caller, group)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateReplicationGroupOutput{ReplicationGroup: view}, nil
}

// DescribeReplicationGroups lists the caller's replication groups, or one of them.
func (o *operations) DescribeReplicationGroups(ctx context.Context, in *api.DescribeReplicationGroupsInput) (*api.DescribeReplicationGroupsOutput, error) {
	caller := api.CallerFrom(ctx)
	out := &api.DescribeReplicationGroupsOutput{ReplicationGroups: []api.ReplicationGroup{}}
	err := o.Store.View(ctx, func(tx pgx.Tx) error {
		rows, next, err := listReplicationGroups(ctx, tx, caller, in)
		if err != nil {
			return err
		}
		groups, err := loadGroups(ctx, tx, rows)
		if err != nil {
			return err
		}
		out.Marker = next
		for _, g := range groups {
			out.ReplicationGroups = append(out.ReplicationGroups, *viewReplicationGroup(caller, g))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// TestFailover hands the role of primary of a shard over to its most advanced replica.
func (o *operations) TestFailover(ctx context.Context, in *api.TestFailoverInput) (*api.TestFailoverOutput, error) {
	caller := api.CallerFrom(ctx)
	var view *api.ReplicationGroup
	err := o.Store.Tx(ctx, func(tx pgx.Tx) error {
		row, err := lockGroup(ctx, tx, caller, strings.ToLower(api.Value(in.ReplicationGroupId)))
		if err != nil {
			return err
		}
		groups, err := loadGroups(ctx, tx, []db.ReplicationGroup{row})
		if err != nil {
			return err
		}
		shard, err := validateTestFailover(groups[0], api.Value(in.NodeGroupId))
		if err != nil {
			return err
		}
		if err := o.checkFailoverQuota(ctx, tx); err != nil {
			return err
		}
		if err := o.beginHandover(ctx, tx, shard); err != nil {
			return err
		}
		message := testFailoverMessage + shard.row.NodeGroupID
		if err := o.event(ctx, tx, sourceReplicationGroup, row.ReplicationGroupID, message); err != nil {
			return err
		}
		if err := store.EnqueueReconcile(ctx, tx, store.OwnerReplicationGroup, row.Uid); err != nil {
			return err
		}
		view = viewReplicationGroup(caller, groups[0])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.TestFailoverOutput{ReplicationGroup: view}, nil
}

// DeleteReplicationGroup removes a group with all its members. It returns when the intent is stored;
// the group is deleting until its nodes are gone.
func (o *operations) DeleteReplicationGroup(ctx context.Context, in *api.DeleteReplicationGroupInput) (*api.DeleteReplicationGroupOutput, error) {
	caller := api.CallerFrom(ctx)
	if err := validateDeleteReplicationGroup(in); err != nil {
		return nil, err
	}
	var view *api.ReplicationGroup
	err := o.Store.Tx(ctx, func(tx pgx.Tx) error {
		row, err := lockGroup(ctx, tx, caller, strings.ToLower(api.Value(in.ReplicationGroupId)))
		if err != nil {
			return err
		}
		if row.Status != statusAvailable && row.Status != statusCreateFailed {
			return api.InvalidReplicationGroupState("Cache cluster %s is not in a valid state to be deleted", row.ReplicationGroupID)
		}
		row.Status = statusDeleting
		if err := setGroupStatus(ctx, tx, row); err != nil {
			return err
		}
		if err := store.EnqueueReconcile(ctx, tx, store.OwnerReplicationGroup, row.Uid); err != nil {
			return err
		}
		view = viewReplicationGroup(caller, group{row: row})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteReplicationGroupOutput{ReplicationGroup: view}, nil
}

const (
	testFailoverMessage = "Test Failover API called for node group "
	failoverQuotaWindow = 24 * time.Hour
)

func (o *operations) checkFailoverQuota(ctx context.Context, tx pgx.Tx) error {
	if o.FailoversPerDay == 0 {
		return nil
	}
	caller := api.CallerFrom(ctx)
	count, err := store.Q.EventCountByMessage(ctx, tx, db.EventCountByMessageParams{
		AccountID: caller.Account, Region: caller.Region, SourceType: sourceReplicationGroup,
		Prefix: testFailoverMessage, Since: o.now().Add(-failoverQuotaWindow),
	})
	if err != nil {
		return fmt.Errorf("count failovers: %w", err)
	}
	if count >= int64(o.FailoversPerDay) {
		return api.APICallRateForCustomerExceeded("At most %d node groups can be tested within 24 hours.", o.FailoversPerDay)
	}
	return nil
}

// lockGroup finds a group by its id and locks its row until the transaction ends.
func lockGroup(ctx context.Context, tx pgx.Tx, caller api.Caller, id string) (db.ReplicationGroup, error) {
	row, err := store.Q.ReplicationGroupGetForUpdate(ctx, tx, db.ReplicationGroupGetForUpdateParams{
		AccountID: caller.Account, Region: caller.Region, ReplicationGroupID: id,
	})
	if errors.Is(err, store.ErrNotFound) {
		return row, groupNotFound(id)
	}
	if err != nil {
		return row, fmt.Errorf("lock replication group: %w", err)
	}
	return row, nil
}

func groupNotFound(id string) error {
	return api.ReplicationGroupNotFoundFault("Replication group %s not found.", id)
}
