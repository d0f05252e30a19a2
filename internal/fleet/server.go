package fleet

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Options configures a Server. Pool is needed; every other zero value has a default.
type Options struct {
	Pool   *pgxpool.Pool
	Logger *slog.Logger
	Now    func() time.Time
	// Listener is where agents connect (Connect over HTTP/2, TLS 1.3). The server owns and closes it.
	Listener net.Listener
	// ServerNames are further DNS names and IP addresses that agents dial; the listener's own
	// address, the machine's name and localhost are always in the certificate.
	ServerNames []string
	// Lease is how long an agent may act on a heartbeat that was answered. Default 3 s.
	Lease time.Duration
	// Poll is how often a session re-reads desired state without being notified. Default 3 s.
	Poll time.Duration
}

// Server is the agents' side of one control plane process.
type Server struct{ opts Options }

// NewServer makes a Server; nothing runs before Start.
func NewServer(opts Options) (*Server, error) {
	return &Server{opts: opts}, nil
}

// Start loads or creates the installation's certificate authority and serves until Stop.
func (s *Server) Start(ctx context.Context) error { return errors.New("fleet: not connected yet") }

// Stop ends the sessions and waits for everything that Start began; ctx bounds the wait.
func (s *Server) Stop(ctx context.Context) error { return nil }

// URL is what agents are told to dial, such as https://127.0.0.1:4568.
func (s *Server) URL() string { return "https://" + s.opts.Listener.Addr().String() }

// CreateJoinToken makes a token that admits one agent once, until ttl has passed. It carries the
// fingerprint of the installation's certificate authority, by which the agent knows the server; only
// its SHA-256 is stored. The server must have been started once on this database.
func (s *Server) CreateJoinToken(ctx context.Context, ttl time.Duration) (string, error) {
	return "", errors.New("fleet: not connected yet")
}

// CACertificate returns the certificate that signs every agent, server and node certificate, in DER.
func (s *Server) CACertificate() []byte { return nil }

// LoopbackClaim is a dev instance's exclusive hold on its loopback octet.
type LoopbackClaim struct{ ln net.Listener }

// Close gives the octet up.
func (c *LoopbackClaim) Close() error { return c.ln.Close() }

// ClaimLoopbackOctet picks the installation's second octet of 127.<octet>.x.y at its first use, and
// holds a listener on a fixed port of that octet for as long as the claim is open, so that two
// instances on one machine never hand out the same addresses. If another instance has the octet and
// nothing has been placed yet, another octet is chosen; otherwise the error says who must stop.
func ClaimLoopbackOctet(ctx context.Context, pool *pgxpool.Pool) (*LoopbackClaim, error) {
	return nil, errors.New("fleet: not connected yet")
}
