package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// webServer serves the one HTTP port: API, probes and metrics.
type webServer struct {
	listener net.Listener
	logger   *slog.Logger
	failed   chan<- error

	ready  atomic.Bool // set once all units are up
	server *http.Server
	done   chan struct{}
}

func (w *webServer) start(handler http.Handler) {
	w.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(w.logger.Handler(), slog.LevelDebug),
	}
	w.done = make(chan struct{})
	go func() {
		defer close(w.done)
		if err := w.server.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
			w.failed <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
}

// stop lets running requests end until ctx does, then cuts them off.
func (w *webServer) stop(ctx context.Context) error {
	w.ready.Store(false)
	err := w.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, w.server.Close())
	}
	<-w.done
	return err
}
