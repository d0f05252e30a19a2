package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent/driver"
	"github.com/elastane/elastane/internal/agent/driver/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// flaky is a disk on which the operations whose file's path contains a text fail, as often as said.
type flaky struct {
	disk
	mu    sync.Mutex
	fails map[string]int // by "operation path-part"
}

var errDisk = errors.New("the disk is full")

func (f *flaky) fail(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, left := range f.fails {
		wanted, part, _ := strings.Cut(key, " ")
		if wanted == op && strings.Contains(name, part) && left > 0 {
			f.fails[key]--
			return errDisk
		}
	}
	return nil
}

func (f *flaky) Read(name string) ([]byte, error) {
	if err := f.fail("read", name); err != nil {
		return nil, err
	}
	return f.disk.Read(name)
}

func (f *flaky) Write(name string, data []byte) error {
	if err := f.fail("write", name); err != nil {
		return err
	}
	return f.disk.Write(name, data)
}

func (f *flaky) RemoveAll(name string) error {
	if err := f.fail("remove", name); err != nil {
		return err
	}
	return f.disk.RemoveAll(name)
}

// home is a data directory with an agent that has no control plane.
type home struct {
	t      *testing.T
	ctx    context.Context
	dir    string
	driver *fake.Driver
	disk   *flaky
	agent  *Agent
}

func newHome(t *testing.T) *home {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return &home{t: t, ctx: ctx, dir: t.TempDir(), driver: fake.New(fake.Script{}), disk: &flaky{fails: map[string]int{}}}
}

func (h *home) make() *Agent {
	h.t.Helper()
	a, err := New(Options{
		ServerURL: "https://127.0.0.1:1", DataDir: h.dir, Zone: "us-east-1a", Drivers: []driver.Driver{h.driver},
		Logger: slog.New(slog.DiscardHandler), files: h.disk,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (h *home) start() {
	h.t.Helper()
	a := h.make()
	if err := a.Start(h.ctx); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { h.stop(a) })
	h.agent = a
}

func (h *home) stop(a *Agent) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		h.t.Error(err)
	}
}

func (h *home) apply(specs ...*agentv1.NodeSpec) {
	h.agent.apply(&agentv1.Specs{Nodes: specs}, false)
}

// status waits for a status of a node that is as wanted. Without a session the reports only signal.
func (h *home) status(id string, ok func(*agentv1.NodeStatus) bool) *agentv1.NodeStatus {
	h.t.Helper()
	for {
		if n := h.agent.node(id); n != nil {
			if s := n.status(); ok(s) {
				return s
			}
		}
		select {
		case <-h.agent.reports.ready:
		case <-h.ctx.Done():
			h.t.Fatalf("node %s never got there; it is %v", id, h.agent.node(id).status())
		}
	}
}

func (h *home) state(id string, state agentv1.NodeState, epoch uint64) *agentv1.NodeStatus {
	h.t.Helper()
	return h.status(id, func(s *agentv1.NodeStatus) bool { return s.GetState() == state && s.GetSpecEpoch() == epoch })
}

const (
	starting = agentv1.NodeState_NODE_STATE_STARTING
	running  = agentv1.NodeState_NODE_STATE_RUNNING
	failed   = agentv1.NodeState_NODE_STATE_FAILED
	absent   = agentv1.NodeState_NODE_STATE_ABSENT
)

func primarySpec(epoch uint64) *agentv1.NodeSpec {
	return &agentv1.NodeSpec{
		NodeId: "0b0e5f0e-0000-4000-8000-000000000001", Epoch: epoch, Desired: agentv1.DesiredState_DESIRED_STATE_RUNNING,
		Name: "web/0001", Driver: "fake", Engine: "redis", EngineVersion: "7.0.7", ListenHost: "127.0.0.1", ListenPort: 6379,
		Role: agentv1.Role_ROLE_PRIMARY, ShardEpoch: epoch,
	}
}

func (h *home) specFile(id string) string {
	return filepath.Join(h.dir, "specs", kindNode+"-"+id+specSuffix)
}

func (h *home) dataFile(id string) string { return filepath.Join(h.dir, "nodes", id, "data", "data") }

