// Package storetest gives tests a real, migrated Postgres: one private server for each test binary,
// and for each test a database of its own, copied from a migrated template.
package storetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/elastane/elastane/internal/pg"
	"github.com/elastane/elastane/internal/store"
)

const template = "elastane_template"

var (
	server    *pg.Server
	databases atomic.Int64
)

// Main starts the server, runs the tests and stops the server. Call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
//
// A goroutine that a test leaves behind fails the run.
func Main(m *testing.M) int {
	code, err := run(m)
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "storetest:", err)
		return 1
	}
	return code
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "elastane-test-")
	if err != nil {
		return 0, err
	}
	defer func() {
		if removeErr := os.RemoveAll(dir); err == nil {
			err = removeErr
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err = pg.Start(ctx, pg.Options{Dir: dir + "/pg", Ephemeral: true})
	if err != nil {
		return 0, fmt.Errorf("start Postgres: %w", err)
	}
	defer func() {
		if stopErr := server.Stop(context.Background()); err == nil {
			err = stopErr
		}
	}()
	if err := makeTemplate(ctx); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func makeTemplate(ctx context.Context) error {
	if err := execute(ctx, "CREATE DATABASE "+template); err != nil {
		return err
	}
	s, err := store.Open(ctx, databaseURL(template))
	if err != nil {
		return err
	}
	defer s.Close()
	return s.MigrateUp(ctx)
}

// New returns a store on a fresh, migrated database, which goes away with the test.
func New(t testing.TB) *store.Store { return open(t, NewURL(t)) }

// NewURL makes a fresh, migrated database and returns its URL.
func NewURL(t testing.TB) string { return newDatabase(t, " TEMPLATE "+template) }

// NewEmpty returns a store on a database in which no migration has run.
func NewEmpty(t testing.TB) *store.Store { return open(t, newDatabase(t, "")) }

func open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

func newDatabase(t testing.TB, options string) string {
	t.Helper()
	name := fmt.Sprintf("elastane_test_%d", databases.Add(1))
	if err := execute(t.Context(), "CREATE DATABASE "+name+options); err != nil {
		t.Fatalf("create the test database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return databaseURL(name)
}

func databaseURL(name string) string {
	u, err := url.Parse(server.URL())
	if err != nil {
		panic(fmt.Sprintf("storetest: the server's URL: %v", err))
	}
	u.Path = "/" + name
	return u.String()
}

func execute(ctx context.Context, sql string) error {
	connection, err := pgx.Connect(ctx, server.URL())
	if err != nil {
		return err
	}
	defer connection.Close(context.Background()) //nolint:errcheck // nothing more to lose
	_, err = connection.Exec(ctx, sql)
	return err
}
