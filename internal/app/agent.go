package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent"
)

// AgentOptions are the flags of `elastane agent`.
type AgentOptions struct {
	Server        string // host:port
	JoinToken     string
	JoinTokenFile string
	Zone          string
	DataDir       string
	Host          string
	Addresses     string
	AdvertiseHost string
	ClusterHost   string
	Ports         PortRange

	Logger  *slog.Logger
	Overdue func()
}

// RunAgent runs an agent until ctx ends.
func RunAgent(ctx context.Context, o AgentOptions) error {
	if _, _, err := net.SplitHostPort(o.Server); err != nil {
		return fmt.Errorf("%w: --server %s: want HOST:PORT", ErrUsage, o.Server)
	}
	token, err := o.joinToken(ctx)
	if err != nil {
		return err
	}
	mode, err := addressMode(o.Addresses)
	if err != nil {
		return err
	}
	if mode == agentv1.AddressMode_ADDRESS_MODE_PORTS && o.ClusterHost == "" {
		if o.ClusterHost, err = addressTowards(o.Server); err != nil {
			return err
		}
	}
	if o.AdvertiseHost == "" {
		o.AdvertiseHost = o.ClusterHost
	}
	var engine engineRuntime
	options := agent.Options{
		ServerURL: "https://" + o.Server, JoinToken: token, DataDir: o.DataDir, Zone: o.Zone, Host: o.Host,
		Version: Version(), AddressMode: mode, AdvertiseHost: o.AdvertiseHost, ClusterHost: o.ClusterHost,
		PortMin: uint32(o.Ports.Min), PortMax: uint32(o.Ports.Max), Logger: o.Logger,
	}
	stack := Stack{
		Logger: o.Logger, Overdue: o.Overdue,
		Units: []Unit{engine.unit(o.Logger), agentUnit("agent", func(context.Context) (agent.Options, error) {
			options.Drivers = engine.drivers
			return options, nil
		}, nil)},
		Ready: func(context.Context) error {
			o.Logger.Info("agent runs", "zone", o.Zone, "server", o.Server, "version", Version())
			return nil
		},
	}
	return stack.Run(ctx)
}

// tokenWait is how long an agent waits for the file with its token, which a control plane that starts at
// the same time may be about to write.
const tokenWait = time.Minute

// joinToken takes the token from the flag or the file. Without either it is empty: an agent that has
// joined needs none, and one that has not says so.
func (o AgentOptions) joinToken(ctx context.Context) (string, error) {
	if o.JoinTokenFile == "" {
		return o.JoinToken, nil
	}
	if o.JoinToken != "" {
		return "", fmt.Errorf("%w: --join-token and --join-token-file exclude each other", ErrUsage)
	}
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		raw, err := os.ReadFile(o.JoinTokenFile)
		if err == nil {
			return strings.TrimSpace(string(raw)), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("read the join token: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", fmt.Errorf("read the join token: %w", err)
		}
	}
}

// agentUnit is one agent as a unit. Its options are asked for when it starts; created, if not nil,
// gets the agent.
func agentUnit(name string, options func(context.Context) (agent.Options, error), created func(*agent.Agent)) Unit {
	var a *agent.Agent
	return Unit{
		Name: name,
		Start: func(ctx context.Context) error {
			o, err := options(ctx)
			if err != nil {
				return err
			}
			if a, err = agent.New(o); err != nil {
				return err
			}
			if created != nil {
				created(a)
			}
			return a.Start(ctx)
		},
		Stop: func(ctx context.Context) error {
			if a == nil { // one of several that start side by side, of which another failed
				return nil
			}
			return a.Stop(ctx)
		},
	}
}

func addressMode(name string) (agentv1.AddressMode, error) {
	switch name {
	case "loopback":
		return agentv1.AddressMode_ADDRESS_MODE_LOOPBACK, nil
	case "ports":
		return agentv1.AddressMode_ADDRESS_MODE_PORTS, nil
	}
	return 0, fmt.Errorf("%w: --addresses %s: want loopback or ports", ErrUsage, name)
}

// addressTowards is this machine's own address on the way to another; nothing is sent.
func addressTowards(server string) (string, error) {
	conn, err := net.Dial("udp", server)
	if err != nil {
		return "", fmt.Errorf("find this machine's address towards %s, or use --advertise-host: %w", server, err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
}
