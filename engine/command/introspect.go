package command

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/elastane/elastane/engine/glob"
	"github.com/elastane/elastane/engine/resp"
)

// flagNames are the names of Flags in COMMAND INFO, by bit; "" is not shown.
var flagNames = [...]string{
	"write", "readonly", "denyoom", "admin", "pubsub", "noscript", "blocking", "loading", "stale", "no_auth",
	"no_multi", "fast", "", "skip_monitor", "no_async_loading", "allow_busy", "movablekeys", "skip_slowlog", "", "", "no_mandatory_keys", "",
}

var introspectSpecs = []Spec{{
	Name: "command", Group: "server", Since: "2.8.13", Arity: -1,
	Summary: "Describes the commands.",
	Flags:   Loading | Stale, Categories: "slow connection", Handler: cmdCOMMAND,
	Sub: []Spec{
		{
			Name: "count", Since: "2.8.13", Arity: 2, Summary: "Counts the commands.",
			Flags: Loading | Stale, Categories: "slow connection", Handler: cmdCOMMANDCOUNT,
		},
		{
			Name: "docs", Since: "7.0.0", Arity: -2, Summary: "Returns documentation of commands.",
			Flags: Loading | Stale, Categories: "slow connection", Handler: cmdCOMMANDDOCS,
		},
		{
			Name: "getkeys", Since: "2.8.13", Arity: -3, Summary: "Extracts the keys of a command.",
			Flags: Loading | Stale, Categories: "slow connection", Handler: cmdCOMMANDGETKEYS,
		},
		{
			Name: "getkeysandflags", Since: "7.0.0", Arity: -3, Summary: "Extracts the keys of a command, and what it does with them.",
			Flags: Loading | Stale, Categories: "slow connection", Handler: cmdCOMMANDGETKEYSANDFLAGS,
		},
		{
			Name: "help", Since: "5.0.0", Arity: 2, Summary: "Describes the subcommands.",
			Flags: Loading | Stale, Categories: "slow connection", Handler: cmdHELP,
		},
		{
			Name: "info", Since: "2.8.13", Arity: -2, Summary: "Describes some commands.",
			Flags: Loading | Stale, Categories: "slow connection", Handler: cmdCOMMANDINFO,
		},
		{
			Name: "list", Since: "7.0.0", Arity: -2, Summary: "Lists the commands' names.",
			Flags: Loading | Stale, Categories: "slow connection", Handler: cmdCOMMANDLIST,
		},
	},
}}

// shown lists the commands that the client may know of.
func (c *Ctx) shown() []*Spec {
	specs := c.Server.Table.Specs()
	if !c.Server.Managed || c.Client.Has(ClientInternal) {
		return specs
	}
	return slices.DeleteFunc(slices.Clone(specs), func(s *Spec) bool { return s.Is(Restricted) })
}

// lookUp finds a command by the name that COMMAND uses: "get", "config|get".
func (c *Ctx) lookUp(name string) *Spec {
	verb, sub, hasSub := strings.Cut(name, "|")
	s := c.Server.Table.Find([]byte(verb))
	if s == nil || s.Is(Restricted) && c.Server.Managed && !c.Client.Has(ClientInternal) {
		return nil
	}
	if hasSub {
		if s.sub == nil {
			return nil
		}
		return s.sub.Find([]byte(sub))
	}
	return s
}

// COMMAND
func cmdCOMMAND(c *Ctx) {
	specs := c.shown()
	c.Reply.Array(len(specs))
	for _, s := range specs {
		c.writeInfo(s)
	}
}

// COMMAND INFO [command-name [command-name …]]
func cmdCOMMANDINFO(c *Ctx) {
	if !c.Args.More() {
		cmdCOMMAND(c)
		return
	}
	names := c.Args.Rest()
	c.Reply.Array(len(names))
	for _, name := range names {
		if s := c.lookUp(string(name)); s != nil {
			c.writeInfo(s)
		} else {
			c.Reply.NullArray()
		}
	}
}

func (c *Ctx) writeInfo(s *Spec) {
	w := c.Reply
	w.Array(10)
	w.BulkString(s.FullName())
	w.Int(int64(s.Arity))
	flags := s.Flags &^ (MayReplicate | InSubscribe | Alone | Restricted)
	w.Set(bits.OnesCount32(uint32(flags)))
	for i, name := range flagNames {
		if flags&(1<<i) != 0 {
			w.Simple(name)
		}
	}
	w.Int(int64(s.Keys.First))
	w.Int(int64(s.Keys.Last))
	w.Int(int64(s.Keys.Step))
	categories := strings.Fields(s.Categories)
	w.Set(len(categories))
	for _, category := range categories {
		w.Simple("@" + category)
	}
	w.Set(0) // tips
	shapes := s.shapes()
	w.Set(len(shapes))
	for i := range shapes {
		shapes[i].write(w)
	}
	subs := s.Subcommands()
	w.Array(len(subs))
	for _, sub := range subs {
		c.writeInfo(sub)
	}
}

