package fleet_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent"
	"github.com/elastane/elastane/internal/agent/driver"
	"github.com/elastane/elastane/internal/agent/driver/fake"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/storetest"
)

// patience bounds every wait of these tests; a test that passes waits much less.
const patience = 20 * time.Second

// world is a control plane over a database of its own, and what runs against it.
type world struct {
	t      *testing.T
	ctx    context.Context
	store  *store.Store
	server *fleet.Server
	poll   time.Duration
	events *pgx.Conn // hears of each change of the tables that tests wait on
}

// tellChanges makes each committed change of the tables that tests wait on a notification.
const tellChanges = `
CREATE FUNCTION test_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY test_changes; RETURN NULL; END $$;
CREATE TRIGGER test_changed AFTER INSERT OR UPDATE OR DELETE ON nodes EXECUTE FUNCTION test_changed();
CREATE TRIGGER test_changed AFTER INSERT OR UPDATE OR DELETE ON endpoint_specs EXECUTE FUNCTION test_changed();
CREATE TRIGGER test_changed AFTER INSERT OR UPDATE OR DELETE ON agents EXECUTE FUNCTION test_changed();
CREATE TRIGGER test_changed AFTER INSERT OR UPDATE OR DELETE ON river_job EXECUTE FUNCTION test_changed();`

func quiet(t *testing.T) *slog.Logger {
	out := io.Discard
	if testing.Verbose() {
		out = t.Output()
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func newWorld(t *testing.T) *world {
	t.Helper()
	// The database's pool is closed by an earlier cleanup's turn, so that this one sees what is left.
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, store: storetest.New(t), poll: time.Minute}
	if _, err := w.store.Pool().Exec(ctx, tellChanges); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.events, err = pgx.ConnectConfig(ctx, w.store.Pool().Config().ConnConfig.Copy()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.events.Close(context.Background()) })
	if _, err := w.events.Exec(ctx, "LISTEN test_changes"); err != nil {
		t.Fatal(err)
	}
	w.server = w.startServer("127.0.0.1:0")
	return w
}

func (w *world) startServer(addr string) *fleet.Server {
	w.t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := fleet.NewServer(fleet.Options{Store: w.store, Listener: ln, Logger: quiet(w.t), Poll: w.poll})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := s.Start(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.stop(s.Stop) })
	return s
}

// stop stops a server or an agent, within patience.
func (w *world) stop(stop func(context.Context) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
}

