package command

import (
	"strings"

	"github.com/elastane/elastane/engine/keyspace"
)

// The texts of scripting, in the wording of Valkey.
const (
	ErrNoScript     = "NOSCRIPT No matching script."
	ErrNotBusy      = "NOTBUSY No scripts in execution right now."
	ErrUnkillable   = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
	ErrBusyScript   = "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
	errNegativeKeys = "ERR Number of keys can't be negative"
)

const scriptFlags = NoScript | NoMandatoryKeys | SkipMonitor | MayReplicate | Stale

// scriptKeys are the declared keys: those behind numkeys.
var scriptKeys = NumKeys(2)

var scriptingSpecs = []Spec{
	{
		Name: "eval", Group: "scripting", Since: "2.6.0", Arity: -3,
		Summary: "Runs a Lua script.", Flags: scriptFlags, Keys: scriptKeys, Categories: "slow scripting",
		Handler: cmdEVAL, stripes: scriptStripes,
	},
	{
		Name: "eval_ro", Group: "scripting", Since: "7.0.0", Arity: -3,
		Summary: "Runs a Lua script that only reads.", Flags: scriptFlags&^MayReplicate | ReadOnly, Keys: scriptKeys,
		Categories: "slow scripting", Handler: cmdEVAL, stripes: scriptStripes,
	},
	{
		Name: "evalsha", Group: "scripting", Since: "2.6.0", Arity: -3,
		Summary: "Runs a Lua script that the server has, named by its SHA1.", Flags: scriptFlags, Keys: scriptKeys,
		Categories: "slow scripting", Handler: cmdEVALSHA, stripes: scriptStripes,
	},
	{
		Name: "evalsha_ro", Group: "scripting", Since: "7.0.0", Arity: -3,
		Summary: "Runs a Lua script that only reads, named by its SHA1.", Flags: scriptFlags&^MayReplicate | ReadOnly,
		Keys: scriptKeys, Categories: "slow scripting", Handler: cmdEVALSHA, stripes: scriptStripes,
	},
	{
		Name: "script", Group: "scripting", Since: "2.6.0", Arity: -2,
		Summary: "Container of the commands about scripts.", Categories: "slow",
		Sub: []Spec{
			{
				Name: "exists", Since: "2.6.0", Arity: -3, Summary: "Tells which scripts the server has.",
				Flags: NoScript, Categories: "slow scripting", Handler: cmdSCRIPTEXISTS,
			},
			{
				Name: "flush", Since: "2.6.0", Arity: -2, Summary: "Forgets all scripts.",
				Flags: NoScript, Categories: "slow scripting", Handler: cmdSCRIPTFLUSH,
			},
			{
				Name: "help", Since: "5.0.0", Arity: 2, Summary: "Lists the subcommands.",
				Flags: Loading | Stale, Categories: "slow scripting", Handler: cmdSCRIPTHELP,
			},
			{
				Name: "kill", Since: "2.6.0", Arity: 2, Summary: "Ends the running script, if it has written nothing.",
				Flags: NoScript | AllowBusy, Categories: "slow scripting", Handler: cmdSCRIPTKILL,
			},
			{
				Name: "load", Since: "2.6.0", Arity: 3, Summary: "Compiles and keeps a script.",
				Flags: NoScript | Stale, Categories: "slow scripting", Handler: cmdSCRIPTLOAD,
			},
			{
				Name: "show", Since: "8.0.0", Arity: 3, Summary: "Returns the text of a script.",
				Flags: NoScript, Categories: "slow scripting", Handler: cmdSCRIPTSHOW,
			},
		},
	},
}

// scriptStripes returns what a script is run under: the stripes of the keys that it declares, if it has shown that it
// keeps to them, else all.
func scriptStripes(w *Worker, spec *Spec, argv [][]byte, keys []int) keyspace.StripeSet {
	if len(keys) == 0 {
		return keyspace.AllStripes
	}
	sha := argv[1]
	if strings.HasPrefix(spec.Name, "eval") && !strings.HasPrefix(spec.Name, "evalsha") {
		r := w.scripts
		if r == nil || r.lastServer != w.server || string(r.lastSource) != string(argv[1]) {
			return keyspace.AllStripes
		}
		sha = r.lastSHA[:]
	}
	if s := w.server.scripts.find(sha); s == nil || !s.settled.Load() || s.strays.Load() {
		return keyspace.AllStripes
	}
	set := keyspace.NoStripes
	for _, i := range keys {
		set |= keyspace.StripeOf(argv[i])
	}
	return set
}

