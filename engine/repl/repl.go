package repl

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Host is the data set that is replicated, and the node around it.
type Host interface {
	// WriteSnapshot writes the data set as it is at one moment to w in the RDB format. atCut is called once, at that
	// moment, with every writer excluded, and before the first byte reaches w.
	WriteSnapshot(ctx context.Context, w io.Writer, atCut func()) error
	// LoadSnapshot replaces the data set by the snapshot in r, of which it consumes exactly the snapshot. While it runs
	// clients are answered LOADING; after an error the data set is empty. It stops soon after ctx ends. streamDB is what the
	// snapshot says about the database that the stream has selected (aux field repl-stream-db), 0 if nothing.
	LoadSnapshot(ctx context.Context, r *bufio.Reader) (streamDB int, err error)
	// Apply runs commands of the primary's stream in database db, together if there are several (a transaction), past
	// everything that holds ordinary clients back. An error means that this data set and the primary's have parted.
	Apply(db int, commands [][][]byte) error
	// SetRole is called at each change of role or link: commands that begin after it follow the new one. It does not wait.
	SetRole(replica, linkUp bool)
	// Quiesce returns when every command that was let in before has finished (but the one that calls it).
	Quiesce()
	// Demoted is called after a primary became a replica: clients that wait in a blocking or paused command have to be
	// told an error, and none of those commands may run any more.
	Demoted()
	// Changed is called after a material change of Status. It must not block.
	Changed()
}

// Config is what a node's replication needs to know. Zero values mean the defaults of Valkey's configuration.
type Config struct {
	BacklogSize  int64         // bytes of history kept for partial resynchronisation (repl-backlog-size); 0: 10 MiB
	OutputLimit  int64         // bytes a replica may be behind before it is dropped; 0: 256 MiB
	Timeout      time.Duration // of a silent link (repl-timeout); 0: 60 s
	PingPeriod   time.Duration // repl-ping-replica-period; 0: 10 s
	User         string        // towards the primary; "" with a password: the default user
	Password     string
	TLS          *tls.Config // for the link to the primary; nil: plain
	AnnounceHost string      // what this node tells its primary; "": the socket's address
	AnnouncePort int
	Logger       *slog.Logger
}

// Status is what replication observes of itself.
type Status struct {
	Replica       bool
	ReplicationID string
	Offset        int64
	LinkUp        bool   // replica: in sync with its primary
	Primary       string // replica: host:port
	Attached      int    // replicas in sync
	Syncing       bool   // a full synchronisation from the primary is under way
}

// Replication is one node's replication. It starts as a primary.
type Replication struct {
	cfg  Config
	host Host

	// apply is held while a command of the primary is applied and appended, and at each change of role: who holds it sees
	// a data set that belongs exactly to the stream's end. Order of locks: apply, stripes of the keyspace, mu, stream.mu.
	apply sync.Mutex

	// active is read without a lock by Feed: a primary without a stream has nothing to feed.
	active atomic.Pointer[stream]

	mu     sync.Mutex
	stream *stream // nil: no history yet (a primary that never had a replica)
	// known says that the data set is that of offset stream.end in history id. It is not while a full synchronisation
	// runs, nor after a broken one.
	known                                 bool
	id                                    string
	id2                                   string // the history before the last promotion, …
	id2Offset                             int64  // … valid for PSYNC offsets up to this one
	attached                              map[*attached]struct{}
	link                                  *link // nil: primary
	streamDB                              int   // replica: the database that the primary's stream has selected
	gen                                   int   // counts changes of role and link, for publish
	paused                                bool
	closed                                bool
	waiters                               map[*Waiter]struct{}
	fullSyncs, partialSyncs, refusedSyncs int64

	owned  sync.WaitGroup // every goroutine of this Replication
	ctx    context.Context
	cancel context.CancelFunc
}

