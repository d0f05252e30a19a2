package e2e

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// In ports mode everything is on 127.0.0.1, each node and endpoint on a port of the range, and endpoints
// lead to the right node whichever agent holds their port.
func TestPortsMode(t *testing.T) {
	t.Parallel()
	d := startDev(t, "--addresses", "ports", "--port-range", "24000-24299")
	g := d.create(t, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("ported"), NumCacheClusters: aws.Int32(3), AutomaticFailoverEnabled: aws.Bool(true),
		TransitEncryptionEnabled: aws.Bool(true),
	})
	shard := g.NodeGroups[0]
	require.Equal(t, "127.0.0.1", *shard.PrimaryEndpoint.Address)
	require.NotEqual(t, *shard.PrimaryEndpoint.Port, *shard.ReaderEndpoint.Port)
	for _, port := range []int32{*shard.PrimaryEndpoint.Port, *shard.ReaderEndpoint.Port} {
		require.GreaterOrEqual(t, port, int32(24000))
		require.LessOrEqual(t, port, int32(24299))
	}
	primary, reader := cache(t, shard.PrimaryEndpoint, d.tlsConfig(t)), cache(t, shard.ReaderEndpoint, d.tlsConfig(t))
	require.NoError(t, primary.Set(t.Context(), "a", "1", 0).Err())
	eventually(t, "the reader endpoint leads to a replica", func() bool { return reader.Get(t.Context(), "a").Val() == "1" })
	require.ErrorContains(t, reader.Set(t.Context(), "a", "2", 0).Err(), "READONLY")

	w := startWriter(t, shard.PrimaryEndpoint, d.tlsConfig(t))
	w.waitFor(t, 50)
	_, err := d.api().TestFailover(t.Context(), &elasticache.TestFailoverInput{ReplicationGroupId: g.ReplicationGroupId, NodeGroupId: aws.String("0001")})
	require.NoError(t, err)
	eventually(t, "the roles change", func() bool { return primaryOf(d.group(t, "ported")) != "ported-001" })
	w.waitFor(t, 50)
	w.stop()
	d.waitFailedOver(t, "ported", 1)
	requireNothingLost(t, w, cache(t, shard.PrimaryEndpoint, d.tlsConfig(t)))

	sharded := d.create(t, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("ported-shards"), NumNodeGroups: aws.Int32(2), ReplicasPerNodeGroup: aws.Int32(1), AutomaticFailoverEnabled: aws.Bool(true),
	})
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{address(sharded.ConfigurationEndpoint)}})
	defer closeIt(t, c)
	for i := range 100 {
		require.NoError(t, c.Set(t.Context(), key(i), i, 0).Err())
	}
}

// Two dev with data directories and ports of their own hand out different addresses.
func TestTwoDevSideBySide(t *testing.T) {
	t.Parallel()
	in := func() *elasticache.CreateReplicationGroupInput {
		return &elasticache.CreateReplicationGroupInput{ReplicationGroupId: aws.String("twin"), NumCacheClusters: aws.Int32(1)}
	}
	first, second := startDev(t), startDev(t)
	one, other := first.create(t, in()), second.create(t, in())
	require.NotEqual(t, one.NodeGroups[0].PrimaryEndpoint.Address, other.NodeGroups[0].PrimaryEndpoint.Address)
	require.NoError(t, cache(t, one.NodeGroups[0].PrimaryEndpoint, nil).Set(t.Context(), "here", "one", 0).Err())
	require.Zero(t, cache(t, other.NodeGroups[0].PrimaryEndpoint, nil).Exists(t.Context(), "here").Val())
}

// Requests are scoped by region and account: the same name in another one is another group.
func TestRegionsAndAccounts(t *testing.T) {
	t.Parallel()
	d := useDev(t)
	d.create(t, &elasticache.CreateReplicationGroupInput{ReplicationGroupId: aws.String("scoped"), NumCacheClusters: aws.Int32(1)})
	elsewhere := elasticache.New(d.api().Options(), func(o *elasticache.Options) { o.Region = "eu-central-1" })
	other := client(d.endpoint(), "111122223333", "any") // twelve digits as key id choose the account in dev
	for _, c := range []*elasticache.Client{elsewhere, other} {
		_, err := c.DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String("scoped")})
		requireAPIError(t, err, "ReplicationGroupNotFoundFault", 404)
	}
}
