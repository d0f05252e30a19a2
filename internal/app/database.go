package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/elastane/elastane/internal/pg"
)

// privatePostgres runs the Postgres of dev, and starts it again on the same port when it ends unasked,
// so that the connection pools find it where it was.
type privatePostgres struct {
	dir    string
	logger *slog.Logger

	url     string     // set by start; stays true over a replacement
	server  *pg.Server // of the watcher while it runs, else of start and stop
	watcher sync.WaitGroup
	cancel  context.CancelFunc
}

func (p *privatePostgres) start(ctx context.Context) error {
	server, err := pg.Start(ctx, pg.Options{Dir: p.dir, Logger: p.logger})
	if err != nil {
		return err
	}
	p.server, p.url = server, server.URL()
	watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.cancel = cancel
	p.watcher.Go(func() { p.watch(watch) })
	return nil
}

// watch replaces a server that ended. The wait between two tries grows to five seconds.
func (p *privatePostgres) watch(ctx context.Context) {
	const longestWait = 5 * time.Second
	for {
		select {
		case <-p.server.Exited():
		case <-ctx.Done():
			return
		}
		for wait := 50 * time.Millisecond; ; wait = min(2*wait, longestWait) {
			p.logger.Warn("Postgres has ended; starting it again", "log", p.server.LogFile())
			err := p.restart(ctx)
			if err == nil {
				break
			}
			p.logger.Error("start Postgres again", "error", err)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
	}
}

func (p *privatePostgres) restart(ctx context.Context) error {
	server, err := pg.Start(ctx, pg.Options{Dir: p.dir, Port: p.server.Port(), Logger: p.logger})
	if err != nil {
		return fmt.Errorf("start Postgres again: %w", err)
	}
	p.server = server
	return nil
}

func (p *privatePostgres) stop(ctx context.Context) error {
	p.cancel()
	p.watcher.Wait() // from here on nobody replaces the server
	return p.server.Stop(ctx)
}
