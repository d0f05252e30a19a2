package e2e

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// The production example of README.md, typed as a person would: a subnet group, a replication group with
// everything that production wants, and a client that uses it over TLS.
func TestProductionExample(t *testing.T) {
	t.Parallel()
	d := startDev(t)

	d.mustCLI(t, "create-cache-subnet-group", "--cache-subnet-group-name", "my-cache-subnets",
		"--cache-subnet-group-description", "Private subnets",
		"--subnet-ids", "subnet-0000000a", "subnet-0000000b", "subnet-0000000c")
	created := d.mustCLI(t, "create-replication-group",
		"--replication-group-id", "my-redis", "--replication-group-description", "Production cache",
		"--engine", "redis", "--engine-version", "7.0", "--cache-node-type", "cache.r6g.large",
		"--num-cache-clusters", "3", "--automatic-failover-enabled", "--multi-az-enabled",
		"--at-rest-encryption-enabled", "--transit-encryption-enabled",
		"--cache-subnet-group-name", "my-cache-subnets", "--security-group-ids", "sg-redis")
	require.Contains(t, created, `"Status": "creating"`)
	d.mustCLI(t, "wait", "replication-group-available", "--replication-group-id", "my-redis")

	var described struct {
		ReplicationGroups []struct {
			Status, ClusterEnabledMsg, AutomaticFailover, MultiAZ, CacheNodeType, Engine string
			ClusterEnabled, TransitEncryptionEnabled, AtRestEncryptionEnabled            bool
			MemberClusters                                                               []string
			NodeGroups                                                                   []struct {
				PrimaryEndpoint, ReaderEndpoint *types.Endpoint
				NodeGroupMembers                []struct {
					CacheClusterID            string `json:"CacheClusterId"`
					PreferredAvailabilityZone string
					CurrentRole               string
				}
			}
			ConfigurationEndpoint *types.Endpoint
		}
	}
	require.NoError(t, json.Unmarshal([]byte(d.mustCLI(t, "describe-replication-groups", "--replication-group-id", "my-redis")), &described))
	require.Len(t, described.ReplicationGroups, 1)
	group := described.ReplicationGroups[0]
	require.Equal(t, "available", group.Status)
	require.False(t, group.ClusterEnabled)
	require.Nil(t, group.ConfigurationEndpoint, "cluster mode disabled has none")
	require.Equal(t, "enabled", group.AutomaticFailover)
	require.Equal(t, "enabled", group.MultiAZ)
	require.Equal(t, "cache.r6g.large", group.CacheNodeType)
	require.True(t, group.TransitEncryptionEnabled)
	require.True(t, group.AtRestEncryptionEnabled)
	require.Equal(t, []string{"my-redis-001", "my-redis-002", "my-redis-003"}, group.MemberClusters)
	require.Len(t, group.NodeGroups, 1)
	shard := group.NodeGroups[0]
	require.Len(t, shard.NodeGroupMembers, 3)
	zones, roles := map[string]bool{}, map[string]int{}
	for _, m := range shard.NodeGroupMembers {
		zones[m.PreferredAvailabilityZone] = true
		roles[m.CurrentRole]++
	}
	require.Len(t, zones, 3, "three members in three zones")
	require.Equal(t, map[string]int{"primary": 1, "replica": 2}, roles)

	clusters, err := d.api().DescribeCacheClusters(t.Context(), &elasticache.DescribeCacheClustersInput{})
	require.NoError(t, err)
	require.Len(t, clusters.CacheClusters, 3)
	for _, c := range clusters.CacheClusters {
		require.Regexp(t, `^7\.0\.`, *c.EngineVersion)
		require.Equal(t, "my-cache-subnets", *c.CacheSubnetGroupName)
		require.Equal(t, "sg-redis", *c.SecurityGroups[0].SecurityGroupId)
	}

	primary := cache(t, shard.PrimaryEndpoint, d.tlsConfig(t))
	reader := cache(t, shard.ReaderEndpoint, d.tlsConfig(t))
	require.NoError(t, primary.Set(t.Context(), "greeting", "hello", 0).Err())
	eventually(t, "what was written at the primary can be read at the reader endpoint", func() bool {
		got, err := reader.Get(t.Context(), "greeting").Result()
		return err == nil && got == "hello"
	})
	plain := redis.NewClient(&redis.Options{Addr: address(shard.PrimaryEndpoint), MaxRetries: -1})
	defer closeIt(t, plain)
	require.Error(t, plain.Ping(t.Context()).Err(), "a client without TLS is turned away")

	writer := startWriter(t, shard.PrimaryEndpoint, d.tlsConfig(t))
	writer.waitFor(t, 200)
	d.mustCLI(t, "test-failover", "--replication-group-id", "my-redis", "--node-group-id", "0001")
	eventually(t, "the primary moves away from my-redis-001", func() bool {
		g := d.group(t, "my-redis")
		return *g.Status == "available" && roleOf(g, "my-redis-001") == "replica"
	})
	writer.waitFor(t, 200)
	writer.stop()
	d.waitFailedOver(t, "my-redis", 1)
	requireNothingLost(t, writer, cache(t, shard.PrimaryEndpoint, d.tlsConfig(t)))

	events := d.mustCLI(t, "describe-events", "--source-type", "replication-group", "--source-identifier", "my-redis")
	require.Contains(t, events, "Failover from primary node my-redis-001 to replica node")

	d.mustCLI(t, "delete-replication-group", "--replication-group-id", "my-redis")
	d.mustCLI(t, "wait", "replication-group-deleted", "--replication-group-id", "my-redis")
	out, err := d.cli(t, "describe-replication-groups", "--replication-group-id", "my-redis")
	require.Error(t, err)
	require.Contains(t, out, "ReplicationGroupNotFoundFault")
	d.mustCLI(t, "delete-cache-subnet-group", "--cache-subnet-group-name", "my-cache-subnets")
}

// roleOf is the current role of a member, by the id of its cache cluster.
func roleOf(g types.ReplicationGroup, cluster string) string {
	for _, m := range g.NodeGroups[0].NodeGroupMembers {
		if *m.CacheClusterId == cluster && m.CurrentRole != nil {
			return *m.CurrentRole
		}
	}
	return ""
}

func key(i int) string { return "write:" + strconv.Itoa(i) }
