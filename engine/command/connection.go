package command

import (
	"math"
	"strconv"
	"strings"
	"time"
)

var connectionSpecs = []Spec{
	{
		Name: "auth", Group: "connection", Since: "1.0.0", Arity: -2,
		Summary: "Authenticates the connection.",
		Flags:   NoScript | Loading | Stale | Fast | NoAuth | AllowBusy, Categories: "fast connection",
		Handler: cmdAUTH,
	},
	{
		Name: "echo", Group: "connection", Since: "1.0.0", Arity: 2,
		Summary: "Returns the given string.",
		Flags:   Fast | Loading | Stale, Categories: "fast connection",
		Handler: cmdECHO,
	},
	{
		Name: "hello", Group: "connection", Since: "6.0.0", Arity: -1,
		Summary: "Chooses the protocol version, and introduces client and server.",
		Flags:   NoScript | Loading | Stale | Fast | NoAuth | AllowBusy, Categories: "fast connection",
		Handler: cmdHELLO,
	},
	{
		Name: "ping", Group: "connection", Since: "1.0.0", Arity: -1,
		Summary: "Tells that the server is alive.",
		Flags:   Fast | InSubscribe, Categories: "fast connection",
		Handler: cmdPING,
	},
	{
		Name: "quit", Group: "connection", Since: "1.0.0", Arity: -1,
		Summary: "Closes the connection.",
		Flags:   AllowBusy | NoScript | Loading | Stale | Fast | NoAuth | InSubscribe, Categories: "fast connection",
		Handler: cmdQUIT, transaction: txControl,
	},
	{
		Name: "reset", Group: "connection", Since: "6.2.0", Arity: 1,
		Summary: "Brings the connection back to its first state.",
		Flags:   NoScript | Loading | Stale | Fast | NoAuth | AllowBusy | InSubscribe, Categories: "fast connection",
		Handler: cmdRESET, transaction: txControl,
	},
	{
		Name: "select", Group: "connection", Since: "1.0.0", Arity: 2,
		Summary: "Chooses the database of the connection.",
		Flags:   Loading | Stale | Fast, Categories: "fast connection",
		Handler: cmdSELECT,
	},
}

// AUTH [username] password
func cmdAUTH(c *Ctx) {
	words := c.Args.Rest()
	user, password := defaultUser, words[0]
	switch {
	case len(words) > 2:
		c.Reply.Error(ErrSyntax)
		return
	case len(words) == 2:
		user, password = string(words[0]), words[1]
	case c.Server.Auth.Users.Default().User().NoPass():
		c.Reply.Error("ERR AUTH <password> called without any password configured for the default user. " +
			"Are you sure your configuration is correct?")
		return
	}
	if text := c.login(user, password); text != "" {
		c.Reply.Error(text)
		return
	}
	c.Reply.OK()
}

// ECHO message
func cmdECHO(c *Ctx) {
	message := c.Args.Bytes()
	if c.Failed() {
		return
	}
	c.Reply.Bulk(message)
}

// HELLO [protover [AUTH username password] [SETNAME clientname]]
func cmdHELLO(c *Ctx) {
	a, cl := &c.Args, c.Client
	proto := int64(cl.Proto)
	if a.More() {
		proto = a.IntOr("ERR Protocol version is not an integer or out of range")
		if !a.Failed() && (proto < 2 || proto > 3) {
			a.Fail(ErrProtoVersion)
		}
	}
	var user, name string
	var password []byte
	auth, setName := false, false
	for a.More() {
		switch {
		case a.Len() > 2 && a.Word("AUTH"):
			auth, user, password = true, a.String(), a.Bytes()
		case a.Len() > 1 && a.Word("SETNAME"):
			setName, name = true, a.String()
			checkClientName(a, name)
		default:
			a.Fail("ERR Syntax error in HELLO option '" + cut(a.Peek(), 128) + "'")
		}
	}
	if c.Failed() {
		return
	}
	if auth {
		if text := c.login(user, password); text != "" {
			c.Reply.Error(text)
			return
		}
	}
	if !cl.Authenticated && !c.Server.Auth.Open() {
		c.Reply.Error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> " +
			"AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
		return
	}
	if setName {
		cl.Name = name
	}
	cl.Proto = int(proto)
	c.Reply.Proto = cl.Proto
	s := c.Server
	c.Reply.Map(7)
	c.Reply.BulkString("server")
	c.Reply.BulkString(s.Engine)
	c.Reply.BulkString("version")
	c.Reply.BulkString(s.Version)
	c.Reply.BulkString("proto")
	c.Reply.Int(proto)
	c.Reply.BulkString("id")
	c.Reply.Int(cl.ID)
	c.Reply.BulkString("mode")
	c.Reply.BulkString(s.mode())
	c.Reply.BulkString("role")
	c.Reply.BulkString(s.role())
	c.Reply.BulkString("modules")
	c.Reply.Array(0)
}

