package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

var errNoAuthority = errors.New("the installation has no certificate authority yet: start the control plane once")

// CreateJoinToken makes a token that admits one agent once, until ttl has passed. Only the token's
// SHA-256 is stored. A control plane must have been started once on this database.
func CreateJoinToken(ctx context.Context, s *store.Store, now time.Time, ttl time.Duration) (string, error) {
	installation, err := store.Q.InstallationGet(ctx, s.Pool())
	if err != nil {
		return "", fmt.Errorf("read the installation: %w", err)
	}
	if installation.CaCertificate == nil {
		return "", errNoAuthority
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails, as documented
	token := agentv1.NewJoinToken(installation.CaCertificate, secret[:])
	hash := sha256.Sum256([]byte(token))
	err = store.Q.JoinTokenInsert(ctx, s.Pool(), db.JoinTokenInsertParams{
		TokenSha256: hash[:], Now: now, ExpiresAt: now.Add(ttl),
	})
	if err != nil {
		return "", fmt.Errorf("store the join token: %w", err)
	}
	return token, nil
}

// Enroll implements agentv1connect.EnrollmentServiceHandler. An agent that still holds a valid
// certificate renews it the same way, without a token.
func (s *Server) Enroll(ctx context.Context, req *connect.Request[agentv1.EnrollRequest]) (*connect.Response[agentv1.EnrollResponse], error) {
	id, err := uuid.Parse(req.Msg.GetAgentId())
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("agent_id is not a UUID"))
	}
	certificate, err := s.ca.signAgent(id, req.Msg.GetCsrDer())
	if err != nil {
		return nil, rpcError(err)
	}
	if peer, ok := peerAgent(ctx); ok {
		if peer != id {
			return nil, connect.NewError(connect.CodePermissionDenied, errors.New("the certificate belongs to another agent"))
		}
		if _, err := store.Q.AgentGet(ctx, s.opts.Store.Pool(), id); err != nil {
			return nil, rpcError(err)
		}
	} else if err := s.admit(ctx, id, req.Msg.GetJoinToken()); err != nil {
		return nil, err
	}
	return connect.NewResponse(&agentv1.EnrollResponse{
		CertificateDer: certificate, CaDer: s.ca.cert.Raw, InstallationId: s.installation.String(),
	}), nil
}

// admit spends a join token on an agent. Token and agent row change together or not at all.
func (s *Server) admit(ctx context.Context, id uuid.UUID, token string) error {
	now := s.opts.Clock.Now()
	hash := sha256.Sum256([]byte(token))
	refused := ""
	err := s.opts.Store.Tx(ctx, func(tx pgx.Tx) error {
		refused = ""
		used, err := store.Q.JoinTokenUse(ctx, tx, db.JoinTokenUseParams{TokenSha256: hash[:], AgentID: id, Now: now})
		if err != nil {
			return err
		}
		if used == 0 {
			refused, err = whyRefused(ctx, tx, hash[:])
			return err
		}
		admitted, err := store.Q.AgentEnroll(ctx, tx, db.AgentEnrollParams{AgentID: id, Now: now, SeenAfter: now.Add(-seenLately)})
		if err != nil {
			return err
		}
		if admitted == 0 {
			refused = "an agent with this id is connected"
			return errRollback
		}
		return nil
	})
	if err != nil && !errors.Is(err, errRollback) {
		return rpcError(err)
	}
	if refused != "" {
		s.log.Warn("enrolment refused", "agent_id", id, "reason", refused)
		return connect.NewError(connect.CodePermissionDenied, errors.New("enrolment refused: "+refused))
	}
	s.log.Info("agent enrolled", "agent_id", id)
	return nil
}

var errRollback = errors.New("roll back")

func whyRefused(ctx context.Context, tx pgx.Tx, hash []byte) (string, error) {
	switch row, err := store.Q.JoinTokenGet(ctx, tx, hash); {
	case errors.Is(err, store.ErrNotFound):
		return "unknown join token", nil
	case err != nil:
		return "", err
	case row.UsedAt != nil:
		return "the join token has been used", nil
	default:
		return "the join token has expired", nil
	}
}
