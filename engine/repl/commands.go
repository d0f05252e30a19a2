package repl

import (
	"math"
	"net"
	"strconv"
	"time"

	"github.com/elastane/elastane/engine/command"
	"github.com/elastane/elastane/engine/resp"
)

// Commands lists the replication commands, for command.NewTable. Their server's Replication has to be a *Replication.
func Commands() []command.Spec {
	return []command.Spec{
		{
			Name: "psync", Group: "server", Since: "2.8.0", Arity: -3,
			Summary: "Starts to send the replication stream to a replica.",
			Flags:   command.NoAsyncLoading | command.Admin | command.NoMulti | command.NoScript | command.Restricted, Categories: "admin slow dangerous",
			Handler: cmdPSYNC,
		},
		{
			Name: "replconf", Group: "server", Since: "3.0.0", Arity: -1,
			Summary: "Tells the primary about a replica.",
			Flags:   command.AllowBusy | command.Admin | command.NoScript | command.Loading | command.Stale | command.Restricted, Categories: "admin slow dangerous",
			Handler: cmdREPLCONF,
		},
		{
			Name: "replicaof", Group: "server", Since: "5.0.0", Arity: 3,
			Summary: "Makes the node a replica of another one, or a primary.",
			Flags:   command.NoAsyncLoading | command.Admin | command.Alone | command.NoScript | command.Stale | command.Loading | command.Restricted, Categories: "admin slow dangerous",
			Handler: cmdREPLICAOF,
		},
		{
			Name: "role", Group: "server", Since: "2.8.12", Arity: 1,
			Summary: "Returns the replication role.",
			Flags:   command.NoScript | command.Loading | command.Stale | command.Fast, Categories: "admin fast dangerous",
			Handler: cmdROLE,
		},
		{
			Name: "slaveof", Group: "server", Since: "1.0.0", Arity: 3,
			Summary: "Makes the node a replica of another one, or a primary.",
			Flags:   command.NoAsyncLoading | command.Admin | command.Alone | command.NoScript | command.Stale | command.Loading | command.Restricted, Categories: "admin slow dangerous",
			Handler: cmdREPLICAOF,
		},
		{
			Name: "sync", Group: "server", Since: "1.0.0", Arity: 1,
			Summary: "Starts to send the replication stream, after a snapshot, to a client that tells nothing of itself.",
			Flags:   command.NoAsyncLoading | command.Admin | command.NoMulti | command.NoScript | command.Restricted, Categories: "admin slow dangerous",
			Handler: cmdSYNC,
		},
		{
			Name: "wait", Group: "generic", Since: "3.0.0", Arity: 3,
			Summary: "Waits until the writes so far have been acknowledged by a number of replicas.",
			Flags:   command.Blocking, Categories: "slow connection blocking",
			Handler: cmdWAIT,
		},
	}
}

func of(c *command.Ctx) *Replication { return c.Server.Replication.(*Replication) }

// request is what the client has said about itself as a replica so far.
func request(c *command.Client) *Request {
	req, ok := c.Replication.(*Request)
	if !ok {
		req = &Request{}
		c.Replication = req
	}
	return req
}

// PSYNC replicationid offset
func cmdPSYNC(c *command.Ctx) {
	id, offset := c.Args.String(), c.Args.Int()
	if c.Failed() {
		return
	}
	req := *request(c.Client)
	req.ID, req.Offset = id, offset
	attach(c, req)
}

// SYNC
func cmdSYNC(c *command.Ctx) {
	req := *request(c.Client)
	req.ID, req.Offset, req.Bare, req.EOF = "?", -1, true, false
	attach(c, req)
}

func attach(c *command.Ctx, req Request) {
	if c.Client.Conn == nil {
		c.Reply.Error(command.ErrNotPermitted)
		return
	}
	r := of(c)
	if host, _, err := net.SplitHostPort(c.Client.Conn.RemoteAddr()); err == nil && req.Host == "" {
		req.Host = host
	}
	c.Client.Flags |= command.ClientReplica
	// From here on the connection is the replica's, and the reply comes from there.
	c.Client.Conn.Hijack(func(conn net.Conn) { _ = r.Attach(conn, req) }) // it has logged why it ended
}

