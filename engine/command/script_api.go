package command

import (
	"log/slog"
	"math"
	"strconv"
	"strings"

	"github.com/elastane/elastane/engine/acl"
	"github.com/elastane/elastane/engine/lua"
	"github.com/elastane/elastane/engine/resp"
)

// What redis.set_repl takes.
const (
	replAOF     = 1
	replReplica = 2
	replAll     = replAOF | replReplica
)

// newScriptState makes an interpreter as scripts find it: the libraries, redis and server, all of it read-only.
func newScriptState() *lua.State {
	g := lua.NewTable(0, 64)
	lua.OpenBase(g)
	strings := lua.OpenString(g)
	lua.OpenTable(g)
	lua.OpenMath(g)
	lua.OpenCoroutine(g)
	lua.OpenOS(g)
	lua.OpenBit(g)
	lua.OpenStruct(g)
	lua.OpenCJSON(g)
	lua.OpenCmsgpack(g)
	api := scriptAPI()
	g.SetString("redis", api)
	g.SetString("server", api)
	handler := lua.FunctionValue("__server__err__handler", func(l *lua.State, a lua.Args) int {
		v := l.Arg(a, 1)
		if v.AsTable() == nil {
			v = errorTable("ERR " + l.ToString(v))
		}
		l.Push(v)
		return 1
	})
	g.SetString("__redis__err__handler", handler)
	g.SetString("__server__err__handler", handler)
	meta := lua.NewTable(0, 1)
	meta.SetString("__index", lua.FunctionValue("__index", func(l *lua.State, a lua.Args) int {
		name, ok := l.Arg(a, 2).ToText()
		if !ok {
			l.Errorf("Second argument to luaProtectedTableError must be a string or number")
		}
		l.Errorf("Script attempted to access nonexistent global variable '%s'", name)
		return 0
	}))
	meta.SetReadOnly()
	g.SetMeta(meta)
	strings.SetReadOnly()
	for key, value, _ := g.Next(lua.Nil); !key.IsNil(); key, value, _ = g.Next(key) {
		if t := value.AsTable(); t != nil {
			t.SetReadOnly()
		}
	}
	l := lua.NewState(g)
	l.SetStringMeta(strings)
	l.SetCaught(func(v lua.Value) lua.Value { // an error reply is caught as its text
		if t := v.AsTable(); t != nil {
			if text, ok := t.GetString("err").ToText(); ok {
				return lua.String(text)
			}
		}
		return v
	})
	l.SetHook(func(l *lua.State) {
		if run, ok := l.User().(*scriptRun); ok && run.c != nil {
			run.tick(l)
		}
	})
	return l
}

// scriptAPI is the table redis.
func scriptAPI() lua.Value {
	t := lua.NewTable(0, 32)
	for name, n := range map[string]float64{
		"LOG_DEBUG": 0, "LOG_VERBOSE": 1, "LOG_NOTICE": 2, "LOG_WARNING": 3,
		"REPL_NONE": 0, "REPL_AOF": replAOF, "REPL_SLAVE": replReplica, "REPL_REPLICA": replReplica, "REPL_ALL": replAll,
		"REDIS_VERSION_NUM": 0x070204, "VALKEY_VERSION_NUM": 0x080000,
	} {
		t.SetString(name, lua.Number(n))
	}
	t.SetString("REDIS_VERSION", lua.String("7.2.4"))
	t.SetString("VALKEY_VERSION", lua.String("8.0.0"))
	t.SetString("SERVER_NAME", lua.String("valkey"))
	for name, fn := range map[string]func(r *scriptRun, l *lua.State, a lua.Args) int{
		"call":  func(r *scriptRun, l *lua.State, a lua.Args) int { return r.command(l, a, false) },
		"pcall": func(r *scriptRun, l *lua.State, a lua.Args) int { return r.command(l, a, true) },
		"log":   apiLog, "sha1hex": apiSHA1, "error_reply": apiErrorReply, "status_reply": apiStatusReply,
		"setresp": apiSetResp, "set_repl": apiSetRepl, "acl_check_cmd": apiACLCheck,
		"replicate_commands": func(_ *scriptRun, l *lua.State, _ lua.Args) int { l.Push(lua.True); return 1 },
		"breakpoint":         func(_ *scriptRun, l *lua.State, _ lua.Args) int { l.Push(lua.False); return 1 },
		"debug":              func(*scriptRun, *lua.State, lua.Args) int { return 0 },
	} {
		t.SetString(name, lua.FunctionValue(name, func(l *lua.State, a lua.Args) int {
			return fn(l.User().(*scriptRun), l, a) //nolint:forcetypeassert // newScriptState's user
		}))
	}
	return lua.TableValue(t)
}

func throw(l *lua.State, text string) { l.Throw(errorTable(text)) }

