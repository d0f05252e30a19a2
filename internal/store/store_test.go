package store_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/elastane/elastane/internal/clock"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func TestMigrateUpDownUp(t *testing.T) {
	s := storetest.NewEmpty(t)
	ctx := t.Context()
	if version, _, err := s.SchemaVersion(ctx); err != nil || version != 0 {
		t.Fatalf("empty database: version %d, %v", version, err)
	}
	if err := s.MigrateUp(ctx); err != nil {
		t.Fatalf("up: %v", err)
	}
	first := describeSchema(t, s, "%")
	newest, dirty, err := s.SchemaVersion(ctx)
	if err != nil || dirty || newest < 3 {
		t.Fatalf("version %d, dirty %v, %v", newest, dirty, err)
	}
	if err := s.MigrateUp(ctx); err != nil {
		t.Fatalf("up twice: %v", err)
	}
	if err := s.MigrateDown(ctx); err != nil {
		t.Fatalf("down: %v", err)
	}
	var left []string
	rows, err := s.Pool().Query(ctx, `SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
		WHERE nspname = 'public' AND relname NOT LIKE 'schema_migrations%'
		UNION ALL SELECT typname FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace
		WHERE nspname = 'public' AND typname NOT LIKE '%schema_migrations'
		UNION ALL SELECT proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'public'`)
	if err != nil {
		t.Fatal(err)
	}
	if left, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(left) > 0 {
		t.Fatalf("down leaves %v, %v", left, err)
	}
	if err := s.MigrateUp(ctx); err != nil {
		t.Fatalf("up again: %v", err)
	}
	if again := describeSchema(t, s, "%"); again != first {
		t.Errorf("the schema differs after down and up:\n%s\n--- was ---\n%s", again, first)
	}
}

