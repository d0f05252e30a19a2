package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/elastane/elastane/engine/cluster"
	"github.com/elastane/elastane/engine/command"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/repl"
	"github.com/elastane/elastane/engine/resp"
	"github.com/elastane/elastane/engine/snapshot"
)

// durability is what makes a node's data outlive the node: its snapshot file, its replication, its part in a cluster.
type durability struct {
	server      *command.Server
	replication *repl.Replication
	saver       *snapshot.Saver
	cluster     *cluster.State // nil without cluster mode
	walker      *snapshot.Walker

	// The link to the primary, which applies under one lock, uses these alone.
	worker *command.Worker
	client *command.Client
	words  resp.Writer

	mu      sync.Mutex
	replica bool
	loading bool // a snapshot of the primary is being loaded
	broken  bool // the last one broke off: the data set is empty, and nobody may take that for the truth
}

// newDurability gives a server its mechanisms and loads its snapshot. It must run before the first command.
func newDurability(ctx context.Context, server *command.Server, o Options) (*durability, error) {
	d := &durability{server: server, worker: command.NewWorker(), client: server.NewClient(nil)}
	d.client.Flags |= command.ClientPrimary
	d.client.Authenticated = true
	d.walker = &snapshot.Walker{
		Space: server.Space, Version: server.Version, Clock: server.Clock,
		Position: func() (snapshot.Position, bool) {
			p, ok := d.replication.Position()
			return snapshot.Position(p), ok
		},
	}
	d.replication = repl.New(repl.Config{
		BacklogSize: replicationBacklog(o), User: o.ReplicationUser, Password: o.ReplicationPassword, TLS: o.ReplicationTLS,
		AnnounceHost: o.AnnounceHost, AnnouncePort: o.AnnouncePort, Logger: server.Logger,
	}, d)
	d.walker.Exclude = d.replication.Locker()
	d.saver = snapshot.NewSaver(snapshot.SaverOptions{
		Dir: o.Dir, Interval: o.SnapshotInterval, Logger: server.Logger, Clock: server.Clock,
	}, d.walker)
	server.Replication, server.Persistence = d.replication, d.saver
	if o.ClusterEnabled {
		d.cluster = cluster.NewState(server.NodeID,
			func() bool { return !server.Has(command.StateReplica) },
			func() int64 { return d.replication.Status().Offset })
		server.Cluster = d.cluster
	}
	loaded, err := d.saver.Load(ctx)
	if err != nil {
		return nil, errors.Join(err, d.replication.Close(ctx))
	}
	if p := loaded.Position; p != nil {
		d.replication.Restore(repl.Position(*p))
	}
	d.saver.Start()
	return d, nil
}

// replicationBacklog is 1 MiB for a small node, else Valkey 8's 10 MiB, unless the parameters say otherwise.
func replicationBacklog(o Options) int64 {
	if n, err := strconv.ParseInt(o.Parameters["repl-backlog-size"], 10, 64); err == nil && n > 0 {
		return n
	}
	if o.MaxMemory > 0 && o.MaxMemory < 1<<30 {
		return 1 << 20
	}
	return 10 << 20
}

// close ends replication, and then saves what is not in the snapshot yet: nothing changes any more.
func (d *durability) close(ctx context.Context) error {
	return errors.Join(d.replication.Close(ctx), d.saver.Close(ctx))
}

// fill adds what is known here to the node's status.
func (d *durability) fill(s *Status) {
	r := d.replication.Status()
	s.Role = "primary"
	if r.Replica {
		s.Role = "replica"
	}
	s.ReplicationID, s.Offset, s.LinkUp, s.Primary, s.AttachedReplicas = r.ReplicationID, r.Offset, r.LinkUp, r.Primary, r.Attached
	s.Loading = d.server.Has(command.StateLoading)
	s.WritesPaused = d.server.Has(command.StatePausedWrites | command.StatePausedAll)
	if d.cluster != nil {
		s.ClusterEpoch = d.cluster.Table().Epoch()
	}
}