func apiLog(r *scriptRun, l *lua.State, a lua.Args) int {
	if a.N < 2 {
		throw(l, "ERR server.log() requires two arguments or more.")
	}
	level, ok := l.Arg(a, 1).AsNumber()
	if !ok {
		throw(l, "ERR First argument must be a number (log level).")
	}
	if level < 0 || level > 3 {
		throw(l, "ERR Invalid log level.")
	}
	var words []string
	for i := 2; i <= a.N; i++ {
		if s, ok := l.Arg(a, i).ToText(); ok {
			words = append(words, s)
		}
	}
	levels := [...]slog.Level{slog.LevelDebug, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn}
	r.c.Server.Logger.Log(nil, levels[int(level)], "script: "+strings.Join(words, " ")) //nolint:staticcheck // no context here
	return 0
}

func apiSHA1(_ *scriptRun, l *lua.State, a lua.Args) int {
	if a.N != 1 {
		throw(l, "ERR wrong number of arguments")
	}
	text, _ := l.Arg(a, 1).ToText()
	sha := scriptSHA([]byte(text))
	l.Push(lua.Bytes(sha[:]))
	return 1
}

func apiErrorReply(_ *scriptRun, l *lua.State, a lua.Args) int {
	text, ok := l.Arg(a, 1).AsString()
	if a.N != 1 || !ok {
		l.Push(errorTable("ERR wrong number or type of arguments"))
		return 1
	}
	text = strings.TrimPrefix(text, "-")
	code, message, ok := strings.Cut(text, " ")
	if !ok {
		code, message = "ERR", text
	}
	l.Push(errorTable(code + " " + strings.Trim(message, "\r\n")))
	return 1
}

func apiStatusReply(_ *scriptRun, l *lua.State, a lua.Args) int {
	text, ok := l.Arg(a, 1).AsString()
	if a.N != 1 || !ok {
		l.Push(errorTable("ERR wrong number or type of arguments"))
		return 1
	}
	t := lua.NewTable(0, 1)
	t.SetString("ok", lua.String(text))
	l.Push(lua.TableValue(t))
	return 1
}

func apiSetResp(r *scriptRun, l *lua.State, a lua.Args) int {
	if a.N != 1 {
		throw(l, "ERR server.setresp() requires one argument.")
	}
	n, _ := l.Arg(a, 1).AsNumber()
	if n != 2 && n != 3 {
		throw(l, "ERR RESP version must be 2 or 3.")
	}
	r.proto = int(n)
	return 0
}

