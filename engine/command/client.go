package command

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastane/elastane/engine/acl"
	"github.com/elastane/elastane/engine/resp"
)

// ClientFlags are the states of a client that are yes or no.
type ClientFlags uint32

// The states of a client.
const (
	ClientInternal       ClientFlags = 1 << iota // in process (Node.Do): past auth, pauses and managed restrictions
	ClientReplication                            // authenticated as the internal replication user
	ClientReplica                                // a replica is attached through this connection
	ClientPrimary                                // the link to our primary: its commands are applied, not answered
	ClientMulti                                  // in MULTI
	ClientExec                                   // its transaction is being executed
	ClientDirtyExec                              // a command was refused while queueing
	ClientReadOnlyMode                           // READONLY was sent (cluster mode)
	ClientReplyOff                               // CLIENT REPLY OFF
	ClientReplySkip                              // the current command has no reply
	ClientReplySkipNext                          // CLIENT REPLY SKIP: the next one has none
	ClientNoEvict                                // CLIENT NO-EVICT
	ClientNoTouch                                // CLIENT NO-TOUCH
	ClientMonitor                                // MONITOR was sent
	ClientCaching                                // CLIENT CACHING was sent: holds for the next command
	ClientBrokenRedirect                         // the client that was to get the invalidations is gone
	ClientScript                                 // its script is running
)

// Client is one client of one node. It belongs to the loop of its connection: only that thread reads and
// writes it, unless a method says otherwise.
type Client struct {
	ID      int64
	Name    string
	LibName string
	LibVer  string
	User    string // "default", an ACL user's or the replication user's name
	Flags   ClientFlags
	Proto   int // 2 or 3
	DB      int
	Created time.Time
	// LastActive is the time of the last command in Unix milliseconds, LastSpec the command.
	LastActive int64
	LastSpec   *Spec

	Authenticated bool
	// Conn is nil for clients in process.
	Conn Conn
	// Replication is for the replication commands: the state of an attached replica.
	Replication any

	account *acl.Account // nil: may do everything (in process)
	closing bool         // close once the replies are out

	tx      *transaction
	watched []dbKey
	touched atomic.Bool // a watched key was changed; set by any loop
	shown   atomic.Pointer[clientState]
	stale   bool // shown is behind what it should tell
	block   blocking
	wakes   atomic.Int32 // calls of Wake that have not come to their turn on the loop
	subs    subscriptions

	// NetIn and NetOut count the bytes of the connection.
	NetIn, NetOut int64
	commands      int64

	tracking atomic.Pointer[tracking] // nil: no client-side caching
	casts    pendingKeys
}

// Ender is what Client.Replication may be to hear that the client has ended.
type Ender interface{ Ended() }

// Has tells whether one of the flags is set.
func (c *Client) Has(f ClientFlags) bool { return c.Flags&f != 0 }

// CloseAfterReply closes the connection when the reply of the current command is out.
func (c *Client) CloseAfterReply() { c.closing = true }

// Closing tells whether CloseAfterReply was called.
func (c *Client) Closing() bool { return c.closing }

// Conn is what a client needs of its connection (engine implements it). Post and Close may be used from any
// goroutine; the rest only on the connection's loop.
type Conn interface {
	// Post runs f on the connection's loop soon, unless the connection is closed by then.
	Post(f func())
	// Loop names the loop: a Worker of the same loop may call the rest directly.
	Loop() any
	// Push writes a message outside of the request-reply order (pub/sub), at the end of the current command
	// or of the loop's turn.
	Push(write func(w *resp.Writer))
	// Close drops the connection soon.
	Close()
	// Resume hands input that was kept back (blocked, paused) to the Worker again.
	Resume()
	// After runs f on the loop once d has passed, unless stop is called before.
	After(d time.Duration, f func()) (stop func())
	// Hijack takes the connection off its loop after the current command and gives it to f, on a goroutine
	// that f's owner waits for, as a blocking net.Conn (TLS included). Replies written before are sent first.
	Hijack(f func(net.Conn))
	// RemoteAddr and LocalAddr are host:port.
	RemoteAddr() string
	LocalAddr() string
	// FD is the descriptor's number, Buffers the bytes of unread input and unsent output, for CLIENT LIST.
	FD() int
	Buffers() (in, out int)
	// TLS tells whether the connection is encrypted.
	TLS() bool
	// SetPubSub says that the client became or ceased to be a subscriber, for the output buffer limit.
	SetPubSub(on bool)
}