var errNoCluster = errors.New("engine: the node is not in cluster mode")

func (d *durability) setClusterMap(m cluster.Map) error {
	if d.cluster == nil {
		return errNoCluster
	}
	return d.cluster.SetMap(m)
}

// The rest is repl.Host.

// WriteSnapshot writes the data set as it is at one moment.
func (d *durability) WriteSnapshot(ctx context.Context, w io.Writer, atCut func()) error {
	return d.walker.Write(ctx, w, atCut)
}

// LoadSnapshot replaces the data set.
func (d *durability) LoadSnapshot(ctx context.Context, r *bufio.Reader) (streamDB int, err error) {
	d.mu.Lock()
	d.loading = true
	d.mu.Unlock()
	d.server.SetState(command.StateLoading, true)
	d.flush()
	l, err := snapshot.Load(ctx, r, d.server.Space, d.server.Clock())
	if err != nil {
		d.flush()
	}
	d.mu.Lock()
	d.loading, d.broken = false, err != nil
	serve := !d.broken || !d.replica
	d.mu.Unlock()
	if serve {
		d.server.SetState(command.StateLoading, false)
	}
	return l.StreamDB, err
}

// flush empties the data set, and gives the memory back at once: a whole new data set is about to need it.
func (d *durability) flush() {
	var v keyspace.View
	v.Begin(d.server.Space, keyspace.AllStripes, 0, d.server.Clock().UnixMilli(), keyspace.ExpiryIgnore)
	v.FlushAll(false)
	v.End()
	d.server.InvalidateAll()
}

// Apply runs commands of the primary's stream.
func (d *durability) Apply(db int, commands [][][]byte) error {
	w := &d.words
	w.Buf = w.Buf[:0]
	if len(commands) > 1 {
		w.CommandStrings("MULTI")
	}
	for _, argv := range commands {
		w.Command(argv...)
	}
	if len(commands) > 1 {
		w.CommandStrings("EXEC")
	}
	d.client.DB = db
	d.worker.Reply.Buf = d.worker.Reply.Buf[:0]
	n, _, _ := d.worker.Run(d.server, d.client, w.Buf)
	if n != len(w.Buf) {
		return fmt.Errorf("engine: %d of %d bytes of the primary's stream were executed", n, len(w.Buf))
	}
	if cap(w.Buf) > 1<<20 {
		w.Buf = nil
	}
	if replies := d.worker.Reply.Buf; len(commands) > 1 || len(replies) > 0 && replies[0] == byte(resp.KindError) {
		return firstError(replies)
	}
	return nil
}

// firstError returns the first error among replies, within EXEC's as well.
func firstError(replies []byte) error {
	for len(replies) > 0 {
		v, n, err := resp.ParseReply(replies)
		if err != nil {
			return err
		}
		if err := v.Err(); err != nil {
			return err
		}
		for _, e := range v.Elems {
			if err := e.Err(); err != nil {
				return err
			}
		}
		replies = replies[n:]
	}
	return nil
}

// SetRole lets clients write, or not.
func (d *durability) SetRole(replica, linkUp bool) {
	d.mu.Lock()
	d.replica = replica
	serve := !replica && !d.loading
	d.mu.Unlock()
	d.server.SetState(command.StateReplica, replica)
	d.server.SetState(command.StateLinkDown, replica && !linkUp)
	if serve {
		d.server.SetState(command.StateLoading, false)
	}
}

// Quiesce waits for the commands that were let in before: they are through when all stripes have been held.
func (d *durability) Quiesce() {
	d.server.Space.Lock(keyspace.AllStripes)
	d.server.Space.Unlock(keyspace.AllStripes)
}

// Demoted answers the clients that wait.
func (d *durability) Demoted() { d.server.Demoted() }

// Changed passes on that the status has changed.
func (d *durability) Changed() {
	if d.server.Host != nil {
		d.server.Host.Changed()
	}
}
