package command

import (
	"net"
	"time"

	"github.com/elastane/elastane/engine/resp"
)

// ClientFlags are the states of a client that are yes or no.
type ClientFlags uint32

// The states of a client.
const (
	ClientInternal        ClientFlags = 1 << iota // in process (Node.Do): past auth, pauses and managed restrictions
	ClientReplication                             // authenticated as the internal replication user
	ClientReplica                                 // a replica is attached through this connection
	ClientPrimary                                 // the link to our primary: its commands are applied, not answered
	ClientMulti                                   // in MULTI
	ClientDirtyCAS                                // a watched key was changed
	ClientDirtyExec                               // a command was refused while queueing
	ClientReadOnlyMode                            // READONLY was sent (cluster mode)
	ClientCloseAfterReply                         // close when the replies are out
	ClientReplyOff                                // CLIENT REPLY OFF
	ClientReplySkip                               // CLIENT REPLY SKIP: the next reply
	ClientReplySkipNext                           // SKIP was the current command
	ClientNoEvict                                 // CLIENT NO-EVICT
	ClientNoTouch                                 // CLIENT NO-TOUCH
)

// Client is one client of one node. It belongs to the loop of its connection: only that thread reads and
// writes it, unless a method says otherwise.
type Client struct {
	ID      int64
	Name    string
	LibName string
	LibVer  string
	User    string // "default", or the replication user's name
	Flags   ClientFlags
	Proto   int // 2 or 3
	DB      int
	Created time.Time

	Authenticated bool
	// Conn is nil for clients in process.
	Conn Conn
	// Replication is for engine/repl: its state of an attached replica.
	Replication any
}

// Has tells whether all of the flags are set.
func (c *Client) Has(f ClientFlags) bool { return c.Flags&f == f }

// Conn is what a client needs of its connection. Post, Close and the addresses may be used from any
// goroutine; the rest only on the loop's thread.
type Conn interface {
	// Post runs f on the connection's loop soon, unless the connection is closed by then.
	Post(f func())
	// Push appends a message outside of the request-reply order (pub/sub), and has it written at the end of
	// the loop's turn.
	Push(write func(w *resp.Writer))
	// Close drops the connection at once.
	Close()
	// Hijack takes the connection off its loop after the current command and gives it to f, on a goroutine
	// that f's owner waits for, as a blocking net.Conn (TLS included). Replies written before are sent first.
	Hijack(f func(net.Conn))
	// RemoteAddr and LocalAddr are host:port.
	RemoteAddr() string
	LocalAddr() string
	// TLS tells whether the connection is encrypted.
	TLS() bool
}
