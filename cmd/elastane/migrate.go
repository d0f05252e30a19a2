package main

import (
	"fmt"

	"github.com/elastane/elastane/internal/app"
	"github.com/elastane/elastane/internal/store"
)

type migrateCommand struct {
	Up      migrateUp      `cmd:"" help:"Bring the schema to the version of this program."`
	Down    migrateDown    `cmd:"" help:"Remove the schema and everything in it."`
	Version migrateVersion `cmd:"" help:"Print the version of the schema."`
}

type databaseFlag struct {
	DatabaseURL string `name:"database-url" required:"" placeholder:"URL" help:"The Postgres of the control plane."`
}

// with opens the database for one piece of work.
func (f databaseFlag) with(e *environment, work func(*store.Store) error) error {
	s, err := store.Open(e.ctx, f.DatabaseURL)
	if err != nil {
		return err
	}
	defer s.Close()
	return work(s)
}

type migrateUp struct{ databaseFlag }

// Run migrates up.
func (c migrateUp) Run(e *environment) error {
	return c.with(e, func(s *store.Store) error { return s.MigrateUp(e.ctx) })
}

type migrateDown struct {
	databaseFlag
	Yes bool `help:"Yes, remove everything."`
}

// Run migrates down, if it is meant.
func (c migrateDown) Run(e *environment) error {
	if !c.Yes {
		return fmt.Errorf("%w: migrate down removes everything Elastane knows; say --yes", app.ErrUsage)
	}
	return c.with(e, func(s *store.Store) error { return s.MigrateDown(e.ctx) })
}

type migrateVersion struct{ databaseFlag }

// Run prints the schema's version, and whether a migration failed half-way.
func (c migrateVersion) Run(e *environment) error {
	return c.with(e, func(s *store.Store) error {
		version, dirty, err := s.SchemaVersion(e.ctx)
		if err != nil {
			return err
		}
		state := ""
		if dirty {
			state = " (a migration failed half-way)"
		}
		_, err = fmt.Fprintf(e.stdout, "%d%s\n", version, state)
		return err
	})
}