func apiSetRepl(r *scriptRun, l *lua.State, a lua.Args) int {
	if a.N != 1 {
		throw(l, "ERR server.set_repl() requires one argument.")
	}
	n, _ := l.Arg(a, 1).AsNumber()
	if int(n)&^replAll != 0 {
		throw(l, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
	}
	r.repl = int(n)
	return 0
}

// apiACLCheck tells whether the user of the script may run a command.
func apiACLCheck(r *scriptRun, l *lua.State, a lua.Args) int {
	if a.N == 0 {
		throw(l, "ERR Please specify at least one argument for this server.acl_check_cmd() call")
	}
	argv := make([][]byte, 0, a.N)
	for i := 1; i <= a.N; i++ {
		word, ok := l.Arg(a, i).ToText()
		if !ok {
			throw(l, "ERR server.acl_check_cmd() require all arguments to be strings")
		}
		argv = append(argv, []byte(word))
	}
	spec := r.c.Server.Table.Resolve(argv)
	if spec == nil {
		throw(l, "ERR Invalid command passed to server.acl_check_cmd()")
	}
	allowed := true
	if account := r.c.Client.account; account != nil {
		denied, _ := account.User().Check(aclCall(spec, argv))
		allowed = denied == acl.Allowed
	}
	l.Push(lua.Bool(allowed))
	return 1
}

// replyReader turns a reply into Lua values. It reads what our own handlers wrote.
type replyReader struct {
	buf    []byte
	pos    int
	resp3  bool
	failed bool // the whole reply is an error
}

func (p *replyReader) line() []byte {
	start := p.pos
	for p.buf[p.pos] != '\r' {
		p.pos++
	}
	line := p.buf[start:p.pos]
	p.pos += 2
	return line
}

func (p *replyReader) length() int {
	n, _ := parseInt(p.line()) // written by us
	return int(n)
}

func (p *replyReader) value() lua.Value {
	if p.pos >= len(p.buf) {
		return lua.False
	}
	top := p.pos == 0
	kind := p.buf[p.pos]
	p.pos++
	switch kind {
	case '$':
		n := p.length()
		if n < 0 {
			return lua.False
		}
		b := p.buf[p.pos : p.pos+n]
		p.pos += n + 2
		return lua.Bytes(b)
	case ':':
		n, _ := parseInt(p.line())
		return lua.Number(float64(n))
	case '+':
		return field("ok", lua.Bytes(p.line()))
	case '-':
		p.failed = top
		return errorTable(string(p.line()))
	case '*', '>':
		n := p.length()
		if n < 0 {
			return lua.False
		}
		t := lua.NewTable(n, 0)
		for i := range n {
			t.SetInt(i+1, p.value())
		}
		return lua.TableValue(t)
	case '%':
		n := p.length()
		t := lua.NewTable(0, n)
		for range n {
			k := p.value()
			t.Set(k, p.value())
		}
		return field("map", lua.TableValue(t))
	case '~':
		n := p.length()
		t := lua.NewTable(0, n)
		for range n {
			t.Set(p.value(), lua.True)
		}
		return field("set", lua.TableValue(t))
	case '_':
		p.line()
		return lua.Nil
	case '#':
		return lua.Bool(p.line()[0] == 't')
	case ',':
		f, _ := strconv.ParseFloat(string(p.line()), 64)
		return field("double", lua.Number(f))
	case '(':
		return field("big_number", lua.Bytes(p.line()))
	case '=':
		n := p.length()
		b := p.buf[p.pos : p.pos+n]
		p.pos += n + 2
		t := lua.NewTable(0, 2)
		t.SetString("format", lua.Bytes(b[:3]))
		t.SetString("string", lua.Bytes(b[4:]))
		return field("verbatim_string", lua.TableValue(t))
	}
	return lua.False
}

func field(name string, v lua.Value) lua.Value {
	t := lua.NewTable(0, 1)
	t.SetString(name, v)
	return lua.TableValue(t)
}

// answer replies with what a script returned, or the error that ended it.
func (r *scriptRun) answer(w *resp.Writer, v lua.Value, err *lua.Error) {
	if err == nil {
		r.reply3(w, v, 0)
		return
	}
	var text string
	source, line := err.Source, err.Line
	if t := err.Value.AsTable(); t != nil {
		text, _ = t.GetString("err").ToText()
		if s, ok := t.GetString("source").AsString(); ok {
			source = s
		}
		if n, ok := t.GetString("line").AsNumber(); ok {
			line = int(n)
		}
	} else {
		text = "ERR " + r.text(err.Value)
	}
	if source != "" {
		text += " script: " + r.name + ", on " + source + ":" + strconv.Itoa(line) + "."
	}
	w.Error(text)
}

func (r *scriptRun) text(v lua.Value) string {
	if s, ok := v.ToText(); ok {
		return s
	}
	return r.c.worker.scripts.state.ToString(v)
}

const maxReplyDepth = 200

func (r *scriptRun) reply3(w *resp.Writer, v lua.Value, depth int) {
	if depth > maxReplyDepth {
		w.Error("ERR reached lua stack limit")
		return
	}
	switch v.Kind() {
	case lua.KindString:
		s, _ := v.AsString()
		w.BulkString(s)
	case lua.KindNumber:
		f, _ := v.AsNumber()
		w.Int(truncate(f))
	case lua.KindBool:
		switch {
		case r.proto == 3:
			w.Bool(v.Truthy())
		case v.Truthy():
			w.Int(1)
		default:
			w.Null()
		}
	case lua.KindTable:
		r.replyTable(w, v.AsTable(), depth)
	default:
		w.Null()
	}
}

func truncate(f float64) int64 {
	if f != f || f >= 1<<63 || f < -1<<63 {
		return math.MinInt64
	}
	return int64(f)
}

func (r *scriptRun) replyTable(w *resp.Writer, t *lua.Table, depth int) {
	if s, ok := t.GetString("err").ToText(); ok {
		w.Error(strings.TrimPrefix(s, "-"))
		return
	}
	if s, ok := t.GetString("ok").ToText(); ok {
		w.Simple(strings.NewReplacer("\r", " ", "\n", " ").Replace(s))
		return
	}
	if f, ok := t.GetString("double").AsNumber(); ok {
		w.Double(f)
		return
	}
	if s, ok := t.GetString("big_number").AsString(); ok {
		s = strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
		if w.Proto >= 3 {
			w.RawString("(" + s + "\r\n")
		} else {
			w.BulkString(s)
		}
		return
	}
	if m := t.GetString("verbatim_string").AsTable(); m != nil {
		format, ok := m.GetString("format").AsString()
		text, ok2 := m.GetString("string").AsString()
		if ok && ok2 {
			w.Verbatim((format + "   ")[:3], text)
			return
		}
	}
	if m := t.GetString("map").AsTable(); m != nil {
		w.Map(count(m))
		for k, v, _ := m.Next(lua.Nil); !k.IsNil(); k, v, _ = m.Next(k) {
			r.reply3(w, k, depth+1)
			r.reply3(w, v, depth+1)
		}
		return
	}
	if m := t.GetString("set").AsTable(); m != nil {
		w.Set(count(m))
		for k, _, _ := m.Next(lua.Nil); !k.IsNil(); k, _, _ = m.Next(k) {
			r.reply3(w, k, depth+1)
		}
		return
	}
	n := 0
	for !t.GetInt(n + 1).IsNil() {
		n++
	}
	w.Array(n)
	for i := range n {
		r.reply3(w, t.GetInt(i+1), depth+1)
	}
}

func count(t *lua.Table) (n int) {
	for k, _, _ := t.Next(lua.Nil); !k.IsNil(); k, _, _ = t.Next(k) {
		n++
	}
	return n
}
