package lua

import (
	"strings"
)

// entry is a function of a library.
type entry struct {
	name string
	fn   GoFunc
}

func library(t *Table, entries []entry) *Table {
	for _, e := range entries {
		t.SetString(e.name, FunctionValue(e.name, e.fn))
	}
	return t
}

// OpenBase adds the base library to a table of globals.
func OpenBase(g *Table) {
	library(g, []entry{
		{"assert", baseAssert},
		{"collectgarbage", baseCollect},
		{"error", baseError},
		{"gcinfo", baseGCInfo},
		{"getfenv", baseGetfenv},
		{"getmetatable", baseGetMeta},
		{"load", baseLoad},
		{"loadstring", baseLoadString},
		{"next", baseNext},
		{"pcall", basePcall},
		{"rawequal", baseRawEqual},
		{"rawget", baseRawGet},
		{"rawset", baseRawSet},
		{"select", baseSelect},
		{"setfenv", baseSetfenv},
		{"setmetatable", baseSetMeta},
		{"tonumber", baseToNumber},
		{"tostring", baseToString},
		{"type", baseType},
		{"unpack", baseUnpack},
		{"xpcall", baseXpcall},
	})
	next := FunctionValue("next", baseNext)
	g.SetString("pairs", FunctionValue("pairs", func(l *State, a Args) int {
		t := l.CheckTable(a, 1)
		l.Push(next)
		l.Push(TableValue(t))
		l.Push(Nil)
		return 3
	}))
	step := FunctionValue("ipairs_iterator", func(l *State, a Args) int {
		i := l.CheckInt(a, 2) + 1
		v := l.CheckTable(a, 1).GetInt(i)
		if v.isNil() {
			return 0
		}
		l.Push(Number(float64(i)))
		l.Push(v)
		return 2
	})
	g.SetString("ipairs", FunctionValue("ipairs", func(l *State, a Args) int {
		t := l.CheckTable(a, 1)
		l.Push(step)
		l.Push(TableValue(t))
		l.Push(Number(0))
		return 3
	}))
	g.SetString("_G", TableValue(g))
	g.SetString("_VERSION", String("Lua 5.1"))
}

func baseAssert(l *State, a Args) int {
	if l.CheckAny(a, 1).truthy() {
		l.top = a.base + a.N
		return a.N
	}
	text := "assertion failed!"
	if !l.Arg(a, 2).isNil() {
		text = l.CheckString(a, 2)
	}
	l.Errorf("%s", text)
	return 0
}

func baseCollect(l *State, a Args) int {
	option := "collect"
	if !l.Arg(a, 1).isNil() {
		option = l.CheckString(a, 1)
	}
	switch option {
	case "collect", "stop", "restart", "setpause", "setstepmul":
		return l.pushNumber(0)
	case "step":
		return l.pushBool(true)
	case "count":
		return l.pushNumber(float64(l.MemoryInUse()) / 1024)
	}
	l.ArgError(1, "invalid option '"+option+"'")
	return 0
}

func baseGCInfo(l *State, _ Args) int { return l.pushNumber(float64(l.MemoryInUse() / 1024)) }

func baseError(l *State, a Args) int {
	v := l.Arg(a, 1)
	level := l.OptInt(a, 2, 1)
	if text, ok := v.ToText(); ok && level > 0 {
		v = String(l.where(level) + text)
	}
	l.Throw(v)
	return 0
}

func baseGetMeta(l *State, a Args) int {
	m := l.metatable(l.CheckAny(a, 1))
	if m == nil {
		return l.pushNil()
	}
	if v := m.event(&eventMeta); !v.isNil() {
		l.Push(v)
		return 1
	}
	l.Push(TableValue(m))
	return 1
}

func baseSetMeta(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	m := l.Arg(a, 2)
	if a.N < 2 || !m.isNil() && !m.isTable() {
		l.ArgError(2, "nil or table expected")
	}
	if !t.meta.event(&eventMeta).isNil() {
		l.Errorf("cannot change a protected metatable")
	}
	if t.readOnly {
		l.Throw(String("Attempt to modify a readonly table"))
	}
	t.meta = m.AsTable()
	l.Push(TableValue(t))
	return 1
}

func baseNext(l *State, a Args) int {
	k, v, ok := l.CheckTable(a, 1).Next(l.Arg(a, 2))
	if !ok {
		l.Errorf("invalid key to 'next'")
	}
	l.Push(k)
	if k.isNil() {
		return 1
	}
	l.Push(v)
	return 2
}

func baseRawEqual(l *State, a Args) int {
	return l.pushBool(rawEqual(l.CheckAny(a, 1), l.CheckAny(a, 2)))
}

func baseRawGet(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	l.Push(t.Get(l.CheckAny(a, 2)))
	return 1
}

func baseRawSet(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	k, v := l.CheckAny(a, 2), l.CheckAny(a, 3)
	if t.readOnly {
		l.Throw(String("Attempt to modify a readonly table"))
	}
	l.rawSet(t, k, v)
	l.Push(TableValue(t))
	return 1
}

func baseSelect(l *State, a Args) int {
	if v := l.Arg(a, 1); v.isString() && v.str() == "#" {
		return l.pushNumber(float64(a.N - 1))
	}
	i := l.CheckInt(a, 1)
	if i < 0 {
		i += a.N
	} else if i > a.N {
		i = a.N
	}
	if i < 1 {
		l.ArgError(1, "index out of range")
	}
	l.top = a.base + a.N
	return a.N - i
}