// PING [message]
func cmdPING(c *Ctx) {
	if c.Args.Len() > 1 {
		c.Reply.Error("ERR wrong number of arguments for 'ping' command")
		return
	}
	inSubscriberMode := c.Client.Proto < 3 && c.Client.subs.any()
	switch {
	case inSubscriberMode:
		c.Reply.Array(2)
		c.Reply.BulkString("pong")
		c.Reply.Bulk(c.Args.Peek())
	case c.Args.More():
		c.Reply.Bulk(c.Args.Bytes())
	default:
		c.Reply.Simple("PONG")
	}
}

// QUIT
func cmdQUIT(c *Ctx) {
	c.Client.CloseAfterReply()
	c.Reply.OK()
}

// RESET
func cmdRESET(c *Ctx) {
	cl := c.Client
	c.Server.discard(cl)
	c.Server.unsubscribeAll(cl)
	c.Server.track(cl, nil)
	cl.Flags &= ClientInternal | ClientReplica | ClientPrimary
	cl.Name, cl.Proto, cl.DB = "", 2, 0
	c.Server.becomeDefault(cl)
	c.Reply.Proto = 2
	c.Reply.Simple("RESET")
}

// SELECT index
func cmdSELECT(c *Ctx) {
	index := c.Args.Int()
	if !c.Args.Failed() {
		switch {
		case c.Server.Cluster != nil && index != 0:
			c.Args.Fail("ERR SELECT is not allowed in cluster mode")
		case index < 0 || index >= int64(c.Server.Databases):
			c.Args.Fail(ErrDBIndex)
		}
	}
	if c.Failed() {
		return
	}
	c.Client.DB = int(index)
	c.View.Select(c.Client.DB)
	c.Reply.OK()
}

const clientFlags = NoScript | Loading | Stale