// Clients are the connected clients of a node.
type Clients struct {
	nextID atomic.Int64
	mu     sync.Mutex
	all    map[int64]*Client
	count  atomic.Int64
}

// Len returns the number of connected clients.
func (cs *Clients) Len() int { return int(cs.count.Load()) }

// List returns the clients in order of their ids. Their fields belong to their loops.
func (cs *Clients) List() []*Client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	list := make([]*Client, 0, len(cs.all))
	for _, c := range cs.all {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *Client) int { return int(a.ID - b.ID) })
	return list
}

// NewClient makes a client of the node. conn nil: a client in process, which is not listed.
func (s *Server) NewClient(conn Conn) *Client {
	now := s.Clock()
	c := &Client{
		ID: s.Clients.nextID.Add(1), Proto: 2,
		Created: now, LastActive: now.UnixMilli(), Conn: conn,
	}
	s.becomeDefault(c)
	if conn == nil {
		c.Flags |= ClientInternal
		return c
	}
	c.publish()
	s.Clients.mu.Lock()
	if s.Clients.all == nil {
		s.Clients.all = make(map[int64]*Client)
	}
	s.Clients.all[c.ID] = c
	s.Clients.mu.Unlock()
	s.Clients.count.Add(1)
	s.Stats.Connections.Add(1)
	return c
}

// CloseClients drops the connections of all ordinary clients; from any goroutine.
func (s *Server) CloseClients() {
	for _, c := range s.Clients.List() {
		if st := c.snapshot(); st.flags&(ClientReplication|ClientReplica) == 0 {
			c.Conn.Close()
		}
	}
}

// Evictable tells whether an idle client may be dropped: not subscribers, and not those that wait.
func (c *Client) Evictable() bool {
	return !c.subs.any() && !c.block.active && !c.Has(ClientReplica|ClientReplication|ClientMonitor)
}

// LikeSubscriber tells whether the client's output is limited as a subscriber's; on the client's loop.
func (c *Client) LikeSubscriber() bool { return c.subs.any() || c.Has(ClientMonitor) }

// EndClient forgets a client whose connection has ended.
func (s *Server) EndClient(c *Client) {
	s.endBlock(c)
	s.unhold(c)
	s.watches.remove(c)
	s.unsubscribeAll(c)
	s.monitor.remove(c)
	if c.tracking.Load() != nil {
		s.track(c, nil)
	}
	if e, ok := c.Replication.(Ender); ok {
		e.Ended()
	}
	c.tx = nil
	s.Clients.mu.Lock()
	_, there := s.Clients.all[c.ID]
	delete(s.Clients.all, c.ID)
	s.Clients.mu.Unlock()
	if there {
		s.Clients.count.Add(-1)
	}
}

// clientState is what other clients may see of a client.
type clientState struct {
	name, user, libName, libVer, remote, local, command string
	flags                                               ClientFlags
	proto, db, fd, in, out, multi, watch                int
	channels, patterns, shards                          int
	lastActive, redirect, netIn, netOut, commands       int64
	broadcast                                           bool
	blocked, tls                                        bool
}

// snapshot reads the client's state as its loop has last published it, so that a reader on another loop needs no lock.
func (c *Client) snapshot() clientState {
	if st := c.shown.Load(); st != nil {
		return *st
	}
	return clientState{user: c.User, proto: 2, redirect: -1}
}

// publish makes the client's state visible to other loops; on the client's own loop.
func (c *Client) publish() {
	st := clientState{
		name: c.Name, user: c.User, libName: c.LibName, libVer: c.LibVer, command: "NULL",
		flags: c.Flags, proto: c.Proto, db: c.DB, watch: len(c.watched), multi: -1,
		channels: len(c.subs.names[0]), patterns: len(c.subs.names[1]), shards: len(c.subs.names[2]),
		lastActive: c.LastActive, blocked: c.block.active, redirect: c.tracking.Load().redirected(),
		netIn: c.NetIn, netOut: c.NetOut, commands: c.commands,
	}
	if t := c.tracking.Load(); t != nil {
		st.broadcast = t.broadcast
	}
	if c.tx != nil {
		st.multi = len(c.tx.queued)
	}
	if c.LastSpec != nil {
		st.command = c.LastSpec.FullName()
	}
	if c.Conn != nil {
		st.remote, st.local, st.fd = c.Conn.RemoteAddr(), c.Conn.LocalAddr(), c.Conn.FD()
		st.in, st.out = c.Conn.Buffers()
		st.tls = c.Conn.TLS()
	}
	c.shown.Store(&st)
}
