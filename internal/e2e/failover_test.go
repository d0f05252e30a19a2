package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// writer writes numbered keys one after the other, as an application that retries what failed would,
// and knows which writes were acknowledged.
type writer struct {
	client *redis.Client
	cancel context.CancelFunc
	done   sync.WaitGroup
	acked  atomic.Int64 // keys 0 … acked-1 were acknowledged
	errors atomic.Int64
}

func startWriter(t *testing.T, e *types.Endpoint, config *tls.Config) *writer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &writer{cancel: cancel, client: redis.NewClient(&redis.Options{
		Addr: address(e), TLSConfig: config, MaxRetries: -1, DialTimeout: time.Second, ReadTimeout: 10 * time.Second,
	})}
	w.done.Go(func() {
		for i := 0; ctx.Err() == nil; {
			if err := w.client.Set(ctx, key(i), i, 0).Err(); err != nil {
				w.errors.Add(1) // cut off, or at a node that is a replica by now: the next try dials anew
				continue
			}
			i++
			w.acked.Store(int64(i))
		}
	})
	t.Cleanup(w.stop)
	return w
}

// waitFor waits until n more writes have been acknowledged.
func (w *writer) waitFor(t *testing.T, n int64) {
	t.Helper()
	target := w.acked.Load() + n
	eventually(t, "writes are acknowledged", func() bool { return w.acked.Load() >= target })
}

func (w *writer) stop() {
	w.cancel()
	w.done.Wait()
	_ = w.client.Close() // it may be closed already
}

func requireNothingLost(t *testing.T, w *writer, c *redis.Client) {
	t.Helper()
	n := int(w.acked.Load())
	keys := make([]string, n)
	for i := range keys {
		keys[i] = key(i)
	}
	for begin := 0; begin < n; begin += 1000 {
		part := keys[begin:min(begin+1000, n)]
		values, err := c.MGet(t.Context(), part...).Result()
		require.NoError(t, err)
		for i, v := range values {
			require.Equal(t, strconv.Itoa(begin+i), v, "acknowledged write %d of %d was lost", begin+i, n)
		}
	}
	t.Logf("%d acknowledged writes, %d refused or cut off, none lost", n, w.errors.Load())
}

// The primary goes round all members and back, under a writer, without a lost write.
func TestFailoverUnderAWriter(t *testing.T) {
	t.Parallel()
	d := useDev(t)
	const id = "failing-over"
	g := d.create(t, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String(id), NumCacheClusters: aws.Int32(3),
		AutomaticFailoverEnabled: aws.Bool(true), MultiAZEnabled: aws.Bool(true),
	})
	endpoint := g.NodeGroups[0].PrimaryEndpoint
	w := startWriter(t, endpoint, nil)
	for range 3 {
		w.waitFor(t, 100)
		before := primaryOf(d.group(t, id))
		// The group stays available, as on AWS; until the last failover is over another one is refused.
		eventually(t, "the failover begins", func() bool {
			_, err := d.api().TestFailover(t.Context(), &elasticache.TestFailoverInput{ReplicationGroupId: aws.String(id), NodeGroupId: aws.String("0001")})
			var busy *types.InvalidReplicationGroupStateFault
			require.True(t, err == nil || errors.As(err, &busy), "%v", err)
			return err == nil
		})
		eventually(t, "another member is the primary", func() bool {
			g := d.group(t, id)
			return *g.Status == "available" && primaryOf(g) != before
		})
		g := d.group(t, id)
		require.Equal(t, endpoint, g.NodeGroups[0].PrimaryEndpoint, "the primary endpoint stays what it was")
	}
	w.waitFor(t, 100)
	w.stop()
	d.waitFailedOver(t, id, 3)
	c := cache(t, endpoint, nil)
	requireNothingLost(t, w, c)

	// What the replicas hold is the same: they followed every change of role.
	reader := cache(t, g.NodeGroups[0].ReaderEndpoint, nil)
	last := key(int(w.acked.Load()) - 1)
	eventually(t, "the replicas have caught up", func() bool { return reader.Exists(t.Context(), last).Val() == 1 })
}

// waitFailedOver waits until n failovers of a group are over: the event comes when every member and endpoint has
// followed. Until then a connection to the primary endpoint may still be cut off.
func (d *dev) waitFailedOver(t *testing.T, id string, n int) {
	t.Helper()
	eventually(t, "the failover is over", func() bool {
		out, err := d.api().DescribeEvents(t.Context(), &elasticache.DescribeEventsInput{
			SourceType: types.SourceTypeReplicationGroup, SourceIdentifier: aws.String(id),
		})
		require.NoError(t, err)
		over := 0
		for _, e := range out.Events {
			if strings.HasPrefix(aws.ToString(e.Message), "Failover from primary node") {
				over++
			}
		}
		return over >= n
	})
}

func primaryOf(g types.ReplicationGroup) string {
	for _, m := range g.NodeGroups[0].NodeGroupMembers {
		if aws.ToString(m.CurrentRole) == "primary" {
			return *m.CacheClusterId
		}
	}
	return ""
}