// REPLCONF [LISTENING-PORT port] [IP-ADDRESS address] [CAPA capability] [VERSION version] …
func cmdREPLCONF(c *command.Ctx) {
	if c.Args.Len()%2 != 0 {
		c.Reply.Error(command.ErrSyntax)
		return
	}
	req := request(c.Client)
	for c.Args.More() {
		switch {
		case c.Args.Word("LISTENING-PORT"):
			req.Port = int(c.Args.IntRange(0, 65535, command.ErrNotInteger))
		case c.Args.Word("IP-ADDRESS"):
			if req.Host = c.Args.String(); len(req.Host) > 255 {
				c.Args.Fail("ERR REPLCONF ip-address provided by replica instance is too long: " + strconv.Itoa(len(req.Host)) + " bytes")
			}
		case c.Args.Word("CAPA"):
			switch c.Args.String() {
			case "eof":
				req.EOF = true
			case "psync2":
				req.PSYNC2 = true
			}
		case c.Args.Word("VERSION"), c.Args.Word("RDB-ONLY"), c.Args.Word("RDB-FILTER-ONLY"):
			c.Args.Bytes()
		case c.Args.Word("ACK"), c.Args.Word("GETACK"):
			return // of a link that is no longer attached; neither is ever answered
		default:
			c.Args.Fail("ERR Unrecognized REPLCONF option: " + c.Args.String())
		}
	}
	if c.Failed() {
		return
	}
	c.Reply.OK()
}

// REPLICAOF host port | NO ONE
func cmdREPLICAOF(c *command.Ctx) {
	if c.Server.Cluster != nil && !c.Client.Has(command.ClientInternal) {
		c.Reply.Error("ERR REPLICAOF not allowed in cluster mode.")
		return
	}
	r := of(c)
	if c.Args.Word("NO") && c.Args.Word("ONE") {
		r.Promote()
		c.Reply.OK()
		return
	}
	host := c.Args.String()
	port := c.Args.IntRange(0, 65535, "ERR Invalid master port")
	if c.Failed() {
		return
	}
	if h, p, _, ok := r.Link(); ok && h == host && p == int(port) {
		c.Reply.Simple("OK Already connected to specified master")
		return
	}
	r.ReplicaOf(host, int(port))
	c.Reply.OK()
}

// ROLE
func cmdROLE(c *command.Ctx) {
	r := of(c)
	status := r.Status()
	if host, port, state, ok := r.Link(); ok {
		c.Reply.Array(5)
		c.Reply.BulkString("slave")
		c.Reply.BulkString(host)
		c.Reply.Int(int64(port))
		c.Reply.BulkString(state)
		c.Reply.Int(status.Offset)
		return
	}
	var online []ReplicaInfo
	for _, a := range r.Replicas() {
		if a.Online {
			online = append(online, a)
		}
	}
	c.Reply.Array(3)
	c.Reply.BulkString("master")
	c.Reply.Int(status.Offset)
	c.Reply.Array(len(online))
	for _, a := range online {
		c.Reply.Array(3)
		c.Reply.BulkString(a.Host)
		c.Reply.BulkInt(int64(a.Port))
		c.Reply.BulkInt(a.Offset)
	}
}

// waiting is a client's WAIT between its first run and its last.
type waiting struct{ *Waiter }

// Ended is part of command.Ender: the client has gone while it waited.
func (w waiting) Ended() { w.Cancel() }

// WAIT numreplicas timeout
func cmdWAIT(c *command.Ctx) {
	n := c.Args.Int()
	timeout := c.Args.IntOr("ERR timeout is not an integer or out of range")
	switch {
	case timeout < 0:
		c.Args.Fail("ERR timeout is negative")
	case timeout > math.MaxInt64-c.Now:
		c.Args.Fail("ERR timeout is out of range")
	}
	cl := c.Client
	w, again := cl.Replication.(waiting)
	cl.Replication = nil
	finish := func(out *resp.Writer) { out.Int(int64(w.Cancel())) }
	switch {
	case c.Failed():
		return
	case c.Server.Has(command.StateReplica):
		if again {
			w.Cancel()
		}
		c.Reply.Error("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a " +
			"replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.")
		return
	case !again:
		acked, waiter := of(c).Wait(int(n), func(int) { cl.Wake() })
		if waiter == nil {
			c.Reply.Int(int64(acked))
			return
		}
		w.Waiter = waiter
	case w.Enough():
		// The command runs again when replicas have answered: then for what there was at first.
		finish(c.Reply)
		return
	}
	var deadline time.Time
	if timeout > 0 {
		deadline = time.UnixMilli(c.Now + timeout)
	}
	mark := len(c.Reply.Buf)
	switch {
	case !c.Block(deadline, finish): // in a transaction
		finish(c.Reply)
	case len(c.Reply.Buf) > mark: // the time is over, or CLIENT UNBLOCK has ended it
		w.Cancel()
	default:
		cl.Replication = w
	}
}
