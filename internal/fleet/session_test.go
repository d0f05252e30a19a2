package fleet_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent"
	"github.com/elastane/elastane/internal/agent/driver"
	"github.com/elastane/elastane/internal/agent/driver/fake"
	"github.com/elastane/elastane/internal/fleet"
)

const (
	running = agentv1.NodeState_NODE_STATE_RUNNING
	failed  = agentv1.NodeState_NODE_STATE_FAILED
	absent  = agentv1.NodeState_NODE_STATE_ABSENT
)

// A spec flows down, the observation up, and the owner's reconciler is woken exactly where something
// material changed.
func TestSpecsFlowAndObservationsReturn(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{})
	w.startAgent(agent.Options{Host: "h1", MemoryBytes: 100, VCPUs: 4}, d)
	agentID := w.agentIDs()[0]

	id := w.addNode(agentID, "web/0001", nil)
	status := w.observed(id, running, 1)
	if status.GetRole() != agentv1.Role_ROLE_PRIMARY || status.GetShardEpoch() != 1 {
		t.Errorf("status = %v", status)
	}
	jobs := func() int {
		return w.count("SELECT count(*) FROM river_job WHERE kind = 'reconcile' AND args ->> 'owner_uid' = $1", group.String())
	}
	before := jobs()
	if before == 0 {
		t.Fatal("the node came up, and no job was enqueued")
	}

	// Memory in use changes, then the link: the one must be stored without a job, the other with one.
	d.Node("web/0001").Set(func(s *driver.Status) { s.UsedMemoryBytes = 42 })
	w.until("memory in use is stored", func() bool { return w.node(id).Observed.GetUsedMemoryBytes() == 42 })
	if n := jobs(); n != before {
		t.Errorf("jobs = %d, was %d: memory in use is no reason for one", n, before)
	}
	d.Node("web/0001").Set(func(s *driver.Status) { s.AttachedReplicas = 2 })
	w.until("a job for the replica", func() bool { return jobs() > before })
}

func TestSpecChangesAreAppliedByEpoch(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{})
	w.startAgent(agent.Options{}, d)
	id := w.addNode(w.agentIDs()[0], "web/0001", nil)
	w.observed(id, running, 1)

	if epoch := w.change(id, func(*agentv1.NodeSpec) {}); epoch != 1 {
		t.Errorf("epoch = %d after an equal spec, want 1", epoch)
	}
	epoch := w.change(id, func(s *agentv1.NodeSpec) {
		s.Role, s.ShardEpoch = agentv1.Role_ROLE_REPLICA, 2
		s.Primary = &agentv1.PrimaryAddress{NodeId: "x", Host: "127.9.9.9", Port: 6379}
	})
	if epoch != 2 {
		t.Fatalf("epoch = %d, want 2", epoch)
	}
	status := w.observed(id, running, 2)
	if status.GetRole() != agentv1.Role_ROLE_REPLICA || !status.GetLinkUp() || status.GetShardEpoch() != 2 {
		t.Errorf("status = %v", status)
	}
	seen := d.Node("web/0001").Seen()
	if seen.Primary != "127.9.9.9:6379" || seen.Dropped != 1 {
		t.Errorf("node = %+v: the clients of a demoted primary must be dropped once", seen)
	}
}

func TestAbsentDestroysAndDeletes(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{})
	w.startAgent(agent.Options{}, d)
	id := w.addNode(w.agentIDs()[0], "web/0001", nil)
	w.observed(id, running, 1)

	err := w.store.Tx(w.ctx, func(tx pgx.Tx) error { return fleet.DeleteNodes(w.ctx, tx, ids(id)) })
	if err == nil {
		t.Fatal("a running node was deleted")
	}
	w.observed(id, absent, w.change(id, func(s *agentv1.NodeSpec) { s.Desired = agentv1.DesiredState_DESIRED_STATE_ABSENT }))
	if d.Node("web/0001") != nil {
		t.Error("the node still runs")
	}
	w.tx(func(tx pgx.Tx) error { return fleet.DeleteNodes(w.ctx, tx, ids(id)) })
}

