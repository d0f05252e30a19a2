package ops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/ops"
)

func TestCacheSubnetGroups(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	create := func(name string, subnets ...string) error {
		_, err := b.api.CreateCacheSubnetGroup(b.ctx, &api.CreateCacheSubnetGroupInput{
			CacheSubnetGroupName: &name, CacheSubnetGroupDescription: new("d"), SubnetIds: subnets,
		})
		return err
	}
	wantError(t, create("MY-cache-subnets", "subnet-0000000a"), "CacheSubnetGroupAlreadyExists", "Cache subnet group my-cache-subnets already exists.")
	wantError(t, create("other"), "InvalidParameterValue", "The parameter SubnetIds must be provided.")
	wantError(t, create("other", "subnet-0000000a", "subnet-x", "subnet-y"), "InvalidParameterValue", "Some input subnets in :[subnet-x, subnet-y] are invalid.")
	wantError(t, create("default", "subnet-0000000a"), "InvalidParameterValue", "")
	wantError(t, create("", "subnet-0000000a"), "InvalidParameterValue", "The parameter CacheSubnetGroupName must be provided and must not be blank.")
	wantError(t, create("no_underscore", "subnet-0000000a"), "InvalidParameterValue", "")
	wantError(t, create("many", slices.Repeat([]string{"subnet-0000000a"}, 21)...), "CacheSubnetQuotaExceededFault", "")
	if err := create("many", slices.Repeat([]string{"subnet-0000000a"}, 20)...); err != nil {
		t.Errorf("20 subnets: %v", err)
	}
	if _, err := b.store.Pool().Exec(t.Context(), `
		WITH v AS (INSERT INTO vpcs (account_id, region, vpc_id) VALUES ('000000000000', 'us-east-1', 'vpc-other') RETURNING *)
		INSERT INTO subnets (account_id, region, subnet_id, vpc_id, availability_zone)
		SELECT account_id, region, 'subnet-other', vpc_id, 'us-east-1a' FROM v`); err != nil {
		t.Fatal(err)
	}
	wantError(t, create("mixed", "subnet-0000000a", "subnet-other"), "InvalidSubnet", "Subnets subnet-0000000a and subnet-other are not in the same VPC.")

	out, err := b.api.DescribeCacheSubnetGroups(b.ctx, &api.DescribeCacheSubnetGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "subnet-groups", out)
	_, err = b.api.DescribeCacheSubnetGroups(b.ctx, &api.DescribeCacheSubnetGroupsInput{CacheSubnetGroupName: new("nobody")})
	wantError(t, err, "CacheSubnetGroupNotFoundFault", "Cache subnet group nobody not found.")

	remove := func(name string) error {
		_, err := b.api.DeleteCacheSubnetGroup(b.ctx, &api.DeleteCacheSubnetGroupInput{CacheSubnetGroupName: &name})
		return err
	}
	b.mustCreate(production())
	wantError(t, remove("my-cache-subnets"), "CacheSubnetGroupInUse", "Cache subnet group my-cache-subnets is currently in use by a cache cluster.")
	wantError(t, remove("default"), "InvalidParameterValue", "")
	wantError(t, remove("nobody"), "CacheSubnetGroupNotFoundFault", "Cache Subnet Group nobody does not exist.")
	if err := create("unused", "subnet-0000000c"); err != nil {
		t.Fatal(err)
	}
	if err := remove("Unused"); err != nil {
		t.Error(err)
	}
}

