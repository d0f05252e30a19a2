package ops

import (
	"context"
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

// Quotas of cache subnet groups (AWS: Quotas for ElastiCache).
const (
	maxSubnetGroups     = 300
	maxSubnetsPerGroup  = 20
	networkTypeIPv4Only = api.NetworkTypeIpv4
)

// Operations.

// CreateCacheSubnetGroup makes a cache subnet group over subnets of one VPC. It is there when the call returns.
func (o *operations) CreateCacheSubnetGroup(ctx context.Context, in *api.CreateCacheSubnetGroupInput) (*api.CreateCacheSubnetGroupOutput, error) {
	caller := api.CallerFrom(ctx)
	name := strings.ToLower(api.Value(in.CacheSubnetGroupName))
	if err := validateCreateCacheSubnetGroup(name, in); err != nil {
		return nil, err
	}
	var view *api.CacheSubnetGroup
	err := o.Store.Tx(ctx, func(tx pgx.Tx) error {
		if err := o.ensureNetwork(ctx, tx); err != nil {
			return err
		}
		subnets, vpc, err := findSubnets(ctx, tx, caller, in.SubnetIds)
		if err != nil {
			return err
		}
		count, err := store.Q.CacheSubnetGroupCount(ctx, tx, db.CacheSubnetGroupCountParams{AccountID: caller.Account, Region: caller.Region})
		if err != nil {
			return fmt.Errorf("count cache subnet groups: %w", err)
		}
		if count >= maxSubnetGroups {
			return api.CacheSubnetGroupQuotaExceeded("You have reached your quota of %d cache subnet groups in this region.", maxSubnetGroups)
		}
		group := db.CacheSubnetGroup{
			Uid: uuid.New(), AccountID: caller.Account, Region: caller.Region, Name: name,
			Description: *in.CacheSubnetGroupDescription, VpcID: vpc, CreatedAt: o.now(),
		}
		if err := insertSubnetGroup(ctx, tx, group, subnets); err != nil {
			return err
		}
		if err := putTags(ctx, tx, []uuid.UUID{group.Uid}, in.Tags); err != nil {
			return err
		}
		view = viewSubnetGroup(caller, group, subnets)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateCacheSubnetGroupOutput{CacheSubnetGroup: view}, nil
}

// DescribeCacheSubnetGroups lists the caller's cache subnet groups, or one of them.
func (o *operations) DescribeCacheSubnetGroups(ctx context.Context, in *api.DescribeCacheSubnetGroupsInput) (*api.DescribeCacheSubnetGroupsOutput, error) {
	caller := api.CallerFrom(ctx)
	out := &api.DescribeCacheSubnetGroupsOutput{CacheSubnetGroups: []api.CacheSubnetGroup{}}
	if err := o.Store.Tx(ctx, func(tx pgx.Tx) error { return o.ensureNetwork(ctx, tx) }); err != nil {
		return nil, err
	}
	err := o.Store.View(ctx, func(tx pgx.Tx) error {
		groups, next, err := listSubnetGroups(ctx, tx, caller, in)
		if err != nil {
			return err
		}
		out.Marker = next
		uids := make([]uuid.UUID, len(groups))
		for i, g := range groups {
			uids[i] = g.Uid
		}
		subnets, err := store.Q.CacheSubnetGroupListSubnets(ctx, tx, uids)
		if err != nil {
			return fmt.Errorf("read subnets: %w", err)
		}
		for _, g := range groups {
			out.CacheSubnetGroups = append(out.CacheSubnetGroups, *viewSubnetGroup(caller, g, subnetsOf(g.Uid, subnets)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ModifyCacheSubnetGroup changes the description of a cache subnet group, or its subnets: the list
// replaces the one before. The change holds when the call returns; it bears on nodes placed later.
func (o *operations) ModifyCacheSubnetGroup(ctx context.Context, in *api.ModifyCacheSubnetGroupInput) (*api.ModifyCacheSubnetGroupOutput, error) {
	caller := api.CallerFrom(ctx)
	name := strings.ToLower(api.Value(in.CacheSubnetGroupName))
	if err := validateModifyCacheSubnetGroup(name, in); err != nil {
		return nil, err
	}
	var view *api.CacheSubnetGroup
	err := o.Store.Tx(ctx, func(tx pgx.Tx) error {
		if err := o.ensureNetwork(ctx, tx); err != nil {
			return err
		}
		group, err := store.Q.CacheSubnetGroupGetForUpdate(ctx, tx, db.CacheSubnetGroupGetForUpdateParams{
			AccountID: caller.Account, Region: caller.Region, Name: name,
		})
		if errors.Is(err, store.ErrNotFound) {
			return api.CacheSubnetGroupNotFoundFault("Cache subnet group %s not found.", name)
		}
		if err != nil {
			return fmt.Errorf("lock cache subnet group: %w", err)
		}
		if in.CacheSubnetGroupDescription != nil {
			group.Description = *in.CacheSubnetGroupDescription
			err := store.Q.CacheSubnetGroupSetDescription(ctx, tx, db.CacheSubnetGroupSetDescriptionParams{Uid: group.Uid, Description: group.Description})
			if err != nil {
				return fmt.Errorf("set description: %w", err)
			}
		}
		subnets, err := store.Q.CacheSubnetGroupListSubnets(ctx, tx, []uuid.UUID{group.Uid})
		if err != nil {
			return fmt.Errorf("read subnets: %w", err)
		}
		if len(in.SubnetIds) > 0 {
			if subnets, err = replaceSubnets(ctx, tx, group, subnets, in.SubnetIds); err != nil {
				return err
			}
		}
		view = viewSubnetGroup(caller, group, subnets)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.ModifyCacheSubnetGroupOutput{CacheSubnetGroup: view}, nil
}

// DeleteCacheSubnetGroup removes a cache subnet group that nothing uses.
func (o *operations) DeleteCacheSubnetGroup(ctx context.Context, in *api.DeleteCacheSubnetGroupInput) (*api.DeleteCacheSubnetGroupOutput, error) {
	caller := api.CallerFrom(ctx)
	name := strings.ToLower(api.Value(in.CacheSubnetGroupName))
	if strings.TrimSpace(name) == "" {
		return nil, blank("CacheSubnetGroupName")
	}
	if name == defaultSubnetGroup {
		return nil, api.InvalidParameterValue("The cache subnet group default cannot be deleted.")
	}
	err := o.Store.Tx(ctx, func(tx pgx.Tx) error {
		group, err := store.Q.CacheSubnetGroupGetForUpdate(ctx, tx, db.CacheSubnetGroupGetForUpdateParams{
			AccountID: caller.Account, Region: caller.Region, Name: name,
		})
		if errors.Is(err, store.ErrNotFound) {
			return api.CacheSubnetGroupNotFoundFault("Cache Subnet Group %s does not exist.", name)
		}
		if err != nil {
			return fmt.Errorf("lock cache subnet group: %w", err)
		}
		deleted, err := store.Q.CacheSubnetGroupDeleteIfUnused(ctx, tx, group.Uid)
		if err != nil {
			return fmt.Errorf("delete cache subnet group: %w", err)
		}
		if deleted == 0 {
			return api.CacheSubnetGroupInUse("Cache subnet group %s is currently in use by a cache cluster.", name)
		}
		return store.Q.TagDeleteByResources(ctx, tx, []uuid.UUID{group.Uid})
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteCacheSubnetGroupOutput{}, nil
}

// Validation.

func validateCreateCacheSubnetGroup(name string, in *api.CreateCacheSubnetGroupInput) error {
	if err := checkIdentifier("CacheSubnetGroupName", name); err != nil {
		return err
	}
	if len(name) > maxGroupName {
		return api.InvalidParameterValue("The parameter CacheSubnetGroupName cannot be longer than %d characters.", maxGroupName)
	}
	if name == defaultSubnetGroup {
		return api.InvalidParameterValue("The cache subnet group name default is reserved.")
	}
	if err := checkDescription("CacheSubnetGroupDescription", api.Value(in.CacheSubnetGroupDescription)); err != nil {
		return err
	}
	if len(in.SubnetIds) == 0 {
		return api.InvalidParameterValue("The parameter SubnetIds must be provided.")
	}
	if err := checkSubnetCount(in.SubnetIds); err != nil {
		return err
	}
	return checkTags(in.Tags)
}

func validateModifyCacheSubnetGroup(name string, in *api.ModifyCacheSubnetGroupInput) error {
	if strings.TrimSpace(name) == "" {
		return blank("CacheSubnetGroupName")
	}
	if in.CacheSubnetGroupDescription != nil {
		if err := checkDescription("CacheSubnetGroupDescription", *in.CacheSubnetGroupDescription); err != nil {
			return err
		}
	}
	return checkSubnetCount(in.SubnetIds)
}

func checkSubnetCount(ids []string) error {
	if len(ids) > maxSubnetsPerGroup {
		return api.CacheSubnetQuotaExceededFault("A cache subnet group can have at most %d subnets.", maxSubnetsPerGroup)
	}
	return nil
}

// Rows.

// findSubnets resolves subnet ids, in the order of the request, to subnets of one VPC.
func findSubnets(ctx context.Context, tx pgx.Tx, caller api.Caller, ids []string) ([]db.CacheSubnetGroupListSubnetsRow, string, error) {
	rows, err := store.Q.SubnetListByIDs(ctx, tx, db.SubnetListByIDsParams{AccountID: caller.Account, Region: caller.Region, SubnetIds: ids})
	if err != nil {
		return nil, "", fmt.Errorf("read subnets: %w", err)
	}
	var subnets []db.CacheSubnetGroupListSubnetsRow
	var unknown []string
	first := db.Subnet{}
	for _, id := range ids {
		at := slices.IndexFunc(rows, func(s db.Subnet) bool { return s.SubnetID == id })
		switch {
		case at < 0:
			unknown = append(unknown, id)
			continue
		case first.SubnetID == "":
			first = rows[at]
		case rows[at].VpcID != first.VpcID:
			return nil, "", api.InvalidSubnet("Subnets %s and %s are not in the same VPC.", first.SubnetID, id)
		}
		if !slices.ContainsFunc(subnets, func(s db.CacheSubnetGroupListSubnetsRow) bool { return s.SubnetID == id }) {
			subnets = append(subnets, db.CacheSubnetGroupListSubnetsRow{SubnetID: id, AvailabilityZone: rows[at].AvailabilityZone})
		}
	}
	if len(unknown) > 0 {
		return nil, "", api.InvalidParameterValue("Some input subnets in :[%s] are invalid.", strings.Join(unknown, ", "))
	}
	return subnets, first.VpcID, nil
}

func insertSubnetGroup(ctx context.Context, tx pgx.Tx, g db.CacheSubnetGroup, subnets []db.CacheSubnetGroupListSubnetsRow) error {
	inserted, err := store.Q.CacheSubnetGroupInsertIfAbsent(ctx, tx, db.CacheSubnetGroupInsertIfAbsentParams(g))
	if err != nil {
		return fmt.Errorf("insert cache subnet group: %w", err)
	}
	if inserted == 0 {
		return api.CacheSubnetGroupAlreadyExists("Cache subnet group %s already exists.", g.Name)
	}
	return insertSubnets(ctx, tx, g, subnets)
}

func insertSubnets(ctx context.Context, tx pgx.Tx, g db.CacheSubnetGroup, subnets []db.CacheSubnetGroupListSubnetsRow) error {
	ids := make([]string, len(subnets))
	for i, s := range subnets {
		ids[i] = s.SubnetID
	}
	return store.Q.CacheSubnetGroupInsertSubnets(ctx, tx, db.CacheSubnetGroupInsertSubnetsParams{
		SubnetGroupUid: g.Uid, AccountID: g.AccountID, Region: g.Region, SubnetIds: ids,
	})
}

// replaceSubnets gives a group other subnets. One that goes must not be the last in a zone in which
// the group's clusters are: a node is placed in a zone, and stands for any of the group's subnets there.
func replaceSubnets(ctx context.Context, tx pgx.Tx, g db.CacheSubnetGroup, before []db.CacheSubnetGroupListSubnetsRow, ids []string) ([]db.CacheSubnetGroupListSubnetsRow, error) {
	subnets, vpc, err := findSubnets(ctx, tx, api.CallerFrom(ctx), ids)
	if err != nil {
		return nil, err
	}
	if vpc != g.VpcID {
		return nil, api.InvalidSubnet("The new Subnets are not in the same Vpc as the existing subnet group")
	}
	inUse, err := store.Q.CacheSubnetGroupListZonesInUse(ctx, tx, g.Uid)
	if err != nil {
		return nil, fmt.Errorf("read zones in use: %w", err)
	}
	for _, old := range before {
		kept := slices.ContainsFunc(subnets, func(s db.CacheSubnetGroupListSubnetsRow) bool { return s.AvailabilityZone == old.AvailabilityZone })
		if !kept && slices.Contains(inUse, old.AvailabilityZone) {
			return nil, api.SubnetInUse("The subnet ID %s is in use.", old.SubnetID)
		}
	}
	if err := store.Q.CacheSubnetGroupDeleteSubnets(ctx, tx, g.Uid); err != nil {
		return nil, fmt.Errorf("delete subnets: %w", err)
	}
	if err := insertSubnets(ctx, tx, g, subnets); err != nil {
		return nil, fmt.Errorf("insert subnets: %w", err)
	}
	return subnets, nil
}

func listSubnetGroups(ctx context.Context, tx pgx.Tx, caller api.Caller, in *api.DescribeCacheSubnetGroupsInput) ([]db.CacheSubnetGroup, *string, error) {
	if name := strings.ToLower(api.Value(in.CacheSubnetGroupName)); name != "" {
		group, err := store.Q.CacheSubnetGroupGet(ctx, tx, db.CacheSubnetGroupGetParams{AccountID: caller.Account, Region: caller.Region, Name: name})
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil, api.CacheSubnetGroupNotFoundFault("Cache subnet group %s not found.", name)
		}
		return []db.CacheSubnetGroup{group}, nil, err
	}
	return readPage(in.MaxRecords, in.Marker, func(g db.CacheSubnetGroup) string { return g.Name },
		func(after string, size int32) ([]db.CacheSubnetGroup, error) {
			return store.Q.CacheSubnetGroupListPage(ctx, tx, db.CacheSubnetGroupListPageParams{
				AccountID: caller.Account, Region: caller.Region, After: after, PageSize: size,
			})
		})
}

func subnetsOf(group uuid.UUID, all []db.CacheSubnetGroupListSubnetsRow) []db.CacheSubnetGroupListSubnetsRow {
	var own []db.CacheSubnetGroupListSubnetsRow
	for _, s := range all {
		if s.SubnetGroupUid == group {
			own = append(own, s)
		}
	}
	return own
}

// View.

func viewSubnetGroup(caller api.Caller, g db.CacheSubnetGroup, subnets []db.CacheSubnetGroupListSubnetsRow) *api.CacheSubnetGroup {
	view := &api.CacheSubnetGroup{
		CacheSubnetGroupName:        &g.Name,
		CacheSubnetGroupDescription: &g.Description,
		VpcId:                       &g.VpcID,
		Subnets:                     []api.Subnet{},
		ARN:                         new(caller.ARN(arnSubnetGroup, g.Name)),
		SupportedNetworkTypes:       []string{networkTypeIPv4Only},
	}
	for _, s := range subnets {
		view.Subnets = append(view.Subnets, api.Subnet{
			SubnetIdentifier:       &s.SubnetID,
			SubnetAvailabilityZone: &api.AvailabilityZone{Name: &s.AvailabilityZone},
			SupportedNetworkTypes:  []string{networkTypeIPv4Only},
		})
	}
	return view
}
