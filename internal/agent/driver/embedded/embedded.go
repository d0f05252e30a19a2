// Package embedded runs nodes inside the agent's process, on the engine. It is the only package of
// the fleet that imports engine.
package embedded

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"time"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/engine"
	"github.com/elastane/elastane/engine/cluster"
	"github.com/elastane/elastane/internal/agent/driver"
)

// replicationUser is the internal user by which replicas log in to their primary.
const replicationUser = "elastane-replication"

// snapshotInterval is how often a node whose data changed is saved.
const snapshotInterval = time.Second

// Driver runs nodes on one engine runtime, which they share.
type Driver struct {
	runtime *engine.Runtime
}

// New starts a runtime. Close it after the agent has stopped.
func New(log *slog.Logger) (*Driver, error) {
	runtime, err := engine.NewRuntime(engine.RuntimeOptions{Logger: log})
	if err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	return &Driver{runtime: runtime}, nil
}

// Close stops the runtime and everything on it.
func (d *Driver) Close(ctx context.Context) error { return d.runtime.Close(ctx) }

// Name implements driver.Driver.
func (d *Driver) Name() string { return "embedded" }

// Start implements driver.Driver.
func (d *Driver) Start(ctx context.Context, o driver.Options) (driver.Node, error) {
	databases := 0 // the engine's default
	if text, given := o.Config.Parameters["databases"]; given {
		var err error
		if databases, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("start node: databases: %w", err)
		}
	}
	inner, err := d.runtime.NewNode(engine.Options{
		Databases: databases,
		Name:      o.Name, EngineNodeID: o.EngineNodeID, Dir: o.Dir, Engine: o.Engine, Version: o.EngineVersion,
		MaxMemory: o.Config.MaxMemoryBytes, ClusterEnabled: o.ClusterEnabled, Managed: true,
		SnapshotInterval: snapshotInterval,
		ReplicationUser:  replicationUser, ReplicationPassword: o.ReplicationPassword, ReplicationTLS: o.ReplicationTLS,
		AnnounceHost: o.AnnounceHost, AnnouncePort: o.AnnouncePort, Parameters: o.Config.Parameters,
	})
	if err != nil {
		return nil, fmt.Errorf("start node: %w", err)
	}
	n := &node{
		Node: inner, driver: d, addr: o.ListenAddr, events: make(chan struct{}, 1),
		maxMemory: o.Config.MaxMemoryBytes, parameters: o.Config.Parameters,
	}
	inner.OnChange(func() {
		select {
		case n.events <- struct{}{}:
		default:
		}
	})
	if err := n.Configure(ctx, o.Config); err != nil {
		_ = inner.Close(ctx) // the first error is the one that tells
		return nil, err
	}
	return n, nil
}

// Listen implements driver.Driver.
func (d *Driver) Listen(addr string, route func() driver.Node) (io.Closer, error) {
	return d.runtime.Listen(addr, func() *engine.Node {
		if n, ok := route().(*node); ok {
			return n.Node
		}
		return nil
	}, engine.ListenOptions{ReusePort: true})
}

// node is an engine node; its CloseClients is the engine's. Only the agent's controller of the node
// calls it, but for Status and Events.
type node struct {
	*engine.Node
	driver     *Driver
	addr       string
	listener   *engine.Listener
	events     chan struct{}
	maxMemory  int64
	parameters map[string]string
	clusterMap *agentv1.ClusterMap
}

// Configure implements driver.Node.
func (n *node) Configure(ctx context.Context, c driver.Config) error {
	n.SetTLS(c.TLS, c.TLSRequired)
	if err := n.SetAuth(c.AuthSHA256); err != nil {
		return fmt.Errorf("set authentication: %w", err)
	}
	if c.MaxMemoryBytes != n.maxMemory {
		if err := n.Do(ctx, "CONFIG", "SET", "maxmemory", strconv.FormatInt(c.MaxMemoryBytes, 10)); err != nil {
			return fmt.Errorf("set maxmemory: %w", err)
		}
		n.maxMemory = c.MaxMemoryBytes
	}
	if !maps.Equal(c.Parameters, n.parameters) {
		for name, value := range c.Parameters {
			if n.parameters[name] == value {
				continue
			}
			if err := n.Do(ctx, "CONFIG", "SET", name, value); err != nil && !unknownParameter(err) {
				return fmt.Errorf("set parameter %s: %w", name, err)
			}
		}
		n.parameters = maps.Clone(c.Parameters)
	}
	if c.ClusterMap != nil && c.ClusterMap != n.clusterMap {
		if err := n.SetClusterMap(slotMap(c.ClusterMap)); err != nil {
			return fmt.Errorf("set the slot map: %w", err)
		}
		n.clusterMap = c.ClusterMap
	}
	return nil
}

// unknownParameter says that the engine does not know a parameter. A parameter group has those of
// mechanisms that the engine does without; at its start a node passes them over likewise.
func unknownParameter(err error) bool {
	return strings.Contains(err.Error(), "Unknown option or number of arguments for CONFIG SET")
}

// slotMap is the protocol's slot map in the engine's terms.
func slotMap(m *agentv1.ClusterMap) cluster.Map {
	out := cluster.Map{Epoch: m.GetEpoch(), Shards: make([]cluster.Shard, len(m.GetShards()))}
	for i, s := range m.GetShards() {
		shard := cluster.Shard{ID: s.GetShardId()}
		for _, r := range s.GetSlots() {
			shard.Slots = append(shard.Slots, cluster.SlotRange{Start: int(r.GetStart()), End: int(r.GetEnd())})
		}
		for _, n := range s.GetNodes() {
			shard.Nodes = append(shard.Nodes, cluster.Node{
				ID: n.GetEngineNodeId(), Host: n.GetHost(), Port: int(n.GetPort()), IP: n.GetIp(), TLS: n.GetTls(),
				Primary: n.GetRole() == agentv1.Role_ROLE_PRIMARY, Epoch: n.GetShardEpoch(),
			})
		}
		out.Shards[i] = shard
	}
	return out
}

// Listen implements driver.Node.
func (n *node) Listen(context.Context) error {
	listener, err := n.driver.runtime.Listen(n.addr, func() *engine.Node { return n.Node }, engine.ListenOptions{})
	if err != nil {
		return err
	}
	n.listener = listener
	return nil
}

// Do implements driver.Node.
func (n *node) Do(ctx context.Context, args ...string) error {
	_, err := n.Node.Do(ctx, args...)
	return err
}

// Status implements driver.Node.
func (n *node) Status() driver.Status {
	s := n.Node.Status()
	role := agentv1.Role_ROLE_PRIMARY
	if s.Role == "replica" {
		role = agentv1.Role_ROLE_REPLICA
	}
	return driver.Status{
		Role: role, ReplicationID: s.ReplicationID, Offset: uint64(max(s.Offset, 0)), LinkUp: s.LinkUp,
		WritesPaused: s.WritesPaused, AttachedReplicas: uint32(s.AttachedReplicas),
		UsedMemoryBytes: uint64(s.UsedMemory), Keys: uint64(s.Keys), ClusterMapEpoch: s.ClusterEpoch,
	}
}

// Events implements driver.Node.
func (n *node) Events() <-chan struct{} { return n.events }

// Close implements driver.Node.
func (n *node) Close(ctx context.Context) error {
	var err error
	if n.listener != nil {
		err = n.listener.Close()
	}
	if closeErr := n.Node.Close(ctx); closeErr != nil {
		return closeErr
	}
	return err
}
