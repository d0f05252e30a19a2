package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// kill -9 of everything while a group is being created: after the restart it becomes available by itself.
func TestKillWhileCreating(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	const id = "interrupted"
	_, err := d.api().CreateReplicationGroup(t.Context(), &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String(id), ReplicationGroupDescription: aws.String("killed in the middle"),
		Engine: aws.String("valkey"), CacheNodeType: aws.String("cache.t4g.micro"), NumCacheClusters: aws.Int32(3),
		AutomaticFailoverEnabled: aws.Bool(true), TransitEncryptionEnabled: aws.Bool(true),
	})
	require.NoError(t, err)
	d.restart(t) // at once: the reconciler is somewhere in its work
	d.waitAvailable(t, id)

	g := d.group(t, id)
	require.Len(t, g.MemberClusters, 3)
	primary := cache(t, g.NodeGroups[0].PrimaryEndpoint, d.tlsConfig(t))
	require.NoError(t, primary.Set(t.Context(), "after", "the restart", 0).Err())
	reader := cache(t, g.NodeGroups[0].ReaderEndpoint, d.tlsConfig(t))
	eventually(t, "the replicas follow", func() bool { return reader.Get(t.Context(), "after").Val() == "the restart" })
	d.remove(t, id)
}

// kill -9 of everything while a group is available: it comes back at the same addresses, with the data
// that its snapshot had.
func TestKillWhileAvailable(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	const id = "survivor"
	before := d.create(t, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String(id), NumCacheClusters: aws.Int32(2), AutomaticFailoverEnabled: aws.Bool(true),
	})
	c := cache(t, before.NodeGroups[0].PrimaryEndpoint, nil)
	for i := range 1000 {
		require.NoError(t, c.Set(t.Context(), key(i), i, 0).Err())
	}
	waitSaved(t, c)
	d.restart(t)

	d.waitAvailable(t, id)
	after := d.group(t, id)
	require.Equal(t, before.NodeGroups[0].PrimaryEndpoint, after.NodeGroups[0].PrimaryEndpoint)
	eventually(t, "the data is back", func() bool { return c.DBSize(t.Context()).Val() == 1000 })
	require.Equal(t, "999", c.Get(t.Context(), key(999)).Val())
	require.NoError(t, c.Set(t.Context(), "after", "the restart", 0).Err())
}

// An orderly stop keeps everything, without waiting for a snapshot.
func TestOrderlyRestartKeepsData(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	g := d.create(t, &elasticache.CreateReplicationGroupInput{ReplicationGroupId: aws.String("rested"), NumCacheClusters: aws.Int32(1)})
	c := cache(t, g.NodeGroups[0].PrimaryEndpoint, nil)
	require.NoError(t, c.Set(t.Context(), "kept", "yes", 0).Err())
	began := time.Now()
	require.Equal(t, 0, d.Terminate())
	require.Less(t, time.Since(began), 10*time.Second)
	require.NoError(t, d.Start())
	d.waitAvailable(t, "rested")
	eventually(t, "the data is back", func() bool { return c.Get(t.Context(), "kept").Val() == "yes" })
}

// waitSaved waits until a node reports a snapshot without changes after it.
func waitSaved(t *testing.T, c *redis.Client) {
	t.Helper()
	eventually(t, "the snapshot holds every change", func() bool {
		info := c.InfoMap(t.Context(), "persistence").Val()["Persistence"]
		return info["rdb_changes_since_last_save"] == "0" && info["rdb_bgsave_in_progress"] == "0"
	})
}