func (w *world) token() string {
	w.t.Helper()
	token, err := w.server.CreateJoinToken(w.ctx, time.Hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) newAgent(o agent.Options, d driver.Driver) *agent.Agent {
	w.t.Helper()
	o.ServerURL, o.Drivers = w.server.URL(), []driver.Driver{d}
	if o.Logger == nil {
		o.Logger = quiet(w.t)
	}
	if o.DataDir == "" {
		o.DataDir = w.t.TempDir()
	}
	if o.Zone == "" {
		o.Zone = "*a"
	}
	a, err := agent.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// startAgent starts an agent and waits until it is connected.
func (w *world) startAgent(o agent.Options, d driver.Driver) *agent.Agent {
	w.t.Helper()
	if o.JoinToken == "" {
		o.JoinToken = w.token()
	}
	a := w.newAgent(o, d)
	if err := a.Start(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.stop(a.Stop) })
	select {
	case <-a.Connected():
	case <-w.ctx.Done():
		w.t.Fatal("the agent did not connect")
	}
	return a
}

func (w *world) tx(fn func(tx pgx.Tx) error) {
	w.t.Helper()
	if err := w.store.Tx(w.ctx, fn); err != nil {
		w.t.Fatal(err)
	}
}

// agentIDs lists the enrolled agents, in the order of their enrolment.
func (w *world) agentIDs() []uuid.UUID {
	w.t.Helper()
	rows, err := w.store.Pool().Query(w.ctx, "SELECT agent_id FROM agents ORDER BY enrolled_at")
	if err != nil {
		w.t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// until waits until ok holds of the database. It looks again after each change.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for !ok() {
		if _, err := w.events.WaitForNotification(w.ctx); err != nil {
			w.t.Fatalf("%s: it never happened: %v", what, err)
		}
	}
}

func (w *world) count(sql string, args ...any) int {
	w.t.Helper()
	var n int
	if err := w.store.Pool().QueryRow(w.ctx, sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// group is the owner of the tests' nodes.
var group = uuid.MustParse("00000000-0000-4000-8000-00000000000a")

// addNode places a primary named name on an agent.
func (w *world) addNode(agentID uuid.UUID, name string, change func(*agentv1.NodeSpec)) uuid.UUID {
	w.t.Helper()
	id := uuid.New()
	spec := &agentv1.NodeSpec{
		Desired: agentv1.DesiredState_DESIRED_STATE_RUNNING, Name: name, Driver: "fake", Engine: "redis", EngineVersion: "7.0.7",
		ListenHost: "127.0.0.1", ListenPort: 6379, Role: agentv1.Role_ROLE_PRIMARY, ShardEpoch: 1, TlsMode: agentv1.TLSMode_TLS_MODE_OFF,
	}
	if change != nil {
		change(spec)
	}
	w.tx(func(tx pgx.Tx) error {
		return fleet.InsertNodes(w.ctx, tx, []fleet.Node{{
			ID: id, AgentID: agentID, AccountID: "1", Region: "us-east-1", OwnerKind: store.OwnerReplicationGroup, OwnerUID: group,
			CacheClusterID: name, Spec: spec, CreatedAt: time.Now(),
		}})
	})
	return id
}

// node reads one node of the group.
func (w *world) node(id uuid.UUID) fleet.Node {
	w.t.Helper()
	var found fleet.Node
	w.tx(func(tx pgx.Tx) error {
		nodes, err := fleet.NodesOf(w.ctx, tx, group)
		for _, n := range nodes {
			if n.ID == id {
				found = n
			}
		}
		return err
	})
	if found.ID != id {
		w.t.Fatalf("node %s is not there", id)
	}
	return found
}

// change puts a changed spec of a node.
func (w *world) change(id uuid.UUID, change func(*agentv1.NodeSpec)) uint64 {
	w.t.Helper()
	spec := w.node(id).Spec
	change(spec)
	w.tx(func(tx pgx.Tx) error { return fleet.PutNodeSpecs(w.ctx, tx, []*agentv1.NodeSpec{spec}) })
	return w.node(id).Spec.GetEpoch()
}

// observed waits until a node is reported in a state at an epoch, and returns that report.
func (w *world) observed(id uuid.UUID, state agentv1.NodeState, epoch uint64) *agentv1.NodeStatus {
	w.t.Helper()
	var seen *agentv1.NodeStatus
	w.until("node in "+state.String(), func() bool {
		seen = w.node(id).Observed
		return seen.GetState() == state && seen.GetSpecEpoch() == epoch
	})
	return seen
}

func (w *world) await(d *fake.Driver, name string, ok func(*fake.Node) bool) {
	w.t.Helper()
	if err := d.Await(w.ctx, name, ok); err != nil {
		w.t.Fatal(err)
	}
}

func ids(id ...uuid.UUID) []uuid.UUID { return id }

var errAddressInUse = errors.New("address already in use")

// verify makes a TLS handshake with the certificate that a node serves, by the installation's authority.
func verify(t *testing.T, w *world, d *fake.Driver, name string) {
	t.Helper()
	authority, err := x509.ParseCertificate(w.server.CACertificate())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	ours, theirs := net.Pipe()
	defer ours.Close()                                                                  //nolint:errcheck // a pipe
	defer theirs.Close()                                                                //nolint:errcheck // a pipe
	go tls.Server(theirs, d.Node("tls/0001").Seen().Config.TLS).HandshakeContext(w.ctx) //nolint:errcheck // the client's side tells
	if err := tls.Client(ours, &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}).HandshakeContext(w.ctx); err != nil {
		t.Errorf("handshake as %s: %v", name, err)
	}
}
