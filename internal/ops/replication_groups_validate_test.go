package ops_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/store"
)

func TestCreateReplicationGroupRefuses(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	const identifierRule = "The parameter ReplicationGroupId is not a valid identifier. Identifiers must begin with a letter; " +
		"must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
	const zones = "When specifying preferred availability zones, the number of cache clusters must be specified and must match the number of preferred availability zones."
	for name, test := range map[string]struct {
		change        func(*api.CreateReplicationGroupInput)
		code, message string
	}{
		"blank id":       {func(in *api.CreateReplicationGroupInput) { in.ReplicationGroupId = new(" ") }, "InvalidParameterValue", "The parameter ReplicationGroupId must be provided and must not be blank."},
		"digit first":    {func(in *api.CreateReplicationGroupInput) { in.ReplicationGroupId = new("1a") }, "InvalidParameterValue", identifierRule},
		"two hyphens":    {func(in *api.CreateReplicationGroupInput) { in.ReplicationGroupId = new("a--b") }, "InvalidParameterValue", identifierRule},
		"hyphen at end":  {func(in *api.CreateReplicationGroupInput) { in.ReplicationGroupId = new("a-") }, "InvalidParameterValue", identifierRule},
		"underscore":     {func(in *api.CreateReplicationGroupInput) { in.ReplicationGroupId = new("a_b") }, "InvalidParameterValue", identifierRule},
		"41 characters":  {func(in *api.CreateReplicationGroupInput) { in.ReplicationGroupId = new(strings.Repeat("a", 41)) }, "InvalidParameterValue", "Replication Group ID cannot be longer than 40 characters."},
		"no description": {func(in *api.CreateReplicationGroupInput) { in.ReplicationGroupDescription = new("") }, "InvalidParameterValue", ""},
		"long description": {func(in *api.CreateReplicationGroupInput) {
			in.ReplicationGroupDescription = new(strings.Repeat("x", 256))
		}, "InvalidParameterValue", ""},
		"no node type":            {func(in *api.CreateReplicationGroupInput) { in.CacheNodeType = nil }, "InvalidParameterValue", "The parameter CacheNodeType must be provided and must not be null."},
		"unknown node type":       {func(in *api.CreateReplicationGroupInput) { in.CacheNodeType = new("cache.r6g.huge") }, "InvalidParameterValue", "Invalid Cache Node Type: cache.r6g.huge."},
		"closed node type":        {func(in *api.CreateReplicationGroupInput) { in.CacheNodeType = new("cache.t2.medium") }, "InvalidParameterValue", "Invalid Cache Node Type: cache.t2.medium."},
		"data tiering type":       {func(in *api.CreateReplicationGroupInput) { in.CacheNodeType = new("cache.r6gd.2xlarge") }, "InvalidParameterCombination", "When using the cache.r6gd.2xlarge node type, you must enable data tiering."},
		"type of valkey":          {func(in *api.CreateReplicationGroupInput) { in.CacheNodeType = new("cache.r8g.large") }, "InvalidParameterCombination", ""},
		"memcached":               {func(in *api.CreateReplicationGroupInput) { in.Engine = new("memcached") }, "InvalidParameterValue", ""},
		"unknown version":         {func(in *api.CreateReplicationGroupInput) { in.EngineVersion = new("4.0.13") }, "InvalidParameterCombination", "Cannot find version 4.0.13 for redis"},
		"patch version":           {func(in *api.CreateReplicationGroupInput) { in.EngineVersion = new("6.2.6") }, "InvalidParameterValue", "Specific version selection is not allowed for '6.2.6', please use '6.2'"},
		"unknown parameter group": {func(in *api.CreateReplicationGroupInput) { in.CacheParameterGroupName = new("mine") }, "CacheParameterGroupNotFound", "CacheParameterGroup not found: mine"},
		"other family":            {func(in *api.CreateReplicationGroupInput) { in.CacheParameterGroupName = new("default.redis6.x") }, "InvalidParameterCombination", "Expected a parameter group of family redis7 but found one of family redis6.x"},
		"cluster parameter group": {func(in *api.CreateReplicationGroupInput) {
			in.CacheParameterGroupName = new("default.redis7.cluster.on")
		}, "InvalidParameterCombination", "Cluster mode should be disabled in parameter group, but found it is enabled."},
		"unknown subnet group":     {func(in *api.CreateReplicationGroupInput) { in.CacheSubnetGroupName = new("nowhere") }, "CacheSubnetGroupNotFoundFault", "Cache subnet group nowhere not found."},
		"malformed security group": {func(in *api.CreateReplicationGroupInput) { in.SecurityGroupIds = []string{"redis"} }, "InvalidParameterValue", ""},
		"cache security group":     {func(in *api.CreateReplicationGroupInput) { in.CacheSecurityGroupNames = []string{"x"} }, "InvalidParameterValue", "Use of cache security groups is not permitted in this API version for your account."},
		"failover with one node":   {func(in *api.CreateReplicationGroupInput) { in.NumCacheClusters = new(int32(1)) }, "InvalidParameterCombination", "When using automatic failover, there must be at least 2 cache clusters in the replication group."},
		"no nodes":                 {func(in *api.CreateReplicationGroupInput) { in.NumCacheClusters = new(int32(0)) }, "InvalidParameterValue", "The number of replicas per node group must be within 0 and 5."},
		"seven nodes":              {func(in *api.CreateReplicationGroupInput) { in.NumCacheClusters = new(int32(7)) }, "InvalidParameterValue", "The number of replicas per node group must be within 0 and 5."},
		"two ways to count":        {func(in *api.CreateReplicationGroupInput) { in.NumNodeGroups = new(int32(1)) }, "InvalidParameterCombination", ""},
		"no node groups":           {func(in *api.CreateReplicationGroupInput) { in.NumCacheClusters, in.NumNodeGroups = nil, new(int32(0)) }, "InvalidParameterValue", ""},
		"91 node groups":           {func(in *api.CreateReplicationGroupInput) { in.NumCacheClusters, in.NumNodeGroups = nil, new(int32(91)) }, "NodeGroupsPerReplicationGroupQuotaExceeded", ""},
		"92 nodes": {func(in *api.CreateReplicationGroupInput) {
			in.NumCacheClusters, in.NumNodeGroups, in.ReplicasPerNodeGroup = nil, new(int32(46)), new(int32(1))
		}, "NodeQuotaForClusterExceeded", ""},
		"zones of several shards": {func(in *api.CreateReplicationGroupInput) {
			in.NumCacheClusters, in.NumNodeGroups, in.PreferredCacheClusterAZs = nil, new(int32(2)), []string{"us-east-1a"}
		}, "InvalidParameterCombination", "PreferredCacheClusterAZs can only be specified for one node group."},
		"too few zones": {func(in *api.CreateReplicationGroupInput) { in.PreferredCacheClusterAZs = []string{"us-east-1a"} }, "InvalidParameterValue", zones},
		"zone without subnet": {func(in *api.CreateReplicationGroupInput) {
			in.PreferredCacheClusterAZs = []string{"us-east-1a", "us-east-1b", "us-east-1f"}
		}, "InvalidParameterValue", ""},
		"multi-AZ without failover": {func(in *api.CreateReplicationGroupInput) { in.AutomaticFailoverEnabled = nil }, "InvalidParameterCombination", ""},
		"multi-AZ without replicas": {func(in *api.CreateReplicationGroupInput) {
			in.NumCacheClusters, in.NumNodeGroups = nil, new(int32(2))
		}, "InvalidParameterValue", "Must have at least 1 replica for Multi-AZ enabled Replication Group"},
		"cluster without failover": {func(in *api.CreateReplicationGroupInput) {
			in.NumCacheClusters, in.NumNodeGroups, in.AutomaticFailoverEnabled, in.MultiAZEnabled = nil, new(int32(2)), new(false), nil
		}, "InvalidParameterValue", "Redis with cluster mode enabled cannot be created with auto failover turned off."},
		"port 0":     {func(in *api.CreateReplicationGroupInput) { in.Port = new(int32(0)) }, "InvalidParameterValue", ""},
		"port 65536": {func(in *api.CreateReplicationGroupInput) { in.Port = new(int32(65536)) }, "InvalidParameterValue", ""},
		"token without TLS": {func(in *api.CreateReplicationGroupInput) {
			in.TransitEncryptionEnabled, in.AuthToken = nil, new(api.NewSecret("0123456789abcdef"))
		}, "InvalidParameterValue", "The AUTH token is only supported when encryption-in-transit is enabled"},
		"short token":  {func(in *api.CreateReplicationGroupInput) { in.AuthToken = new(api.NewSecret("0123456789abcde")) }, "InvalidParameterValue", "Invalid AuthToken provided."},
		"long token":   {func(in *api.CreateReplicationGroupInput) { in.AuthToken = new(api.NewSecret(strings.Repeat("a", 129))) }, "InvalidParameterValue", "Invalid AuthToken provided."},
		"token with @": {func(in *api.CreateReplicationGroupInput) { in.AuthToken = new(api.NewSecret("0123456789abcdef@")) }, "InvalidParameterValue", "Invalid AuthToken provided."},
		"TLS mode without TLS": {func(in *api.CreateReplicationGroupInput) {
			in.TransitEncryptionEnabled, in.TransitEncryptionMode = nil, new("preferred")
		}, "InvalidParameterCombination", "To modify transit encryption mode, set encryption-in-transit as enabled."},
		"key without encryption": {func(in *api.CreateReplicationGroupInput) {
			in.AtRestEncryptionEnabled, in.KmsKeyId = nil, new("arn:aws:kms:x")
		}, "InvalidParameterCombination", ""},
		"short snapshot window": {func(in *api.CreateReplicationGroupInput) { in.SnapshotWindow = new("05:00-05:59") }, "InvalidParameterValue", "Snapshot window must be at least 60 minutes."},
		"windows overlap": {func(in *api.CreateReplicationGroupInput) {
			in.SnapshotWindow, in.PreferredMaintenanceWindow = new("05:00-06:00"), new("mon:05:30-mon:06:30")
		}, "InvalidParameterValue", "The snapshot window and maintenance window must not overlap."},
		"malformed window": {func(in *api.CreateReplicationGroupInput) { in.PreferredMaintenanceWindow = new("monday") }, "InvalidParameterValue", ""},
		"reserved tag":     {func(in *api.CreateReplicationGroupInput) { in.Tags = []api.Tag{{Key: new("aws:x")}} }, "InvalidParameterValue", ""},
		"not built: users": {func(in *api.CreateReplicationGroupInput) { in.UserGroupIds = []string{"g"} }, "InvalidParameterCombination", "Not supported by this version of Elastane yet: UserGroupIds."},
		"not built: several": {func(in *api.CreateReplicationGroupInput) {
			in.SnapshotName, in.PrimaryClusterId, in.NetworkType = new("s"), new("p"), new("ipv6")
		}, "InvalidParameterCombination", "Not supported by this version of Elastane yet: NetworkType, PrimaryClusterId, SnapshotName."},
	} {
		t.Run(name, func(t *testing.T) {
			in := production()
			test.change(in)
			_, err := b.api.CreateReplicationGroup(b.ctx, in)
			wantError(t, err, test.code, test.message)
			if op := api.OperationByName("CreateReplicationGroup"); err != nil && !op.Declares(test.code) {
				t.Errorf("the operation does not declare %s", test.code)
			}
		})
	}
	for _, table := range []string{"replication_groups", "node_groups", "cache_clusters", "events", "tags", "river_job"} {
		if n := b.fleet.Count(table); n != 0 {
			t.Errorf("refused requests left %d rows in %s", n, table)
		}
	}
}

