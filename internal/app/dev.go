package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent"
	"github.com/elastane/elastane/internal/fleet"
)

// DevOptions are the flags of `elastane dev`.
type DevOptions struct {
	Listen          string
	DataDir         string // empty: DefaultDataDir
	DatabaseURL     string // empty: a private Postgres
	Agents          int
	Addresses       string
	Ports           PortRange
	AWSTiming       float64
	CredentialsFile string

	Stdout  io.Writer // gets the lines for the shell once everything is ready
	Logger  *slog.Logger
	Overdue func()
}

const (
	// maxDevAgents bounds --agents: zones are named by one letter.
	maxDevAgents = 26
	// devOvercommit lets a laptop hold production node types: memory is used as data comes, and
	// maxmemory stays that of the node type.
	devOvercommit = 1000
)

// RunDev runs the control plane, agents and, if need be, Postgres in this process until ctx ends.
func RunDev(ctx context.Context, o DevOptions) (err error) {
	if o.Agents < 1 || o.Agents > maxDevAgents {
		return fmt.Errorf("%w: --agents %d: want 1 to %d", ErrUsage, o.Agents, maxDevAgents)
	}
	if o.DataDir == "" {
		if o.DataDir, err = DefaultDataDir(); err != nil {
			return err
		}
	}
	if o.DataDir, err = filepath.Abs(o.DataDir); err != nil {
		return err
	}
	if o.AWSTiming != 0 {
		return fmt.Errorf("%w: --aws-timing %g: only 0, as fast as the work is, is built yet", ErrUsage, o.AWSTiming)
	}
	mode, err := addressMode(o.Addresses)
	if err != nil {
		return err
	}

	failed := make(chan error, 1)
	d := &dev{DevOptions: o, mode: mode, cp: &controlPlane{
		listenAddress: o.Listen, agentAddress: "127.0.0.1:0",
		credentialsFile: o.CredentialsFile, development: true, logger: o.Logger, failed: failed,
	}}
	if err := d.cp.listen(ctx); err != nil {
		return err
	}
	defer d.cp.closeListeners()
	lock, err := lockDataDir(o.DataDir)
	if err != nil {
		return err
	}
	units, err := d.units()
	if err != nil {
		return errors.Join(err, lock.release())
	}
	stack := Stack{Logger: o.Logger, Failed: failed, Overdue: o.Overdue, Units: units, Ready: d.ready}
	return errors.Join(stack.Run(ctx), lock.release())
}

// dev is one run of everything on one machine.
type dev struct {
	DevOptions
	mode   agentv1.AddressMode
	cp     *controlPlane
	engine engineRuntime
	claim  *fleet.LoopbackClaim
	agents []*agent.Agent
}

// units lists the parts in the order of their start. The API comes last: who reaches it finds
// everything behind it up, and at the stop no request is cut off by what it needs.
func (d *dev) units() ([]Unit, error) {
	var units []Unit
	d.cp.databaseURL = func() string { return d.DatabaseURL }
	if d.DatabaseURL == "" {
		postgres := &privatePostgres{dir: filepath.Join(d.DataDir, "postgres"), logger: d.Logger}
		d.cp.databaseURL = func() string { return postgres.url }
		units = append(units, Unit{Name: "postgres", Start: postgres.start, Stop: postgres.stop})
	}
	units = append(units, d.cp.databaseUnit(), d.addressUnit(), d.cp.fleetUnit(), d.engine.unit(d.Logger))
	d.agents = make([]*agent.Agent, d.Agents)
	ports, err := d.Ports.split(d.Agents)
	if err != nil {
		return nil, err
	}
	agents := make([]Unit, d.Agents)
	for i := range agents {
		agents[i] = d.agentUnit(i, ports[i])
	}
	return append(units, sideBySide("agents", agents), d.cp.workerUnit(), d.cp.webUnit()), nil
}