func TestModifyCacheSubnetGroup(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	modify := func(name string, description *string, subnets ...string) error {
		_, err := b.api.ModifyCacheSubnetGroup(b.ctx, &api.ModifyCacheSubnetGroupInput{
			CacheSubnetGroupName: &name, CacheSubnetGroupDescription: description, SubnetIds: subnets,
		})
		return err
	}
	// now describes the group: its description and subnets.
	now := func() string {
		t.Helper()
		out, err := b.api.DescribeCacheSubnetGroups(b.ctx, &api.DescribeCacheSubnetGroupsInput{CacheSubnetGroupName: new("my-cache-subnets")})
		if err != nil {
			t.Fatal(err)
		}
		parts := []string{*out.CacheSubnetGroups[0].CacheSubnetGroupDescription}
		for _, s := range out.CacheSubnetGroups[0].Subnets {
			parts = append(parts, *s.SubnetIdentifier)
		}
		return strings.Join(parts, " ")
	}
	wantError(t, modify("nobody", nil), "CacheSubnetGroupNotFoundFault", "Cache subnet group nobody not found.")
	wantError(t, modify("", nil), "InvalidParameterValue", "The parameter CacheSubnetGroupName must be provided and must not be blank.")
	wantError(t, modify("my-cache-subnets", new("")), "InvalidParameterValue", "")
	wantError(t, modify("my-cache-subnets", nil, "subnet-x"), "InvalidParameterValue", "Some input subnets in :[subnet-x] are invalid.")
	wantError(t, modify("my-cache-subnets", nil, slices.Repeat([]string{"subnet-0000000a"}, 21)...), "CacheSubnetQuotaExceededFault", "")
	if _, err := b.store.Pool().Exec(t.Context(), `
		WITH v AS (INSERT INTO vpcs (account_id, region, vpc_id) VALUES ('000000000000', 'us-east-1', 'vpc-other') RETURNING *)
		INSERT INTO subnets (account_id, region, subnet_id, vpc_id, availability_zone)
		SELECT account_id, region, 'subnet-other', vpc_id, 'us-east-1a' FROM v
		UNION ALL SELECT '000000000000', 'us-east-1', 'subnet-second', 'vpc-00000000', 'us-east-1a'`); err != nil {
		t.Fatal(err)
	}
	wantError(t, modify("my-cache-subnets", nil, "subnet-other"), "InvalidSubnet", "")
	if got := now(); got != "Three zones subnet-0000000a subnet-0000000b subnet-0000000c" {
		t.Errorf("refused calls made it %s", got)
	}

	if err := modify("My-Cache-Subnets", new("One zone")); err != nil {
		t.Error(err)
	}
	in := small("g")
	in.CacheSubnetGroupName, in.NumCacheClusters, in.PreferredCacheClusterAZs = new("my-cache-subnets"), new(int32(1)), []string{"us-east-1a"}
	b.mustCreate(in)
	wantError(t, modify("my-cache-subnets", nil, "subnet-0000000b"), "SubnetInUse", "The subnet ID subnet-0000000a is in use.")
	b.settle()
	wantError(t, modify("my-cache-subnets", nil, "subnet-0000000b"), "SubnetInUse", "The subnet ID subnet-0000000a is in use.")
	if err := modify("my-cache-subnets", nil, "subnet-second"); err != nil {
		t.Error(err)
	}
	if got := now(); got != "One zone subnet-second" {
		t.Errorf("the group is %s", got)
	}
	in = small("h")
	in.CacheSubnetGroupName, in.NumCacheClusters, in.PreferredCacheClusterAZs = new("my-cache-subnets"), new(int32(1)), []string{"us-east-1b"}
	_, err := b.api.CreateReplicationGroup(b.ctx, in)
	wantError(t, err, "InvalidParameterValue", "")
}

func TestListAllowedNodeTypeModifications(t *testing.T) {
	b := setup(t)
	in := small("g")
	in.Engine, in.EngineVersion, in.CacheNodeType = new("redis"), new("7.0"), new("cache.r6g.large")
	b.mustCreate(in)
	list := func(group, cluster string) (*api.ListAllowedNodeTypeModificationsOutput, error) {
		return b.api.ListAllowedNodeTypeModifications(b.ctx, &api.ListAllowedNodeTypeModificationsInput{ReplicationGroupId: &group, CacheClusterId: &cluster})
	}
	for _, ids := range [][2]string{{"G", ""}, {"", "g-001"}} {
		out, err := list(ids[0], ids[1])
		if err != nil {
			t.Fatal(err)
		}
		up, down := out.ScaleUpModifications, out.ScaleDownModifications
		if !slices.IsSorted(up) || !slices.IsSorted(down) {
			t.Errorf("not sorted: %v, %v", up, down)
		}
		for name, want := range map[string][2]bool{ // up, down
			"cache.r6g.xlarge": {true, false}, "cache.r7g.large": {true, false}, "cache.t4g.micro": {false, true},
			"cache.r6g.large":   {false, false}, // itself
			"cache.r6gd.xlarge": {false, false}, // data tiering
			"cache.r8g.xlarge":  {false, false}, // Valkey's only
			"cache.m3.medium":   {false, false}, // closed to new clusters
		} {
			if got := [2]bool{slices.Contains(up, name), slices.Contains(down, name)}; got != want {
				t.Errorf("%s: up and down are %v, want %v", name, got, want)
			}
		}
	}
	_, err := list("nobody", "")
	wantError(t, err, "ReplicationGroupNotFoundFault", "Replication group nobody not found.")
	_, err = list("", "nobody")
	wantError(t, err, "CacheClusterNotFound", "CacheCluster not found: nobody")
	_, err = list("g", "g-001")
	wantError(t, err, "InvalidParameterCombination", "")
	_, err = list("", "")
	wantError(t, err, "InvalidParameterCombination", "")
}

