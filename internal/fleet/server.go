package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/api/agent/v1/agentv1connect"
	"github.com/elastane/elastane/internal/clock"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// Options configures a Server. Store and Listener are needed; every other zero value has a default.
type Options struct {
	Store *store.Store
	// Listener is where agents connect (Connect over HTTP/2, TLS 1.3). The server owns and closes it.
	Listener net.Listener
	Logger   *slog.Logger
	Clock    clock.Clock
	// Sealer encrypts the authority's private key in the database; nil stores it as it is.
	Sealer KeySealer
	// Lease is how long an agent may act on a heartbeat that was answered. Default 3 s. No lease
	// ends later than twice this after the agent's last_seen_at, whatever happens in between.
	Lease time.Duration
	// Poll is how often a session re-reads desired state without being notified. Default 3 s.
	Poll time.Duration
	// Silence is how long an agent may say nothing before its session ends. Default 10 s.
	Silence time.Duration
}

// Server is the agents' side of one control plane process.
type Server struct {
	opts         Options
	log          *slog.Logger
	ca           *authority
	installation uuid.UUID
	http         *http.Server

	cancel context.CancelFunc // ends sessions and the notification listener
	wg     sync.WaitGroup

	mu       sync.Mutex
	sessions map[uuid.UUID]*session // by agent
}

// NewServer makes a Server; nothing runs before Start.
func NewServer(opts Options) (*Server, error) {
	if opts.Store == nil || opts.Listener == nil {
		return nil, errors.New("fleet: a server needs a store and a listener")
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = clock.Real
	}
	if opts.Sealer == nil {
		opts.Sealer = noSealer{}
	}
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&opts.Lease, 3 * time.Second}, {&opts.Poll, 3 * time.Second}, {&opts.Silence, 10 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	return &Server{opts: opts, log: opts.Logger, sessions: map[uuid.UUID]*session{}}, nil
}

// Start loads or creates the installation's certificate authority and serves until Stop. ctx bounds
// only the start.
func (s *Server) Start(ctx context.Context) error {
	var err error
	if s.ca, s.installation, err = loadAuthority(ctx, s.opts.Store, s.opts.Sealer, s.opts.Clock.Now); err != nil {
		return errors.Join(err, s.opts.Listener.Close())
	}
	mux := http.NewServeMux()
	limit := connect.WithReadMaxBytes(maxMessage)
	mux.Handle(agentv1connect.NewEnrollmentServiceHandler(s, limit))
	path, agents := agentv1connect.NewAgentServiceHandler(s, limit)
	mux.Handle(path, requireAgent(agents))

	var running context.Context
	running, s.cancel = context.WithCancel(context.Background())
	protocols := &http.Protocols{}
	protocols.SetHTTP2(true)
	s.http = &http.Server{
		Handler: withController(mux), Protocols: protocols, ReadHeaderTimeout: 10 * time.Second,
		HTTP2:       &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second},
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return running },
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, GetCertificate: s.ca.serverCertificate, Time: s.opts.Clock.Now,
			ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: s.ca.pool(),
		},
	}
	s.wg.Go(func() {
		if err := s.http.ServeTLS(s.opts.Listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the agent listener ended", "error", err)
		}
	})
	s.wg.Go(func() { s.listen(running) })
	return nil
}

// maxMessage bounds one message of an agent: the statuses of some ten thousand nodes.
const maxMessage = 16 << 20

// Stop ends the sessions and waits for everything that Start began; ctx bounds the wait.
func (s *Server) Stop(ctx context.Context) error {
	if s.cancel == nil {
		return s.opts.Listener.Close()
	}
	s.cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("end the agents' sessions: %w", err), s.http.Close())
	}
	s.wg.Wait()
	return err
}

// URL is what agents are told to dial, such as https://127.0.0.1:4568.
func (s *Server) URL() string { return "https://" + s.opts.Listener.Addr().String() }

// CreateJoinToken is the function of the same name on the server's own database and clock.
func (s *Server) CreateJoinToken(ctx context.Context, ttl time.Duration) (string, error) {
	return CreateJoinToken(ctx, s.opts.Store, s.opts.Clock.Now(), ttl)
}

// CACertificate returns the certificate that signs every agent, server and node certificate, in DER.
// It is nil before Start.
func (s *Server) CACertificate() []byte {
	if s.ca == nil {
		return nil
	}
	return s.ca.cert.Raw
}

