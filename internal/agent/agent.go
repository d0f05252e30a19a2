// Package agent runs cache nodes on a machine as the control plane wants them: it enrols, keeps a
// session, holds the last specs on disk, and brings each node and endpoint to its spec. Nodes run on
// from the stored specs when the control plane is away.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent/driver"
)

// Options configures an Agent.
type Options struct {
	ServerURL string // https://host:port of the control plane's agent listener
	// JoinToken is needed until the agent has enrolled, and ignored after that.
	JoinToken string
	DataDir   string // identity, specs and the nodes' data; one agent per directory
	Zone      string // us-east-1a; "*a" offers zone a of every region
	Host      string // for placement's anti-affinity; default: the machine's name
	Version   string // of the program

	// MemoryBytes and VCPUs are what the agent offers to nodes; 0: what the machine has.
	MemoryBytes uint64
	VCPUs       uint32
	// Overcommit multiplies the memory and vCPUs on offer; 0 means 1. dev uses a large factor, so
	// that a laptop can hold production node types.
	Overcommit float64

	AddressMode   agentv1.AddressMode // default loopback
	AdvertiseHost string              // ports mode: the host that clients use
	ClusterHost   string              // ports mode: the host that nodes bind and other agents dial
	PortMin       uint32              // ports mode: inclusive range
	PortMax       uint32

	Drivers []driver.Driver // owned by the caller; must outlive the agent
	Logger  *slog.Logger
	Now     func() time.Time
}

// Agent is one node agent.
type Agent struct{ opts Options }

// New checks the options and makes an Agent; nothing runs before Start.
func New(opts Options) (*Agent, error) { return &Agent{opts: opts}, nil }

// Start opens the data directory, brings up the nodes of the stored specs, and begins to look for
// the control plane. It does not wait for the control plane.
func (a *Agent) Start(ctx context.Context) error { return errors.New("agent: not connected yet") }

// Stop ends the session and stops the nodes in order, keeping their data. ctx bounds the wait.
func (a *Agent) Stop(ctx context.Context) error { return nil }

// Connected is closed once the first session is welcomed; dev waits for it before it says ready.
func (a *Agent) Connected() <-chan struct{} { return nil }
