package command

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elastane/elastane/engine/glob"
	"github.com/elastane/elastane/engine/keyspace"
)

// debugState is what DEBUG has switched on or off.
type debugState struct {
	noActiveExpire atomic.Bool // SET-ACTIVE-EXPIRE 0
	pauseCron      atomic.Bool // PAUSE-CRON 1
}

const errDebug = `ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a ` +
	"local connection, otherwise you need to set this option in the configuration file, and then restart the server."

// debugCommand keeps DEBUG from those who must not use it (enable-debug-command).
func debugCommand(handler Handler) Handler {
	return func(c *Ctx) {
		switch c.Server.Config.String("enable-debug-command") {
		case "yes":
		case "local":
			if !c.Client.local() {
				c.Reply.Error(errDebug)
				return
			}
		default:
			c.Reply.Error(errDebug)
			return
		}
		handler(c)
	}
}

// local tells whether the client is of this machine, or in process.
func (c *Client) local() bool {
	if c.Conn == nil {
		return true
	}
	host, _, err := net.SplitHostPort(c.Conn.RemoteAddr())
	return err == nil && net.ParseIP(host).IsLoopback()
}

func debugSpec(name string, arity int, summary string, handler Handler) Spec {
	return Spec{
		Name: name, Since: "1.0.0", Arity: arity, Summary: summary,
		Flags: hidden | NoScript | Loading | Stale, Lock: LockNone, Categories: "admin slow dangerous", Handler: debugCommand(handler),
	}
}

// withKeys gives a record of DEBUG its keys, and their locks.
func (s Spec) withKeys(k Keys) Spec {
	s.Keys, s.Lock = k, LockKeys
	return s
}

// withAll locks the whole keyspace for a record of DEBUG.
func (s Spec) withAll() Spec {
	s.Lock = LockAll
	return s
}

var debugSpecs = []Spec{{
	Name: "debug", Group: "server", Since: "1.0.0", Arity: -2,
	Summary: "Container of the commands for tests of the server.", Flags: hidden | NoScript | Loading | Stale, Categories: "admin slow dangerous",
	Sub: []Spec{
		debugSpec("change-repl-id", 2, "Starts a new replication history.", cmdDEBUGCHANGEREPLID),
		debugSpec("dict-resizing", 3, "Is accepted; tables grow and shrink a bucket at a time.", func(c *Ctx) { c.Reply.OK() }),
		debugSpec("digest", 2, "Returns a checksum of the data set.", cmdDEBUGDIGEST).withAll(),
		debugSpec("digest-value", -2, "Returns checksums of values.", cmdDEBUGDIGESTVALUE).
			withKeys(Keys{First: 2, Last: -1, Step: 1}),
		debugSpec("error", 3, "Answers with an error of this text.", func(c *Ctx) { c.Reply.Error(c.Args.String()) }),
		debugSpec("help", 2, "Describes the subcommands.", cmdHELP),
		debugSpec("htstats", -3, "Describes the table of a database.", cmdDEBUGHTSTATS),
		debugSpec("log", 3, "Writes a line into the server's log.", cmdDEBUGLOG),
		debugSpec("object", -3, "Describes how a key's value is kept.", cmdDEBUGOBJECT).
			withKeys(Keys{First: 2, Last: 2, Step: 1}),
		debugSpec("pause-cron", 3, "Stops the server's housekeeping, or goes on with it.", cmdDEBUGPAUSECRON),
		debugSpec("populate", -3, "Makes keys.", cmdDEBUGPOPULATE).withAll(),
		debugSpec("protocol", 3, "Answers with a value of each kind that the protocol has.", cmdDEBUGPROTOCOL),
		debugSpec("quicklist-packed-threshold", 3, "Is accepted; a large element of a list always has a block of its own.", cmdDEBUGPACKED),
		debugSpec("reload", -2, "Saves the data set, empties it and loads it.", cmdDEBUGRELOAD),
		debugSpec("sdslen", 3, "Returns the lengths of a key and its string.", cmdDEBUGSDSLEN).
			withKeys(Keys{First: 2, Last: 2, Step: 1}),
		debugSpec("set-active-expire", 3, "Chooses whether expired keys are looked for.", cmdDEBUGSETACTIVEEXPIRE),
		debugSpec("sleep", 3, "Stops this client's event loop for some seconds.", cmdDEBUGSLEEP),
		debugSpec("stringmatch-len", 4, "Matches a pattern with a long string.", cmdDEBUGSTRINGMATCHLEN),
	},
}}

