package ops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// Limits of cache parameter groups (AWS: Quotas for ElastiCache, and the API reference).
const (
	maxParameterGroups     = 300
	maxParametersPerChange = 20
)

// sourceParameterGroup is the source type of events about parameter groups.
const sourceParameterGroup = api.SourceTypeCacheParameterGroup

// Operations.

// CreateCacheParameterGroup makes a parameter group with the defaults of its family. It is there when
// the call returns.
func (o *operations) CreateCacheParameterGroup(ctx context.Context, in *api.CreateCacheParameterGroupInput) (*api.CreateCacheParameterGroupOutput, error) {
	caller := api.CallerFrom(ctx)
	name := strings.ToLower(api.Value(in.CacheParameterGroupName))
	family := strings.ToLower(api.Value(in.CacheParameterGroupFamily))
	if err := validateCreateCacheParameterGroup(name, family, in); err != nil {
		return nil, err
	}
	group := parameterGroup{uid: uuid.New(), name: name, family: family, description: *in.Description}
	err := o.Store.Tx(ctx, func(tx pgx.Tx) error {
		if err := o.insertParameterGroup(ctx, tx, group); err != nil {
			return err
		}
		if err := putTags(ctx, tx, []uuid.UUID{group.uid}, in.Tags); err != nil {
			return err
		}
		return o.event(ctx, tx, sourceParameterGroup, name, fmt.Sprintf("Cache parameter group %s created", name))
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateCacheParameterGroupOutput{CacheParameterGroup: viewParameterGroup(caller, group)}, nil
}

// DescribeCacheParameterGroups lists the default groups of all families and the caller's own groups,
// or one of them.
func (o *operations) DescribeCacheParameterGroups(ctx context.Context, in *api.DescribeCacheParameterGroupsInput) (*api.DescribeCacheParameterGroupsOutput, error) {
	caller := api.CallerFrom(ctx)
	out := &api.DescribeCacheParameterGroupsOutput{CacheParameterGroups: []api.CacheParameterGroup{}}
	err := o.Store.View(ctx, func(tx pgx.Tx) error {
		groups, next, err := listParameterGroups(ctx, tx, caller, in)
		if err != nil {
			return err
		}
		out.Marker = next
		for _, g := range groups {
			out.CacheParameterGroups = append(out.CacheParameterGroups, *viewParameterGroup(caller, g))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ModifyCacheParameterGroup sets parameters of a group. The nodes of every replication group that uses
// it take in what they can at once; the rest waits for their restart.
func (o *operations) ModifyCacheParameterGroup(ctx context.Context, in *api.ModifyCacheParameterGroupInput) (*api.ModifyCacheParameterGroupOutput, error) {
	name := strings.ToLower(api.Value(in.CacheParameterGroupName))
	if err := validateParameterList(name, in.ParameterNameValues); err != nil {
		return nil, err
	}
	err := o.changeParameters(ctx, name, func(group parameterGroup, attached bool) (map[string]string, error) {
		changes := map[string]string{}
		for _, p := range in.ParameterNameValues {
			changes[api.Value(p.ParameterName)] = api.Value(p.ParameterValue)
		}
		if err := validateParameterValues(group, changes, attached); err != nil {
			return nil, err
		}
		set := maps.Clone(group.set)
		maps.Copy(set, changes)
		return set, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.ModifyCacheParameterGroupOutput{CacheParameterGroupName: &name}, nil
}

// ResetCacheParameterGroup gives parameters of a group, or all that can be modified, the family's
// defaults again, with the effect of ModifyCacheParameterGroup.
func (o *operations) ResetCacheParameterGroup(ctx context.Context, in *api.ResetCacheParameterGroupInput) (*api.ResetCacheParameterGroupOutput, error) {
	name := strings.ToLower(api.Value(in.CacheParameterGroupName))
	all := api.Value(in.ResetAllParameters)
	switch {
	case all && len(in.ParameterNameValues) > 0:
		return nil, api.InvalidParameterCombination("ParameterNameValues cannot be used together with ResetAllParameters.")
	case !all:
		if err := validateParameterList(name, in.ParameterNameValues); err != nil {
			return nil, err
		}
	}
	err := o.changeParameters(ctx, name, func(group parameterGroup, attached bool) (map[string]string, error) {
		set := maps.Clone(group.set)
		if all {
			maps.DeleteFunc(set, func(parameter, _ string) bool { return checkModifiable(group.family, parameter, attached) == nil })
			return set, nil
		}
		for _, p := range in.ParameterNameValues {
			if err := checkModifiable(group.family, api.Value(p.ParameterName), attached); err != nil {
				return nil, err
			}
			delete(set, *p.ParameterName)
		}
		return set, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.ResetCacheParameterGroupOutput{CacheParameterGroupName: &name}, nil
}

// DeleteCacheParameterGroup removes a parameter group that nothing uses.
func (o *operations) DeleteCacheParameterGroup(ctx context.Context, in *api.DeleteCacheParameterGroupInput) (*api.DeleteCacheParameterGroupOutput, error) {
	caller := api.CallerFrom(ctx)
	name := strings.ToLower(api.Value(in.CacheParameterGroupName))
	// The dot in the name of a default group is what AWS refuses too.
	if err := checkIdentifier("CacheParameterGroupName", name); err != nil {
		return nil, err
	}
	err := o.Store.Tx(ctx, func(tx pgx.Tx) error {
		group, err := readParameterGroup(ctx, tx, caller, name, lockForUpdate)
		if errors.Is(err, store.ErrNotFound) {
			return api.CacheParameterGroupNotFound("CacheParameterGroupnot found: %s", name) // AWS's own slip
		}
		if err != nil {
			return err
		}
		deleted, err := store.Q.CacheParameterGroupDeleteIfUnused(ctx, tx, group.uid)
		if err != nil {
			return fmt.Errorf("delete cache parameter group: %w", err)
		}
		if deleted == 0 {
			return api.InvalidCacheParameterGroupState(
				"One or more cache clusters are still members of this parameter group %s, so the group cannot be deleted.", name)
		}
		if err := store.Q.TagDeleteByResources(ctx, tx, []uuid.UUID{group.uid}); err != nil {
			return fmt.Errorf("delete tags: %w", err)
		}
		return o.event(ctx, tx, sourceParameterGroup, name, fmt.Sprintf("Cache parameter group %s deleted", name))
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteCacheParameterGroupOutput{}, nil
}

// changeParameters gives a group the values that change makes of it, tells of each that is new, and
// wakes the reconcilers of the replication groups that use it.
func (o *operations) changeParameters(ctx context.Context, name string,
	change func(group parameterGroup, attached bool) (map[string]string, error),
) error {
	caller := api.CallerFrom(ctx)
	return o.Store.Tx(ctx, func(tx pgx.Tx) error {
		group, err := readParameterGroup(ctx, tx, caller, name, lockForUpdate)
		if errors.Is(err, store.ErrNotFound) {
			return api.CacheParameterGroupNotFound("CacheParameterGroup not found: %s", name)
		}
		if err != nil {
			return err
		}
		if group.isDefault() {
			return api.InvalidParameterValue("The parameter group %s is a default group and cannot be modified.", name)
		}
		users, err := store.Q.CacheParameterGroupListUsers(ctx, tx, db.CacheParameterGroupListUsersParams{
			AccountID: caller.Account, Region: caller.Region, ParameterGroupName: name,
		})
		if err != nil {
			return fmt.Errorf("read users of the parameter group: %w", err)
		}
		set, err := change(group, len(users) > 0)
		if err != nil {
			return err
		}
		if err := validateParameterSet(set); err != nil {
			return err
		}
		if maps.Equal(set, group.set) {
			return nil
		}
		if err := replaceValues(ctx, tx, group, set); err != nil {
			return err
		}
		if err := o.recordParameterChanges(ctx, tx, group, set, users); err != nil {
			return err
		}
		return applyParameters(ctx, tx, users)
	})
}

// applyParameters has replication groups take in the values of their parameter group.
func applyParameters(ctx context.Context, tx pgx.Tx, groups []uuid.UUID) error {
	if len(groups) == 0 {
		return nil
	}
	err := store.Q.ReplicationGroupSetParametersPending(ctx, tx, db.ReplicationGroupSetParametersPendingParams{Uids: groups, ParametersPending: true})
	if err != nil {
		return fmt.Errorf("mark replication groups: %w", err)
	}
	for _, uid := range groups {
		if err := store.EnqueueReconcile(ctx, tx, store.OwnerReplicationGroup, uid); err != nil {
			return err
		}
	}
	return nil
}

// recordParameterChanges tells of every parameter that has another value now, at the parameter group
// and at every cache cluster that uses it.
func (o *operations) recordParameterChanges(ctx context.Context, tx pgx.Tx, before parameterGroup, set map[string]string, users []uuid.UUID) error {
	after := before
	after.set = set
	var messages []string
	for _, name := range slices.Sorted(maps.Keys(union(before.set, set))) {
		if value := after.value(name); value != before.value(name) {
			messages = append(messages, fmt.Sprintf("Updated parameter %s to %s", name, value))
		}
	}
	if len(messages) == 0 {
		return nil
	}
	clusters, err := store.Q.CacheClusterListByGroups(ctx, tx, users)
	if err != nil {
		return fmt.Errorf("read cache clusters: %w", err)
	}
	caller := api.CallerFrom(ctx)
	p := db.EventInsertManyParams{AccountID: caller.Account, Region: caller.Region, OccurredAt: o.now()}
	for _, message := range messages {
		p.SourceTypes = append(p.SourceTypes, sourceParameterGroup)
		p.SourceIdentifiers, p.Messages = append(p.SourceIdentifiers, before.name), append(p.Messages, message)
		for _, c := range clusters {
			p.SourceTypes = append(p.SourceTypes, api.SourceTypeCacheCluster)
			p.SourceIdentifiers, p.Messages = append(p.SourceIdentifiers, c.CacheClusterID), append(p.Messages, message)
		}
	}
	if err := store.Q.EventInsertMany(ctx, tx, p); err != nil {
		return fmt.Errorf("record events: %w", err)
	}
	return nil
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