// addressUnit takes this installation's part of the loopback net, or falls back to ports where the
// cache port cannot be had there.
func (d *dev) addressUnit() Unit {
	return Unit{
		Name: "addresses",
		Start: func(ctx context.Context) error {
			if d.mode != agentv1.AddressMode_ADDRESS_MODE_LOOPBACK {
				return nil
			}
			if err := probeLoopback(ctx); err != nil {
				d.Logger.Warn("own loopback addresses cannot be used here: nodes and endpoints share 127.0.0.1 with a port each (--addresses ports)", "error", err)
				d.mode = agentv1.AddressMode_ADDRESS_MODE_PORTS
				return nil
			}
			claim, err := fleet.ClaimLoopbackOctet(ctx, d.cp.store)
			d.claim = claim
			return err
		},
		Stop: func(context.Context) error {
			if d.claim == nil {
				return nil
			}
			return d.claim.Close()
		},
	}
}

// probeLoopback tells whether the cache port can be had on a loopback address other than 127.0.0.1:
// not where something listens on it on all addresses, nor on systems that have only 127.0.0.1.
func probeLoopback(ctx context.Context) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", "127.255.255.253:6379")
	if err != nil {
		return err
	}
	return l.Close()
}

// agentUnit is the agent of the i-th zone. It joins with a token over the same protocol as one on
// another machine; its zone letter holds in every region.
func (d *dev) agentUnit(i int, ports PortRange) Unit {
	letter := string(rune('a' + i))
	name := "agent-" + letter
	return agentUnit(name, func(ctx context.Context) (agent.Options, error) {
		token, err := d.cp.fleet.CreateJoinToken(ctx, joinTokenLife)
		if err != nil {
			return agent.Options{}, fmt.Errorf("make a join token: %w", err)
		}
		return agent.Options{
			ServerURL: d.cp.fleet.URL(), JoinToken: token, DataDir: filepath.Join(d.DataDir, name),
			Zone: "*" + letter, Host: name, Version: Version(), Overcommit: devOvercommit,
			AddressMode: d.mode, AdvertiseHost: "127.0.0.1", ClusterHost: "127.0.0.1",
			PortMin: uint32(ports.Min), PortMax: uint32(ports.Max),
			Drivers: d.engine.drivers, Logger: d.Logger.With("agent", name),
		}, nil
	}, func(a *agent.Agent) { d.agents[i] = a })
}

// ready waits for the agents' first sessions and tells the user how to begin.
func (d *dev) ready(ctx context.Context) error {
	for _, a := range d.agents {
		select {
		case <-a.Connected():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ca := filepath.Join(d.DataDir, "ca.pem")
	if err := writeFile(ca, d.cp.caPEM(), 0o644); err != nil {
		return err
	}
	lines := d.shellLines(ca)
	if err := writeFile(filepath.Join(d.DataDir, "env"), []byte(lines), 0o600); err != nil {
		return err
	}
	d.cp.web.ready.Store(true)
	_, err := io.WriteString(d.Stdout, lines)
	return err
}

// shellLines are what a shell sources to point the AWS CLI, SDKs and Terraform at this server. What is
// set in the shell that sources them stays as it is.
func (d *dev) shellLines(caFile string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# elastane is ready: source these lines, or the file %s\n", filepath.Join(d.DataDir, "env"))
	fmt.Fprintf(&b, "export AWS_ENDPOINT_URL_ELASTICACHE=%s\n", shellQuote("http://"+reachable(d.cp.web.listener.Addr())))
	if d.cp.open() {
		b.WriteString("export AWS_ACCESS_KEY_ID=\"${AWS_ACCESS_KEY_ID:-test}\" AWS_SECRET_ACCESS_KEY=\"${AWS_SECRET_ACCESS_KEY:-test}\"\n")
	}
	// Both names: some tools read only the one, some only the other.
	b.WriteString("export AWS_REGION=\"${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}\"\n")
	b.WriteString("export AWS_DEFAULT_REGION=\"${AWS_DEFAULT_REGION:-$AWS_REGION}\"\n")
	fmt.Fprintf(&b, "export ELASTANE_CA_FILE=%s\n", shellQuote(caFile))
	return b.String()
}

// reachable is an address under which a listener is reached from this machine.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
}

// shellQuote makes a word of text that a POSIX shell reads back unchanged.
func shellQuote(text string) string {
	plain := strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune("/.:_-=,@%+", r) && (r > math.MaxInt8 || !isAlphanumeric(byte(r)))
	}) < 0
	if plain && text != "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