func TestMigrateUpConcurrently(t *testing.T) {
	s := storetest.NewEmpty(t)
	errs := make([]error, 3)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = s.MigrateUp(t.Context()) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestRiverSchema compares our migration of the queue's tables with River's own.
func TestRiverSchema(t *testing.T) {
	ours, theirs := storetest.New(t), storetest.NewEmpty(t)
	migrator, err := rivermigrate.New(riverpgxv5.New(theirs.Pool()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Pool().Exec(t.Context(), "DROP TABLE river_migration"); err != nil {
		t.Fatal(err)
	}
	got, want := describeSchema(t, ours, "river%"), describeSchema(t, theirs, "river%")
	if got != want || got == "" {
		t.Errorf("ours:\n%s\n--- River's ---\n%s", got, want)
	}
}

// describeSchema lists columns, constraints, indexes and enum values of the tables that match.
func describeSchema(t *testing.T, s *store.Store, like string) string {
	t.Helper()
	var text string
	err := s.Pool().QueryRow(t.Context(), `
		SELECT coalesce(string_agg(line, E'\n' ORDER BY line COLLATE "C"), '') FROM (
			SELECT format('%s.%s %s %s %s', table_name, column_name, udt_name, is_nullable, column_default) AS line
			FROM information_schema.columns WHERE table_schema = 'public' AND table_name LIKE $1
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename LIKE $1
			UNION ALL SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
			FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text LIKE $1
			UNION ALL SELECT format('%s %s', typname, string_agg(enumlabel, ',' ORDER BY enumsortorder))
			FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid WHERE typname LIKE $1 GROUP BY typname
			UNION ALL SELECT format('%s %s', relname, relpersistence) FROM pg_class
			WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname LIKE $1
		) AS lines WHERE line NOT LIKE '%schema_migrations%'`, like).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTxRetriesSerializationFailures(t *testing.T) {
	s := storetest.New(t)
	runs := 0
	err := s.Tx(t.Context(), func(tx pgx.Tx) error {
		runs++
		if runs < 3 {
			return &pgconn.PgError{Code: "40001"}
		}
		_, err := tx.Exec(t.Context(), "SELECT 1")
		return err
	})
	if err != nil || runs != 3 {
		t.Errorf("%d runs, %v", runs, err)
	}
	runs = 0
	refused := errors.New("refused")
	err = s.Tx(t.Context(), func(pgx.Tx) error { runs++; return refused })
	if !errors.Is(err, refused) || runs != 1 || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("an ordinary error: %d runs, %v", runs, err)
	}
}

func TestLostConnectionIsUnavailable(t *testing.T) {
	s := storetest.New(t)
	ctx := t.Context()
	err := s.Tx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a terminated backend gives %v", err)
	}
	if err := s.Ping(ctx); err != nil {
		t.Errorf("the pool does not recover: %v", err)
	}
	if _, err := store.Open(ctx, "postgres://nobody:secret@127.0.0.1:1/none"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := store.Open(ctx, "postgres://u:secret@[bad"); err == nil || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("bad URL: %v", err)
	} else if got := err.Error(); got != "parse database URL: not a valid PostgreSQL URL" {
		t.Errorf("the error may hold the password: %q", got)
	}
}

func TestDeadConnectionsAreReplaced(t *testing.T) {
	s := storetest.New(t)
	ctx := t.Context()
	var held []*pgxpool.Conn
	for range 4 {
		c, err := s.Pool().Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	for _, c := range held {
		c.Release()
	}
	other, err := pgx.Connect(ctx, s.Pool().Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(ctx) //nolint:errcheck // the test is over
	if _, err := other.Exec(ctx, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := s.Tx(ctx, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, "SELECT 1"); return err }); err != nil {
			t.Fatalf("the first transaction after a restart: %v", err)
		}
	}
}

func TestJobsFollowTheTransaction(t *testing.T) {
	s := storetest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	runs := make(chan uuid.UUID, 16)
	worker := startWorker(t, s, clock.NewFake(time.Now()), func(_ context.Context, kind string, uid uuid.UUID) (time.Duration, error) {
		if kind != store.OwnerReplicationGroup {
			t.Errorf("owner kind %q", kind)
		}
		runs <- uid
		return 0, nil
	})
	defer worker()
	undone, done := uuid.New(), uuid.New()
	undo := errors.New("undo")
	err := s.Tx(ctx, func(tx pgx.Tx) error {
		if err := store.EnqueueReconcile(ctx, tx, store.OwnerReplicationGroup, undone); err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	enqueue(ctx, t, s, done)
	if got := receive(ctx, t, runs); got != done {
		t.Errorf("ran %s", got)
	}
}

func TestEveryCommitWakesTheWorkers(t *testing.T) {
	s := storetest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	listener, err := pgx.Connect(ctx, s.Pool().Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close(context.Background()) //nolint:errcheck // the test is over
	if _, err := listener.Exec(ctx, `LISTEN "public.river_insert"`); err != nil {
		t.Fatal(err)
	}
	// All are inserted within a moment, and commit one after the other.
	var open []pgx.Tx
	for range 5 {
		tx, err := s.Pool().Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, tx)
		if err := store.EnqueueReconcile(ctx, tx, store.OwnerReplicationGroup, uuid.New()); err != nil {
			t.Fatal(err)
		}
	}
	for i, tx := range open {
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if n, err := listener.WaitForNotification(ctx); err != nil || n.Payload != `{"queue": "default"}` {
			t.Fatalf("commit %d: %v, %v", i, n, err)
		}
	}
}

func TestWorkerRunsAgainAfterTheTimeAskedFor(t *testing.T) {
	s := storetest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	fake := clock.NewFake(time.Now())
	runs := make(chan uuid.UUID, 16)
	asked := make(chan time.Duration, 16)
	defer startWorker(t, s, fake, func(_ context.Context, _ string, uid uuid.UUID) (time.Duration, error) {
		runs <- uid
		return <-asked, nil
	})()
	owner := uuid.New()
	// Each run asks for another one; the earliest of them is made, once.
	for _, again := range []time.Duration{time.Minute, 10 * time.Second, 2 * time.Minute} {
		asked <- again
		enqueue(ctx, t, s, owner)
		receive(ctx, t, runs)
	}
	began := fake.Now()
	asked <- 0
	advanceUntil(ctx, t, fake, time.Second, runs)
	if waited := fake.Now().Sub(began); waited < 10*time.Second || waited >= time.Minute {
		t.Errorf("the run came after %s", waited)
	}
	select {
	case <-runs:
		t.Error("one wake-up gave two runs")
	default:
	}
}

func startWorker(t *testing.T, s *store.Store, c clock.Clock, reconcile store.ReconcileFunc) (stop func()) {
	t.Helper()
	worker, err := store.NewWorker(s, store.WorkerOptions{Reconcile: reconcile, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := worker.Stop(context.Background()); err != nil {
			t.Errorf("stop the worker: %v", err)
		}
	}
}

func enqueue(ctx context.Context, t *testing.T, s *store.Store, owner uuid.UUID) {
	t.Helper()
	if err := s.Tx(ctx, func(tx pgx.Tx) error {
		return store.EnqueueReconcile(ctx, tx, store.OwnerReplicationGroup, owner)
	}); err != nil {
		t.Fatal(err)
	}
}

func receive(ctx context.Context, t *testing.T, runs <-chan uuid.UUID) uuid.UUID {
	t.Helper()
	select {
	case uid := <-runs:
		return uid
	case <-ctx.Done():
		t.Fatal("no job ran")
		return uuid.Nil
	}
}

// advanceUntil moves the fake clock on until a run arrives.
func advanceUntil(ctx context.Context, t *testing.T, fake *clock.Fake, step time.Duration, runs <-chan uuid.UUID) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-runs:
			return
		case <-tick.C:
			fake.Advance(step)
		case <-ctx.Done():
			t.Fatal("no job ran")
		}
	}
}
