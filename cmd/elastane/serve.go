package main

import (
	"github.com/elastane/elastane/internal/app"
)

type serveCommand struct {
	Listen        string   `default:"127.0.0.1:4567" help:"Where the API listens."`
	AgentListen   string   `default:"127.0.0.1:4568" help:"Where agents connect (mutual TLS)."`
	DatabaseURL   string   `name:"database-url" required:"" placeholder:"URL" help:"The Postgres that holds everything; several control planes may share it."`
	Credentials   string   `placeholder:"FILE" help:"Key pairs that may call the API, one line each: key id, secret, account id; needed beyond loopback."`
	JoinTokenFile []string `placeholder:"FILE" help:"Write a fresh join token, good for one agent, to each FILE at the start."`
	CAFile        string   `name:"ca-file" placeholder:"FILE" help:"Write the certificate authority of nodes and agents to FILE at the start."`
	logFlags
}

// Run runs a control plane until it is asked to stop.
func (c *serveCommand) Run(e *environment) error {
	return app.RunServe(e.ctx, app.ServeOptions{
		Listen: c.Listen, AgentListen: c.AgentListen, DatabaseURL: c.DatabaseURL,
		CredentialsFile: c.Credentials, JoinTokenFiles: c.JoinTokenFile, CAFile: c.CAFile,
		Logger: c.logger(e.stderr), Overdue: e.overdue,
	})
}
