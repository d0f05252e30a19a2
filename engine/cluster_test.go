package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/elastane/elastane/engine"
	"github.com/elastane/elastane/engine/cluster"
)

func nodeID(i int) string { return fmt.Sprintf("%040x", i) }

// TestClusterClient runs go-redis' cluster client against three shards, one of them with a replica.
func TestClusterClient(t *testing.T) {
	rt := newTestRuntime(t)
	var nodes []*testNode
	for i := range 4 {
		nodes = append(nodes, start(t, rt, engine.Options{
			ClusterEnabled: true, Managed: true, EngineNodeID: nodeID(i), ReplicationUser: "replication", ReplicationPassword: "internal",
		}))
	}
	ctx := context.Background()
	if _, err := nodes[0].Do(ctx, "GET", "a"); err != nil {
		t.Errorf("in process commands are not redirected: %v", err)
	}
	one := nodes[0].client(redis.Options{})
	if err := one.Get(ctx, "a").Err(); err == nil || err.Error() != "CLUSTERDOWN Hash slot not served" {
		t.Errorf("before the first map: %v", err)
	}
	m := cluster.Map{Epoch: 2}
	for i := range 3 {
		m.Shards = append(m.Shards, cluster.Shard{
			ID: fmt.Sprintf("%040x", 100+i), Slots: []cluster.SlotRange{{Start: i * 5461, End: min((i+1)*5461, cluster.Slots) - 1}},
			Nodes: []cluster.Node{{ID: nodeID(i), Host: "127.0.0.1", Port: nodes[i].port, Primary: true, Epoch: uint64(i + 1)}},
		})
	}
	m.Shards[2].Slots[0].End = cluster.Slots - 1
	m.Shards[0].Nodes = append(m.Shards[0].Nodes, cluster.Node{ID: nodeID(3), Host: "127.0.0.1", Port: nodes[3].port, Epoch: 1})
	for _, n := range nodes {
		if err := n.SetClusterMap(m); err != nil {
			t.Fatal(err)
		}
	}
	old := m
	old.Epoch = 1
	if err := nodes[0].SetClusterMap(old); !errors.Is(err, cluster.ErrStaleEpoch) {
		t.Errorf("an older map: %v", err)
	}
	if s := nodes[0].Status(); s.ClusterEpoch != 2 {
		t.Errorf("%+v", s)
	}
	replicas, err := one.Do(ctx, "CLUSTER", "REPLICAS", nodeID(0)).StringSlice()
	if err != nil || len(replicas) != 1 || !strings.HasPrefix(replicas[0], nodeID(3)+" 127.0.0.1:") || !strings.Contains(replicas[0], " slave "+nodeID(0)+" ") {
		t.Errorf("CLUSTER REPLICAS: %q, %v", replicas, err)
	}
	if none, err := one.Do(ctx, "CLUSTER", "SLAVES", nodeID(1)).StringSlice(); err != nil || len(none) != 0 {
		t.Errorf("CLUSTER SLAVES of a primary without any: %q, %v", none, err)
	}
	for id, want := range map[string]string{"x": "ERR Unknown node x", nodeID(3): "ERR The specified node is not a master"} {
		if err := one.Do(ctx, "CLUSTER", "REPLICAS", id).Err(); err == nil || err.Error() != want {
			t.Errorf("CLUSTER REPLICAS %s: %v", id, err)
		}
	}
	nodes[3].follow(nodes[0])

	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{nodes[1].addr}})
	defer func() { _ = c.Close() }()
	for i := range 300 {
		k := fmt.Sprint("key", i)
		if err := c.Set(ctx, k, i, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if v, err := c.Get(ctx, k).Int(); err != nil || v != i {
			t.Fatal(v, err)
		}
	}
	if _, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 300 {
			p.Incr(ctx, fmt.Sprint("key", i))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, n := range nodes[:3] {
		keys := n.Status().Keys
		if keys < 50 {
			t.Errorf("%d keys on one of three nodes", keys)
		}
		total += keys
	}
	if total != 300 {
		t.Errorf("%d keys in all", total)
	}

	// {b} is slot 3300, of the first shard; its replica reads only after READONLY.
	if err := c.Set(ctx, "{b}1", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	wait(t, one, 1)
	r := nodes[3].client(redis.Options{PoolSize: 1})
	moved := fmt.Sprintf("MOVED 3300 127.0.0.1:%d", nodes[0].port)
	if err := r.Get(ctx, "{b}1").Err(); err == nil || err.Error() != moved {
		t.Errorf("a read at the replica: %v", err)
	}
	if err := r.ReadOnly(ctx).Err(); err != nil {
		t.Error(err)
	}
	if v, err := r.Get(ctx, "{b}1").Result(); v != "v" {
		t.Errorf("a read after READONLY: %q %v", v, err)
	}
	if err := r.Set(ctx, "{b}1", "w", 0).Err(); err == nil || err.Error() != moved {
		t.Errorf("a write after READONLY: %v", err)
	}
	if err := r.ReadWrite(ctx).Err(); err != nil {
		t.Error(err)
	}
	if err := r.Get(ctx, "{b}1").Err(); err == nil || err.Error() != moved {
		t.Errorf("a read after READWRITE: %v", err)
	}
	if err := one.MSet(ctx, "a", 1, "b", 2).Err(); err == nil || err.Error() != "CROSSSLOT Keys in request don't hash to the same slot" {
		t.Errorf("keys of two slots: %v", err)
	}
	if err := one.Do(ctx, "SELECT", 1).Err(); err == nil || !strings.HasPrefix(err.Error(), "ERR SELECT is not allowed in cluster mode") {
		t.Errorf("SELECT: %v", err)
	}

	for _, q := range []struct {
		words string
		want  string
	}{
		{"CLUSTER MYID", nodeID(0)},
		{"CLUSTER MYSHARDID", fmt.Sprintf("%040x", 100)},
		{"CLUSTER KEYSLOT {b}1", "3300"},
		{"CLUSTER COUNTKEYSINSLOT 3300", "1"},
		{"CLUSTER GETKEYSINSLOT 3300 10", "[{b}1]"},
		{"CLUSTER COUNTKEYSINSLOT 16384", "ERR Invalid slot"},
		{"CLUSTER MEET 127.0.0.1 1", "ERR unknown subcommand 'MEET'. Try CLUSTER HELP."},
		{"CLUSTER RESET", "ERR unknown subcommand 'RESET'. Try CLUSTER HELP."},
		{"CLUSTER LINKS", "ERR unknown subcommand 'LINKS'. Try CLUSTER HELP."},
	} {
		var args []any
		for _, w := range strings.Fields(q.words) {
			args = append(args, w)
		}
		v, err := one.Do(ctx, args...).Result()
		got := fmt.Sprint(v)
		if err != nil {
			got = err.Error()
		}
		if got != q.want {
			t.Errorf("%s: %q, want %q", q.words, got, q.want)
		}
	}
	if info := one.ClusterInfo(ctx).Val(); !strings.Contains(info, "cluster_state:ok\r\n") || !strings.Contains(info, "cluster_size:3\r\n") {
		t.Error(info)
	}
	if text := one.ClusterNodes(ctx).Val(); !strings.Contains(text, fmt.Sprintf("%s 127.0.0.1:%d@1122 myself,master - 0 0 1 connected 0-5460\n", nodeID(0), nodes[0].port)) ||
		!strings.Contains(text, "@1122 slave "+nodeID(0)) {
		t.Error(text)
	}
	slots, err := one.ClusterSlots(ctx).Result() //nolint:staticcheck // older clients use it: its reply is what is tested
	if err != nil || len(slots) != 3 || len(slots[0].Nodes) != 2 || slots[0].Nodes[0].ID != nodeID(0) || slots[0].End != 5460 {
		t.Errorf("CLUSTER SLOTS: %+v %v", slots, err)
	}
	shards, err := one.ClusterShards(ctx).Result()
	if err != nil || len(shards) != 3 || len(shards[0].Nodes) != 2 || shards[0].Nodes[0].Role != "master" || shards[0].Slots[0].End != 5460 {
		t.Errorf("CLUSTER SHARDS: %+v %v", shards, err)
	}

	// A failover: the roles change, then the map.
	nodes[3].do("REPLICAOF", "NO", "ONE")
	nodes[0].follow(nodes[3])
	next := cluster.Map{Epoch: 3, Shards: append([]cluster.Shard(nil), m.Shards...)}
	next.Shards[0].Nodes = []cluster.Node{m.Shards[0].Nodes[1], m.Shards[0].Nodes[0]}
	next.Shards[0].Nodes[0].Primary, next.Shards[0].Nodes[1].Primary = true, false
	for _, n := range nodes {
		if err := n.SetClusterMap(next); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Set(ctx, "{b}2", "after", 0).Err(); err != nil {
		t.Error(err)
	}
	if v := nodes[3].do("GET", "{b}2"); v != "after" {
		t.Errorf("{b}2 = %q at the new primary", v)
	}
}

func TestClusterDisabled(t *testing.T) {
	rt := newTestRuntime(t)
	n := start(t, rt, engine.Options{})
	if _, err := n.Do(context.Background(), "CLUSTER", "INFO"); err == nil || err.Error() != "ERR This instance has cluster support disabled" {
		t.Errorf("%v", err)
	}
	if err := n.SetClusterMap(cluster.Map{Epoch: 1}); err == nil {
		t.Error("a map for a node that is not in cluster mode")
	}
}
