package e2e

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/elastane/elastane/internal/pg"
)

// postgres is a server of the test's own, for --database-url, that can go away and come back.
type postgres struct {
	options pg.Options
	server  *pg.Server
}

func startPostgres(t *testing.T) *postgres {
	t.Helper()
	dir, err := os.MkdirTemp("", "elastane-e2e-")
	require.NoError(t, err)
	p := &postgres{options: pg.Options{Dir: dir, Ephemeral: true}}
	p.start(t)
	p.options.Port = p.server.Port()
	t.Cleanup(func() {
		require.NoError(t, p.server.Stop(context.WithoutCancel(t.Context())))
		require.NoError(t, os.RemoveAll(dir))
	})
	return p
}

func (p *postgres) start(t *testing.T) {
	t.Helper()
	var err error
	p.server, err = pg.Start(t.Context(), p.options)
	require.NoError(t, err)
}

func (p *postgres) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.server.Stop(t.Context()))
}