// IDChanger is what a Replication may have besides, for DEBUG CHANGE-REPL-ID.
type IDChanger interface {
	// ChangeID begins a new replication history: replicas cannot go on with the old one.
	ChangeID()
}

// DEBUG CHANGE-REPL-ID
func cmdDEBUGCHANGEREPLID(c *Ctx) {
	r, ok := c.Server.Replication.(IDChanger)
	if !ok {
		c.Reply.Error(ErrNotPermitted)
		return
	}
	r.ChangeID()
	c.Reply.OK()
}

// DEBUG HTSTATS dbid [full]
func cmdDEBUGHTSTATS(c *Ctx) {
	db := c.Args.IntRange(0, int64(c.Server.Databases-1), "ERR Out of range database")
	c.Args.Word("FULL")
	c.Args.End()
	if c.Failed() {
		return
	}
	keys, expires := c.Server.Space.Keys(int(db))
	c.Reply.Verbatim("txt", fmt.Sprintf("[Dictionary HT]\nHash table 0 stats (main hash table):\n number of elements: %d\n"+
		"[Expires HT]\nHash table 0 stats (main hash table):\n number of elements: %d\n", keys, expires))
}

// DEBUG LOG message
func cmdDEBUGLOG(c *Ctx) {
	c.Server.Logger.Warn("DEBUG LOG", "message", c.Args.String())
	c.Reply.OK()
}

// DEBUG OBJECT key [fast]
func cmdDEBUGOBJECT(c *Ctx) {
	key := c.Args.Bytes()
	c.Args.Word("FAST")
	c.Args.End()
	if c.Failed() {
		return
	}
	e, found := c.View.Peek(key)
	if !found {
		c.Reply.Error(ErrNoSuchKey)
		return
	}
	encoding, size := e.Encoding().String(), int64(len(e.Value()))
	if e.Type() == keyspace.TypeString {
		encoding = stringEncoding(e.Value())
	} else {
		size = c.collectionMemory(e, 0)
	}
	idle := e.Idle(c.Now)
	c.Reply.Simple(fmt.Sprintf("Value at:0x0 refcount:1 encoding:%s serializedlength:%d lru:%d lru_seconds_idle:%d",
		encoding, size, (c.Now/1000-idle)&(1<<24-1), idle))
}

// DEBUG PAUSE-CRON 0 | 1
func cmdDEBUGPAUSECRON(c *Ctx) { c.debugSwitch(&c.Server.debug.pauseCron, "1") }

// DEBUG SET-ACTIVE-EXPIRE 0 | 1
func cmdDEBUGSETACTIVEEXPIRE(c *Ctx) { c.debugSwitch(&c.Server.debug.noActiveExpire, "0") }

func (c *Ctx) debugSwitch(on *atomic.Bool, when string) {
	on.Store(string(c.Args.Bytes()) == when)
	c.Reply.OK()
}

// DEBUG POPULATE count [prefix] [size]
func cmdDEBUGPOPULATE(c *Ctx) {
	a := &c.Args
	count := a.IntRange(0, 1<<40, ErrPositive)
	prefix, size := "key", int64(-1)
	if a.More() {
		prefix = a.String()
	}
	if a.More() {
		size = a.IntRange(0, maxString, ErrPositive)
	}
	a.End()
	if c.Failed() {
		return
	}
	var key, value []byte
	for i := range count {
		n := strconv.FormatInt(i, 10)
		key = append(append(append(key[:0], prefix...), ':'), n...)
		if _, found := c.View.Peek(key); found {
			continue
		}
		value = append(append(value[:0], "value:"...), n...)
		if size >= 0 {
			short := min(int64(len(value)), size)
			value = append(value[:short], make([]byte, size-short)...)
		}
		c.View.SetString(key, value, 0, keyspace.Event{})
	}
	c.Reply.OK()
}

