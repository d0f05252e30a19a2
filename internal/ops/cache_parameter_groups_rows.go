package ops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/catalog"
	"github.com/elastane/elastane/internal/parameters"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// parameterGroup is a custom parameter group, or the default group of a family, which has no row.
type parameterGroup struct {
	uid                       uuid.UUID // zero: a default group
	name, family, description string
	set                       map[string]string // values other than the family's; nil: not read
}

func (g parameterGroup) isDefault() bool { return g.uid == uuid.Nil }

// clusterEnabled says whether the group is one for cluster mode.
func (g parameterGroup) clusterEnabled() bool { return g.value(catalog.ClusterEnabled) == "yes" }

// value is a parameter's value; empty where there is none, or one for each node type.
func (g parameterGroup) value(name string) string {
	if value, ok := g.set[name]; ok {
		return value
	}
	p, _ := catalog.FindParameter(g.family, name)
	return p.Default
}

func defaultParameterGroup(family string, clusterEnabled bool) parameterGroup {
	g := parameterGroup{
		name: catalog.DefaultParameterGroup(family, clusterEnabled), family: family,
		description: "Default parameter group for " + family, set: map[string]string{},
	}
	if clusterEnabled {
		g.description = "Customized default parameter group for " + family + " with cluster mode on"
		g.set[catalog.ClusterEnabled] = "yes"
	}
	return g
}

// defaultParameterGroups returns the default groups of all families by name.
func defaultParameterGroups() []parameterGroup {
	var groups []parameterGroup
	for _, family := range catalog.Families() {
		groups = append(groups, defaultParameterGroup(family, false))
		if catalog.HasClusterMode(family) {
			groups = append(groups, defaultParameterGroup(family, true))
		}
	}
	slices.SortFunc(groups, byName)
	return groups
}

func byName(a, b parameterGroup) int { return cmp.Compare(a.name, b.name) }

func (o *operations) insertParameterGroup(ctx context.Context, tx pgx.Tx, g parameterGroup) error {
	caller := api.CallerFrom(ctx)
	count, err := store.Q.CacheParameterGroupCount(ctx, tx, db.CacheParameterGroupCountParams{AccountID: caller.Account, Region: caller.Region})
	if err != nil {
		return fmt.Errorf("count cache parameter groups: %w", err)
	}
	if count >= maxParameterGroups {
		return api.CacheParameterGroupQuotaExceeded("You have reached your quota of %d cache parameter groups in this region.", maxParameterGroups)
	}
	inserted, err := store.Q.CacheParameterGroupInsertIfAbsent(ctx, tx, db.CacheParameterGroupInsertIfAbsentParams{
		Uid: g.uid, AccountID: caller.Account, Region: caller.Region, Name: g.name, Family: g.family,
		Description: g.description, CreatedAt: o.now(),
	})
	if err != nil {
		return fmt.Errorf("insert cache parameter group: %w", err)
	}
	if inserted == 0 {
		return api.CacheParameterGroupAlreadyExists("Parameter group %s already exists", g.name)
	}
	return nil
}

// rowLock is how a row is held until the transaction ends.
type rowLock int

const (
	lockNone      rowLock = iota
	lockForShare          // against change and deletion
	lockForUpdate         // to change or delete it
)

// readParameterGroup finds a parameter group with the values that are set in it; store.ErrNotFound if
// there is none. A default group cannot be locked and needs it not.
func readParameterGroup(ctx context.Context, tx pgx.Tx, caller api.Caller, name string, lock rowLock) (parameterGroup, error) {
	if family, on, ok := catalog.ParseDefaultParameterGroup(name); ok {
		return defaultParameterGroup(family, on), nil
	}
	var row db.CacheParameterGroup
	var err error
	switch key := (db.CacheParameterGroupGetParams{AccountID: caller.Account, Region: caller.Region, Name: name}); lock {
	case lockForShare:
		row, err = store.Q.CacheParameterGroupGetForShare(ctx, tx, db.CacheParameterGroupGetForShareParams(key))
	case lockForUpdate:
		row, err = store.Q.CacheParameterGroupGetForUpdate(ctx, tx, db.CacheParameterGroupGetForUpdateParams(key))
	default:
		row, err = store.Q.CacheParameterGroupGet(ctx, tx, key)
	}
	if err != nil {
		return parameterGroup{}, fmt.Errorf("read cache parameter group: %w", err)
	}
	group := customParameterGroup(row)
	values, err := readParameterValues(ctx, tx, caller, []string{name})
	group.set = values[name]
	return group, err
}

func customParameterGroup(row db.CacheParameterGroup) parameterGroup {
	return parameterGroup{uid: row.Uid, name: row.Name, family: row.Family, description: row.Description}
}