func baseToNumber(l *State, a Args) int {
	base := l.OptInt(a, 2, 10)
	if base == 10 {
		v := l.CheckAny(a, 1)
		if f, ok := v.toNumber(); ok {
			return l.pushNumber(f)
		}
		return l.pushNil()
	}
	s := l.CheckString(a, 1)
	if base < 2 || base > 36 {
		l.ArgError(2, "base out of range")
	}
	f, ok := parseBase(s, base)
	if !ok {
		return l.pushNil()
	}
	return l.pushNumber(f)
}

// parseBase reads as C's strtoul does.
func parseBase(s string, base int) (float64, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if base == 16 && len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' {
		s = s[2:]
	}
	if s == "" {
		return 0, false
	}
	var n uint64
	over := false
	for i := range len(s) {
		c, d := s[i], 99
		switch {
		case isDigit(c):
			d = int(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			d = int(c|0x20-'a') + 10
		}
		if d >= base {
			return 0, false
		}
		if n > (^uint64(0)-uint64(d))/uint64(base) {
			over = true
		}
		n = n*uint64(base) + uint64(d)
	}
	if over {
		return float64(^uint64(0)), true
	}
	if negative {
		n = -n
	}
	return float64(n), true
}

func baseToString(l *State, a Args) int { return l.pushString(l.ToString(l.CheckAny(a, 1))) }

func baseType(l *State, a Args) int { return l.pushString(l.CheckAny(a, 1).TypeName()) }

func baseUnpack(l *State, a Args) int {
	t := l.CheckTable(a, 1)
	i := l.OptInt(a, 2, 1)
	e := t.Len()
	if !l.Arg(a, 3).isNil() {
		e = l.CheckInt(a, 3)
	}
	if i > e {
		return 0
	}
	n := e - i + 1
	if n <= 0 || n >= maxCSlots {
		l.Errorf("too many results to unpack")
	}
	for ; i <= e; i++ {
		l.Push(t.GetInt(i))
	}
	return n
}

func basePcall(l *State, a Args) int {
	l.CheckAny(a, 1)
	err := l.protect(func() { l.call(a.base, a.N-1, -1) }, false)
	if err != nil && l.caught != nil {
		err.Value = l.caught(err.Value)
	}
	return l.protected(a, err)
}

// protected makes the results of pcall; those of the call are at the first argument, up to the top.
func (l *State) protected(a Args, err *Error) int {
	if err != nil {
		l.top = a.base
		l.Push(False)
		l.Push(err.Value)
		l.closeUpvalues(a.base + 2)
		return 2
	}
	n := l.top - a.base
	l.Push(Nil)
	copy(l.stack[a.base+1:a.base+1+n], l.stack[a.base:a.base+n])
	l.stack[a.base] = True
	return n + 1
}

func baseXpcall(l *State, a Args) int {
	l.CheckAny(a, 2)
	fn, handler := l.Arg(a, 1), l.Arg(a, 2)
	l.top = a.base
	l.Push(fn)
	err := l.protect(func() { l.call(a.base, 0, -1) }, false)
	if err != nil {
		l.top = a.base + 2
		if e := l.protect(func() { err.Value = l.Invoke(handler, err.Value) }, false); e != nil {
			err.Value = e.Value
		}
	}
	return l.protected(a, err)
}

func baseLoadString(l *State, a Args) int {
	s := l.CheckString(a, 1)
	name := s
	if !l.Arg(a, 2).isNil() {
		name = l.CheckString(a, 2)
	}
	return l.load(s, name)
}

func (l *State) load(s, name string) int {
	if strings.HasPrefix(s, "\x1bLua") {
		l.Push(Nil)
		l.Push(String(chunkName(name) + ": bad binary format (truncated or refused)"))
		return 2
	}
	p, err := Compile(s, name)
	if err != nil {
		l.Push(Nil)
		l.Push(String(err.Error()))
		return 2
	}
	l.Push(l.Load(p))
	return 1
}

func baseLoad(l *State, a Args) int {
	fn := l.Arg(a, 1)
	if !fn.isFunction() {
		l.TypeError(a, 1, "function")
	}
	name := "=(load)"
	if !l.Arg(a, 2).isNil() {
		name = l.CheckString(a, 2)
	}
	var b strings.Builder
	for {
		v := l.Invoke(fn)
		if v.isNil() {
			break
		}
		piece, ok := v.ToText()
		if !ok {
			l.Push(Nil)
			l.Push(String("reader function must return a string"))
			return 2
		}
		if piece == "" {
			break
		}
		l.charge(b.Len() + len(piece))
		b.WriteString(piece)
	}
	return l.load(b.String(), name)
}

// environment finds the function that getfenv and setfenv mean.
func (l *State) environment(a Args, optional bool) *Closure {
	v := l.Arg(a, 1)
	if v.n == tagClosure {
		return v.closure()
	}
	if v.n == tagBuiltin {
		return nil
	}
	var level int
	if optional {
		level = l.OptInt(a, 1, 1)
	} else {
		level = l.CheckInt(a, 1)
	}
	if level < 0 {
		l.ArgError(1, "level must be non-negative")
	}
	i := len(l.frames) - 1 - level
	if level > 0 && i < 0 {
		l.ArgError(1, "invalid level")
	}
	if level == 0 {
		return nil
	}
	return l.frames[i].cl
}

func baseGetfenv(l *State, a Args) int {
	env := l.globals
	if c := l.environment(a, true); c != nil {
		env = c.env
	}
	l.Push(TableValue(env))
	return 1
}

func baseSetfenv(l *State, a Args) int {
	env := l.CheckTable(a, 2)
	c := l.environment(a, false)
	if c == nil {
		l.Errorf("'setfenv' cannot change environment of given object")
	}
	c.env = env
	l.Push(closureValue(c))
	return 1
}
