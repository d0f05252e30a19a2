package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent/driver"
)

// node brings one node to its spec. Its goroutine (run) is the only one that touches what runs:
//
//	wanted spec ──▶ store on disk ──▶ start (or restart) ──▶ configure ──▶ role ──▶ listen ──▶ RUNNING
//	                      │ desired ABSENT
//	                      └──▶ stop ──▶ remove the data ──▶ ABSENT
//
// A step that fails is reported (FAILED) and tried again with back-off; a step that is done already
// costs nothing, so the whole way is walked each time the node is woken.
type node struct {
	agent  *Agent
	id     string
	log    *slog.Logger
	cancel context.CancelFunc // of run's context
	wake   chan struct{}

	mu        sync.Mutex
	wanted    *agentv1.NodeSpec
	published *agentv1.NodeStatus // never modified, only replaced

	// live is what endpoints route to; nil while the node does not serve.
	live atomic.Pointer[liveNode]

	// What runs. Only run touches these, and close after run has ended.
	onDisk      uint64 // epoch of the stored spec
	inner       driver.Node
	started     driver.Options
	certificate *nodeCertificate
	listening   bool
	applied     *agentv1.NodeSpec // in force; nil: none
	primary     string            // host:port that it was last told to follow
	failures    int
}

// liveNode is a serving node as endpoint listeners see it.
type liveNode struct {
	inner      driver.Node
	role       agentv1.Role
	shardEpoch uint64
}

// watchPace is how often the offset of a watched node is looked at.
const watchPace = 5 * time.Millisecond

// pauseMillis is how long one CLIENT PAUSE lasts. The node is paused again if it should run out.
const pauseMillis = 3_600_000

func newNode(a *Agent, spec *agentv1.NodeSpec, stored bool) *node {
	n := &node{
		agent: a, id: spec.GetNodeId(), wake: make(chan struct{}, 1), wanted: spec,
		log: a.log.With("node_id", spec.GetNodeId(), "node", spec.GetName()),
	}
	if stored {
		n.onDisk = spec.GetEpoch()
	}
	return n
}

// want sets a newer spec. One of a lower or the same epoch is ignored.
func (n *node) want(spec *agentv1.NodeSpec) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if spec.GetEpoch() <= n.wanted.GetEpoch() {
		if spec.GetEpoch() < n.wanted.GetEpoch() {
			n.log.Warn("ignored a spec of a lower epoch", "epoch", spec.GetEpoch(), "held", n.wanted.GetEpoch())
		}
		return
	}
	n.wanted = spec
	n.wakeUp()
}

func (n *node) wantedSpec() *agentv1.NodeSpec {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wanted
}

func (n *node) mapID() string { return n.wantedSpec().GetClusterMapId() }

// status returns what was last reported; nil before the first report.
func (n *node) status() *agentv1.NodeStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.published
}

func (n *node) wakeUp() { signal(n.wake) }

// run converges until ctx ends. It leaves the node running; close stops it.
func (n *node) run(ctx context.Context) {
	for ctx.Err() == nil {
		spec := n.wantedSpec()
		pending, err := n.converge(ctx, spec)
		if ctx.Err() != nil {
			return
		}
		n.publish(spec, pending, err)
		if err == nil && pending == nil {
			n.failures = 0
			n.idle(ctx, spec, nil)
			continue
		}
		// One that keeps failing is told of ever less often: at the 1st, 2nd, 4th, 8th … try.
		if try := n.failures + 1; try&(try-1) == 0 {
			n.log.Warn("the node is not at its spec yet", "epoch", spec.GetEpoch(), "try", try, "error", errors.Join(err, pending))
		}
		retry, stop := n.agent.clock.After(backoff(n.failures, minRetry, maxRetry))
		n.failures++
		n.idle(ctx, spec, retry)
		stop()
	}
}

// idle waits for a reason to converge again. Meanwhile it reports what a watched node's offset does.
func (n *node) idle(ctx context.Context, spec *agentv1.NodeSpec, retry <-chan time.Time) {
	var events <-chan struct{}
	if n.inner != nil {
		events = n.inner.Events()
	}
	for {
		var watch <-chan time.Time
		stop := func() {}
		if spec.GetWatchOffset() && n.applied == spec {
			watch, stop = n.agent.clock.After(watchPace)
		}
		select {
		case <-ctx.Done():
		case <-n.wake:
		case <-events:
		case <-retry:
		case <-watch:
			n.publish(spec, nil, nil)
			continue
		}
		stop()
		return
	}
}

// errWaiting marks what is not a failure of the node: something has to arrive first.
var errWaiting = errors.New("waiting")