func TestSecurityGroupsOfAClosedNetwork(t *testing.T) {
	b := setup(t)
	closed := ops.New(ops.Deps{Store: b.store, Clock: b.clock})
	in := small("walled")
	in.SecurityGroupIds = []string{"sg-unknown"}
	_, err := closed.CreateReplicationGroup(b.ctx, in)
	wantError(t, err, "InvalidParameterValue", "Some security groups are invalid: [sg-unknown]")
	in.SecurityGroupIds = []string{"sg-00000000"}
	if _, err := closed.CreateReplicationGroup(b.ctx, in); err != nil {
		t.Error(err)
	}
}

func TestTags(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	b.mustCreate(production())
	arn := func(kind, id string) *string {
		return new("arn:aws:elasticache:us-east-1:000000000000:" + kind + ":" + id)
	}
	list := func(resource *string) (string, error) {
		out, err := b.api.ListTagsForResource(b.ctx, &api.ListTagsForResourceInput{ResourceName: resource})
		if err != nil {
			return "", err
		}
		return formatTags(out.TagList), nil
	}
	group, member, subnets := arn("replicationgroup", "my-redis"), arn("cluster", "my-redis-002"), arn("subnetgroup", "my-cache-subnets")
	_, err := list(group)
	wantError(t, err, "InvalidReplicationGroupState", "Cluster not in available state to perform tagging operations.")
	_, err = list(member)
	wantError(t, err, "CacheClusterNotFound", "my-redis-002 is either not present or not available.")
	b.settle()

	added, err := b.api.AddTagsToResource(b.ctx, &api.AddTagsToResourceInput{ResourceName: group, Tags: []api.Tag{{Key: new("team"), Value: new("a")}, {Key: new("env"), Value: new("x")}}})
	if err != nil || formatTags(added.TagList) != "env=x team=a" {
		t.Errorf("%+v, %v", added, err)
	}
	if tags, err := list(member); tags != "env=x team=a" || err != nil {
		t.Errorf("a member's tags: %q, %v", tags, err)
	}
	removed, err := b.api.RemoveTagsFromResource(b.ctx, &api.RemoveTagsFromResourceInput{ResourceName: group, TagKeys: []string{"env"}})
	if err != nil || formatTags(removed.TagList) != "team=a" {
		t.Errorf("%+v, %v", removed, err)
	}
	if tags, err := list(member); tags != "team=a" || err != nil {
		t.Errorf("a member's tags: %q, %v", tags, err)
	}
	_, err = b.api.RemoveTagsFromResource(b.ctx, &api.RemoveTagsFromResourceInput{ResourceName: group, TagKeys: []string{"team", "nobody"}})
	wantError(t, err, "TagNotFound", "")
	if tags, _ := list(group); tags != "team=a" {
		t.Errorf("a refused call took tags off: %q", tags)
	}

	var many []api.Tag
	for i := range 50 {
		many = append(many, api.Tag{Key: new(fmt.Sprintf("k%d", i))})
	}
	_, err = b.api.AddTagsToResource(b.ctx, &api.AddTagsToResourceInput{ResourceName: group, Tags: many})
	wantError(t, err, "TagQuotaPerResourceExceeded", "")
	if _, err = b.api.AddTagsToResource(b.ctx, &api.AddTagsToResourceInput{ResourceName: subnets, Tags: many}); err != nil {
		t.Errorf("50 tags: %v", err)
	}
	for resource, want := range map[*string][2]string{
		new("arn:aws:elasticache"):                                     {"InvalidARN", "Input ARN string does not have 7 components."},
		new("arn:aws-cn:elasticache:us-east-1:000000000000:cluster:x"): {"InvalidARN", "partition field is wrong. Expected value is aws"},
		new("arn:aws:rds:us-east-1:000000000000:cluster:x"):            {"InvalidARN", "service field is wrong. Expected value is elasticache"},
		new("arn:aws:elasticache:us-east-2:000000000000:cluster:x"):    {"InvalidParameterValue", "Unauthorized call. Please check the region or customer id"},
		new("arn:aws:elasticache:us-east-1:111111111111:cluster:x"):    {"InvalidParameterValue", "The resource ARN does not belong to the caller's account."},
		arn("replicationgroup", "x"):                                   {"ReplicationGroupNotFoundFault", "Replication group x not found."},
		arn("subnetgroup", "x"):                                        {"CacheSubnetGroupNotFoundFault", ""},
		arn("subnetgroup", "default"):                                  {"InvalidParameterValue", ""},
		arn("parametergroup", "x"):                                     {"CacheParameterGroupNotFound", "x is not present"},
		arn("user", "x"):                                               {"UserNotFound", ""},
		arn("spaceship", "x"):                                          {"InvalidARN", ""},
		arn("cluster", ""):                                             {"InvalidARN", ""},
	} {
		_, err := list(resource)
		wantError(t, err, want[0], want[1])
	}
}

