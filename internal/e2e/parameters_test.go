package e2e

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func parameter(name, value string) types.ParameterNameValue {
	return types.ParameterNameValue{ParameterName: &name, ParameterValue: &value}
}

// infoLine reads one field of INFO.
func infoLine(t *testing.T, c *redis.Client, section, field string) string {
	t.Helper()
	info, err := c.Info(t.Context(), section).Result()
	require.NoError(t, err)
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return value
		}
	}
	return ""
}

// A parameter group's values reach the running engines, at the creation and with each change, without
// a connection being lost.
func TestParameterGroupReachesTheEngine(t *testing.T) {
	t.Parallel()
	d, ctx := useDev(t), t.Context()
	const name, id = "tuned", "with-parameters"
	_, err := d.api().CreateCacheParameterGroup(ctx, &elasticache.CreateCacheParameterGroupInput{
		CacheParameterGroupName: aws.String(name), CacheParameterGroupFamily: aws.String("redis7"), Description: aws.String("of an end-to-end test"),
	})
	require.NoError(t, err)
	modify := func(values ...types.ParameterNameValue) {
		out, err := d.api().ModifyCacheParameterGroup(ctx, &elasticache.ModifyCacheParameterGroupInput{
			CacheParameterGroupName: aws.String(name), ParameterNameValues: values,
		})
		require.NoError(t, err)
		require.Equal(t, name, *out.CacheParameterGroupName)
	}
	modify(parameter("maxmemory-policy", "allkeys-lru"), parameter("databases", "3"))

	g := d.create(t, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String(id), NumCacheClusters: aws.Int32(2), CacheParameterGroupName: aws.String(name),
	})
	var nodes []*redis.Client
	for _, m := range g.NodeGroups[0].NodeGroupMembers {
		nodes = append(nodes, cache(t, m.ReadEndpoint, nil))
	}
	// everyNode waits for every node to show a value; connections that are open see it change.
	everyNode := func(field, value string) {
		t.Helper()
		for _, c := range nodes {
			eventually(t, field+" is "+value, func() bool { return infoLine(t, c, "memory", field) == value })
		}
	}
	primary := cache(t, g.NodeGroups[0].PrimaryEndpoint, nil)
	everyNode("maxmemory_policy", "allkeys-lru")
	everyNode("maxmemory", "402653184") // a cache.t4g.micro's 512 MiB without the 25 percent reserved
	require.NoError(t, primary.Do(ctx, "SELECT", 2).Err())
	require.Error(t, primary.Do(ctx, "SELECT", 3).Err(), "three databases are 0, 1 and 2")
	require.NoError(t, primary.Do(ctx, "SELECT", 0).Err())

	modify(parameter("maxmemory-policy", "noeviction"), parameter("reserved-memory-percent", "0"))
	everyNode("maxmemory_policy", "noeviction")
	everyNode("maxmemory", "536870912")

	// Keyspace notifications begin on a connection that subscribed before they were turned on.
	subscription := primary.Subscribe(ctx, "__keyevent@0__:set")
	t.Cleanup(func() { closeIt(t, subscription) })
	_, err = subscription.Receive(ctx)
	require.NoError(t, err)
	require.NoError(t, primary.Set(ctx, "k", 1, 0).Err())
	select {
	case m := <-subscription.Channel():
		require.Fail(t, "a notification before they are turned on", "%v", m)
	default:
	}
	modify(parameter("notify-keyspace-events", "KEA"))
	eventually(t, "a notification", func() bool {
		require.NoError(t, primary.Set(ctx, "k", 1, 0).Err())
		select {
		case m := <-subscription.Channel():
			return m.Payload == "k"
		default:
			return false
		}
	})

	eventually(t, "every cluster is in sync with its parameter group", func() bool {
		clusters, err := d.api().DescribeCacheClusters(ctx, &elasticache.DescribeCacheClustersInput{})
		require.NoError(t, err)
		for _, c := range clusters.CacheClusters {
			if aws.ToString(c.ReplicationGroupId) == id {
				require.Equal(t, name, *c.CacheParameterGroup.CacheParameterGroupName)
				if *c.CacheParameterGroup.ParameterApplyStatus != "in-sync" {
					return false
				}
			}
		}
		return true
	})

	_, err = d.api().ResetCacheParameterGroup(ctx, &elasticache.ResetCacheParameterGroupInput{
		CacheParameterGroupName: aws.String(name), ResetAllParameters: aws.Bool(true),
	})
	require.NoError(t, err)
	everyNode("maxmemory_policy", "volatile-lru")
	everyNode("maxmemory", "402653184")

	_, err = d.api().DeleteCacheParameterGroup(ctx, &elasticache.DeleteCacheParameterGroupInput{CacheParameterGroupName: aws.String(name)})
	var inUse *types.InvalidCacheParameterGroupStateFault
	require.ErrorAs(t, err, &inUse)
}

// The paginators of the SDK walk through groups and parameters.
func TestParameterPaginators(t *testing.T) {
	t.Parallel()
	d, ctx := useDev(t), t.Context()
	groups := map[string]bool{}
	for p := elasticache.NewDescribeCacheParameterGroupsPaginator(d.api(), &elasticache.DescribeCacheParameterGroupsInput{MaxRecords: aws.Int32(20)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		require.NoError(t, err)
		for _, g := range page.CacheParameterGroups {
			groups[*g.CacheParameterGroupName] = true
		}
	}
	require.True(t, groups["default.redis7"] && groups["default.valkey8.cluster.on"] && groups["default.memcached1.6"], "%v", groups)

	values, nodeTypes := map[string]string{}, 0
	in := &elasticache.DescribeCacheParametersInput{CacheParameterGroupName: aws.String("default.redis7.cluster.on"), MaxRecords: aws.Int32(20)}
	for p := elasticache.NewDescribeCacheParametersPaginator(d.api(), in); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		require.NoError(t, err)
		for _, v := range page.Parameters {
			values[*v.ParameterName] = aws.ToString(v.ParameterValue)
		}
		for _, v := range page.CacheNodeTypeSpecificParameters {
			nodeTypes += len(v.CacheNodeTypeSpecificValues)
		}
	}
	require.Equal(t, "yes", values["cluster-enabled"])
	require.Equal(t, "volatile-lru", values["maxmemory-policy"])
	require.Positive(t, nodeTypes)

	defaults := 0
	for p := elasticache.NewDescribeEngineDefaultParametersPaginator(d.api(), &elasticache.DescribeEngineDefaultParametersInput{
		CacheParameterGroupFamily: aws.String("redis7"), MaxRecords: aws.Int32(20),
	}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		require.NoError(t, err)
		defaults += len(page.EngineDefaults.Parameters)
	}
	require.Equal(t, len(values), defaults)
}
