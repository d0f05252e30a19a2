package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// The programs that a cache is used for, written as an application would write them.

func TestProgramsClusterModeDisabled(t *testing.T) {
	t.Parallel()
	d := useDev(t)
	g := d.create(t, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("programs"), NumCacheClusters: aws.Int32(2),
	})
	c := cache(t, g.NodeGroups[0].PrimaryEndpoint, nil)
	runPrograms(t, c)
	t.Run("publish and subscribe", func(t *testing.T) { publishSubscribe(t, c) })
}

func TestProgramsClusterModeEnabled(t *testing.T) {
	t.Parallel()
	d := useDev(t)
	g := d.create(t, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("sharded"), NumNodeGroups: aws.Int32(3), ReplicasPerNodeGroup: aws.Int32(1),
		AutomaticFailoverEnabled: aws.Bool(true), TransitEncryptionEnabled: aws.Bool(true),
		TransitEncryptionMode: "required",
	})
	require.True(t, *g.ClusterEnabled)
	require.Len(t, g.NodeGroups, 3)
	require.Nil(t, g.NodeGroups[0].PrimaryEndpoint, "shards of a cluster have no endpoints of their own")
	require.NotNil(t, g.ConfigurationEndpoint)
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{address(g.ConfigurationEndpoint)}, TLSConfig: d.tlsConfig(t)})
	defer closeIt(t, c)
	runPrograms(t, c)

	// Keys land on all three shards, and every shard knows its own.
	for i := range 300 {
		require.NoError(t, c.Set(t.Context(), key(i), i, 0).Err())
	}
	shards := 0
	require.NoError(t, c.ForEachMaster(t.Context(), func(ctx context.Context, m *redis.Client) error {
		n, err := m.DBSize(ctx).Result()
		if n > 0 {
			shards++
		}
		return err
	}))
	require.Equal(t, 3, shards)
}

func runPrograms(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	for _, program := range []struct {
		name string
		run  func(*testing.T, redis.UniversalClient)
	}{
		{"cache-aside", cacheAside},
		{"sessions", sessions},
		{"leaderboard", leaderboard},
		{"rate limiter", rateLimiter},
	} {
		t.Run(program.name, func(t *testing.T) { program.run(t, c) })
	}
}

// cacheAside reads through the cache, fills it on a miss, and finds the entry gone after its time.
func cacheAside(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	ctx, loads := t.Context(), 0
	read := func(id string) string {
		value, err := c.Get(ctx, "product:"+id).Result()
		if errors.Is(err, redis.Nil) {
			loads++
			value = "product " + id + " from the database"
			require.NoError(t, c.Set(ctx, "product:"+id, value, 2*time.Second).Err())
			return value
		}
		require.NoError(t, err)
		return value
	}
	first := read("1")
	require.Equal(t, first, read("1"))
	require.Equal(t, 1, loads, "the second read is a hit")
	ttl, err := c.PTTL(ctx, "product:1").Result()
	require.NoError(t, err)
	require.Positive(t, ttl)
	require.LessOrEqual(t, ttl, 2*time.Second)
	eventually(t, "the entry expires", func() bool { return c.Exists(ctx, "product:1").Val() == 0 })
	read("1")
	require.Equal(t, 2, loads)
}

// sessions keeps JSON with a time to live that each use extends, and logs out.
func sessions(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	type session struct {
		User  string   `json:"user"`
		Roles []string `json:"roles"`
	}
	ctx := t.Context()
	want := session{User: "ada", Roles: []string{"admin", "editor"}}
	raw, err := json.Marshal(want)
	require.NoError(t, err)
	require.NoError(t, c.SetEx(ctx, "session:42", raw, time.Minute).Err())
	var got session
	stored, err := c.Get(ctx, "session:42").Bytes()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(stored, &got))
	require.Equal(t, want, got)
	require.True(t, c.Expire(ctx, "session:42", 30*time.Minute).Val())
	require.Greater(t, c.TTL(ctx, "session:42").Val(), 29*time.Minute)
	require.EqualValues(t, 1, c.Del(ctx, "session:42").Val())
	require.ErrorIs(t, c.Get(ctx, "session:42").Err(), redis.Nil)
}

// leaderboard ranks players by score.
func leaderboard(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	ctx := t.Context()
	for i := range 1000 {
		require.NoError(t, c.ZAdd(ctx, "board", redis.Z{Score: float64(i), Member: fmt.Sprintf("player-%d", i)}).Err())
	}
	require.InEpsilon(t, 2000.5, c.ZIncrBy(ctx, "board", 1500.5, "player-500").Val(), 1e-9)
	top, err := c.ZRevRangeWithScores(ctx, "board", 0, 2).Result()
	require.NoError(t, err)
	require.Equal(t, []redis.Z{
		{Score: 2000.5, Member: "player-500"},
		{Score: 999, Member: "player-999"},
		{Score: 998, Member: "player-998"},
	}, top)
	require.EqualValues(t, 0, c.ZRevRank(ctx, "board", "player-500").Val())
	require.EqualValues(t, 999, c.ZRevRank(ctx, "board", "player-0").Val())
	require.ErrorIs(t, c.ZRevRank(ctx, "board", "nobody").Err(), redis.Nil)
	require.EqualValues(t, 1000, c.ZCard(ctx, "board").Val())
}

// rateLimiter lets ten requests through in each window.
func rateLimiter(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	ctx := t.Context()
	const window = 300 * time.Millisecond
	allow := func() bool {
		n, err := c.Incr(ctx, "rate:client-7").Result()
		require.NoError(t, err)
		if n == 1 {
			require.True(t, c.PExpire(ctx, "rate:client-7", window).Val())
		}
		return n <= 10
	}
	// A slow machine may begin a new window in the middle; then the next one is watched.
	eventually(t, "ten of fifteen requests are let through within one window", func() bool {
		allowed := 0
		for range 15 {
			if allow() {
				allowed++
			}
		}
		return allowed == 10
	})
	eventually(t, "the next window opens", allow)
}

// publishSubscribe delivers each message to each subscriber, by channel and by pattern.
func publishSubscribe(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	byChannel, byPattern := c.Subscribe(ctx, "news:sport"), c.PSubscribe(ctx, "news:*")
	defer closeIt(t, byChannel)
	defer closeIt(t, byPattern)
	for _, s := range []*redis.PubSub{byChannel, byPattern} {
		_, err := s.Receive(ctx) // the confirmation
		require.NoError(t, err)
	}
	for i := range 10 {
		require.EqualValues(t, 2, c.Publish(ctx, "news:sport", fmt.Sprint(i)).Val())
	}
	require.EqualValues(t, 1, c.Publish(ctx, "news:weather", "sun").Val())
	for i := range 10 {
		for _, s := range []*redis.PubSub{byChannel, byPattern} {
			m, err := s.ReceiveMessage(ctx)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), m.Payload)
			require.Equal(t, "news:sport", m.Channel)
		}
	}
	m, err := byPattern.ReceiveMessage(ctx)
	require.NoError(t, err)
	require.Equal(t, "sun", m.Payload)
}