// listen keeps the process's one LISTEN connection and wakes the sessions of agents that are named.
// After each new connection it wakes all: what was notified in between is lost, what was written is not.
func (s *Server) listen(ctx context.Context) {
	for delay := 50 * time.Millisecond; ; delay = min(2*delay, 2*time.Second) {
		connected, err := s.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if connected {
			delay = 50 * time.Millisecond
		}
		s.log.Warn("lost the database notifications, connecting again", "error", err)
		fires, stop := s.opts.Clock.After(delay)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-fires:
		}
	}
}

func (s *Server) listenOnce(ctx context.Context) (connected bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, s.opts.Store.Pool().Config().ConnConfig.Copy())
	if err != nil {
		return false, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // it only listened: there is nothing to lose
	}()
	if _, err := conn.Exec(ctx, "LISTEN agent_specs"); err != nil {
		return false, err
	}
	s.wakeAll()
	for {
		notification, err := conn.WaitForNotification(ctx)
		if err != nil {
			return true, err
		}
		if id, err := uuid.Parse(notification.Payload); err == nil {
			s.wake(id)
		} else {
			s.wakeAll()
		}
	}
}

func (s *Server) wake(agent uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if session := s.sessions[agent]; session != nil {
		session.wakeUp()
	}
}

func (s *Server) wakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		session.wakeUp()
	}
}

// SignNodeCertificate implements agentv1connect.AgentServiceHandler.
func (s *Server) SignNodeCertificate(ctx context.Context, req *connect.Request[agentv1.SignNodeCertificateRequest]) (*connect.Response[agentv1.SignNodeCertificateResponse], error) {
	agent, _ := peerAgent(ctx) // requireAgent saw to it
	id, err := uuid.Parse(req.Msg.GetNodeId())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("node_id is not a UUID"))
	}
	stored, err := store.Q.NodeSpecOnAgent(ctx, s.opts.Store.Pool(), db.NodeSpecOnAgentParams{NodeID: id, AgentID: agent})
	if errors.Is(err, store.ErrNotFound) {
		s.log.Warn("certificate refused: the node is not on this agent", "agent_id", agent, "node_id", id)
		return nil, connect.NewError(connect.CodePermissionDenied, errors.New("no such node on this agent"))
	}
	if err != nil {
		return nil, rpcError(err)
	}
	spec := &agentv1.NodeSpec{}
	if err := decode(stored, spec); err != nil {
		return nil, rpcError(fmt.Errorf("decode spec of node %s: %w", id, err))
	}
	certificate, err := s.ca.signNode(id, spec.GetCertificateNames(), req.Msg.GetCsrDer())
	if err != nil {
		return nil, rpcError(err)
	}
	return connect.NewResponse(&agentv1.SignNodeCertificateResponse{CertificateDer: certificate, CaDer: s.ca.cert.Raw}), nil
}

// rpcError gives an error the code that tells the agent whether to try again.
func rpcError(err error) error {
	var known *connect.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, errBadCSR):
		return connect.NewError(connect.CodeInvalidArgument, err)
	case errors.Is(err, store.ErrNotFound):
		return connect.NewError(connect.CodePermissionDenied, errors.New("unknown agent"))
	case errors.Is(err, store.ErrUnavailable):
		return connect.NewError(connect.CodeUnavailable, store.ErrUnavailable)
	default:
		return connect.NewError(connect.CodeInternal, err)
	}
}

type peerKey struct{}

// peerAgent returns the agent whose verified certificate the request came with.
func peerAgent(ctx context.Context) (uuid.UUID, bool) {
	id, ok := ctx.Value(peerKey{}).(uuid.UUID)
	return id, ok
}

type controllerKey struct{}

// withController lets handlers reach the request's deadlines, and who sent it.
func withController(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), controllerKey{}, http.NewResponseController(w))
		if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			subject := r.TLS.VerifiedChains[0][0].Subject
			if id, err := uuid.Parse(subject.CommonName); err == nil && len(subject.Organization) == 1 && subject.Organization[0] == orgAgent {
				ctx = context.WithValue(ctx, peerKey{}, id)
			}
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// requireAgent lets only agents with a certificate through.
func requireAgent(next http.Handler) http.Handler {
	refuse := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := peerAgent(r.Context()); !ok {
			_ = refuse.Write(w, r, connect.NewError(connect.CodeUnauthenticated, errors.New("an agent's certificate is needed")))
			return
		}
		next.ServeHTTP(w, r)
	})
}