func TestWatchedOffsetIsReported(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{})
	w.startAgent(agent.Options{}, d)
	id := w.addNode(w.agentIDs()[0], "web/0001", nil)
	w.observed(id, running, 1)
	w.observed(id, running, w.change(id, func(s *agentv1.NodeSpec) { s.WatchOffset, s.WritesPaused = true, true }))
	if !w.node(id).Observed.GetWritesPaused() {
		t.Error("writes are not paused")
	}
	before := w.count("SELECT count(*) FROM river_job")
	d.Node("web/0001").Set(func(s *driver.Status) { s.Offset = 1000 })
	w.until("the offset and its job", func() bool {
		return w.node(id).Observed.GetReplicationOffset() == 1000 && w.count("SELECT count(*) FROM river_job") > before
	})
}

func TestFailureIsReportedAndRetried(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{ListenErrors: []error{errAddressInUse}})
	w.startAgent(agent.Options{}, d)
	id := w.addNode(w.agentIDs()[0], "web/0001", nil)
	status := w.observed(id, failed, 1)
	if want := "listen on 127.0.0.1:6379: address already in use"; status.GetError() != want {
		t.Errorf("error = %q, want %q", status.GetError(), want)
	}
	w.observed(id, running, 1)
}

// What is desired survives the control plane: a restart of the agent without it, then its return.
func TestAgentRestartsWithoutControlPlane(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{})
	dir := t.TempDir()
	a := w.startAgent(agent.Options{DataDir: dir}, d)
	id := w.addNode(w.agentIDs()[0], "web/0001", nil)
	secure := w.addNode(w.agentIDs()[0], "tls/0001", func(s *agentv1.NodeSpec) {
		s.TlsMode, s.CertificateNames = agentv1.TLSMode_TLS_MODE_REQUIRED, []string{"web.example", "127.0.0.1"}
	})
	w.observed(id, running, 1)
	w.observed(secure, running, 1)
	w.stop(a.Stop)
	w.await(d, "web/0001", func(n *fake.Node) bool { return n == nil })

	addr := w.server.URL()[len("https://"):]
	w.stop(w.server.Stop)
	again := fake.New(fake.Script{})
	b := w.newAgent(agent.Options{DataDir: dir}, again)
	if err := b.Start(w.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.stop(b.Stop) })
	listening := func(n *fake.Node) bool { return n.Seen().Listening }
	w.await(again, "web/0001", listening)
	w.await(again, "tls/0001", listening)

	w.server = w.startServer(addr)
	select {
	case <-b.Connected():
	case <-w.ctx.Done():
		t.Fatal("the agent did not come back")
	}
	epoch := w.change(id, func(s *agentv1.NodeSpec) { s.ShardEpoch = 7 })
	if got := w.observed(id, running, epoch).GetShardEpoch(); got != 7 {
		t.Errorf("shard epoch = %d", got)
	}
	if n := again.Starts("web/0001"); n != 1 {
		t.Errorf("starts = %d, want 1: coming back must not restart anything", n)
	}
}

func TestNodeCertificate(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{})
	w.startAgent(agent.Options{}, d)
	id := w.addNode(w.agentIDs()[0], "tls/0001", func(s *agentv1.NodeSpec) {
		s.TlsMode, s.CertificateNames = agentv1.TLSMode_TLS_MODE_REQUIRED, []string{"web.example", "127.0.0.1"}
	})
	if !w.observed(id, running, 1).GetCertificateReady() {
		t.Error("running without a certificate")
	}
	verify(t, w, d, "web.example")
	verify(t, w, d, "127.0.0.1")
	w.observed(id, running, w.change(id, func(s *agentv1.NodeSpec) { s.CertificateNames = []string{"other.example"} }))
	verify(t, w, d, "other.example")
	if n := d.Starts("tls/0001"); n != 1 {
		t.Errorf("starts = %d: a new certificate must not restart the node", n)
	}
}

