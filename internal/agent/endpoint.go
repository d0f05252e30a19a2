package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent/driver"
)

// endpoints brings the agent's endpoint listeners to their specs, in one goroutine (run).
type endpoints struct {
	agent *Agent
	wake  chan struct{}

	mu    *sync.Mutex
	items map[string]*endpoint
}

// endpoint is one address of a group that this agent listens on.
type endpoint struct {
	// The manager's lock guards these.
	wanted    *agentv1.EndpointSpec
	published *agentv1.EndpointStatus // never modified, only replaced

	// Only run touches these.
	onDisk   uint64 // epoch of the stored spec
	listener io.Closer
	addr     string // that listener listens on
	forwards bool   // listener forwards bytes, instead of handing connections over
	failures int

	// routes is what accepted connections are routed by; it is read by the listeners.
	routes atomic.Pointer[routes]
	turn   atomic.Uint64
}

// routes is where the connections of an endpoint may go.
type routes struct {
	spec  *agentv1.EndpointSpec
	local []*node
}

func newEndpoints(a *Agent) endpoints {
	return endpoints{agent: a, wake: make(chan struct{}, 1), mu: &sync.Mutex{}, items: map[string]*endpoint{}}
}

func (m *endpoints) wakeUp() { signal(m.wake) }

// want sets a newer spec. One of a lower or the same epoch is ignored.
func (m *endpoints) want(spec *agentv1.EndpointSpec, stored bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.items[spec.GetEndpointId()]
	if e == nil {
		e = &endpoint{wanted: spec}
		if stored {
			e.onDisk = spec.GetEpoch()
		}
		m.items[spec.GetEndpointId()] = e
	} else if spec.GetEpoch() > e.wanted.GetEpoch() {
		e.wanted = spec
	}
}

// statuses returns what was last reported of each endpoint.
func (m *endpoints) statuses() []*agentv1.EndpointStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	statuses := []*agentv1.EndpointStatus{}
	for _, e := range m.items {
		if e.published != nil {
			statuses = append(statuses, e.published)
		}
	}
	return statuses
}

// forget drops endpoints that are closed for good and reported so.
func (m *endpoints) forget(reported []*agentv1.EndpointStatus) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range reported {
		e := m.items[s.GetEndpointId()]
		if e != nil && e.published == s && !s.GetListening() && s.GetError() == "" && s.GetEpoch() == e.wanted.GetEpoch() &&
			e.wanted.GetDesired() == agentv1.DesiredState_DESIRED_STATE_ABSENT {
			delete(m.items, s.GetEndpointId())
		}
	}
}

// run converges all endpoints whenever it is woken, and those that failed after a while. At the end it
// closes the listeners.
func (m *endpoints) run(ctx context.Context) {
	for {
		retry := m.converge(ctx)
		var fires <-chan time.Time
		stop := func() {}
		if retry > 0 {
			fires, stop = m.agent.clock.After(retry)
		}
		select {
		case <-ctx.Done():
			stop()
			m.closeAll()
			return
		case <-m.wake:
		case <-fires:
		}
		stop()
	}
}

func (m *endpoints) closeAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, e := range m.items {
		if err := e.close(); err != nil {
			m.agent.log.Warn("an endpoint did not close in order", "endpoint_id", id, "error", err)
		}
	}
}

// converge brings every endpoint to its spec, and says after how long to try again what failed; 0: nothing failed.
func (m *endpoints) converge(ctx context.Context) (retry time.Duration) {
	m.mu.Lock()
	items := make(map[*endpoint]*agentv1.EndpointSpec, len(m.items))
	for _, e := range m.items {
		items[e] = e.wanted
	}
	m.mu.Unlock()
	for e, spec := range items {
		err := m.bring(ctx, e, spec)
		if ctx.Err() != nil {
			return 0
		}
		status := &agentv1.EndpointStatus{EndpointId: spec.GetEndpointId(), Epoch: spec.GetEpoch(), Listening: e.listener != nil}
		if err != nil {
			m.agent.log.Error("an endpoint could not be brought to its spec", "endpoint_id", spec.GetEndpointId(), "epoch", spec.GetEpoch(), "error", err)
			status.Error, status.Listening = err.Error(), false
			again := backoff(e.failures, minRetry, maxRetry)
			if retry == 0 || again < retry {
				retry = again
			}
			e.failures++
		} else {
			e.failures = 0
		}
		m.publish(e, status)
	}
	return retry
}

