package app

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/elastane/elastane/internal/clock"
	"github.com/elastane/elastane/internal/edge"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/ops"
	"github.com/elastane/elastane/internal/reconcile"
	"github.com/elastane/elastane/internal/store"
)

// failoversPerDay is ElastiCache's quota of node groups tested with TestFailover in 24 hours.
const failoversPerDay = 15

// controlPlane is the API, the reconcilers and the agents' server over one database: all of serve and
// the greater part of dev. Its units share this struct; each sets its field when it starts.
type controlPlane struct {
	listenAddress   string
	agentAddress    string
	credentialsFile string
	development     bool          // the network inventory is open, and TestFailover unlimited
	databaseURL     func() string // asked when the database unit starts
	logger          *slog.Logger
	failed          chan<- error

	credentials   edge.Credentials
	agentListener net.Listener
	store         *store.Store
	fleet         *fleet.Server
	worker        *store.Worker
	web           *webServer
}

// listen checks the credentials and takes the addresses, before anything else starts: what is most
// often wrong shows at once.
func (cp *controlPlane) listen(ctx context.Context) (err error) {
	cp.credentials = edge.DevCredentials{}
	if cp.credentialsFile != "" {
		if cp.credentials, err = edge.LoadCredentials(cp.credentialsFile); err != nil {
			return err
		}
	}
	api, err := listen(ctx, "--listen", cp.listenAddress)
	if err != nil {
		return err
	}
	cp.web = &webServer{listener: api, logger: cp.logger, failed: cp.failed}
	if cp.open() && !isLoopback(api) {
		return errors.Join(
			fmt.Errorf("%w: --listen %s can be reached from other machines, where any key pair would be let in: set up --credentials, or listen on 127.0.0.1", ErrUsage, cp.listenAddress),
			api.Close())
	}
	if cp.agentListener, err = listen(ctx, "--agent-listen", cp.agentAddress); err != nil {
		return errors.Join(err, api.Close())
	}
	return nil
}

// closeListeners gives the addresses up when the units that own them have not started.
func (cp *controlPlane) closeListeners() {
	for _, l := range []net.Listener{cp.web.listener, cp.agentListener} {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			cp.logger.Warn("close a listener", "error", err)
		}
	}
}

func (cp *controlPlane) databaseUnit() Unit {
	return Unit{
		Name: "database",
		Start: func(ctx context.Context) (err error) {
			if cp.store, err = openStore(ctx, cp.databaseURL(), cp.logger); err != nil {
				return err
			}
			if err := cp.store.MigrateUp(ctx); err != nil {
				cp.store.Close()
				return err
			}
			return nil
		},
		Stop: func(ctx context.Context) error {
			return within(ctx, cp.store.Close)
		},
	}
}

// databaseWait is how long a program waits at its start for a Postgres that is not up yet, as when both
// are started at the same time.
const databaseWait = 30 * time.Second

func openStore(ctx context.Context, url string, logger *slog.Logger) (*store.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for first := true; ; first = false {
		s, err := store.Open(ctx, url)
		if !errors.Is(err, store.ErrUnavailable) {
			return s, err
		}
		if first {
			logger.Warn("waiting for the database", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (cp *controlPlane) fleetUnit() Unit {
	return Unit{
		Name: "fleet server",
		Start: func(ctx context.Context) (err error) {
			cp.fleet, err = fleet.NewServer(fleet.Options{
				Store: cp.store, Listener: cp.agentListener, Logger: cp.logger, Clock: clock.Real,
			})
			if err != nil {
				return err
			}
			return cp.fleet.Start(ctx)
		},
		Stop: func(ctx context.Context) error { return cp.fleet.Stop(ctx) },
	}
}

// open tells whether any key pair is let in.
func (cp *controlPlane) open() bool { return cp.credentialsFile == "" }

func (cp *controlPlane) workerUnit() Unit {
	return Unit{
		Name: "reconcilers",
		Start: func(ctx context.Context) (err error) {
			reconciler := reconcile.New(reconcile.Options{Store: cp.store, Logger: cp.logger, Clock: clock.Real})
			cp.worker, err = store.NewWorker(cp.store, store.WorkerOptions{
				Reconcile: reconciler.Reconcile, Clock: clock.Real, Logger: cp.logger,
			})
			if err != nil {
				return err
			}
			return cp.worker.Start(ctx)
		},
		Stop: func(ctx context.Context) error { return cp.worker.Stop(ctx) },
	}
}

func (cp *controlPlane) webUnit() Unit {
	return Unit{
		Name: "API",
		Start: func(context.Context) error {
			deps := ops.Deps{Store: cp.store, Clock: clock.Real, OpenNetwork: cp.development}
			if !cp.development {
				deps.FailoversPerDay = failoversPerDay
			}
			metrics := newMetrics(cp.store)
			cp.web.start(edge.New(edge.Options{
				Handlers:    ops.New(deps),
				Credentials: cp.credentials, AllowUnsigned: cp.open(), Logger: cp.logger,
				Ready: cp.ready, CACertificatePEM: cp.caPEM, Metrics: metrics.handler(cp.logger), Observe: metrics.observe,
			}))
			return nil
		},
		Stop: cp.web.stop,
	}
}

// ready tells why requests cannot be served now.
func (cp *controlPlane) ready(ctx context.Context) error {
	if !cp.web.ready.Load() {
		return errors.New("starting or stopping")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return cp.store.Ping(ctx)
}

// caPEM is the certificate authority of the installation, for cache clients.
func (cp *controlPlane) caPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cp.fleet.CACertificate()})
}

// within runs something that takes no context, and gives up waiting for it when ctx ends.
func within(ctx context.Context, work func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
