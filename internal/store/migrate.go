package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/elastane/elastane/migrations"
)

// MigrateUp brings the schema to the newest version. Several control planes may call it at once: an
// advisory lock lets one work and the others wait.
func (s *Store) MigrateUp(ctx context.Context) error {
	return s.migrate(ctx, (*migrate.Migrate).Up)
}

// MigrateDown removes the schema and with it everything Elastane knows.
func (s *Store) MigrateDown(ctx context.Context) error {
	return s.migrate(ctx, (*migrate.Migrate).Down)
}

// SchemaVersion returns the number of the last migration that ran; dirty says that it failed half-way.
// An empty database has version 0.
func (s *Store) SchemaVersion(ctx context.Context) (version uint, dirty bool, err error) {
	err = s.migrate(ctx, func(m *migrate.Migrate) error {
		var err error
		version, dirty, err = m.Version()
		return err
	})
	return version, dirty, err
}

func (s *Store) migrate(ctx context.Context, run func(*migrate.Migrate) error) (err error) {
	files, err := iofs.New(migrations.FS, ".")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	// The library wants database/sql; the pool's own connections serve it. Closing it leaves the pool open.
	database := stdlib.OpenDBFromPool(s.pool)
	driver, err := migratepgx.WithInstance(database, &migratepgx.Config{})
	if err != nil {
		return wrap(errors.Join(fmt.Errorf("migrate: %w", err), database.Close()))
	}
	migrator, err := migrate.NewWithInstance("iofs", files, "postgres", driver)
	if err != nil {
		return errors.Join(fmt.Errorf("migrate: %w", err), driver.Close())
	}
	defer func() {
		sourceErr, databaseErr := migrator.Close()
		err = errors.Join(err, sourceErr, databaseErr)
	}()
	stop := context.AfterFunc(ctx, func() { migrator.GracefulStop <- true })
	defer stop()
	err = run(migrator)
	if errors.Is(err, migrate.ErrNoChange) || errors.Is(err, migrate.ErrNilVersion) {
		return nil
	}
	if err != nil {
		return wrap(fmt.Errorf("migrate: %w", err))
	}
	return nil
}
