package main

import (
	"github.com/elastane/elastane/internal/app"
)

type agentCommand struct {
	Server        string `required:"" placeholder:"ADDR" help:"Host and port of the control plane's agent listener."`
	JoinToken     string `placeholder:"TOKEN" help:"Admits a new agent; not needed once it has joined."`
	JoinTokenFile string `placeholder:"FILE" help:"Read the join token from FILE."`
	Zone          string `required:"" placeholder:"ZONE" help:"Availability zone of this machine, such as us-east-1a; *a stands for zone a of every region."`
	Data          string `required:"" placeholder:"DIR" help:"Where the agent keeps its identity, specs and nodes."`
	Host          string `placeholder:"NAME" help:"Name of the machine, for spreading; by default the host name."`
	Addresses     string `enum:"loopback,ports" default:"ports" help:"${address_help}"`
	AdvertiseHost string `placeholder:"HOST" help:"With --addresses ports: the host that clients are told; by default --cluster-host."`
	ClusterHost   string `placeholder:"HOST" help:"With --addresses ports: the address that nodes bind and other agents dial; by default this machine's towards the control plane."`
	PortRange     string `default:"6400-6999" help:"With --addresses ports: the ports that this agent may use."`
	logFlags
}

// Run runs an agent until it is asked to stop.
func (c *agentCommand) Run(e *environment) error {
	ports, err := app.ParsePortRange(c.PortRange)
	if err != nil {
		return err
	}
	return app.RunAgent(e.ctx, app.AgentOptions{
		Server: c.Server, JoinToken: c.JoinToken, JoinTokenFile: c.JoinTokenFile, Zone: c.Zone, DataDir: c.Data,
		Host: c.Host, Addresses: c.Addresses, AdvertiseHost: c.AdvertiseHost, ClusterHost: c.ClusterHost, Ports: ports,
		Logger: c.logger(e.stderr), Overdue: e.overdue,
	})
}
