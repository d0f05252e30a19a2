package ops

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// The network that an account finds in each region: a default VPC with a subnet in each of three
// zones, a security group, and the cache subnet group over the three.
const (
	defaultVPC               = "vpc-00000000"
	defaultSecurityGroup     = "sg-00000000"
	defaultSubnetGroup       = "default"
	defaultSubnetDescription = "Default CacheSubnetGroup"
)

// ensureNetwork makes the caller's default network if this is the account's first use of the region.
func (o *operations) ensureNetwork(ctx context.Context, tx pgx.Tx) error {
	caller := api.CallerFrom(ctx)
	_, err := store.Q.VPCGetDefault(ctx, tx, db.VPCGetDefaultParams{AccountID: caller.Account, Region: caller.Region})
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := o.makeNetwork(ctx, tx, caller); err != nil {
		return fmt.Errorf("make the default network: %w", err)
	}
	return nil
}

func (o *operations) makeNetwork(ctx context.Context, tx pgx.Tx, caller api.Caller) error {
	err := store.Q.VPCInsertIfAbsent(ctx, tx, db.VPCInsertIfAbsentParams{
		AccountID: caller.Account, Region: caller.Region, VpcID: defaultVPC, IsDefault: true, CidrBlock: "172.31.0.0/16",
	})
	if err != nil {
		return err
	}
	subnets := db.SubnetInsertManyIfAbsentParams{AccountID: caller.Account, Region: caller.Region, VpcID: defaultVPC}
	for i, zone := range []string{"a", "b", "c"} {
		subnets.SubnetIds = append(subnets.SubnetIds, "subnet-0000000"+zone)
		subnets.Zones = append(subnets.Zones, caller.Region+zone)
		subnets.CidrBlocks = append(subnets.CidrBlocks, fmt.Sprintf("172.31.%d.0/20", 16*i))
	}
	if err := store.Q.SubnetInsertManyIfAbsent(ctx, tx, subnets); err != nil {
		return err
	}
	err = store.Q.SecurityGroupInsertIfAbsent(ctx, tx, db.SecurityGroupInsertIfAbsentParams{
		AccountID: caller.Account, Region: caller.Region, SecurityGroupID: defaultSecurityGroup, VpcID: defaultVPC, Name: "default",
	})
	if err != nil {
		return err
	}
	uid := uuid.New()
	inserted, err := store.Q.CacheSubnetGroupInsertIfAbsent(ctx, tx, db.CacheSubnetGroupInsertIfAbsentParams{
		Uid: uid, AccountID: caller.Account, Region: caller.Region, Name: defaultSubnetGroup,
		Description: defaultSubnetDescription, VpcID: defaultVPC, CreatedAt: o.now(),
	})
	if err != nil || inserted == 0 { // a concurrent request has made it
		return err
	}
	return store.Q.CacheSubnetGroupInsertSubnets(ctx, tx, db.CacheSubnetGroupInsertSubnetsParams{
		SubnetGroupUid: uid, AccountID: caller.Account, Region: caller.Region, SubnetIds: subnets.SubnetIds,
	})
}

var securityGroupID = regexp.MustCompile(`^sg-[a-zA-Z0-9-]+$`)

// securityGroups resolves the security groups of a request; none means the default one.
func (o *operations) securityGroups(ctx context.Context, tx pgx.Tx, ids []string, vpc string) ([]string, error) {
	if len(ids) == 0 {
		return []string{defaultSecurityGroup}, nil
	}
	for _, id := range ids {
		if !securityGroupID.MatchString(id) {
			return nil, api.InvalidParameterValue("Invalid security group id: %s.", id)
		}
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	caller := api.CallerFrom(ctx)
	known, err := store.Q.SecurityGroupListByIDs(ctx, tx, db.SecurityGroupListByIDsParams{
		AccountID: caller.Account, Region: caller.Region, SecurityGroupIds: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("read security groups: %w", err)
	}
	var unknown []string
	for _, id := range ids {
		if !slices.ContainsFunc(known, func(g db.SecurityGroup) bool { return g.SecurityGroupID == id }) {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 && !o.OpenNetwork {
		return nil, api.InvalidParameterValue("Some security groups are invalid: [%s]", strings.Join(unknown, ", "))
	}
	for _, id := range unknown {
		err := store.Q.SecurityGroupInsertIfAbsent(ctx, tx, db.SecurityGroupInsertIfAbsentParams{
			AccountID: caller.Account, Region: caller.Region, SecurityGroupID: id, VpcID: vpc,
		})
		if err != nil {
			return nil, fmt.Errorf("learn security group: %w", err)
		}
	}
	return ids, nil
}
