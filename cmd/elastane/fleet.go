package main

import (
	"fmt"
	"time"

	"github.com/elastane/elastane/internal/app"
)

type fleetCommand struct {
	Token fleetToken `cmd:"" help:"Print a join token for one agent."`
}

type fleetToken struct {
	databaseFlag
	TTL time.Duration `name:"ttl" default:"1h" help:"How long the token is good for."`
}

// Run prints a join token.
func (c fleetToken) Run(e *environment) error {
	token, err := app.CreateJoinToken(e.ctx, c.DatabaseURL, c.TTL)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.stdout, token)
	return err
}