// scriptArgs takes numkeys, and returns keys and arguments.
func (c *Ctx) scriptArgs() (keys, args [][]byte) {
	n := c.Args.Int()
	switch {
	case c.Args.Failed():
	case n > int64(c.Args.Len()):
		c.Args.Fail(ErrManyKeys)
	case n < 0:
		c.Args.Fail(errNegativeKeys)
	}
	if c.Failed() {
		return nil, nil
	}
	rest := c.Args.Rest()
	return rest[:n], rest[n:]
}

// EVAL script numkeys [key …] [arg …]
func cmdEVAL(c *Ctx) {
	source := c.Args.Bytes()
	keys, args := c.scriptArgs()
	if c.Args.Failed() {
		return
	}
	r := c.worker.runner()
	if r.lastServer != c.Server || string(r.lastSource) != string(source) {
		r.lastSHA = scriptSHA(source)
		r.lastSource, r.lastServer = append(r.lastSource[:0], source...), c.Server
	}
	s := c.Server.scripts.find(r.lastSHA[:])
	if s == nil {
		var text string
		if s, text = newScript(source, r.lastSHA); s == nil {
			c.Reply.Error(text)
			return
		}
		c.Server.scripts.add(s, false)
	}
	r.run(c, s, keys, args)
}

// EVALSHA sha1 numkeys [key …] [arg …]
func cmdEVALSHA(c *Ctx) {
	sha := c.Args.Bytes()
	keys, args := c.scriptArgs()
	if c.Args.Failed() {
		return
	}
	s := c.Server.scripts.find(sha)
	if s == nil {
		c.Reply.Error(ErrNoScript)
		return
	}
	c.worker.runner().run(c, s, keys, args)
}

// SCRIPT EXISTS sha1 [sha1 …]
func cmdSCRIPTEXISTS(c *Ctx) {
	shas := c.Args.Rest()
	c.Reply.Array(len(shas))
	for _, sha := range shas {
		n := int64(0)
		if c.Server.scripts.find(sha) != nil {
			n = 1
		}
		c.Reply.Int(n)
	}
}

// SCRIPT FLUSH [ASYNC | SYNC]
func cmdSCRIPTFLUSH(c *Ctx) {
	if c.Args.More() && !c.Args.Word("ASYNC") && !c.Args.Word("SYNC") || c.Args.More() {
		c.Reply.Error("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
		return
	}
	c.Server.scripts.flush()
	c.Reply.OK()
}

// SCRIPT HELP
func cmdSCRIPTHELP(c *Ctx) {
	lines := []string{
		"SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
		"EXISTS <sha1> [<sha1> ...]", "    Return information about the existence of the scripts in the script cache.",
		"FLUSH [ASYNC|SYNC]", "    Flush the Lua scripts cache. Very dangerous on replicas.",
		"KILL", "    Kill the currently executing Lua script.",
		"LOAD <script>", "    Load a script into the scripts cache without executing it.",
		"SHOW <sha1>", "    Show a script from the scripts cache.",
		"HELP", "    Print this help.",
	}
	c.Reply.Array(len(lines))
	for _, line := range lines {
		c.Reply.Simple(line)
	}
}

// SCRIPT KILL
func cmdSCRIPTKILL(c *Ctx) {
	if text := c.Server.scripts.kill(); text != "" {
		c.Reply.Error(text)
		return
	}
	c.Reply.OK()
}

// SCRIPT LOAD script
func cmdSCRIPTLOAD(c *Ctx) {
	source := c.Args.Bytes()
	sha := scriptSHA(source)
	s := c.Server.scripts.find(sha[:])
	if s == nil {
		var text string
		if s, text = newScript(source, sha); s == nil {
			c.Reply.Error(text)
			return
		}
	}
	c.Server.scripts.add(s, true)
	c.Reply.Bulk(sha[:])
}

// SCRIPT SHOW sha1
func cmdSCRIPTSHOW(c *Ctx) {
	s := c.Server.scripts.find(c.Args.Bytes())
	if s == nil {
		c.Reply.Error(ErrNoScript)
		return
	}
	c.Reply.BulkString(s.source)
}