// New returns the replication of a primary without history. Close must follow.
func New(cfg Config, host Host) *Replication {
	def(&cfg.BacklogSize, 10<<20)
	def(&cfg.OutputLimit, 256<<20)
	def(&cfg.Timeout, 60*time.Second)
	def(&cfg.PingPeriod, 10*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	r := &Replication{
		cfg: cfg, host: host, id: newID(),
		attached: make(map[*attached]struct{}), waiters: make(map[*Waiter]struct{}),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func def[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

func newID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	return hex.EncodeToString(b[:])
}

// Close ends the link and every attached replica, and waits for their goroutines until ctx ends.
func (r *Replication) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	link := r.link
	all := r.attachedList()
	r.mu.Unlock()
	r.cancel()
	if link != nil {
		link.stop()
	}
	for _, a := range all {
		a.end(errStreamClosed)
	}
	done := make(chan struct{})
	go func() {
		r.owned.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Replication) attachedList() []*attached {
	all := make([]*attached, 0, len(r.attached))
	for a := range r.attached {
		all = append(all, a)
	}
	return all
}

// Feed appends one effect to the stream. It is called by writers that hold the locks of the keys they change.
func (r *Replication) Feed(db int, argv [][]byte) {
	s := r.active.Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	s.command(db, argv)
	s.mu.Unlock()
}

// Command is one effect of a transaction.
type Command struct {
	DB   int
	Argv [][]byte
}

var (
	wordMulti = [][]byte{[]byte("MULTI")}
	wordExec  = [][]byte{[]byte("EXEC")}
	wordPing  = [][]byte{[]byte("PING")}
	getAck    = [][]byte{[]byte("REPLCONF"), []byte("GETACK"), []byte("*")}
)

// FeedTransaction appends MULTI, the n effects that at returns, and EXEC, with nothing in between.
func (r *Replication) FeedTransaction(n int, at func(i int) (db int, argv [][]byte)) {
	s := r.active.Load()
	if s == nil || n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range n {
		db, argv := at(i)
		if i == 0 {
			s.command(-1, wordMulti)
		}
		s.command(db, argv)
	}
	s.command(-1, wordExec)
}

// SetPaused says whether the writes of clients are paused. While they are, the stream gets no PING and no GETACK
// either, so that the offset stands still.
func (r *Replication) SetPaused(paused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = paused
	if r.stream != nil {
		r.stream.mu.Lock()
		r.stream.frozen = paused
		r.stream.mu.Unlock()
	}
}

// service appends a command that no client asked for, unless the offset has to stand still.
func (r *Replication) service(argv [][]byte) {
	s := r.active.Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	if !s.frozen {
		s.command(-1, argv)
	}
	s.mu.Unlock()
}

// history makes sure that there is a history that replicas can follow. Call with mu held, on a primary.
func (r *Replication) history() {
	if r.known {
		return
	}
	// Writes before now were counted nowhere: an id and an offset must not reach back over them.
	r.id, r.id2, r.id2Offset = newID(), "", 0
	r.setStream(newStream(1, r.cfg.BacklogSize, r.cfg.OutputLimit))
}

// setStream replaces the stream; the old one's readers end. Call with mu held.
func (r *Replication) setStream(s *stream) {
	if old := r.stream; old != nil {
		old.close()
	}
	s.frozen = r.paused
	first := r.stream == nil
	r.stream, r.known = s, true
	if r.link == nil {
		r.active.Store(s)
	}
	if first && !r.closed {
		r.owned.Add(1)
		go r.pinger()
	}
}

func (r *Replication) pinger() {
	defer r.owned.Done()
	t := time.NewTicker(r.cfg.PingPeriod)
	defer t.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-t.C:
		}
		r.mu.Lock()
		n := len(r.attached)
		r.mu.Unlock()
		if n > 0 {
			r.service(wordPing)
		}
	}
}

// Locker excludes the application of the primary's stream: hold it around the cut of a snapshot that has to belong to
// Position. (On a primary the cut's own locks are enough, and it does no harm.)
func (r *Replication) Locker() sync.Locker { return &r.apply }

// Position is a place in a history.
type Position struct {
	ID     string
	Offset int64
	DB     int // that the stream has selected there
}

// Position is where the data set stands in its history; ok is false if it has none that another node could share. Only
// at a cut (Host.WriteSnapshot's atCut) does it belong to what was saved.
func (r *Replication) Position() (p Position, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		return Position{}, false
	}
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	p = Position{ID: r.id, Offset: r.stream.end, DB: max(r.stream.db, 0)}
	if r.link != nil {
		p.DB = r.streamDB
	}
	return p, true
}

