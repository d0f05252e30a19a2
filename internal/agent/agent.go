// Package agent runs cache nodes on a machine as the control plane wants them: it enrols, keeps a
// session, holds the last specs on disk, and brings each node and endpoint to its spec. Nodes run on
// from the stored specs when the control plane is away.
//
// One goroutine brings a node to its spec (node.go), one the endpoints (endpoint.go), one keeps the
// session (session.go). Each compares what is wanted with what runs and acts on the difference, so
// that it does not matter how often it is woken, or what it missed.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/shirou/gopsutil/v4/mem"
	"golang.org/x/sync/errgroup"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent/driver"
	"github.com/elastane/elastane/internal/clock"
)

// Options configures an Agent.
type Options struct {
	ServerURL string // https://host:port of the control plane's agent listener
	// JoinToken is needed until the agent has enrolled, and ignored after that.
	JoinToken string
	DataDir   string // identity, specs and the nodes' data; one agent per directory
	Zone      string // us-east-1a; "*a" offers zone a of every region
	Host      string // for placement's anti-affinity; default: the machine's name
	Version   string // of the program

	// MemoryBytes and VCPUs are what the agent offers to nodes; 0: what the machine has.
	MemoryBytes uint64
	VCPUs       uint32
	// Overcommit multiplies the memory and vCPUs on offer; 0 means 1. dev uses a large factor, so
	// that a laptop can hold production node types.
	Overcommit float64

	AddressMode   agentv1.AddressMode // default loopback
	AdvertiseHost string              // ports mode: the host that clients use
	ClusterHost   string              // ports mode: the host that nodes bind and other agents dial; default AdvertiseHost
	PortMin       uint32              // ports mode: inclusive range
	PortMax       uint32

	Drivers []driver.Driver // owned by the caller; must outlive the agent
	Logger  *slog.Logger
	Clock   clock.Clock

	// Heartbeat is how often the agent shows that it lives and samples what changes all the time, such
	// as memory in use. Default 1 s.
	Heartbeat time.Duration

	files files // nil: the disk
}

// Agent is one node agent.
type Agent struct {
	opts     Options
	log      *slog.Logger
	clock    clock.Clock
	files    files
	identity *identity
	specs    *specStore
	drivers  map[string]driver.Driver
	lock     *os.File // on the data directory

	cancel    context.CancelFunc
	running   context.Context // ends with Stop; parent of all that Start begins
	wg        sync.WaitGroup
	stopped   atomic.Bool
	connected chan struct{} // closed at the first Welcome
	welcome   sync.Once
	client    atomic.Pointer[clients] // of the present session; nil without one
	lease     atomic.Int64            // unix nanoseconds until which the control plane's word holds
	reports   reports
	endpoints endpoints

	mu    sync.Mutex
	nodes map[string]*node
	maps  map[string]*agentv1.ClusterMap
}

// New checks the options and makes an Agent; nothing runs before Start.
func New(opts Options) (*Agent, error) {
	if opts.ServerURL == "" || opts.DataDir == "" || opts.Zone == "" {
		return nil, errors.New("agent: the server, the data directory and the zone must be given")
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = clock.Real
	}
	if opts.files == nil {
		opts.files = disk{}
	}
	if opts.Heartbeat <= 0 {
		opts.Heartbeat = time.Second
	}
	if opts.AddressMode == agentv1.AddressMode_ADDRESS_MODE_UNSPECIFIED {
		opts.AddressMode = agentv1.AddressMode_ADDRESS_MODE_LOOPBACK
	}
	if opts.AddressMode == agentv1.AddressMode_ADDRESS_MODE_PORTS {
		if opts.AdvertiseHost == "" || opts.PortMin < 1 || opts.PortMax > 65535 || opts.PortMin > opts.PortMax {
			return nil, errors.New("agent: ports mode needs an advertised host and a port range within 1-65535")
		}
		if opts.ClusterHost == "" {
			opts.ClusterHost = opts.AdvertiseHost
		}
	}
	if opts.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("agent: find the machine's name: %w", err)
		}
		opts.Host = name
	}
	if err := offerMachine(&opts); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	a := &Agent{
		opts: opts, log: opts.Logger.With("zone", opts.Zone), clock: opts.Clock, files: opts.files,
		drivers: map[string]driver.Driver{}, connected: make(chan struct{}), reports: newReports(),
		nodes: map[string]*node{}, maps: map[string]*agentv1.ClusterMap{},
	}
	a.endpoints = newEndpoints(a)
	for _, d := range opts.Drivers {
		a.drivers[d.Name()] = d
	}
	return a, nil
}