var clientSpecs = []Spec{{
	Name: "client", Group: "connection", Since: "2.4.0", Arity: -2,
	Summary: "Container of the commands about connections.", Categories: "slow",
	Sub: []Spec{
		{
			Name: "caching", Since: "6.0.0", Arity: 3, Summary: "Tells whether the keys of the next command are tracked.",
			Flags: clientFlags, Categories: "slow connection", Handler: cmdCLIENTCACHING,
		},
		{
			Name: "getname", Since: "2.6.9", Arity: 2, Summary: "Returns the name of the connection.",
			Flags: clientFlags, Categories: "slow connection", Handler: cmdCLIENTGETNAME,
		},
		{
			Name: "getredir", Since: "6.0.0", Arity: 2, Summary: "Returns where tracking notifications go.",
			Flags: clientFlags, Categories: "slow connection", Handler: cmdCLIENTGETREDIR,
		},
		{
			Name: "id", Since: "5.0.0", Arity: 2, Summary: "Returns the id of the connection.",
			Flags: clientFlags, Categories: "slow connection", Handler: func(c *Ctx) { c.Reply.Int(c.Client.ID) },
		},
		{
			Name: "info", Since: "6.2.0", Arity: 2, Summary: "Describes the connection.",
			Flags: clientFlags, Categories: "slow connection", Handler: cmdCLIENTINFO,
		},
		{
			Name: "kill", Since: "2.4.0", Arity: -3, Summary: "Closes connections.",
			Flags: Admin | clientFlags, Categories: "admin slow dangerous connection", Handler: cmdCLIENTKILL,
		},
		{
			Name: "list", Since: "2.4.0", Arity: -2, Summary: "Describes the connections.",
			Flags: Admin | clientFlags, Categories: "admin slow dangerous connection", Handler: cmdCLIENTLIST,
		},
		{
			Name: "no-evict", Since: "7.0.0", Arity: 3, Summary: "Keeps the connection from being dropped for memory.",
			Flags: Admin | clientFlags, Categories: "admin slow dangerous connection",
			Handler: func(c *Ctx) { c.switchFlag(ClientNoEvict) },
		},
		{
			Name: "no-touch", Since: "7.2.0", Arity: 3, Summary: "Keeps the connection's reads from marking keys as used.",
			Flags: clientFlags, Categories: "slow connection",
			Handler: func(c *Ctx) { c.switchFlag(ClientNoTouch) },
		},
		{
			Name: "pause", Since: "3.0.0", Arity: -3, Summary: "Holds the commands of clients back for a time.",
			Flags: Admin | Alone | clientFlags, Lock: LockNone, Categories: "admin slow dangerous connection", Handler: cmdCLIENTPAUSE,
		},
		{
			Name: "reply", Since: "3.2.0", Arity: 3, Summary: "Chooses whether there are replies.",
			Flags: clientFlags, Categories: "slow connection", Handler: cmdCLIENTREPLY,
		},
		{
			Name: "setinfo", Since: "7.2.0", Arity: 4, Summary: "Tells the client library's name or version.",
			Flags: clientFlags, Categories: "slow connection", Handler: cmdCLIENTSETINFO,
		},
		{
			Name: "setname", Since: "2.6.9", Arity: 3, Summary: "Names the connection.",
			Flags: clientFlags, Categories: "slow connection", Handler: cmdCLIENTSETNAME,
		},
		{
			Name: "tracking", Since: "6.0.0", Arity: -3, Summary: "Turns client-side caching on or off.",
			Flags: clientFlags, Categories: "slow connection", Handler: cmdCLIENTTRACKING,
		},
		{
			Name: "trackinginfo", Since: "6.2.0", Arity: 2, Summary: "Describes client-side caching of the connection.",
			Flags: clientFlags, Categories: "slow connection", Handler: cmdCLIENTTRACKINGINFO,
		},
		{
			Name: "unblock", Since: "5.0.0", Arity: -3, Summary: "Ends the blocking command of another connection.",
			Flags: Admin | clientFlags, Categories: "admin slow dangerous connection", Handler: cmdCLIENTUNBLOCK,
		},
		{
			Name: "unpause", Since: "6.2.0", Arity: 2, Summary: "Ends CLIENT PAUSE.",
			Flags: Admin | Alone | clientFlags, Lock: LockNone, Categories: "admin slow dangerous connection", Handler: cmdCLIENTUNPAUSE,
		},
	},
}}

// CLIENT GETNAME
func cmdCLIENTGETNAME(c *Ctx) {
	if c.Client.Name == "" {
		c.Reply.Null()
		return
	}
	c.Reply.BulkString(c.Client.Name)
}

// CLIENT INFO
func cmdCLIENTINFO(c *Ctx) {
	c.Reply.Verbatim("txt", c.describe(c.Client)+"\n")
}

// CLIENT LIST [TYPE NORMAL | MASTER | REPLICA | PUBSUB] [ID client-id [client-id …]]
func cmdCLIENTLIST(c *Ctx) {
	a := &c.Args
	var kind string
	ids := map[int64]bool{}
	for a.More() {
		switch {
		case a.Len() > 1 && a.Word("TYPE"):
			kind = readClientType(a)
		case a.Len() > 1 && a.Word("ID"):
			for a.More() {
				ids[a.IntOr("ERR Invalid client ID")] = true
			}
		default:
			a.Syntax()
		}
	}
	if c.Failed() {
		return
	}
	var b strings.Builder
	for _, cl := range c.Server.Clients.List() {
		s := c.look(cl)
		if len(ids) > 0 && !ids[cl.ID] || kind != "" && s.kind() != kind {
			continue
		}
		b.WriteString(c.describe(cl))
		b.WriteByte('\n')
	}
	c.Reply.Verbatim("txt", b.String())
}

func readClientType(a *Args) string {
	given := a.String()
	kind := strings.ToLower(given)
	switch kind {
	case "normal", "master", "replica", "pubsub":
	case "slave":
		kind = "replica"
	case "primary":
		kind = "master"
	default:
		a.Fail("ERR Unknown client type '" + given + "'")
	}
	return kind
}

func (s *clientState) kind() string {
	switch {
	case s.flags&ClientReplica != 0:
		return "replica"
	case s.flags&ClientPrimary != 0:
		return "master"
	case s.channels+s.patterns+s.shards > 0:
		return "pubsub"
	}
	return "normal"
}