func formatTags(tags []api.Tag) string {
	var parts []string
	for _, tag := range tags {
		parts = append(parts, *tag.Key+"="+*tag.Value)
	}
	return strings.Join(parts, " ")
}

func TestDescribeEventsPagesAndFilters(t *testing.T) {
	b := setup(t)
	for i := range 12 {
		b.mustCreate(small(fmt.Sprintf("g%02d", i)))
		b.settle()
		b.clock.Advance(time.Minute)
	}
	var messages []string
	in := &api.DescribeEventsInput{MaxRecords: new(int32(20))}
	pages := 0
	for {
		out, err := b.api.DescribeEvents(b.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, e := range out.Events {
			messages = append(messages, *e.SourceIdentifier+" "+*e.Message)
		}
		if in.Marker = out.Marker; in.Marker == nil {
			break
		}
	}
	all := slices.Clone(messages)
	slices.Sort(all)
	if len(messages) != 36 || pages != 2 || len(slices.Compact(all)) != 36 {
		t.Errorf("%d events, %d different, on %d pages", len(messages), len(slices.Compact(all)), pages)
	}
	if messages[0] != "g11 Replication group g11 created" {
		t.Errorf("the newest comes first: %q", messages[0])
	}
	count := func(in *api.DescribeEventsInput) int {
		out, err := b.api.DescribeEvents(b.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Events)
	}
	if n := count(&api.DescribeEventsInput{SourceIdentifier: new("g03")}); n != 1 {
		t.Errorf("of g03: %d", n)
	}
	if n := count(&api.DescribeEventsInput{SourceType: new("cache-cluster")}); n != 24 {
		t.Errorf("of clusters: %d", n)
	}
	if n := count(&api.DescribeEventsInput{Duration: new(int32(3))}); n != 9 {
		t.Errorf("of the last three minutes: %d", n)
	}
	start := b.clock.Now().Add(-12 * time.Minute)
	if n := count(&api.DescribeEventsInput{StartTime: &start, Duration: new(int32(1))}); n != 6 {
		t.Errorf("of a minute and its ends: %d", n)
	}
	b.clock.Advance(2 * time.Hour)
	if n := count(&api.DescribeEventsInput{}); n != 0 {
		t.Errorf("after two hours: %d", n)
	}
	_, err := b.api.DescribeEvents(b.ctx, &api.DescribeEventsInput{Duration: new(int32(0))})
	wantError(t, err, "InvalidParameterValue", "")
	b.clock.Advance(15 * 24 * time.Hour)
	if err := b.store.Sweep(t.Context(), b.clock.Now()); err != nil || b.fleet.Count("events") != 0 {
		t.Errorf("events live for 14 days: %d left, %v", b.fleet.Count("events"), err)
	}
}

func TestDescribePages(t *testing.T) {
	b := setup(t)
	for i := range 21 {
		b.mustCreate(small(fmt.Sprintf("g%02d", i)))
	}
	first, err := b.api.DescribeReplicationGroups(b.ctx, &api.DescribeReplicationGroupsInput{MaxRecords: new(int32(20))})
	if err != nil || len(first.ReplicationGroups) != 20 || first.Marker == nil {
		t.Fatalf("%d groups, marker %v, %v", len(first.ReplicationGroups), first.Marker, err)
	}
	second, err := b.api.DescribeReplicationGroups(b.ctx, &api.DescribeReplicationGroupsInput{MaxRecords: new(int32(20)), Marker: first.Marker})
	if err != nil || len(second.ReplicationGroups) != 1 || second.Marker != nil || *second.ReplicationGroups[0].ReplicationGroupId != "g20" {
		t.Fatalf("%+v, %v", second, err)
	}
	for _, in := range []*api.DescribeReplicationGroupsInput{
		{MaxRecords: new(int32(19))}, {MaxRecords: new(int32(101))}, {Marker: new("garbage")}, {Marker: new("Z2FyYmFnZQ")},
	} {
		_, err := b.api.DescribeReplicationGroups(b.ctx, in)
		wantError(t, err, "InvalidParameterValue", "")
	}
	clusters, err := b.api.DescribeCacheClusters(b.ctx, &api.DescribeCacheClustersInput{ShowCacheNodeInfo: new(true)})
	if err != nil || len(clusters.CacheClusters) != 21 || clusters.CacheClusters[0].CacheNodes != nil {
		t.Errorf("clusters that are created show no nodes: %+v, %v", clusters.CacheClusters[0], err)
	}
	alone, err := b.api.DescribeCacheClusters(b.ctx, &api.DescribeCacheClustersInput{ShowCacheClustersNotInReplicationGroups: new(true)})
	if err != nil || len(alone.CacheClusters) != 0 {
		t.Errorf("%d clusters outside of groups, %v", len(alone.CacheClusters), err)
	}
	_, err = b.api.DescribeCacheClusters(b.ctx, &api.DescribeCacheClustersInput{CacheClusterId: new("Nobody")})
	wantError(t, err, "CacheClusterNotFound", "CacheCluster not found: nobody")
}

func TestDescribeCacheEngineVersions(t *testing.T) {
	b := setup(t)
	describe := func(in *api.DescribeCacheEngineVersionsInput) []api.CacheEngineVersion {
		out, err := b.api.DescribeCacheEngineVersions(b.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return out.CacheEngineVersions
	}
	if all := describe(&api.DescribeCacheEngineVersionsInput{}); len(all) < 20 {
		t.Errorf("%d versions", len(all))
	}
	one := describe(&api.DescribeCacheEngineVersionsInput{Engine: new("redis"), DefaultOnly: new(true)})
	if len(one) != 1 || *one[0].EngineVersion != "7.1" || *one[0].CacheParameterGroupFamily != "redis7" {
		t.Errorf("default of redis: %+v", one)
	}
	family := describe(&api.DescribeCacheEngineVersionsInput{CacheParameterGroupFamily: new("redis7")})
	if len(family) != 2 || *family[0].CacheEngineVersionDescription != "redis version 7.0.7" || *family[0].CacheEngineDescription != "Redis" {
		t.Errorf("redis7: %+v", family)
	}
	page, err := b.api.DescribeCacheEngineVersions(b.ctx, &api.DescribeCacheEngineVersionsInput{MaxRecords: new(int32(20))})
	if err != nil || len(page.CacheEngineVersions) != 20 || page.Marker == nil {
		t.Fatalf("%+v, %v", page, err)
	}
	rest := describe(&api.DescribeCacheEngineVersionsInput{MaxRecords: new(int32(20)), Marker: page.Marker})
	if len(rest) == 0 || *rest[0].EngineVersion == *page.CacheEngineVersions[19].EngineVersion {
		t.Errorf("second page %+v", rest)
	}
}

func TestFailoverQuota(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	b.mustCreate(production())
	b.settle()
	limited := ops.New(ops.Deps{Store: b.store, Clock: b.clock, FailoversPerDay: 1})
	in := &api.TestFailoverInput{ReplicationGroupId: new("my-redis"), NodeGroupId: new("0001")}
	if _, err := limited.TestFailover(b.ctx, in); err != nil {
		t.Fatal(err)
	}
	b.settle()
	_, err := limited.TestFailover(b.ctx, in)
	wantError(t, err, "APICallRateForCustomerExceeded", "")
	b.clock.Advance(25 * time.Hour)
	if _, err := limited.TestFailover(b.ctx, in); err != nil {
		t.Errorf("a day later: %v", err)
	}
}