// offerMachine fills in what the machine has, and applies the over-commitment.
func offerMachine(opts *Options) error {
	if opts.VCPUs == 0 {
		opts.VCPUs = uint32(runtime.NumCPU())
	}
	if opts.MemoryBytes == 0 {
		memory, err := mem.VirtualMemory()
		if err != nil {
			return fmt.Errorf("find the machine's memory: %w", err)
		}
		opts.MemoryBytes = memory.Total
	}
	switch factor := opts.Overcommit; {
	case factor == 0:
	case factor < 0:
		return errors.New("the over-commitment factor must be positive")
	default:
		opts.MemoryBytes = uint64(min(float64(opts.MemoryBytes)*factor, 1<<62))
		opts.VCPUs = uint32(min(float64(opts.VCPUs)*factor, 1<<30))
	}
	return nil
}

// Start opens the data directory, begins to bring up the nodes of the stored specs, and to look for
// the control plane. It waits for neither. ctx bounds only the start.
func (a *Agent) Start(context.Context) error {
	if err := a.files.MakeDir(a.opts.DataDir); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if err := a.lockDir(); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	a.specs = &specStore{files: a.files, dir: filepath.Join(a.opts.DataDir, "specs"), log: a.log}
	identity, err := openIdentity(a.files, filepath.Join(a.opts.DataDir, "identity"), a.clock.Now)
	var stored *agentv1.Specs
	if err == nil {
		stored, err = a.specs.load()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("agent: %w", err), a.lock.Close())
	}
	a.identity = identity
	a.log = a.log.With("agent_id", identity.agentID)
	a.running, a.cancel = context.WithCancel(context.Background())
	a.apply(stored, true)
	a.wg.Go(func() { a.endpoints.run(a.running) })
	a.wg.Go(func() { a.keepSession(a.running) })
	return nil
}

// lockDir makes sure that no other agent works on the data directory; the lock goes with the process.
func (a *Agent) lockDir() error {
	f, err := os.OpenFile(filepath.Join(a.opts.DataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("data directory %s is in use by another agent: %w", a.opts.DataDir, err), f.Close())
	}
	a.lock = f
	return nil
}

// Stop ends the session, stops listening, and stops the nodes in order, keeping their data. ctx bounds
// the wait. An agent is not started again, and stopping it again does nothing.
func (a *Agent) Stop(ctx context.Context) error {
	if a.cancel == nil || a.stopped.Swap(true) {
		return nil
	}
	a.cancel()
	done := make(chan struct{})
	go func() { a.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("agent: stop: %w", ctx.Err())
	}
	var group errgroup.Group
	for _, n := range a.allNodes() {
		group.Go(func() error { return n.close(ctx) })
	}
	err := group.Wait()
	if closeErr := a.lock.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("agent: stop: %w", err)
	}
	return nil
}

// Connected is closed once the first session is welcomed; dev waits for it before it says ready.
func (a *Agent) Connected() <-chan struct{} { return a.connected }

