package fleet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/api/agent/v1/agentv1connect"
	"github.com/elastane/elastane/internal/agent"
	"github.com/elastane/elastane/internal/agent/driver/fake"
	"github.com/elastane/elastane/internal/fleet"
)

// caller speaks the protocol by hand, with a key and, once enrolled, a certificate of its own.
type caller struct {
	w    *world
	key  *ecdsa.PrivateKey
	csr  []byte
	cert *tls.Certificate
}

func newCaller(w *world) *caller {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return &caller{w: w, key: key, csr: csr}
}

func (c *caller) http() *http.Client {
	authority, err := x509.ParseCertificate(c.w.server.CACertificate())
	if err != nil {
		c.w.t.Fatal(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: agentv1.ServerName, MinVersion: tls.VersionTLS13}
	config.RootCAs.AddCert(authority)
	if c.cert != nil {
		config.Certificates = []tls.Certificate{*c.cert}
	}
	protocols := &http.Protocols{}
	protocols.SetHTTP2(true)
	transport := &http.Transport{TLSClientConfig: config, Protocols: protocols}
	c.w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (c *caller) enroll(id uuid.UUID, token string) error {
	response, err := agentv1connect.NewEnrollmentServiceClient(c.http(), c.w.server.URL()).Enroll(c.w.ctx,
		connect.NewRequest(&agentv1.EnrollRequest{JoinToken: token, AgentId: id.String(), CsrDer: c.csr}))
	if err == nil {
		c.cert = &tls.Certificate{Certificate: [][]byte{response.Msg.GetCertificateDer()}, PrivateKey: c.key}
	}
	return err
}

// wire is a session's stream as the agent holds it.
type wire = connect.BidiStreamForClient[agentv1.AgentMessage, agentv1.ServerMessage]

// session says Hello and takes the first answer.
func (c *caller) session(hello *agentv1.Hello) (*wire, error) {
	ctx, cancel := context.WithCancel(c.w.ctx)
	stream := agentv1connect.NewAgentServiceClient(c.http(), c.w.server.URL()).Session(ctx)
	c.w.t.Cleanup(func() {
		cancel()
		_ = stream.CloseRequest()
		_ = stream.CloseResponse()
	})
	_ = stream.Send(&agentv1.AgentMessage{Message: &agentv1.AgentMessage_Hello{Hello: hello}}) // Receive has the reason
	_, err := stream.Receive()
	return stream, err
}

func (c *caller) sign(node uuid.UUID) error {
	_, err := agentv1connect.NewAgentServiceClient(c.http(), c.w.server.URL()).SignNodeCertificate(c.w.ctx,
		connect.NewRequest(&agentv1.SignNodeCertificateRequest{NodeId: node.String(), CsrDer: c.csr}))
	return err
}

func wantCode(t *testing.T, what string, err error, code connect.Code, text string) {
	t.Helper()
	if err == nil || connect.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: error = %v, want %v with %q", what, err, code, text)
	}
}

func hello(id uuid.UUID) *agentv1.Hello {
	return &agentv1.Hello{Protocol: agentv1.ProtocolVersion, AgentId: id.String(), Zone: "*a", Drivers: []string{"fake"}}
}

func TestJoinTokens(t *testing.T) {
	w := newWorld(t)
	token, agentID := w.token(), uuid.New()
	if n := w.count("SELECT count(*) FROM join_tokens WHERE token_sha256 = sha256(convert_to($1, 'UTF8'))", token); n != 1 {
		t.Error("it is not the token's SHA-256 that is stored")
	}
	if err := newCaller(w).enroll(agentID, token); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "second use", newCaller(w).enroll(uuid.New(), token), connect.CodePermissionDenied, "has been used")
	wantCode(t, "second use by the same agent", newCaller(w).enroll(agentID, token), connect.CodePermissionDenied, "has been used")
	wantCode(t, "made up", newCaller(w).enroll(uuid.New(), "elj1.x.y"), connect.CodePermissionDenied, "unknown join token")
	expired, err := fleet.CreateJoinToken(w.ctx, w.store, time.Now().Add(-time.Hour), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "expired", newCaller(w).enroll(uuid.New(), expired), connect.CodePermissionDenied, "expired")
	bad := newCaller(w)
	bad.csr = []byte("no request")
	fresh := w.token()
	wantCode(t, "bad request", bad.enroll(uuid.New(), fresh), connect.CodeInvalidArgument, "bad certificate request")
	if err := newCaller(w).enroll(uuid.New(), fresh); err != nil {
		t.Errorf("a bad certificate request has spent the token: %v", err)
	}
}

