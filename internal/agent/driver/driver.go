// Package driver is the seam between the agent and the programs that are cache nodes. A driver starts
// nodes of one kind; the agent brings each to its spec with the same standard admin commands
// (REPLICAOF, CLIENT PAUSE, …), whatever the driver.
package driver

import (
	"context"
	"crypto/tls"
	"errors"
	"io"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
)

// ErrNoHandOver is what Listen returns where a driver's nodes cannot take over a connection that the
// agent's process accepted; the agent then forwards bytes.
var ErrNoHandOver = errors.New("this driver cannot hand connections over")

// Driver starts nodes of one kind.
type Driver interface {
	// Name is the driver's name in specs: embedded, valkey, redis, memcached.
	Name() string
	// Start starts a node on what its directory holds. The node answers Do, but no client: it does not
	// listen before Listen, so that its role can be set first.
	Start(ctx context.Context, o Options) (Node, error)
	// Listen accepts connections on host:port, which others may listen on too (SO_REUSEPORT), and gives
	// each to the node that route names at that moment; nil closes the connection. route must not
	// block. Closing the result stops accepting and leaves connections alone. A driver that cannot do
	// this returns ErrNoHandOver.
	Listen(addr string, route func() Node) (io.Closer, error)
}

// Options are what a node needs to start; a change of any of them means a restart.
type Options struct {
	Name                string // for logs
	Dir                 string // the node's own, existing; the driver keeps the data there
	Engine              string // redis or valkey
	EngineVersion       string
	EngineNodeID        string // 40 hex digits
	ListenAddr          string // host:port
	AnnounceHost        string
	AnnouncePort        int
	ClusterEnabled      bool
	ReplicationPassword string
	// ReplicationTLS is for the link to the primary; nil: plain.
	ReplicationTLS *tls.Config
	// Config is in force from the start.
	Config Config
}

// Config is what can change while a node runs. It is always whole.
type Config struct {
	MaxMemoryBytes int64
	Parameters     map[string]string // engine directives
	AuthSHA256     []string          // lower-case hex; empty: no AUTH
	TLS            *tls.Config       // nil: off
	TLSRequired    bool              // false with TLS: both on one port
	ClusterMap     *agentv1.ClusterMap
}

// Node is one running node.
type Node interface {
	// Configure brings the node to c. Doing it twice is harmless.
	Configure(ctx context.Context, c Config) error
	// Listen opens the node's own address to clients. An address that is in use is an error here.
	Listen(ctx context.Context) error
	// Do runs an admin command. An error reply is an error.
	Do(ctx context.Context, args ...string) error
	// Status is what the node says of itself. It does not block.
	Status() Status
	// Events has a value after a material change of Status; changes that come together make one value.
	Events() <-chan struct{}
	// CloseClients drops the connections of ordinary clients, as after a failover.
	CloseClients()
	// Close stops the node and keeps its data. The node is gone afterwards, whatever is returned.
	Close(ctx context.Context) error
}

// Status is what a node says of itself.
type Status struct {
	Role             agentv1.Role
	ReplicationID    string
	Offset           uint64
	LinkUp           bool // replica: in sync with its primary
	WritesPaused     bool
	AttachedReplicas uint32 // primary: in sync
	UsedMemoryBytes  uint64
	Keys             uint64
	ClusterMapEpoch  uint64
	Err              error // not nil: the node has stopped by itself
}