// DEBUG PROTOCOL type
func cmdDEBUGPROTOCOL(c *Ctx) {
	w, kind := c.Reply, strings.ToLower(c.Args.String())
	switch kind {
	case "string":
		w.BulkString("Hello World")
	case "integer":
		w.Int(12345)
	case "double":
		w.Double(3.141)
	case "null":
		w.Null()
	case "array":
		w.Array(3)
		for i := range 3 {
			w.Int(int64(i))
		}
	case "set":
		w.Set(3)
		for i := range 3 {
			w.Int(int64(i))
		}
	case "map":
		w.Map(3)
		for i := range 3 {
			w.Int(int64(i))
			w.Bool(i == 1)
		}
	case "attrib":
		if w.Proto >= 3 {
			w.RawString("|1\r\n")
			w.BulkString("key-popularity")
			w.Array(2)
			w.BulkString("key:123")
			w.Int(90)
		}
		w.BulkString("Some real reply following the attribute")
	case "push":
		if w.Proto < 3 {
			w.Error("ERR RESP2 is not supported by this command")
			return
		}
		w.Push(2)
		w.BulkString("server-cpu-usage")
		w.Int(42)
	case "verbatim":
		w.Verbatim("txt", "This is a verbatim\nstring")
	case "true":
		w.Bool(true)
	case "false":
		w.Bool(false)
	case "bignum":
		const number = "1234567999999999999999999999999999999"
		if w.Proto < 3 {
			w.BulkString(number)
		} else {
			w.RawString("(" + number + "\r\n")
		}
	default:
		w.Error("ERR Wrong protocol type name. Please use one of the following: " +
			"string|integer|double|null|array|set|map|attrib|push|verbatim|true|false")
	}
}

// DEBUG QUICKLIST-PACKED-THRESHOLD size
func cmdDEBUGPACKED(c *Ctx) {
	if _, err := parseMemory(c.Args.String()); err != nil {
		c.Reply.Error("ERR argument must be a memory value")
		return
	}
	c.Reply.OK()
}

// Reloader is what a Host may have besides, for DEBUG RELOAD.
type Reloader interface {
	// Reload saves the data set and loads it again, instead of what was there if flush is set. With save unset it loads
	// what was saved last.
	Reload(save, flush bool) error
}

// DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]
func cmdDEBUGRELOAD(c *Ctx) {
	a := &c.Args
	save, flush := true, true
	for a.More() {
		switch {
		case a.Word("NOSAVE"):
			save = false
		case a.Word("NOFLUSH"):
			flush = false
		case a.Word("MERGE"):
		default:
			a.Fail("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
		}
	}
	if c.Failed() {
		return
	}
	r, ok := c.Server.Host.(Reloader)
	if !ok {
		c.Reply.Error(ErrNotPermitted)
		return
	}
	if err := r.Reload(save, flush); err != nil {
		c.Server.Logger.Error("DEBUG RELOAD failed", "error", err)
		c.Reply.Error("ERR Error trying to load the RDB dump, check server logs.")
		return
	}
	c.Reply.OK()
}

// DEBUG SDSLEN key
func cmdDEBUGSDSLEN(c *Ctx) {
	e, found := c.View.Peek(c.Args.Bytes())
	switch {
	case !found:
		c.Reply.Error(ErrNoSuchKey)
	case e.Type() != keyspace.TypeString:
		c.Reply.Error("ERR Not an sds encoded string.")
	default:
		c.Reply.Simple(fmt.Sprintf("key_sds_len:%d, key_sds_avail:0, key_zmalloc: %d, val_sds_len:%d, val_sds_avail:0, val_zmalloc: %d",
			len(e.Key()), len(e.Key()), len(e.Value()), e.Memory()))
	}
}

// DEBUG SLEEP seconds: nothing else runs on this loop meanwhile, which is what it is for.
func cmdDEBUGSLEEP(c *Ctx) {
	seconds := c.Args.FloatOr(ErrNotFloat)
	if c.Failed() {
		return
	}
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	c.Reply.OK()
}

// DEBUG STRINGMATCH-LEN length pattern
func cmdDEBUGSTRINGMATCHLEN(c *Ctx) {
	length := c.Args.IntRange(0, 1<<28, ErrPositive)
	pattern := c.Args.Bytes()
	if c.Failed() {
		return
	}
	text := []byte(strings.Repeat("A", int(length)))
	c.Reply.Int(int64(btoi(glob.Match(pattern, text))))
}