func TestNodeGroupConfigurationRefuses(t *testing.T) {
	b := setup(t)
	two := func(a, c api.NodeGroupConfiguration) []api.NodeGroupConfiguration {
		return []api.NodeGroupConfiguration{a, c}
	}
	for name, test := range map[string]struct {
		change func(*api.CreateReplicationGroupInput)
		code   string
	}{
		"other number": {func(in *api.CreateReplicationGroupInput) { in.NumNodeGroups = new(int32(3)) }, "InvalidParameterCombination"},
		"same id twice": {func(in *api.CreateReplicationGroupInput) {
			in.NodeGroupConfiguration = two(api.NodeGroupConfiguration{NodeGroupId: new("2")}, api.NodeGroupConfiguration{})
		}, "InvalidParameterValue"},
		"bad id":       {func(in *api.CreateReplicationGroupInput) { in.NodeGroupConfiguration[0].NodeGroupId = new("00010") }, "InvalidParameterValue"},
		"slots of one": {func(in *api.CreateReplicationGroupInput) { in.NodeGroupConfiguration[0].Slots = new("0-16383") }, "InvalidParameterCombination"},
		"overlap": {func(in *api.CreateReplicationGroupInput) {
			in.NodeGroupConfiguration = two(api.NodeGroupConfiguration{Slots: new("0-100")}, api.NodeGroupConfiguration{Slots: new("100-16383")})
		}, "InvalidParameterValue"},
		"gap": {func(in *api.CreateReplicationGroupInput) {
			in.NodeGroupConfiguration = two(api.NodeGroupConfiguration{Slots: new("0-100")}, api.NodeGroupConfiguration{Slots: new("102-16383")})
		}, "InvalidParameterValue"},
		"malformed slots": {func(in *api.CreateReplicationGroupInput) {
			in.NodeGroupConfiguration = two(api.NodeGroupConfiguration{Slots: new("0-x")}, api.NodeGroupConfiguration{Slots: new("1-16383")})
		}, "InvalidParameterValue"},
		"zones do not match": {func(in *api.CreateReplicationGroupInput) {
			in.NodeGroupConfiguration[0] = api.NodeGroupConfiguration{ReplicaCount: new(int32(2)), ReplicaAvailabilityZones: []string{"us-east-1a"}}
		}, "InvalidParameterValue"},
		"six replicas": {func(in *api.CreateReplicationGroupInput) { in.NodeGroupConfiguration[1].ReplicaCount = new(int32(6)) }, "InvalidParameterValue"},
		"outposts": {func(in *api.CreateReplicationGroupInput) {
			in.NodeGroupConfiguration[1].PrimaryOutpostArn = new("arn:x")
		}, "InvalidParameterCombination"},
		"plain parameter group": {func(in *api.CreateReplicationGroupInput) { in.CacheParameterGroupName = new("default.redis7") }, "InvalidParameterCombination"},
	} {
		t.Run(name, func(t *testing.T) {
			in := small("custom")
			in.NodeGroupConfiguration = make([]api.NodeGroupConfiguration, 2)
			test.change(in)
			_, err := b.api.CreateReplicationGroup(b.ctx, in)
			wantError(t, err, test.code, "")
		})
	}
}

