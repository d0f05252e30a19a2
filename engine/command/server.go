package command

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastane/elastane/engine/acl"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/pubsub"
)

// State is a set of conditions of a node that the gate looks at before each command.
type State uint32

// The states of a node.
const (
	StateReplica      State = 1 << iota // it follows a primary: ordinary clients may not write
	StateLinkDown                       // a replica without its primary
	StateLoading                        // the data set is being loaded
	StatePausedWrites                   // CLIENT PAUSE … WRITE
	StatePausedAll                      // CLIENT PAUSE … ALL
	StateClosed                         // the node is gone: nothing is executed any more
)

// standsStill are the states in which no key may expire or be evicted by this node itself: its offset has to stand still,
// or belongs to its primary.
const standsStill = StateReplica | StatePausedWrites | StatePausedAll

// ServerOptions are what a Server is made of. Table, Persistence and Replication may be set later, before the
// first command.
type ServerOptions struct {
	Table     *Table
	Engine    string // "redis" or "valkey"
	Version   string
	NodeID    string // 40 hex digits
	Managed   bool   // hide Restricted commands, report INFO as ElastiCache does
	Databases int
	Clock     func() time.Time
	Logger    *slog.Logger
}

// Server is one node as its commands see it: the keyspace, the configuration, and one field per mechanism.
type Server struct {
	ServerOptions
	Space  *keyspace.Space
	Config *Config
	PubSub pubsub.Registry
	// Replication and Persistence are never nil once commands run.
	Replication Replication
	Persistence Persistence
	// Cluster is nil if cluster mode is disabled.
	Cluster Cluster
	Auth    Auth
	Clients Clients
	Stats   Stats
	// Host is the process around the node.
	Host Host

	RunID   string // 40 hex digits, new at each start
	Started time.Time

	state   atomic.Uint32
	keeping sync.RWMutex // held for reading while keys are expired or evicted on nobody's behalf
	pauses  pauses
	watches watches
	waiting waiting

	tracking trackers
}

// Host is what a node's commands can ask of the process around it (engine implements it). Nil methods do not
// exist: tests that need none embed NoHost.
type Host interface {
	// Shutdown ends the node (SHUTDOWN, elastane engine); it returns at once. An error says that it cannot.
	Shutdown(save bool) error
	// Port is what INFO shows as tcp_port; TLS tells whether TLS is on.
	Port() int
	TLS() bool
	// Changed is called after a material change of the state. It must not block.
	Changed()
	// Applied is called after CONFIG SET changed a directive, for mechanisms outside of this package.
	Applied(directive string)
}

// Replication is the replication mechanism, as the framework needs it (engine/repl implements it).
type Replication interface {
	// Feed appends one effect to the replication stream, in database db. It is called while the stripes of
	// the keys are locked, by several threads at once, and must not block. argv is only valid during the call.
	Feed(db int, argv [][]byte)
	// FeedTransaction appends MULTI, the n effects that at returns, and EXEC, with nothing in between.
	FeedTransaction(n int, at func(i int) (db int, argv [][]byte))
	// SetPaused says that writes are paused, so that the offset has to stand still, or go on.
	SetPaused(paused bool)
	// AppendInfo appends the lines of INFO's section Replication (each ending in \r\n).
	AppendInfo(dst []byte) []byte
}

// Cluster is the slot map of a node in cluster mode (engine/cluster implements it).
type Cluster interface {
	// Redirect returns the error text (MOVED, CROSSSLOT, CLUSTERDOWN, …) if this node must not run spec for
	// client on the keys, whose indices in argv are given; "" lets it pass.
	Redirect(client *Client, spec *Spec, argv [][]byte, keys []int) string
}

// Persistence saves the keyspace to the node's directory.
type Persistence interface {
	// Save writes a snapshot before it returns.
	Save() error
	// SaveInBackground starts a snapshot; an error if one is running.
	SaveInBackground() error
	// AppendInfo appends the lines of INFO's section Persistence (each ending in \r\n).
	AppendInfo(dst []byte) []byte
	// LastSave is the time of the last snapshot.
	LastSave() time.Time
}

// NewServer makes a node's server side with an empty keyspace.
func NewServer(o ServerOptions) *Server {
	if o.Databases <= 0 {
		o.Databases = 16
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Server{ServerOptions: o, RunID: randomHex(20), Started: o.Clock()}
	s.Auth.Users = acl.NewRegistry(o.Table.catalog)
	s.Config = newConfig(s)
	s.Space = keyspace.New(keyspace.Options{Databases: o.Databases, Hook: s.keyChanged})
	return s
}

// State returns the current states.
func (s *Server) State() State { return State(s.state.Load()) }

// Has tells whether one of the states is set.
func (s *Server) Has(state State) bool { return s.State()&state != 0 }

// SetState sets or clears states. When it returns, every command that was let in under the old states has
// finished, and every later one sees the new states: after SetState(StatePausedWrites, true) the replication
// offset stands still. The caller must hold no stripe.
func (s *Server) SetState(state State, on bool) {
	for {
		old := s.state.Load()
		next := old | uint32(state)
		if !on {
			next = old &^ uint32(state)
		}
		if next == old {
			return
		}
		if s.state.CompareAndSwap(old, next) {
			break
		}
	}
	// Expiry and eviction have looked at the state once they hold keeping.
	s.keeping.Lock()
	s.keeping.Unlock() //nolint:staticcheck // to wait is all
	// Commands look at the state again once they hold their stripes (Worker.call): having held all of them
	// once, we know that nobody is past that look with the old state.
	s.Space.Lock(keyspace.AllStripes)
	s.Space.Unlock(keyspace.AllStripes)
	if s.Host != nil {
		s.Host.Changed()
	}
}

// ExpiryMode is how a View for an ordinary client treats keys whose time has come: a replica, or a primary whose
// offset has to stand still, leaves their deletion to later.
func (s *Server) ExpiryMode() keyspace.Expiry {
	if s.Has(standsStill) {
		return keyspace.ExpiryHide
	}
	return keyspace.ExpiryDelete
}

// deletion is the word with which replicas are told of a deletion that a directive lets be done lazily.
func (s *Server) deletion(lazy string) []byte {
	if s.Config.Bool(lazy) {
		return wordUNLINK
	}
	return wordDEL
}

// keyChanged is the keyspace's hook: it runs under the stripe of the key.
func (s *Server) keyChanged(db int, key []byte, ev keyspace.Event) {
	if ev == keyspace.EventNew || ev == keyspace.EventMiss {
		if classes := s.Config.notify.Load(); !s.Has(StateLoading) {
			s.notify(classes, db, key, ev)
		}
		return
	}
	switch ev {
	case keyspace.EventExpired:
		argv := [2][]byte{s.deletion("lazyfree-lazy-expire"), key}
		s.Replication.Feed(db, argv[:])
	case keyspace.EventEvicted:
		argv := [2][]byte{s.deletion("lazyfree-lazy-eviction"), key}
		s.Replication.Feed(db, argv[:])
	}
	s.watches.touch(db, key)
	s.invalidate(key)
	s.waiting.signal(db, key)
	if classes := s.Config.notify.Load(); classes != 0 && ev.Class != 0 {
		s.notify(classes, db, key, ev)
	}
}