func (m *endpoints) publish(e *endpoint, s *agentv1.EndpointStatus) {
	m.mu.Lock()
	changed := e.published == nil || !proto.Equal(e.published, s)
	if changed {
		e.published = s
	}
	m.mu.Unlock()
	if changed {
		m.agent.reports.endpoint(s)
	}
}

func (m *endpoints) bring(ctx context.Context, e *endpoint, spec *agentv1.EndpointSpec) error {
	if e.onDisk < spec.GetEpoch() {
		if err := m.agent.specs.put(kindEndpoint, spec.GetEndpointId(), spec); err != nil {
			return err
		}
		e.onDisk = spec.GetEpoch()
	}
	if spec.GetDesired() == agentv1.DesiredState_DESIRED_STATE_ABSENT {
		if err := e.close(); err != nil {
			return fmt.Errorf("stop listening: %w", err)
		}
		return m.agent.specs.remove(kindEndpoint, spec.GetEndpointId())
	}
	r := &routes{spec: spec}
	var local driver.Driver
	for _, target := range spec.GetTargets() {
		n := m.agent.node(target.GetNodeId())
		if n == nil {
			continue
		}
		if d := m.agent.drivers[n.wantedSpec().GetDriver()]; d != nil && (local == nil || local == d) {
			local, r.local = d, append(r.local, n)
		}
	}
	e.routes.Store(r)
	return e.listen(ctx, m.agent, local, hostPort(spec.GetListenHost(), spec.GetListenPort()))
}

// listen makes the endpoint listen on addr: through the driver of its local targets, which hands
// connections over, or by forwarding bytes. The new listener is there before the old one goes.
func (e *endpoint) listen(ctx context.Context, a *Agent, local driver.Driver, addr string) error {
	if e.listener != nil && e.addr == addr && e.forwards == (local == nil) {
		return nil
	}
	var fresh io.Closer
	err := driver.ErrNoHandOver
	forwards := true
	if local != nil {
		fresh, err = local.Listen(addr, e.route)
		forwards = false
	}
	if errors.Is(err, driver.ErrNoHandOver) {
		if e.listener != nil && e.addr == addr && e.forwards {
			return nil
		}
		fresh, err = forward(ctx, a.log, addr, e.nextTarget)
		forwards = true
	}
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	old := e.listener
	e.listener, e.addr, e.forwards = fresh, addr, forwards
	if old != nil {
		if err := old.Close(); err != nil {
			a.log.Warn("an endpoint's former listener did not close in order", "addr", addr, "error", err)
		}
	}
	return nil
}

func (e *endpoint) close() error {
	if e.listener == nil {
		return nil
	}
	old := e.listener
	e.listener = nil
	return old.Close()
}

// route names the node that gets the next connection: the local targets in turn; on a primary
// endpoint only one that really is the primary, at the spec's shard epoch or a later one. It is
// called on event loops and does not block.
func (e *endpoint) route() driver.Node {
	r := e.routes.Load()
	for range r.local {
		live := r.local[e.turn.Add(1)%uint64(len(r.local))].live.Load()
		if live == nil {
			continue
		}
		if r.spec.GetKind() == agentv1.EndpointKind_ENDPOINT_KIND_PRIMARY &&
			(live.role != agentv1.Role_ROLE_PRIMARY || live.shardEpoch < r.spec.GetShardEpoch()) {
			continue
		}
		return live.inner
	}
	return nil
}

// nextTarget names the address that the next connection is forwarded to; empty: none.
func (e *endpoint) nextTarget() string {
	targets := e.routes.Load().spec.GetTargets()
	if len(targets) == 0 {
		return ""
	}
	t := targets[e.turn.Add(1)%uint64(len(targets))]
	return hostPort(t.GetHost(), t.GetPort())
}
