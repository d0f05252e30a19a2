package ops_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/ops"
	"github.com/elastane/elastane/internal/pg"
	"github.com/elastane/elastane/internal/store"
)

// startWorker runs the reconcilers as a control plane does, from the queue.
func (b *bundle) startWorker() (stop func()) {
	b.t.Helper()
	worker, err := store.NewWorker(b.store, store.WorkerOptions{Reconcile: b.reconciler.Reconcile})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := worker.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return func() {
		if err := worker.Stop(context.Background()); err != nil {
			b.t.Errorf("stop the worker: %v", err)
		}
	}
}

// await lets the fleet answer, as the session server would, until the group is gone or has the status.
func (b *bundle) await(id, status string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := b.api.DescribeReplicationGroups(ctx, &api.DescribeReplicationGroupsInput{ReplicationGroupId: &id})
		if status == "" && api.HasCode(err, "ReplicationGroupNotFoundFault") {
			return
		}
		if err != nil {
			b.t.Fatalf("describe %s: %v", id, err)
		}
		if *out.ReplicationGroups[0].Status == status {
			return
		}
		if b.fleet.Answer() {
			b.enqueueUnsteady()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("%s is %s, not %q", id, *out.ReplicationGroups[0].Status, status)
		}
	}
}

func (b *bundle) enqueueUnsteady() {
	b.t.Helper()
	err := b.store.Tx(b.t.Context(), func(tx pgx.Tx) error {
		for _, uid := range b.unsteady() {
			if err := store.EnqueueReconcile(b.t.Context(), tx, store.OwnerReplicationGroup, uid); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestWorkerCarriesAGroupThroughItsLife(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	stop := b.startWorker()
	defer stop()
	began := time.Now()
	b.mustCreate(production())
	b.await("my-redis", "available")
	t.Logf("available after %s", time.Since(began))
	if _, err := b.api.DeleteReplicationGroup(b.ctx, &api.DeleteReplicationGroupInput{ReplicationGroupId: new("my-redis")}); err != nil {
		t.Fatal(err)
	}
	b.await("my-redis", "")
	b.wantNothingLeft()
}

func TestSweepPicksUpWhatAKilledProcessLeft(t *testing.T) {
	for name, leave := range map[string]func(*bundle){
		"before the first run":    func(*bundle) {},
		"after placement":         func(b *bundle) { b.reconcile() },
		"after the agents' start": func(b *bundle) { b.reconcile(); b.fleet.Answer() },
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.createSubnetGroup()
			b.mustCreate(production())
			leave(b)
			// The killed process had taken every job; nobody will finish them.
			if _, err := b.store.Pool().Exec(t.Context(), "UPDATE river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{dead}'"); err != nil {
				t.Fatal(err)
			}
			defer b.startWorker()()
			b.await("my-redis", "available")
		})
	}
}

func TestPostgresGoneAndBack(t *testing.T) {
	// The server has another port after each start; the link to its socket stays in one place.
	dir := t.TempDir()
	link := filepath.Join(dir, ".s.PGSQL.5432")
	start := func() (server *pg.Server, address string) {
		server, err := pg.Start(t.Context(), pg.Options{Dir: filepath.Join(dir, "pg"), Ephemeral: true})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(dir, "pg", ".s.PGSQL."+u.Query().Get("port")), link); err != nil {
			t.Fatal(err)
		}
		u.RawQuery = url.Values{"host": {dir}, "port": {"5432"}, "sslmode": {"disable"}}.Encode()
		return server, u.String()
	}
	server, address := start()
	s, err := store.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.MigrateUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := callerContext(t.Context(), "000000000000", "us-east-1")
	handlers := ops.New(ops.Deps{Store: s})
	if _, err := handlers.CreateReplicationGroup(ctx, small("kept")); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := handlers.CreateReplicationGroup(ctx, small("lost")); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("create without Postgres: %v", err)
	}
	if _, err := handlers.DescribeReplicationGroups(ctx, &api.DescribeReplicationGroupsInput{}); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("describe without Postgres: %v", err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	again, _ := start()
	defer func() {
		if err := again.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	out, err := handlers.DescribeReplicationGroups(ctx, &api.DescribeReplicationGroupsInput{})
	if err != nil || len(out.ReplicationGroups) != 1 || *out.ReplicationGroups[0].ReplicationGroupId != "kept" {
		t.Errorf("after the return of Postgres: %+v, %v", out, err)
	}
}