// write writes one key specification in the form of COMMAND INFO.
func (k *KeyShape) write(w *resp.Writer) {
	w.Map(3)
	w.BulkString("flags")
	uses := strings.Fields(k.Use)
	w.Set(len(uses))
	for _, use := range uses {
		w.Simple(use)
	}
	section := func(name, kind string, fields int) {
		w.BulkString(name)
		w.Map(2)
		w.BulkString("type")
		w.BulkString(kind)
		w.BulkString("spec")
		w.Map(fields)
	}
	field := func(name string, n int) {
		w.BulkString(name)
		w.Int(int64(n))
	}
	switch {
	case k.Unknown:
		section("begin_search", "unknown", 0)
		section("find_keys", "unknown", 0)
		return
	case k.Keyword != "":
		section("begin_search", "keyword", 2)
		w.BulkString("keyword")
		w.BulkString(k.Keyword)
		field("startfrom", k.StartFrom)
	default:
		section("begin_search", "index", 1)
		field("index", k.Index)
	}
	if k.NumKeys {
		section("find_keys", "keynum", 3)
		field("keynumidx", 0)
		field("firstkey", 1)
		field("keystep", k.Step)
		return
	}
	section("find_keys", "range", 3)
	field("lastkey", k.Last)
	field("keystep", k.Step)
	field("limit", k.Limit)
}

// COMMAND COUNT
func cmdCOMMANDCOUNT(c *Ctx) { c.Reply.Int(int64(len(c.shown()))) }

// COMMAND DOCS [command-name [command-name …]]
func cmdCOMMANDDOCS(c *Ctx) {
	specs := c.shown()
	if c.Args.More() {
		specs = nil
		for _, name := range c.Args.Rest() {
			if s := c.lookUp(string(name)); s != nil {
				specs = append(specs, s)
			}
		}
	}
	c.Reply.Map(len(specs))
	for _, s := range specs {
		c.writeDocs(s)
	}
}

func (c *Ctx) writeDocs(s *Spec) {
	w := c.Reply
	subs := s.Subcommands()
	w.BulkString(s.FullName())
	if len(subs) > 0 {
		w.Map(4)
	} else {
		w.Map(3)
	}
	w.BulkString("summary")
	w.BulkString(s.Summary)
	w.BulkString("since")
	w.BulkString(s.Since)
	w.BulkString("group")
	w.BulkString(s.Group)
	if len(subs) == 0 {
		return
	}
	w.BulkString("subcommands")
	w.Map(len(subs))
	for _, sub := range subs {
		c.writeDocs(sub)
	}
}

// COMMAND GETKEYS command [arg …]
func cmdCOMMANDGETKEYS(c *Ctx) { c.writeKeys(false) }

// COMMAND GETKEYSANDFLAGS command [arg …]
func cmdCOMMANDGETKEYSANDFLAGS(c *Ctx) { c.writeKeys(true) }

func (c *Ctx) writeKeys(uses bool) {
	argv := c.Args.Rest()
	s := c.Server.Table.Resolve(argv)
	switch {
	case s == nil:
		c.Reply.Error("ERR Invalid command specified")
		return
	case s.Keys.First == 0 && s.Keys.Find == nil:
		c.Reply.Error("ERR The command has no key arguments")
		return
	case s.Arity > 0 && len(argv) != s.Arity, len(argv) < -s.Arity:
		c.Reply.Error("ERR Invalid number of arguments specified for command")
		return
	}
	keys := s.AppendKeys(nil, argv)
	if len(keys) == 0 {
		c.Reply.Error("ERR Invalid arguments specified for command")
		return
	}
	c.Reply.Array(len(keys))
	for nth, i := range keys {
		if uses {
			names := (s.KeyUse(argv, nth) &^ KeyVaries).names()
			c.Reply.Array(2)
			c.Reply.Bulk(argv[i])
			c.Reply.Set(len(names))
			for _, name := range names {
				c.Reply.Simple(name)
			}
			continue
		}
		c.Reply.Bulk(argv[i])
	}
}

// COMMAND LIST [FILTERBY MODULE module-name | ACLCAT category | PATTERN pattern]
func cmdCOMMANDLIST(c *Ctx) {
	a := &c.Args
	keep := func(*Spec) bool { return true }
	if a.More() {
		switch {
		case !a.Word("FILTERBY"):
			a.Syntax()
		case a.Word("MODULE"):
			a.Bytes()
			keep = func(*Spec) bool { return false }
		case a.Word("ACLCAT"):
			category := strings.ToLower(a.String())
			keep = func(s *Spec) bool { return slices.Contains(strings.Fields(s.Categories), category) }
		case a.Word("PATTERN"):
			pattern := []byte(strings.ToLower(a.String()))
			keep = func(s *Spec) bool { return glob.Match(pattern, []byte(s.FullName())) }
		default:
			a.Syntax()
		}
	}
	a.End()
	if c.Failed() {
		return
	}
	var names []string
	for _, s := range c.shown() {
		for _, x := range append([]*Spec{s}, s.Subcommands()...) {
			if keep(x) {
				names = append(names, x.FullName())
			}
		}
	}
	c.Reply.Array(len(names))
	for _, name := range names {
		c.Reply.BulkString(name)
	}
}