// look reads the state of a client: the very present one, if it is of this loop.
func (c *Ctx) look(cl *Client) clientState {
	if cl == c.Client || cl.Conn != nil && c.worker.Loop != nil && cl.Conn.Loop() == c.worker.Loop {
		cl.publish()
	}
	return cl.snapshot()
}

// describe writes the line of CLIENT LIST. A client of another loop is described as it was at some recent moment.
func (c *Ctx) describe(cl *Client) string {
	s := c.look(cl)
	flags := ""
	for _, f := range []struct {
		is     bool
		letter string
	}{
		{s.flags&ClientReplica != 0, "S"},
		{s.flags&ClientPrimary != 0, "M"},
		{s.channels+s.patterns+s.shards > 0, "P"},
		{s.flags&ClientMulti != 0, "x"},
		{s.blocked, "b"},
		{s.redirect >= 0, "t"},
		{s.flags&ClientBrokenRedirect != 0, "R"},
		{s.broadcast, "B"},
		{cl.touched.Load(), "d"},
		{s.flags&ClientReadOnlyMode != 0, "r"},
		{s.flags&ClientNoEvict != 0, "e"},
		{s.flags&ClientNoTouch != 0, "T"},
	} {
		if f.is {
			flags += f.letter
		}
	}
	if flags == "" {
		flags = "N"
	}
	now := c.Now
	line := []string{
		"id=" + strconv.FormatInt(cl.ID, 10), "addr=" + s.remote, "laddr=" + s.local, "fd=" + strconv.Itoa(s.fd),
		"name=" + s.name, "age=" + strconv.FormatInt((now-cl.Created.UnixMilli())/1000, 10),
		"idle=" + strconv.FormatInt(max(0, now-s.lastActive)/1000, 10), "flags=" + flags, "db=" + strconv.Itoa(s.db),
		"sub=" + strconv.Itoa(s.channels), "psub=" + strconv.Itoa(s.patterns), "ssub=" + strconv.Itoa(s.shards),
		"multi=" + strconv.Itoa(s.multi), "watch=" + strconv.Itoa(s.watch),
		"qbuf=" + strconv.Itoa(s.in), "qbuf-free=0", "argv-mem=0", "multi-mem=0", "rbs=0", "rbp=0",
		"obl=0", "oll=0", "omem=" + strconv.Itoa(s.out), "tot-mem=" + strconv.Itoa(s.in+s.out),
		"events=r", "cmd=" + s.command, "user=" + s.user, "redir=" + strconv.FormatInt(s.redirect, 10), "resp=" + strconv.Itoa(s.proto),
		"lib-name=" + s.libName, "lib-ver=" + s.libVer,
		"tot-net-in=" + strconv.FormatInt(s.netIn, 10), "tot-net-out=" + strconv.FormatInt(s.netOut, 10),
		"tot-cmds=" + strconv.FormatInt(s.commands, 10),
	}
	return strings.Join(line, " ")
}

// CLIENT KILL addr:port | [ID client-id] [TYPE type] [USER username] [ADDR addr:port] [LADDR addr:port] [SKIPME yes | no] …
func cmdCLIENTKILL(c *Ctx) {
	a := &c.Args
	oldForm := a.Len() == 1
	var addr, laddr, user, kind string
	id, maxAge, skipMe := int64(0), int64(0), !oldForm
	if oldForm {
		addr = a.String()
	}
	for a.More() {
		switch {
		case a.Len() == 1:
			a.Syntax()
		case a.Word("ID"):
			id = a.IntRange(1, 1<<62, "ERR client-id should be greater than 0")
		case a.Word("TYPE"):
			kind = readClientType(a)
		case a.Word("MAXAGE"):
			maxAge = a.IntOr("ERR maxage is not an integer or out of range")
			if maxAge <= 0 {
				a.Fail("ERR maxage should be greater than 0")
			}
		case a.Word("USER"):
			user = a.String()
			if c.Server.Auth.Users.Find(user) == nil {
				a.Fail("ERR No such user '" + user + "'")
			}
		case a.Word("ADDR"):
			addr = a.String()
		case a.Word("LADDR"):
			laddr = a.String()
		case a.Word("SKIPME"):
			switch word := strings.ToLower(a.String()); word {
			case "yes", "no":
				skipMe = word == "yes"
			default:
				a.Syntax()
			}
		default:
			a.Syntax()
		}
	}
	if c.Failed() {
		return
	}
	killed := 0
	for _, cl := range c.Server.Clients.List() {
		s := c.look(cl)
		if id != 0 && cl.ID != id || addr != "" && s.remote != addr || laddr != "" && s.local != laddr ||
			user != "" && s.user != user || kind != "" && s.kind() != kind || cl == c.Client && skipMe ||
			maxAge != 0 && (c.Now-cl.Created.UnixMilli())/1000 < maxAge {
			continue
		}
		killed++
		if cl == c.Client {
			cl.CloseAfterReply()
		} else {
			cl.Conn.Close()
		}
	}
	switch {
	case !oldForm:
		c.Reply.Int(int64(killed))
	case killed == 0:
		c.Reply.Error("ERR No such client")
	default:
		c.Reply.OK()
	}
}