// converge walks the way from what runs to the spec. pending is something left over that does not
// keep the spec from being in force, such as a certificate to renew.
func (n *node) converge(ctx context.Context, spec *agentv1.NodeSpec) (pending, err error) {
	if n.onDisk < spec.GetEpoch() {
		if err := n.agent.specs.put(kindNode, n.id, spec); err != nil {
			return nil, err
		}
		n.onDisk = spec.GetEpoch()
	}
	if spec.GetDesired() == agentv1.DesiredState_DESIRED_STATE_ABSENT {
		return nil, n.destroy(ctx, spec)
	}
	d := n.agent.drivers[spec.GetDriver()]
	if d == nil {
		return nil, fmt.Errorf("this agent has no driver %q", spec.GetDriver())
	}
	options, pending, err := n.options(ctx, spec)
	if err != nil {
		return nil, err
	}
	if n.inner != nil && (n.inner.Status().Err != nil || needsRestart(n.started, options)) {
		n.log.Info("the node is restarted", "error", n.inner.Status().Err)
		if err := n.close(ctx); err != nil {
			return nil, err
		}
	}
	if n.inner == nil {
		err = n.start(ctx, d, options)
	} else if !sameConfig(n.started.Config, options.Config) {
		err = n.inner.Configure(ctx, options.Config)
	}
	if err != nil {
		return nil, err
	}
	n.started = options
	if err := n.applyRole(ctx, spec); err != nil {
		return nil, err
	}
	if !n.listening {
		if err := n.inner.Listen(ctx); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", options.ListenAddr, err)
		}
		n.listening = true
	}
	n.live.Store(&liveNode{inner: n.inner, role: spec.GetRole(), shardEpoch: spec.GetShardEpoch()})
	n.applied = spec
	return pending, nil
}

func (n *node) dir() string { return filepath.Join(n.agent.opts.DataDir, "nodes", n.id) }

// options works out what the node is started or configured with.
func (n *node) options(ctx context.Context, spec *agentv1.NodeSpec) (o driver.Options, pending, err error) {
	o = driver.Options{
		Name: spec.GetName(), Dir: filepath.Join(n.dir(), "data"), Engine: spec.GetEngine(), EngineVersion: spec.GetEngineVersion(),
		EngineNodeID: spec.GetEngineNodeId(), ListenAddr: hostPort(spec.GetListenHost(), spec.GetListenPort()),
		AnnounceHost: spec.GetAnnounceHost(), AnnouncePort: int(spec.GetAnnouncePort()),
		ClusterEnabled: spec.GetClusterMapId() != "", ReplicationPassword: spec.GetReplicationPassword(),
		Config: driver.Config{
			MaxMemoryBytes: int64(spec.GetMaxMemoryBytes()), Parameters: spec.GetParameters(), AuthSHA256: spec.GetAuthTokenSha256(),
		},
	}
	if o.ClusterEnabled {
		if o.Config.ClusterMap = n.agent.clusterMap(spec.GetClusterMapId()); o.Config.ClusterMap == nil {
			return o, nil, fmt.Errorf("%w for the slot map", errWaiting)
		}
	}
	if spec.GetTlsMode() == agentv1.TLSMode_TLS_MODE_OFF || spec.GetTlsMode() == agentv1.TLSMode_TLS_MODE_UNSPECIFIED {
		return o, nil, nil
	}
	pending, err = n.refreshCertificate(ctx, spec)
	if err != nil {
		return o, nil, err
	}
	o.Config.TLS, o.Config.TLSRequired = n.certificate.server, spec.GetTlsMode() == agentv1.TLSMode_TLS_MODE_REQUIRED
	o.ReplicationTLS = n.certificate.client
	return o, pending, nil
}

func hostPort(host string, port uint32) string {
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}

// needsRestart says whether something changed that a node only takes in at its start.
func needsRestart(a, b driver.Options) bool {
	for name := range a.Config.Parameters {
		if _, kept := b.Config.Parameters[name]; !kept {
			return true // only a start brings a parameter back to its default
		}
	}
	return a.Engine != b.Engine || a.EngineVersion != b.EngineVersion || a.EngineNodeID != b.EngineNodeID ||
		a.ListenAddr != b.ListenAddr || a.AnnounceHost != b.AnnounceHost || a.AnnouncePort != b.AnnouncePort ||
		a.ClusterEnabled != b.ClusterEnabled || a.ReplicationPassword != b.ReplicationPassword || a.ReplicationTLS != b.ReplicationTLS
}

func sameConfig(a, b driver.Config) bool {
	return a.MaxMemoryBytes == b.MaxMemoryBytes && maps.Equal(a.Parameters, b.Parameters) && slices.Equal(a.AuthSHA256, b.AuthSHA256) &&
		a.TLS == b.TLS && a.TLSRequired == b.TLSRequired && a.ClusterMap == b.ClusterMap
}

func (n *node) start(ctx context.Context, d driver.Driver, o driver.Options) error {
	if err := n.agent.files.MakeDir(o.Dir); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	inner, err := d.Start(ctx, o)
	if err != nil {
		return err
	}
	n.inner, n.listening, n.primary = inner, false, ""
	return nil
}