func exists(t *testing.T, name string) bool {
	t.Helper()
	_, err := os.Stat(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestStopKeepsAndAbsentRemoves(t *testing.T) {
	h := newHome(t)
	h.start()
	spec := primarySpec(1)
	h.apply(spec)
	h.state(spec.GetNodeId(), running, 1)
	h.stop(h.agent)
	if !exists(t, h.specFile(spec.GetNodeId())) || !exists(t, h.dataFile(spec.GetNodeId())) {
		t.Fatal("a stop removed something")
	}
	h.start() // from disk
	h.state(spec.GetNodeId(), running, 1)
	gone := primarySpec(2)
	gone.Desired = agentv1.DesiredState_DESIRED_STATE_ABSENT
	h.apply(gone)
	s := h.state(spec.GetNodeId(), absent, 2)
	if exists(t, h.specFile(spec.GetNodeId())) || exists(t, h.dataFile(spec.GetNodeId())) {
		t.Error("something is left of a node that is reported absent")
	}
	h.agent.forget([]*agentv1.NodeStatus{s})
	if h.agent.node(spec.GetNodeId()) != nil {
		t.Error("the node is still held after its end was reported")
	}
}

func TestLowerEpochIsIgnored(t *testing.T) {
	h := newHome(t)
	h.start()
	id := primarySpec(5).GetNodeId()
	h.apply(primarySpec(5))
	h.state(id, running, 5)
	lower := primarySpec(4)
	lower.Desired = agentv1.DesiredState_DESIRED_STATE_ABSENT
	h.apply(lower)
	if epoch := h.agent.node(id).wantedSpec().GetEpoch(); epoch != 5 {
		t.Fatalf("epoch %d is wanted now", epoch)
	}
	h.apply(primarySpec(6))
	if s := h.state(id, running, 6); s.GetShardEpoch() != 6 {
		t.Errorf("status = %v", s)
	}
	if n := h.driver.Starts("web/0001"); n != 1 {
		t.Errorf("starts = %d: the lower epoch was acted on", n)
	}
	h.stop(h.agent)
	h.start()
	h.apply(lower)
	if epoch := h.agent.node(id).wantedSpec().GetEpoch(); epoch != 6 {
		t.Errorf("after a restart epoch %d is wanted", epoch)
	}
}

func TestWhatIsNotMentionedStays(t *testing.T) {
	h := newHome(t)
	h.start()
	h.apply(primarySpec(1))
	h.state(primarySpec(1).GetNodeId(), running, 1)
	other := primarySpec(1)
	other.NodeId, other.Name = "0b0e5f0e-0000-4000-8000-000000000002", "other/0001"
	h.agent.apply(&agentv1.Specs{Nodes: []*agentv1.NodeSpec{other}, Complete: true}, false)
	h.state(other.GetNodeId(), running, 1)
	if h.driver.Node("web/0001") == nil {
		t.Error("a node fell because the control plane did not mention it")
	}
}

func TestMalformedIDsAreRefused(t *testing.T) {
	h := newHome(t)
	h.start()
	for _, id := range []string{"", "../../escape", strings.ToUpper(primarySpec(1).GetNodeId()), "{" + primarySpec(1).GetNodeId() + "}"} {
		spec := primarySpec(1)
		spec.NodeId = id
		h.apply(spec)
	}
	if n := len(h.agent.allNodes()); n != 0 {
		t.Errorf("nodes = %d", n)
	}
}

// A spec that cannot be stored is not acted on: a restart would fall behind it.
func TestDiskErrorIsReportedAndNothingIsDone(t *testing.T) {
	h := newHome(t)
	h.disk.fails["write specs"] = 2
	h.start()
	h.apply(primarySpec(1))
	s := h.state(primarySpec(1).GetNodeId(), failed, 1)
	if want := "store node spec: the disk is full"; s.GetError() != want {
		t.Errorf("error = %q, want %q", s.GetError(), want)
	}
	if n := h.driver.Starts("web/0001"); n != 0 {
		t.Errorf("starts = %d before the spec was stored", n)
	}
	h.state(primarySpec(1).GetNodeId(), running, 1)
}

func TestDestroyGoesOnAfterDiskError(t *testing.T) {
	h := newHome(t)
	h.start()
	h.apply(primarySpec(1))
	h.state(primarySpec(1).GetNodeId(), running, 1)
	h.disk.mu.Lock()
	h.disk.fails["remove nodes"] = 1
	h.disk.mu.Unlock()
	gone := primarySpec(2)
	gone.Desired = agentv1.DesiredState_DESIRED_STATE_ABSENT
	h.apply(gone)
	if s := h.state(gone.GetNodeId(), failed, 2); !strings.Contains(s.GetError(), "disk is full") {
		t.Errorf("error = %q", s.GetError())
	}
	h.state(gone.GetNodeId(), absent, 2)
}

func TestDamagedSpecIsPutAside(t *testing.T) {
	h := newHome(t)
	h.start()
	other := primarySpec(1)
	other.NodeId, other.Name = "0b0e5f0e-0000-4000-8000-000000000002", "other/0001"
	h.apply(primarySpec(1), other)
	h.state(other.GetNodeId(), running, 1)
	h.state(primarySpec(1).GetNodeId(), running, 1)
	h.stop(h.agent)
	name := h.specFile(primarySpec(1).GetNodeId())
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	left := filepath.Join(h.dir, "specs", tempPrefix+"1") // of a write that a crash broke off
	for _, f := range []string{name, left} {
		if err := os.WriteFile(f, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	if exists(t, left) {
		t.Error("a broken-off write is not cleaned up")
	}
	h.state(other.GetNodeId(), running, 1)
	if h.agent.node(primarySpec(1).GetNodeId()) != nil || !exists(t, name+".damaged") {
		t.Error("a damaged spec was used, or not kept for a look")
	}
	if !exists(t, h.dataFile(primarySpec(1).GetNodeId())) {
		t.Error("the node's data went with its damaged spec")
	}
	h.apply(primarySpec(2)) // the control plane sends it again
	h.state(primarySpec(1).GetNodeId(), running, 2)
}

func TestOneAgentPerDirectory(t *testing.T) {
	h := newHome(t)
	h.start()
	second := h.make()
	if err := second.Start(h.ctx); err == nil || !strings.Contains(err.Error(), "in use by another agent") {
		t.Errorf("error = %v", err)
	}
}

func TestUnreadableStoreStopsTheStart(t *testing.T) {
	h := newHome(t)
	h.start()
	h.apply(primarySpec(1))
	h.state(primarySpec(1).GetNodeId(), running, 1)
	h.stop(h.agent)
	h.disk.fails["read specs"] = 1
	if err := h.make().Start(h.ctx); !errors.Is(err, errDisk) {
		t.Errorf("error = %v: with a disk that cannot be read, an agent must not run on with less", err)
	}
	h.start() // and the refusal left nothing locked
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	h := newHome(t)
	h.start()
	h.apply(primarySpec(1))
	h.state(primarySpec(1).GetNodeId(), running, 1)
	err := filepath.WalkDir(h.dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || name == h.dir {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRequiredTLSWaitsForItsCertificate(t *testing.T) {
	h := newHome(t)
	h.start()
	spec := primarySpec(1)
	spec.TlsMode = agentv1.TLSMode_TLS_MODE_REQUIRED
	h.apply(spec)
	s := h.state(spec.GetNodeId(), starting, 1)
	if s.GetError() == "" || h.driver.Node("web/0001") != nil {
		t.Errorf("status = %v, node = %v", s, h.driver.Node("web/0001"))
	}
}

func TestNodeThatDiesIsStartedAgain(t *testing.T) {
	h := newHome(t)
	h.start()
	h.apply(primarySpec(1))
	h.state(primarySpec(1).GetNodeId(), running, 1)
	h.driver.Node("web/0001").Set(func(s *driver.Status) { s.Err = errors.New("out of memory") })
	if err := h.driver.Await(h.ctx, "web/0001", func(n *fake.Node) bool {
		return n.Seen().Listening && n.Seen().Status.Err == nil
	}); err != nil {
		t.Error(err)
	}
	if n := h.driver.Starts("web/0001"); n != 2 {
		t.Errorf("starts = %d", n)
	}
}

// The role is a level, not an edge: a node that lost it by itself gets it back.
func TestRoleIsRestored(t *testing.T) {
	h := newHome(t)
	h.start()
	spec := primarySpec(1)
	spec.Role, spec.Primary = agentv1.Role_ROLE_REPLICA, &agentv1.PrimaryAddress{Host: "127.0.0.2", Port: 6379}
	h.apply(spec)
	h.state(spec.GetNodeId(), running, 1)
	n := h.driver.Node("web/0001")
	n.Set(func(s *driver.Status) { s.Role = agentv1.Role_ROLE_PRIMARY })
	if err := h.driver.Await(h.ctx, "web/0001", func(n *fake.Node) bool {
		return n.Seen().Status.Role == agentv1.Role_ROLE_REPLICA && len(n.Seen().Commands) == 2
	}); err != nil {
		t.Errorf("%v; commands: %v", err, n.Seen().Commands)
	}
}

func TestPauseFollowsTheSpec(t *testing.T) {
	h := newHome(t)
	h.start()
	for epoch, paused := range []bool{false, true, true, false} {
		spec := primarySpec(uint64(epoch) + 1)
		spec.WritesPaused = paused
		h.apply(spec)
		if s := h.state(spec.GetNodeId(), running, spec.GetEpoch()); s.GetWritesPaused() != paused {
			t.Errorf("epoch %d: paused = %v", spec.GetEpoch(), s.GetWritesPaused())
		}
	}
	// A demoted primary is not left paused.
	spec := primarySpec(5)
	spec.WritesPaused = true
	h.apply(spec)
	h.state(spec.GetNodeId(), running, 5)
	spec = primarySpec(6)
	spec.Role, spec.Primary = agentv1.Role_ROLE_REPLICA, &agentv1.PrimaryAddress{Host: "127.0.0.2", Port: 6379}
	h.apply(spec)
	if s := h.state(spec.GetNodeId(), running, 6); s.GetWritesPaused() {
		t.Error("the demoted primary is still paused")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := Options{ServerURL: "https://h:1", DataDir: "d", Zone: "us-east-1a"}
	ports := good
	ports.AddressMode, ports.AdvertiseHost, ports.PortMin, ports.PortMax = agentv1.AddressMode_ADDRESS_MODE_PORTS, "h", 1, 65535
	tooHigh, upsideDown, noHost, noZone, negative := ports, ports, ports, good, good
	tooHigh.PortMax, noHost.AdvertiseHost, noZone.Zone, negative.Overcommit = 65536, "", "", -1
	upsideDown.PortMin, upsideDown.PortMax = 2, 1
	for name, tt := range map[string]struct {
		o  Options
		ok bool
	}{
		"loopback": {good, true}, "ports": {ports, true}, "port 65536": {tooHigh, false}, "range upside down": {upsideDown, false},
		"no advertised host": {noHost, false}, "no zone": {noZone, false}, "negative over-commitment": {negative, false},
	} {
		if _, err := New(tt.o); (err == nil) != tt.ok {
			t.Errorf("%s: error = %v", name, err)
		}
	}
	double := good
	double.MemoryBytes, double.VCPUs, double.Overcommit = 100, 4, 2.5
	a, err := New(double)
	if err != nil || a.opts.MemoryBytes != 250 || a.opts.VCPUs != 10 {
		t.Errorf("offered: %d bytes, %d vCPUs, error %v", a.opts.MemoryBytes, a.opts.VCPUs, err)
	}
}

func TestBackoffBounds(t *testing.T) {
	t.Parallel()
	for failures := range 200 {
		if d := backoff(failures, minRetry, maxRetry); d < minRetry/2 || d > maxRetry {
			t.Fatalf("after %d failures: %v", failures, d)
		}
	}
}

func FuzzSpecFile(f *testing.F) {
	for _, m := range []*agentv1.NodeSpec{{}, primarySpec(1)} {
		data, err := encodeSpec(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-1])
	}
	f.Add([]byte(specHeader))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := &agentv1.NodeSpec{}
		if err := decodeSpec(data, got); err != nil {
			if !errors.Is(err, errSpecFile) {
				t.Fatalf("error = %v", err)
			}
			return
		}
		again, err := encodeSpec(got)
		if err != nil {
			t.Fatal(err)
		}
		second := &agentv1.NodeSpec{}
		if err := decodeSpec(again, second); err != nil {
			t.Fatalf("what was read cannot be written and read again: %v", err)
		}
	})
}

func TestUUIDsAreCanonical(t *testing.T) {
	t.Parallel()
	if id := primarySpec(1).GetNodeId(); uuid.MustParse(id).String() != id {
		t.Errorf("the tests' id %s is not in the form that the agent accepts", id)
	}
}

// A lease runs from when the answered heartbeat was sent, whatever else is under way.
func TestLeaseRunsFromItsHeartbeat(t *testing.T) {
	t.Parallel()
	a := newHome(t).make()
	if !a.LeaseUntil().IsZero() {
		t.Error("a lease before any heartbeat")
	}
	start := time.Unix(1000, 0)
	beats := make(chan beat, 8)
	for i := range 3 {
		beats <- beat{uint64(i + 1), start.Add(time.Duration(i) * time.Second)}
	}
	a.answered(&agentv1.Lease{HeartbeatSequence: 2, DurationMs: 3000}, beats)
	if got := a.LeaseUntil(); !got.Equal(start.Add(4 * time.Second)) {
		t.Errorf("lease until %v", got)
	}
	a.answered(&agentv1.Lease{HeartbeatSequence: 2, DurationMs: 9000}, beats) // again: that one is done with
	if got := a.LeaseUntil(); !got.Equal(start.Add(4 * time.Second)) {
		t.Errorf("lease until %v after a repeated answer", got)
	}
}
