package main

import (
	"log/slog"

	"github.com/elastane/elastane/internal/app"
)

type devCommand struct {
	Listen      string  `default:"127.0.0.1:4567" help:"Where the API listens; not only loopback needs --credentials."`
	Data        string  `placeholder:"DIR" help:"Where the state is kept; by default in the user's data directory."`
	DatabaseURL string  `name:"database-url" placeholder:"URL" help:"A Postgres to use instead of a private one."`
	Agents      int     `default:"3" help:"How many agents to run, one availability zone after the other."`
	Addresses   string  `enum:"loopback,ports" default:"loopback" help:"${address_help}"`
	PortRange   string  `default:"6400-6999" help:"Ports that nodes and endpoints get with --addresses ports."`
	AWSTiming   float64 `name:"aws-timing" default:"0" help:"Stretch status changes towards AWS's times; only 0, as fast as the work is, is built yet."`
	Credentials string  `placeholder:"FILE" help:"Key pairs that may call the API, one line each: key id, secret, account id; without it any key pair may."`
	Quiet       bool    `help:"Log only warnings and errors."`
	logFlags
}

// Run runs dev until it is asked to stop.
func (c *devCommand) Run(e *environment) error {
	if c.Quiet && c.LogLevel < slog.LevelWarn {
		c.LogLevel = slog.LevelWarn
	}
	ports, err := app.ParsePortRange(c.PortRange)
	if err != nil {
		return err
	}
	return app.RunDev(e.ctx, app.DevOptions{
		Listen: c.Listen, DataDir: c.Data, DatabaseURL: c.DatabaseURL, Agents: c.Agents,
		Addresses: c.Addresses, Ports: ports, AWSTiming: c.AWSTiming, CredentialsFile: c.Credentials,
		Stdout: e.stdout, Logger: c.logger(e.stderr), Overdue: e.overdue,
	})
}