// applyRole makes the node the primary or the replica that the spec says, by admin commands.
func (n *node) applyRole(ctx context.Context, spec *agentv1.NodeSpec) error {
	status := n.inner.Status()
	switch spec.GetRole() {
	case agentv1.Role_ROLE_PRIMARY:
		if status.Role != agentv1.Role_ROLE_PRIMARY {
			if err := n.do(ctx, "REPLICAOF", "NO", "ONE"); err != nil {
				return err
			}
			n.log.Info("promoted to primary", "shard_epoch", spec.GetShardEpoch())
		}
		n.primary = ""
	case agentv1.Role_ROLE_REPLICA:
		primary := hostPort(spec.GetPrimary().GetHost(), spec.GetPrimary().GetPort())
		if status.Role == agentv1.Role_ROLE_REPLICA && n.primary == primary {
			break
		}
		// From here on no endpoint takes it for a primary.
		if n.listening {
			n.live.Store(&liveNode{inner: n.inner, role: agentv1.Role_ROLE_REPLICA, shardEpoch: spec.GetShardEpoch()})
		}
		err := n.do(ctx, "REPLICAOF", spec.GetPrimary().GetHost(), strconv.FormatUint(uint64(spec.GetPrimary().GetPort()), 10))
		if err != nil {
			return err
		}
		n.primary = primary
		if status.Role == agentv1.Role_ROLE_PRIMARY && n.listening {
			n.inner.CloseClients()
			n.log.Info("demoted to replica", "shard_epoch", spec.GetShardEpoch())
		}
	default:
		return errors.New("the spec names no role")
	}
	paused := spec.GetWritesPaused() && spec.GetRole() == agentv1.Role_ROLE_PRIMARY
	switch {
	case paused && !status.WritesPaused:
		return n.do(ctx, "CLIENT", "PAUSE", strconv.Itoa(pauseMillis), "WRITE")
	case !paused && status.WritesPaused:
		return n.do(ctx, "CLIENT", "UNPAUSE")
	}
	return nil
}

// do runs an admin command; its arguments hold no secrets.
func (n *node) do(ctx context.Context, args ...string) error {
	if err := n.inner.Do(ctx, args...); err != nil {
		return fmt.Errorf("%v: %w", args, err)
	}
	return nil
}

// close stops what runs and keeps the data.
func (n *node) close(ctx context.Context) error {
	n.live.Store(nil)
	if n.inner == nil {
		return nil
	}
	inner := n.inner
	n.inner, n.applied, n.listening, n.primary = nil, nil, false, ""
	if err := inner.Close(ctx); err != nil {
		return fmt.Errorf("stop node %s: %w", n.id, err)
	}
	return nil
}

// destroy stops the node and removes all that is left of it. The spec goes last: until then a restart
// of the agent continues here.
func (n *node) destroy(ctx context.Context, spec *agentv1.NodeSpec) error {
	if n.applied == spec {
		return nil
	}
	if err := n.close(ctx); err != nil {
		n.log.Warn("the node did not stop in order; it is destroyed all the same", "error", err)
	}
	if err := n.agent.files.RemoveAll(n.dir()); err != nil {
		return fmt.Errorf("remove the node's data: %w", err)
	}
	if err := n.agent.specs.remove(kindNode, n.id); err != nil {
		return err
	}
	n.applied = spec
	n.log.Info("the node is destroyed")
	return nil
}

// publish reports the node's status if it differs from what was reported before.
func (n *node) publish(spec *agentv1.NodeSpec, pending, err error) {
	s := &agentv1.NodeStatus{NodeId: n.id, SpecEpoch: spec.GetEpoch()}
	switch {
	case errors.Is(err, errWaiting):
		s.State, s.Error = agentv1.NodeState_NODE_STATE_STARTING, err.Error()
	case err != nil:
		s.State, s.Error = agentv1.NodeState_NODE_STATE_FAILED, err.Error()
	case spec.GetDesired() == agentv1.DesiredState_DESIRED_STATE_ABSENT:
		s.State = agentv1.NodeState_NODE_STATE_ABSENT
	default:
		s.State = agentv1.NodeState_NODE_STATE_RUNNING
		if pending != nil {
			s.Error = pending.Error()
		}
	}
	if n.inner != nil {
		seen := n.inner.Status()
		s.Role, s.ShardEpoch = seen.Role, n.applied.GetShardEpoch()
		s.ReplicationOffset, s.ReplicationId = seen.Offset, seen.ReplicationID
		s.LinkUp = seen.LinkUp && n.primary != "" && n.primary == hostPort(spec.GetPrimary().GetHost(), spec.GetPrimary().GetPort())
		s.WritesPaused, s.AttachedReplicas = seen.WritesPaused, seen.AttachedReplicas
		s.UsedMemoryBytes, s.Keys, s.ClusterMapEpoch = seen.UsedMemoryBytes, seen.Keys, seen.ClusterMapEpoch
		s.CertificateReady = n.certificate.covers(spec, n.agent.clock.Now())
	}
	n.mu.Lock()
	changed := n.published == nil || !proto.Equal(n.published, s)
	if changed {
		n.published = s
	}
	n.mu.Unlock()
	if changed {
		n.agent.reports.node(s)
	}
}