// Restore sets the position that a snapshot was saved with, before the node serves anyone. The node may go on in
// that history as a replica; as a primary it starts a new one that replicas of exactly this offset can follow.
func (r *Replication) Restore(p Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.id, r.id2, r.id2Offset = newID(), p.ID, p.Offset+1
	r.streamDB = p.DB
	r.setStream(newStream(p.Offset, r.cfg.BacklogSize, r.cfg.OutputLimit))
}

// Status tells the state.
func (r *Replication) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := Status{ReplicationID: r.id, Offset: r.offset()}
	for a := range r.attached {
		if a.online {
			st.Attached++
		}
	}
	if r.link != nil {
		st.Replica, st.Primary = true, r.link.address()
		st.LinkUp, st.Syncing = r.link.up, r.link.syncing
	}
	return st
}

// offset of the stream's end; 0 if the data set belongs to no offset, so that nobody takes an empty replica for one that is
// far ahead. Call with mu held.
func (r *Replication) offset() int64 {
	if !r.known {
		return 0
	}
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	return r.stream.end
}

// ReplicaOf makes the node a replica of host:port. It returns when no write of a client can be acknowledged any more;
// the link is built in the background.
func (r *Replication) ReplicaOf(host string, port int) {
	r.apply.Lock()
	r.mu.Lock()
	old := r.link
	if r.closed || old != nil && old.host == host && old.port == port {
		r.mu.Unlock()
		r.apply.Unlock()
		return
	}
	l := newLink(r, host, port)
	r.link = l
	r.gen++
	r.owned.Add(1)
	all := r.attachedList()
	r.mu.Unlock()
	if old != nil {
		l.after = old.done
		old.stop()
	}
	r.apply.Unlock()

	r.publish()
	if old == nil {
		// Commands that were let in before still feed the stream, as they should. When they are through, the
		// offset is final, and the link can ask for what follows it.
		r.host.Demoted()
		r.host.Quiesce()
		r.mu.Lock()
		if r.link != nil {
			r.active.Store(nil)
		}
		r.mu.Unlock()
	}
	// Replicas of ours ask again, and learn what history they follow now.
	for _, a := range all {
		a.end(errRoleChanged)
	}
	go l.run()
	r.host.Changed()
}

// Promote makes the node a primary, at once. Its history goes on under a new id; the old one stays valid up to here.
func (r *Replication) Promote() {
	r.apply.Lock()
	r.mu.Lock()
	old := r.link
	if old == nil {
		r.mu.Unlock()
		r.apply.Unlock()
		return
	}
	r.link = nil
	r.gen++
	if r.known {
		r.rename(newID())
		r.stream.mu.Lock()
		r.stream.db = -1
		r.stream.mu.Unlock()
		r.active.Store(r.stream)
	} else {
		r.id, r.id2, r.id2Offset = newID(), "", 0
		r.active.Store(nil)
	}
	all := r.attachedList()
	r.mu.Unlock()
	old.stop()
	r.apply.Unlock()

	r.publish()
	for _, a := range all {
		a.end(errRoleChanged)
	}
	r.host.Changed()
}

// rename lets the history go on under another id, and keeps the old one up to here. Call with mu held.
func (r *Replication) rename(id string) {
	r.id2, r.id2Offset = r.id, r.offset()+1
	r.id = id
}

// publish tells the host the role and the link's state. Several may run at once: the last one to read is the last to tell.
func (r *Replication) publish() {
	for {
		r.mu.Lock()
		gen, replica, up := r.gen, r.link != nil, r.link != nil && r.link.up
		r.mu.Unlock()
		r.host.SetRole(replica, up)
		r.mu.Lock()
		same := gen == r.gen
		r.mu.Unlock()
		if same {
			return
		}
	}
}

func joinHostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
