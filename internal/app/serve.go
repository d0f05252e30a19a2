package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/elastane/elastane/internal/clock"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/store"
)

// ServeOptions are the flags of `elastane serve`.
type ServeOptions struct {
	Listen          string
	AgentListen     string
	DatabaseURL     string
	CredentialsFile string
	JoinTokenFiles  []string
	CAFile          string

	Logger  *slog.Logger
	Overdue func()
}

// joinTokenLife is how long a token that serve writes to a file waits for its agent.
const joinTokenLife = 24 * time.Hour

// RunServe runs a control plane until ctx ends.
func RunServe(ctx context.Context, o ServeOptions) error {
	failed := make(chan error, 1)
	cp := &controlPlane{
		listenAddress: o.Listen, agentAddress: o.AgentListen,
		credentialsFile: o.CredentialsFile, logger: o.Logger, failed: failed,
	}
	if err := cp.listen(ctx); err != nil {
		return err
	}
	defer cp.closeListeners()
	cp.databaseURL = func() string { return o.DatabaseURL }
	stack := Stack{
		Logger: o.Logger, Failed: failed, Overdue: o.Overdue,
		Units: []Unit{cp.databaseUnit(), cp.fleetUnit(), cp.workerUnit(), cp.webUnit()},
		Ready: func(ctx context.Context) error {
			if o.CAFile != "" {
				if err := writeFile(o.CAFile, cp.caPEM(), 0o644); err != nil {
					return err
				}
			}
			for _, file := range o.JoinTokenFiles {
				token, err := cp.fleet.CreateJoinToken(ctx, joinTokenLife)
				if err != nil {
					return fmt.Errorf("make a join token: %w", err)
				}
				if err := writeFile(file, []byte(token+"\n"), 0o600); err != nil {
					return err
				}
			}
			cp.web.ready.Store(true)
			o.Logger.Info("serving", "api", cp.web.listener.Addr().String(), "agents", cp.fleet.URL(), "version", Version())
			return nil
		},
	}
	return stack.Run(ctx)
}

// CreateJoinToken makes a join token on the database of a control plane that has run before.
func CreateJoinToken(ctx context.Context, databaseURL string, ttl time.Duration) (string, error) {
	s, err := store.Open(ctx, databaseURL)
	if err != nil {
		return "", err
	}
	defer s.Close()
	return fleet.CreateJoinToken(ctx, s, clock.Real.Now(), ttl)
}
