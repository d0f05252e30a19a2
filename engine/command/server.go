package command

import (
	"time"
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
)

// Server is one node as its commands see it: the keyspace, the configuration, and one field per mechanism.
type Server struct {
	Table *Table
	// Replication is never nil.
	Replication Replication
	// Cluster is nil if cluster mode is disabled.
	Cluster Cluster
	// Persistence is never nil.
	Persistence Persistence
	// Clock tells the time.
	Clock func() time.Time
}

// Replication is the replication mechanism, as the framework needs it (engine/repl implements it).
type Replication interface {
	// Feed appends one effect to the replication stream, in database db. It is called while the stripes of
	// the keys are locked, by several threads at once, and must not block. argv is only valid during the call.
	Feed(db int, argv [][]byte)
	// FeedTransaction appends MULTI, the effects in order, EXEC, with nothing in between.
	FeedTransaction(effects []Effect)
	// AppendInfo appends the lines of INFO's section Replication (each ending in \r\n).
	AppendInfo(dst []byte) []byte
}

// Effect is a command for the replicas.
type Effect struct {
	DB   int
	Argv [][]byte
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

// SetState sets or clears states. When it returns, every command that was let in under the old states has
// finished, and every later one sees the new states: after SetState(StatePausedWrites, true) the replication
// offset stands still.
func (s *Server) SetState(state State, on bool) { s.setState(state, on) }