func TestClusterMapReachesTheNode(t *testing.T) {
	w := newWorld(t)
	d := fake.New(fake.Script{})
	w.startAgent(agent.Options{}, d)
	id := w.addNode(w.agentIDs()[0], "web/0001", func(s *agentv1.NodeSpec) { s.ClusterMapId = group.String() })
	w.observed(id, agentv1.NodeState_NODE_STATE_STARTING, 1)
	slots := &agentv1.ClusterMap{ClusterMapId: group.String(), Shards: []*agentv1.ClusterShard{{ShardId: "s"}}}
	put := func(want uint64) {
		t.Helper()
		w.tx(func(tx pgx.Tx) error {
			epoch, err := fleet.PutClusterMap(w.ctx, tx, slots)
			if epoch != want {
				t.Errorf("epoch = %d, want %d", epoch, want)
			}
			return err
		})
	}
	put(1)
	w.observed(id, running, 1)
	put(1)
	slots.Shards[0].ShardId = "t"
	put(2)
	w.until("the map's epoch is reported", func() bool { return w.node(id).Observed.GetClusterMapEpoch() == 2 })
}

// The tables are the truth: without any notification a session comes to read them by itself.
func TestSpecsArriveWithoutNotification(t *testing.T) {
	w := newWorld(t)
	w.stop(w.server.Stop)
	w.poll = 20 * time.Millisecond
	w.server = w.startServer("127.0.0.1:0")
	w.startAgent(agent.Options{}, fake.New(fake.Script{}))
	id := w.addNode(w.agentIDs()[0], "web/0001", nil)
	w.observed(id, running, 1)
	if _, err := w.store.Pool().Exec(w.ctx, "UPDATE nodes SET spec_epoch = 2, spec = jsonb_set(spec, '{shardEpoch}', '\"9\"')"); err != nil {
		t.Fatal(err)
	}
	if got := w.observed(id, running, 2).GetShardEpoch(); got != 9 {
		t.Errorf("shard epoch = %d", got)
	}
}

// The connection that hears notifications is made again when it is lost.
func TestNotificationsAfterALostConnection(t *testing.T) {
	w := newWorld(t)
	w.startAgent(agent.Options{}, fake.New(fake.Script{}))
	if n := w.count("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN agent_specs'"); n != 1 {
		t.Fatalf("connections that listen = %d, want one for the process", n)
	}
	id := w.addNode(w.agentIDs()[0], "web/0001", nil) // whether before or after it is back
	w.observed(id, running, 1)
	w.observed(id, running, w.change(id, func(s *agentv1.NodeSpec) { s.ShardEpoch = 2 }))
}

// An agent of another installation gets no say, gives none, and runs its nodes on.
func TestAgentRefusesAnotherInstallation(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	dir := t.TempDir()
	a := w.startAgent(agent.Options{DataDir: dir}, fake.New(fake.Script{}))
	id := w.addNode(w.agentIDs()[0], "web/0001", nil)
	w.observed(id, running, 1)
	w.stop(a.Stop)

	d := fake.New(fake.Script{})
	log := awaitLog{"belongs to another installation", make(chan struct{}, 1)}
	b := other.newAgent(agent.Options{DataDir: dir, JoinToken: other.token(), Logger: slog.New(log)}, d)
	if err := b.Start(w.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.stop(b.Stop) })
	select {
	case <-log.found:
	case <-w.ctx.Done():
		t.Fatal("the agent never said why it does not connect")
	}
	w.await(d, "web/0001", func(n *fake.Node) bool { return n.Seen().Listening })
	if n := len(other.agentIDs()); n != 0 {
		t.Errorf("agents of the other installation = %d", n)
	}
}

// A node that the database does not know is left alone.
func TestUnknownNodeIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	d := fake.New(fake.Script{})
	a := w.startAgent(agent.Options{DataDir: dir}, d)
	id := w.addNode(w.agentIDs()[0], "web/0001", nil)
	w.observed(id, running, 1)
	w.stop(a.Stop)
	if _, err := w.store.Pool().Exec(w.ctx, "DELETE FROM nodes"); err != nil {
		t.Fatal(err)
	}
	w.startAgent(agent.Options{DataDir: dir}, d)
	other := w.addNode(w.agentIDs()[0], "other/0001", nil)
	w.observed(other, running, 1)
	w.await(d, "web/0001", func(n *fake.Node) bool { return n.Seen().Listening })
}