// LeaseUntil is the moment until which the control plane's last word holds: the lease of the last
// answered heartbeat, counted from when that was sent. Zero if none was answered.
func (a *Agent) LeaseUntil() time.Time {
	if ns := a.lease.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// apply takes specs in: those of an epoch that is not higher than what the agent holds are ignored,
// and what is not mentioned is left alone. stored says that they come from the agent's own disk.
func (a *Agent) apply(specs *agentv1.Specs, stored bool) {
	for _, m := range specs.GetClusterMaps() {
		if a.known(kindClusterMap, m.GetClusterMapId()) {
			a.wantMap(m, stored)
		}
	}
	for _, spec := range specs.GetNodes() {
		if a.known(kindNode, spec.GetNodeId()) {
			a.wantNode(spec, stored)
		}
	}
	for _, spec := range specs.GetEndpoints() {
		if a.known(kindEndpoint, spec.GetEndpointId()) {
			a.endpoints.want(spec, stored)
		}
	}
	a.endpoints.wakeUp()
}

// known refuses ids that are no UUIDs: they become names of files.
func (a *Agent) known(kind, id string) bool {
	if parsed, err := uuid.Parse(id); err != nil || parsed.String() != id {
		a.log.Error("ignored a spec with a malformed id", "kind", kind, "id", id)
		return false
	}
	return true
}

func (a *Agent) wantMap(m *agentv1.ClusterMap, stored bool) {
	id := m.GetClusterMapId()
	a.mu.Lock()
	held := a.maps[id]
	if held != nil && m.GetEpoch() <= held.GetEpoch() {
		a.mu.Unlock()
		return
	}
	a.maps[id] = m
	waiting := []*node{}
	for _, n := range a.nodes {
		if n.mapID() == id {
			waiting = append(waiting, n)
		}
	}
	a.mu.Unlock()
	if !stored {
		// A node that comes up with an older map redirects clients a little wrongly until the next
		// session; that is no reason to keep the newer map from it now.
		if err := a.specs.put(kindClusterMap, id, m); err != nil {
			a.log.Error("a cluster map is in force but not on disk", "error", err)
		}
	}
	for _, n := range waiting {
		n.wakeUp()
	}
}

func (a *Agent) clusterMap(id string) *agentv1.ClusterMap {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.maps[id]
}

func (a *Agent) wantNode(spec *agentv1.NodeSpec, stored bool) {
	id := spec.GetNodeId()
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.nodes[id]
	if n != nil {
		n.want(spec)
		return
	}
	n = newNode(a, spec, stored)
	a.nodes[id] = n
	ctx, cancel := context.WithCancel(a.running)
	n.cancel = cancel
	a.wg.Go(func() {
		defer cancel()
		n.run(ctx)
	})
}

func (a *Agent) node(id string) *node {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.nodes[id]
}

func (a *Agent) allNodes() []*node {
	a.mu.Lock()
	defer a.mu.Unlock()
	nodes := make([]*node, 0, len(a.nodes))
	for _, n := range a.nodes {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(x, y *node) int { return compareIDs(x.id, y.id) })
	return nodes
}

// forget drops nodes that are destroyed and reported so, and slot maps that no node names any more.
// If the report got lost with its session, the next session brings the spec again.
func (a *Agent) forget(reported []*agentv1.NodeStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	gone := map[string]bool{}
	for _, status := range reported {
		n := a.nodes[status.GetNodeId()]
		if n == nil || status.GetState() != agentv1.NodeState_NODE_STATE_ABSENT || n.wantedSpec().GetEpoch() != status.GetSpecEpoch() {
			continue
		}
		n.cancel()
		delete(a.nodes, n.id)
		if id := n.mapID(); id != "" {
			gone[id] = true
		}
	}
	for _, n := range a.nodes {
		delete(gone, n.mapID())
	}
	for id := range gone {
		delete(a.maps, id)
		if err := a.specs.remove(kindClusterMap, id); err != nil {
			a.log.Warn("a slot map that is not needed any more stays on disk", "error", err)
		}
	}
}
