// Package engine is Elastane's cache engine: a Valkey/Redis-compatible in-memory store that runs
// any number of nodes in one process on shared event loops. It is a library that knows nothing of
// AWS, Postgres or agents.
//
// A Runtime owns the event loops. A Node is one server: a keyspace, its configuration, its
// replication state. A Listener hands accepted connections to the node that its route names.
package engine

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/elastane/elastane/engine/resp"
)

// RuntimeOptions configure a Runtime. The zero value is usable.
type RuntimeOptions struct {
	// Loops is the number of event loops, each on a thread of its own; 0: by the number of cores (1 on 2).
	Loops int
	// Logger gets what happens; nil: slog.Default.
	Logger *slog.Logger
	// Clock tells the time of expiry and statistics; nil: time.Now.
	Clock func() time.Time
}

// ListenOptions configure a listener.
type ListenOptions struct {
	// ReusePort lets several listeners share the address (SO_REUSEPORT); the kernel spreads connections.
	ReusePort bool
}

// Options describe a node. What can change later has a method on Node.
type Options struct {
	Name         string // for logs
	EngineNodeID string // 40 lower-case hex digits, CLUSTER MYID; "": random
	// Dir is the node's directory for its snapshot; "": no persistence.
	Dir string
	// Engine is "redis" or "valkey"; Version the full version that INFO reports, such as 7.2.6.
	Engine  string
	Version string
	// MaxMemory is in bytes, 0: no limit. MaxMemoryPolicy is Valkey's name, "": noeviction.
	MaxMemory       int64
	MaxMemoryPolicy string
	Databases       int // 0: 16
	ClusterEnabled  bool
	// Managed hides the commands that ElastiCache does not offer, and reports INFO as ElastiCache does.
	Managed bool
	// SnapshotInterval is how often a changed keyspace is saved to Dir, 0: only when asked and at the end.
	SnapshotInterval time.Duration
	// ReplicationUser is the internal user of replicas, both towards the primary and from replicas.
	ReplicationUser     string
	ReplicationPassword string
	// AnnounceHost and AnnouncePort are what the node tells clients and its primary; "" and 0: the socket's.
	AnnounceHost string
	AnnouncePort int
	// Parameters are further engine directives by name, as in a configuration file.
	Parameters map[string]string
	// Shutdown is called by the SHUTDOWN command, must return at once, and end the node soon; nil: refused.
	Shutdown func(save bool) error
	// ReplicationTLS is used for the link to the primary; nil: plain.
	ReplicationTLS *tls.Config
}

// Status is what the node observes of itself.
type Status struct {
	Role             string // "primary" or "replica"
	ReplicationID    string
	Offset           int64
	LinkUp           bool // replica: in sync with its primary
	Primary          string
	WritesPaused     bool
	AttachedReplicas int // primary: replicas in sync
	Keys             int64
	UsedMemory       int64
	Clients          int
	ClusterEpoch     uint64
	Loading          bool
}

// NewRuntime starts the event loops.
func NewRuntime(o RuntimeOptions) (*Runtime, error) { return newRuntime(o) }

// Close stops all listeners and nodes, then the loops. It returns ctx's error if they did not end in time.
func (rt *Runtime) Close(ctx context.Context) error { return rt.close(ctx) }

// Listen listens on addr (host:port; port 0 picks one). Each accepted connection goes to the node that route
// returns at that moment, and is closed if that is nil. route is called on a loop and must not block.
func (rt *Runtime) Listen(addr string, route func() *Node, o ListenOptions) (*Listener, error) {
	return rt.listen(addr, route, o)
}

// Close stops listening. Connections stay. No connection is routed after Close has returned.
func (l *Listener) Close() error { return l.close() }

// NewNode makes a node, and loads its snapshot if Dir has one. It serves once a listener routes to it.
func (rt *Runtime) NewNode(o Options) (*Node, error) { return rt.newNode(o) }

// SetTLS sets the certificate (GetCertificate or Certificates) and the mode of the connections from now on:
// required refuses plain ones, else both come on the same port. nil turns TLS off. Open connections stay.
func (n *Node) SetTLS(config *tls.Config, required bool) { n.setTLS(config, required) }

// SetAuth sets the passwords of the default user, as lower-case hexadecimal SHA-256; at most two are valid at
// once. None: no authentication. Open connections stay.
func (n *Node) SetAuth(sha256hex []string) error { return n.setAuth(sha256hex) }

// User is a user of a node for SetUsers.
type User struct {
	Name  string
	Rules []string // in the form of ACL SETUSER; passwords as #<SHA-256 in hexadecimal>
}

// SetUsers replaces all ACL users at once, or none if a rule is wrong. Connections of users that are gone are closed. Without a user
// "default" in the list that one becomes the one of a new node, which may do everything without a password.
func (n *Node) SetUsers(users []User) error { return n.setUsers(users) }

// Do runs an administrative command in process, past authentication, pauses and the restrictions of a managed
// node. An error reply is returned as a resp.Error.
func (n *Node) Do(ctx context.Context, args ...string) (resp.Value, error) { return n.do(ctx, args) }

// Status tells the node's state.
func (n *Node) Status() Status { return n.status() }

// OnChange sets the function that is called after a material change of Status: role, link, pause, attached
// replicas, loading. Calls are coalesced, and come on a goroutine of the runtime's, never under a lock.
func (n *Node) OnChange(f func()) { n.onChange(f) }

// CloseClients drops the connections of ordinary clients, as after a failover.
func (n *Node) CloseClients() { n.closeClients() }

// Close stops the node: drops its clients, ends replication, saves if it has a directory.
func (n *Node) Close(ctx context.Context) error { return n.close(ctx) }