func (c *Ctx) switchFlag(flag ClientFlags) {
	switch {
	case c.Args.Word("ON"):
		c.Client.Flags |= flag
	case c.Args.Word("OFF"):
		c.Client.Flags &^= flag
	default:
		c.Args.Syntax()
	}
	if c.Failed() {
		return
	}
	c.Reply.OK()
}

// CLIENT PAUSE timeout [WRITE | ALL]
func cmdCLIENTPAUSE(c *Ctx) {
	a := &c.Args
	ms := a.IntRange(math.MinInt64, 1<<53, "ERR timeout is not an integer or out of range")
	if ms < 0 {
		a.Fail("ERR timeout is negative")
	}
	writes := false
	if a.More() {
		writes = a.Word("WRITE")
		if !writes && !a.Word("ALL") {
			a.Fail("ERR CLIENT PAUSE mode must be WRITE or ALL")
		}
	}
	a.End()
	if c.Failed() {
		return
	}
	c.Server.Pause(time.UnixMilli(c.Now+ms), writes)
	c.Reply.OK()
}

// CLIENT UNPAUSE
func cmdCLIENTUNPAUSE(c *Ctx) {
	c.Server.Unpause()
	c.Reply.OK()
}

// CLIENT REPLY ON | OFF | SKIP
func cmdCLIENTREPLY(c *Ctx) {
	cl := c.Client
	switch {
	case c.Args.Word("ON"):
		cl.Flags &^= ClientReplyOff | ClientReplySkip | ClientReplySkipNext
		c.Reply.OK()
	case c.Args.Word("OFF"):
		cl.Flags |= ClientReplyOff
	case c.Args.Word("SKIP"):
		if !cl.Has(ClientReplyOff) {
			cl.Flags |= ClientReplySkipNext
		}
	default:
		c.Reply.Error(ErrSyntax)
	}
}

// CLIENT SETINFO LIB-NAME libname | LIB-VER libver
func cmdCLIENTSETINFO(c *Ctx) {
	a := &c.Args
	var target *string
	var option string
	switch {
	case a.Word("LIB-NAME"):
		target, option = &c.Client.LibName, "lib-name"
	case a.Word("LIB-VER"):
		target, option = &c.Client.LibVer, "lib-ver"
	default:
		a.Fail("ERR Unrecognized option '" + cut(a.Peek(), 128) + "'")
	}
	value := a.String()
	if !a.Failed() && !printable(value) {
		a.Fail("ERR " + option + " cannot contain spaces, newlines or special characters.")
	}
	if c.Failed() {
		return
	}
	*target = value
	c.Reply.OK()
}

// CLIENT SETNAME connection-name
func cmdCLIENTSETNAME(c *Ctx) {
	name := c.Args.String()
	checkClientName(&c.Args, name)
	if c.Failed() {
		return
	}
	c.Client.Name = name
	c.Reply.OK()
}

func checkClientName(a *Args, name string) {
	if !printable(name) {
		a.Fail("ERR Client names cannot contain spaces, newlines or special characters.")
	}
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}

// CLIENT UNBLOCK client-id [TIMEOUT | ERROR]
func cmdCLIENTUNBLOCK(c *Ctx) {
	a := &c.Args
	id := a.Int()
	withError := false
	if a.More() {
		withError = a.Word("ERROR")
		if !withError && !a.Word("TIMEOUT") {
			a.Fail("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
		}
	}
	a.End()
	if c.Failed() {
		return
	}
	for _, cl := range c.Server.Clients.List() {
		if cl.ID == id && cl.snapshot().blocked {
			if withError {
				cl.Unblock("UNBLOCKED client unblocked via CLIENT UNBLOCK")
			} else {
				cl.timeOut()
			}
			c.Reply.Int(1)
			return
		}
	}
	c.Reply.Int(0)
}