// readParameterValues returns what is set in custom groups, by group and parameter.
func readParameterValues(ctx context.Context, tx pgx.Tx, caller api.Caller, groups []string) (map[string]map[string]string, error) {
	rows, err := store.Q.CacheParameterGroupListValues(ctx, tx, db.CacheParameterGroupListValuesParams{
		AccountID: caller.Account, Region: caller.Region, Names: groups,
	})
	if err != nil {
		return nil, fmt.Errorf("read parameter values: %w", err)
	}
	values := map[string]map[string]string{}
	for _, name := range groups {
		values[name] = map[string]string{}
	}
	for _, row := range rows {
		values[row.GroupName][row.Name] = row.Value
	}
	return values, nil
}

// replaceValues makes set what is set in the group.
func replaceValues(ctx context.Context, tx pgx.Tx, g parameterGroup, set map[string]string) error {
	gone := db.CacheParameterGroupDeleteValuesParams{ParameterGroupUid: g.uid, Names: []string{}}
	for name := range g.set {
		if _, kept := set[name]; !kept {
			gone.Names = append(gone.Names, name)
		}
	}
	if err := store.Q.CacheParameterGroupDeleteValues(ctx, tx, gone); err != nil {
		return fmt.Errorf("delete parameter values: %w", err)
	}
	put := db.CacheParameterGroupPutValuesParams{ParameterGroupUid: g.uid}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		put.Names, put.ParameterValues = append(put.Names, name), append(put.ParameterValues, set[name])
	}
	if err := store.Q.CacheParameterGroupPutValues(ctx, tx, put); err != nil {
		return fmt.Errorf("put parameter values: %w", err)
	}
	return nil
}

func listParameterGroups(ctx context.Context, tx pgx.Tx, caller api.Caller, in *api.DescribeCacheParameterGroupsInput) ([]parameterGroup, *string, error) {
	if name := strings.ToLower(api.Value(in.CacheParameterGroupName)); name != "" {
		group, err := readParameterGroup(ctx, tx, caller, name, lockNone)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil, api.CacheParameterGroupNotFound("CacheParameterGroup %s not found.", name)
		}
		return []parameterGroup{group}, nil, err
	}
	return readPage(in.MaxRecords, in.Marker, func(g parameterGroup) string { return g.name },
		func(after string, size int32) ([]parameterGroup, error) {
			rows, err := store.Q.CacheParameterGroupListPage(ctx, tx, db.CacheParameterGroupListPageParams{
				AccountID: caller.Account, Region: caller.Region, After: after, PageSize: size,
			})
			if err != nil {
				return nil, fmt.Errorf("read cache parameter groups: %w", err)
			}
			page := slices.DeleteFunc(defaultParameterGroups(), func(g parameterGroup) bool { return g.name <= after })
			for _, row := range rows {
				page = append(page, customParameterGroup(row))
			}
			slices.SortFunc(page, byName)
			return page[:min(len(page), int(size))], nil
		})
}

// requestedParameterGroup finds the parameter group that a creation names, and keeps it from being
// changed or deleted until the transaction ends; nil: it names none.
func requestedParameterGroup(ctx context.Context, tx pgx.Tx, name *string) (*parameterGroup, error) {
	lower := strings.ToLower(api.Value(name))
	if lower == "" {
		return nil, nil
	}
	group, err := readParameterGroup(ctx, tx, api.CallerFrom(ctx), lower, lockForShare)
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.CacheParameterGroupNotFound("CacheParameterGroup not found: %s", lower)
	}
	return &group, err
}

// readReboots tells which clusters of groups have to be restarted to have the values of their custom
// parameter groups; the default groups never change.
func readReboots(ctx context.Context, tx pgx.Tx, caller api.Caller, groups map[uuid.UUID]db.ReplicationGroupListByUIDsRow) (map[string]bool, error) {
	var names []string
	var uids []uuid.UUID
	for uid, g := range groups {
		if _, _, isDefault := catalog.ParseDefaultParameterGroup(g.ReplicationGroup.ParameterGroupName); !isDefault {
			names, uids = append(names, g.ReplicationGroup.ParameterGroupName), append(uids, uid)
		}
	}
	if len(uids) == 0 {
		return nil, nil
	}
	values, err := readParameterValues(ctx, tx, caller, names)
	if err != nil {
		return nil, err
	}
	rows, err := store.Q.NodeListParameters(ctx, tx, uids)
	if err != nil {
		return nil, fmt.Errorf("read parameters of nodes: %w", err)
	}
	reboots := map[string]bool{}
	for _, row := range rows {
		here := map[string]string{}
		if err := json.Unmarshal(row.Parameters, &here); err != nil {
			return nil, fmt.Errorf("decode parameters of %s: %w", row.CacheClusterID, err)
		}
		g := groups[row.OwnerUid].ReplicationGroup
		nodeType, _ := catalog.FindNodeType(g.CacheNodeType)
		version, _ := catalog.FindFullVersion(g.Engine, g.EngineVersion)
		settings := parameters.For(version.Family, nodeType, values[g.ParameterGroupName])
		reboots[row.CacheClusterID] = settings.NeedsReboot(here)
	}
	return reboots, nil
}