// While its Postgres is away the API answers with AWS's 503, caches go on, and all is well when it is back.
func TestPostgresGoneAndBack(t *testing.T) {
	t.Parallel()
	database := startPostgres(t)
	d := startDev(t, "--database-url", database.server.URL())
	g := d.create(t, &elasticache.CreateReplicationGroupInput{ReplicationGroupId: aws.String("independent"), NumCacheClusters: aws.Int32(1)})
	c := cache(t, g.NodeGroups[0].PrimaryEndpoint, nil)

	database.stop(t)
	_, err := d.api().DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{})
	requireAPIError(t, err, "ServiceUnavailable", 503)
	require.NoError(t, c.Set(t.Context(), "while", "away", 0).Err(), "a cache does not fall when the control plane does")

	database.start(t)
	requireRecovered(t, d, "independent")
}

// dev starts its private Postgres again when that is killed, and goes on.
func TestPrivatePostgresKilled(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	g := d.create(t, &elasticache.CreateReplicationGroupInput{ReplicationGroupId: aws.String("steady"), NumCacheClusters: aws.Int32(1)})
	raw, err := os.ReadFile(filepath.Join(d.Dir, "postgres", "cluster", "postmaster.pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.SplitN(string(raw), "\n", 2)[0])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))

	c := cache(t, g.NodeGroups[0].PrimaryEndpoint, nil)
	require.NoError(t, c.Set(t.Context(), "while", "away", 0).Err())
	requireRecovered(t, d, "steady")
}

// requireRecovered checks that a new group can be made after the database was away, and that a known one is
// known still. Until then a request may be answered with 503: each connection to the old server is found
// dead only when it is used.
func requireRecovered(t *testing.T, d *dev, known string) {
	t.Helper()
	in := &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("afterwards"), ReplicationGroupDescription: aws.String("made after the database was away"),
		Engine: aws.String("redis"), CacheNodeType: aws.String("cache.t4g.micro"), NumCacheClusters: aws.Int32(1),
	}
	succeeds := func(err error) bool {
		if err != nil {
			requireAPIError(t, err, "ServiceUnavailable", 503)
		}
		return err == nil
	}
	eventually(t, "a group can be made", func() bool {
		_, err := d.api().CreateReplicationGroup(t.Context(), in)
		var done *types.ReplicationGroupAlreadyExistsFault // by a request whose answer was lost
		return errors.As(err, &done) || succeeds(err)
	})
	for _, id := range []string{*in.ReplicationGroupId, known} {
		eventually(t, id+" is available", func() bool {
			out, err := d.api().DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &id})
			return succeeds(err) && *out.ReplicationGroups[0].Status == "available"
		})
	}
}

// Deleting while creating, and creating anew under the same name, leaves nothing of the first behind.
func TestDeleteWhileCreating(t *testing.T) {
	t.Parallel()
	d := useDev(t)
	in := &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("changed-my-mind"), ReplicationGroupDescription: aws.String("soon gone"),
		Engine: aws.String("redis"), CacheNodeType: aws.String("cache.t4g.micro"), NumCacheClusters: aws.Int32(2),
	}
	_, err := d.api().CreateReplicationGroup(t.Context(), in)
	require.NoError(t, err)
	// AWS refuses to delete a group that is being created; then the caller tries again.
	eventually(t, "the group can be deleted", func() bool {
		_, err := d.api().DeleteReplicationGroup(t.Context(), &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: in.ReplicationGroupId})
		var state *types.InvalidReplicationGroupStateFault
		require.True(t, err == nil || errors.As(err, &state), "%v", err)
		return err == nil
	})
	eventually(t, "the name is free", func() bool {
		_, err := d.api().CreateReplicationGroup(t.Context(), in)
		var taken *types.ReplicationGroupAlreadyExistsFault
		require.True(t, err == nil || errors.As(err, &taken), "%v", err)
		return err == nil
	})
	d.waitAvailable(t, *in.ReplicationGroupId)
	c := cache(t, d.group(t, *in.ReplicationGroupId).NodeGroups[0].PrimaryEndpoint, nil)
	require.Zero(t, c.DBSize(context.WithoutCancel(t.Context())).Val())
	d.remove(t, *in.ReplicationGroupId)
}