func TestEnrolledIdentityIsNotTakenOver(t *testing.T) {
	w := newWorld(t)
	agentID, owner := uuid.New(), newCaller(w)
	if err := owner.enroll(agentID, w.token()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.session(hello(agentID)); err != nil {
		t.Fatal(err)
	}
	token := w.token()
	wantCode(t, "while connected", newCaller(w).enroll(agentID, token), connect.CodePermissionDenied, "is connected")
	if err := newCaller(w).enroll(uuid.New(), token); err != nil {
		t.Errorf("a refused enrolment has spent the token: %v", err)
	}
	// The owner renews with its certificate, for itself only.
	if err := owner.enroll(agentID, ""); err != nil {
		t.Errorf("renewal: %v", err)
	}
	wantCode(t, "renewal for another", owner.enroll(uuid.New(), ""), connect.CodePermissionDenied, "another agent")
}

func TestSessionIsForTheCertificatesAgent(t *testing.T) {
	w := newWorld(t)
	agentID, c := uuid.New(), newCaller(w)
	_, err := c.session(hello(agentID))
	wantCode(t, "no certificate", err, connect.CodeUnauthenticated, "certificate is needed")
	if err := c.enroll(agentID, w.token()); err != nil {
		t.Fatal(err)
	}
	_, err = c.session(hello(uuid.New()))
	wantCode(t, "other id", err, connect.CodePermissionDenied, "not the certificate's")
	foreign := hello(agentID)
	foreign.InstallationId = uuid.NewString()
	_, err = c.session(foreign)
	wantCode(t, "other installation", err, connect.CodeFailedPrecondition, "another installation")
	newer := hello(agentID)
	newer.Protocol = 2
	_, err = c.session(newer)
	wantCode(t, "other protocol", err, connect.CodeFailedPrecondition, "protocol 2")
	ports := hello(agentID)
	ports.AddressMode = agentv1.AddressMode_ADDRESS_MODE_PORTS
	_, err = c.session(ports)
	wantCode(t, "ports mode without ports", err, connect.CodeInvalidArgument, "port range")
	if _, err = c.session(hello(agentID)); err != nil {
		t.Errorf("its own session: %v", err)
	}
}

func TestNewerSessionEndsTheOlder(t *testing.T) {
	w := newWorld(t)
	agentID, c := uuid.New(), newCaller(w)
	if err := c.enroll(agentID, w.token()); err != nil {
		t.Fatal(err)
	}
	older, err := c.session(hello(agentID))
	if err != nil {
		t.Fatal(err)
	}
	newer, err := c.session(hello(agentID))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = older.Receive()
	}
	wantCode(t, "older session", err, connect.CodeAborted, "newer session")
	if m, err := newer.Receive(); err != nil || !m.GetSpecs().GetComplete() {
		t.Errorf("newer session: %v, %v", m, err)
	}
	if n := w.count("SELECT count(*) FROM agents WHERE connected"); n != 1 {
		t.Errorf("connected agents = %d: the older session's end must not mark the agent as away", n)
	}
}

func TestNodeCertificateOnlyForOwnNodes(t *testing.T) {
	w := newWorld(t)
	one, two := newCaller(w), newCaller(w)
	oneID := uuid.New()
	if err := one.enroll(oneID, w.token()); err != nil {
		t.Fatal(err)
	}
	if err := two.enroll(uuid.New(), w.token()); err != nil {
		t.Fatal(err)
	}
	node := w.addNode(oneID, "web/0001", nil)
	if err := one.sign(node); err != nil {
		t.Errorf("own node: %v", err)
	}
	wantCode(t, "another's node", two.sign(node), connect.CodePermissionDenied, "no such node")
	wantCode(t, "no certificate", newCaller(w).sign(node), connect.CodeUnauthenticated, "certificate is needed")
}

// awaitLog is a log handler that lets a test wait for a text in some record's error.
type awaitLog struct {
	text  string
	found chan struct{} // holds one
}

func (l awaitLog) Enabled(context.Context, slog.Level) bool { return true }
func (l awaitLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l awaitLog) WithGroup(string) slog.Handler            { return l }

func (l awaitLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" && strings.Contains(a.Value.String(), l.text) {
			select {
			case l.found <- struct{}{}:
			default:
			}
		}
		return true
	})
	return nil
}

// An agent knows the control plane by the fingerprint in its token, and by nothing else.
func TestAgentRefusesAnotherAuthority(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	log := awaitLog{"not the control plane that made the join token", make(chan struct{}, 1)}
	a := w.newAgent(agent.Options{JoinToken: other.token(), Logger: slog.New(log)}, fake.New(fake.Script{}))
	if err := a.Start(w.ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.stop(a.Stop) })
	select {
	case <-a.Connected():
		t.Error("connected with the token of another installation")
	case <-log.found:
	case <-w.ctx.Done():
		t.Error("the agent never said why it does not connect")
	}
	if n := len(w.agentIDs()); n != 0 {
		t.Errorf("agents = %d", n)
	}
}

func TestControlPlanesShareOneAuthority(t *testing.T) {
	w := newWorld(t)
	second := w.startServer("127.0.0.1:0")
	if string(second.CACertificate()) != string(w.server.CACertificate()) {
		t.Error("two control planes of one database have different authorities")
	}
}

func TestHeartbeatIsAnsweredWithALease(t *testing.T) {
	w := newWorld(t)
	agentID, c := uuid.New(), newCaller(w)
	if err := c.enroll(agentID, w.token()); err != nil {
		t.Fatal(err)
	}
	stream, err := c.session(hello(agentID))
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&agentv1.AgentMessage{Message: &agentv1.AgentMessage_Heartbeat{Heartbeat: &agentv1.Heartbeat{Sequence: 7}}})
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := stream.Receive()
		if err != nil {
			t.Fatal(err)
		}
		lease := m.GetLease()
		if lease == nil {
			continue // the specs
		}
		if lease.GetHeartbeatSequence() != 7 || lease.GetDurationMs() == 0 || lease.GetDurationMs() > 3000 {
			t.Errorf("lease = %v", lease)
		}
		return
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	w := newWorld(t)
	config := &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true} // the version is refused before anything is verified
	conn, err := (&tls.Dialer{Config: config}).DialContext(w.ctx, "tcp", strings.TrimPrefix(w.server.URL(), "https://"))
	if err == nil {
		_ = conn.Close()
		t.Fatal("TLS 1.2 was let in")
	}
	if !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("error = %v", err)
	}
}