func TestLimitsAreAllowed(t *testing.T) {
	b := setup(t)
	for name, change := range map[string]func(*api.CreateReplicationGroupInput){
		"40 characters":  func(in *api.CreateReplicationGroupInput) { in.ReplicationGroupId = new(strings.Repeat("a", 40)) },
		"six nodes":      func(in *api.CreateReplicationGroupInput) { in.NumCacheClusters = new(int32(6)) },
		"90 node groups": func(in *api.CreateReplicationGroupInput) { in.NumNodeGroups = new(int32(90)) },
		"description 255": func(in *api.CreateReplicationGroupInput) {
			in.ReplicationGroupDescription = new(strings.Repeat("ü", 255))
		},
		"port 65535": func(in *api.CreateReplicationGroupInput) { in.Port = new(int32(65535)) },
		"token of 16": func(in *api.CreateReplicationGroupInput) {
			in.TransitEncryptionEnabled, in.AuthToken = new(true), new(api.NewSecret("0123456789abc!&-"))
		},
		"token of 128": func(in *api.CreateReplicationGroupInput) {
			in.TransitEncryptionEnabled, in.AuthToken = new(true), new(api.NewSecret(strings.Repeat("a", 128)))
		},
		"preferred TLS": func(in *api.CreateReplicationGroupInput) {
			in.TransitEncryptionEnabled, in.TransitEncryptionMode = new(true), new("preferred")
		},
		"windows touch": func(in *api.CreateReplicationGroupInput) {
			in.SnapshotWindow, in.PreferredMaintenanceWindow = new("05:00-06:00"), new("Mon:06:00-mon:07:00")
		},
	} {
		in := small("limit-" + strings.ReplaceAll(strings.ToLower(name), " ", "-"))
		change(in)
		if _, err := b.api.CreateReplicationGroup(b.ctx, in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCreateReplicationGroupTwice(t *testing.T) {
	b := setup(t)
	b.mustCreate(small("twice"))
	_, err := b.api.CreateReplicationGroup(b.ctx, small("TWICE"))
	wantError(t, err, "ReplicationGroupAlreadyExists", "Replication group with specified name already exists.")
	// The members of a cluster "a" and of a group "a-0001" would have the same ids.
	in := small("a")
	in.NumNodeGroups = new(int32(2))
	b.mustCreate(in)
	_, err = b.api.CreateReplicationGroup(b.ctx, small("a-0001"))
	wantError(t, err, "InvalidParameterValue", "Cache cluster a-0001-001 already exists.")
	if n := b.fleet.Count("replication_groups"); n != 2 {
		t.Errorf("%d groups", n)
	}
}

func TestDeleteReplicationGroupRefuses(t *testing.T) {
	b := setup(t)
	remove := func(in *api.DeleteReplicationGroupInput) error {
		_, err := b.api.DeleteReplicationGroup(b.ctx, in)
		return err
	}
	wantError(t, remove(&api.DeleteReplicationGroupInput{ReplicationGroupId: new("nobody")}), "ReplicationGroupNotFoundFault", "Replication group nobody not found.")
	b.mustCreate(small("busy"))
	wantError(t, remove(&api.DeleteReplicationGroupInput{ReplicationGroupId: new("busy")}), "InvalidReplicationGroupState", "Cache cluster busy is not in a valid state to be deleted")
	b.settle()
	wantError(t, remove(&api.DeleteReplicationGroupInput{ReplicationGroupId: new("busy"), FinalSnapshotIdentifier: new("s")}), "InvalidParameterCombination", "")
	wantError(t, remove(&api.DeleteReplicationGroupInput{ReplicationGroupId: new("busy"), RetainPrimaryCluster: new(true)}), "InvalidParameterCombination", "")
	if err := remove(&api.DeleteReplicationGroupInput{ReplicationGroupId: new("busy")}); err != nil {
		t.Fatal(err)
	}
	wantError(t, remove(&api.DeleteReplicationGroupInput{ReplicationGroupId: new("busy")}), "InvalidReplicationGroupState", "")
}

func TestNodeQuotaOfARegion(t *testing.T) {
	b := setup(t)
	for i, shards := range []int32{90, 90, 90, 30} {
		in := small(fmt.Sprintf("g%d", i))
		in.NumNodeGroups = &shards
		b.mustCreate(in)
	}
	_, err := b.api.CreateReplicationGroup(b.ctx, small("one-more"))
	wantError(t, err, "NodeQuotaForCustomerExceeded", "Customer node quota exceeded. You can have at most 300 nodes in this region.")
	elsewhere := callerContext(t.Context(), "000000000000", "eu-west-1")
	if _, err := b.api.CreateReplicationGroup(elsewhere, small("one-more")); err != nil {
		t.Errorf("another region: %v", err)
	}
}

// TestCreateAtOnce lets several requests be the first of the account, for one id.
func TestCreateAtOnce(t *testing.T) {
	b := setup(t)
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = b.api.CreateReplicationGroup(b.ctx, small("wanted")) })
	}
	all.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		wantError(t, err, "ReplicationGroupAlreadyExists", "")
	}
	if made != 1 || b.fleet.Count("replication_groups") != 1 || b.fleet.Count("cache_clusters") != 1 || b.fleet.Count("river_job") != 1 {
		t.Errorf("made %d times", made)
	}
	b.settle()
	if status := *b.group("wanted").Status; status != "available" {
		t.Errorf("status %s", status)
	}
}

// TestReconcileAtOnce lets several workers take the jobs of one owner at once.
func TestReconcileAtOnce(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	b.mustCreate(production())
	owner := b.unsteady()[0]
	for range 3 {
		errs := make([]error, 6)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { _, errs[i] = b.reconciler.Reconcile(t.Context(), store.OwnerReplicationGroup, owner) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		b.fleet.Answer()
	}
	if n := b.fleet.Count("nodes"); n != 3 || *b.group("my-redis").Status != "available" || len(b.messages()) != 8 {
		t.Errorf("%d nodes, events %q", n, b.messages())
	}
}
