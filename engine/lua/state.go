package lua

import (
	"fmt"
	"strings"
)

const (
	firstStack   = 1024    // values
	frameRoom    = 256     // registers that a frame can address
	maxFrames    = 20000   // C Lua's LUAI_MAXCALLS
	maxNested    = 200     // calls of Lua from Go: C Lua's LUAI_MAXCCALLS
	maxCSlots    = 8000    // C Lua's LUAI_MAXCSTACK, for unpack
	maxString    = 1 << 29 // bytes of one string
	hookInterval = 10000   // jumps back and calls between two calls of the hook
)

// GoFunc is a host function. a names its arguments (State.Arg and its kind); it pushes its results (State.Push) and
// returns how many they are. It reports an error by State.Errorf or State.Throw, which do not return.
type GoFunc func(l *State, a Args) int

// Args are the arguments of one call of a GoFunc.
type Args struct {
	base int
	// N is how many there are.
	N int
}

// Builtin is a Go function as a Lua value.
type Builtin struct {
	name string
	fn   GoFunc
	up   []Value
}

// Closure is a Lua function with its upvalues and globals.
type Closure struct {
	proto *Proto
	up    []*upvalue
	env   *Table
}

type upvalue struct {
	v      *Value
	closed Value
	index  int // in the stack while open
}

type frame struct {
	cl     *Closure // nil for a Go function, …
	fn     *Builtin // … which this is
	base   int      // first register
	at     int      // where the function was, and its results go
	pc     int
	want   int // results; -1: all
	extra  int // arguments beyond the parameters, below base
	fresh  bool
	tailed bool
}

// shared is what the coroutines of an interpreter share.
type shared struct {
	globals  *Table
	strings  *Table // metatable of strings
	budget   int
	hook     func(l *State)
	random   uint64
	current  *State
	user     any
	caught   func(Value) Value
	memory   int64 // bytes allocated since the last measure
	maxBytes int64
}

// State is an interpreter, or one coroutine of it. It is not for several goroutines at a time.
type State struct {
	*shared
	stack  []Value
	frames []frame
	top    int
	open   []*upvalue // in order of index
	nested int
	co     coState
}

type coStatus uint8

const (
	coSuspended coStatus = iota
	coRunning
	coNormal
	coDead
)

type coState struct {
	main    bool
	status  coStatus
	started bool
	resumer *State
	// Of a yield: where its results go, and how many are wanted.
	at, want int
	values   []Value
}

type coroutine = State

// NewState makes an interpreter with the given globals; nil: an empty table.
func NewState(globals *Table) *State {
	if globals == nil {
		globals = NewTable(0, 0)
	}
	l := &State{shared: &shared{globals: globals, budget: hookInterval, random: firstRandom}, stack: make([]Value, firstStack)}
	l.co.main, l.co.status = true, coRunning
	l.current = l
	return l
}

// Globals is the table of globals.
func (l *State) Globals() *Table { return l.globals }

// SetStringMeta sets the metatable of all strings.
func (l *State) SetStringMeta(t *Table) { l.strings = t }

// SetHook sets a function that is called now and then while a script runs; it may Throw to end it. nil: none.
func (l *State) SetHook(f func(l *State)) { l.hook, l.budget = f, hookInterval }

// SetCaught sets a function that pcall passes what it has caught through; nil: none.
func (l *State) SetCaught(f func(Value) Value) { l.caught = f }

// User is what SetUser has kept: the host's own.
func (l *State) User() any { return l.user }

// SetUser keeps something for host functions.
func (l *State) SetUser(v any) { l.user = v }

// Error is a Lua error on its way to a pcall.
type Error struct {
	Value Value
	// Source and Line tell where it happened: the chunk's name as compiled ("" if not in a Lua function).
	Source string
	Line   int
	// Final errors pass pcall: the script is to end.
	Final bool
}

// Error is the value as text.
func (e *Error) Error() string {
	if s, ok := e.Value.ToText(); ok {
		return s
	}
	return "(error object is a " + e.Value.TypeName() + " value)"
}

// Throw raises an error with a value.
func (l *State) Throw(v Value) {
	e := &Error{Value: v}
	e.Source, e.Line = l.whereRaw()
	panic(e)
}

// ThrowFinal raises an error that no pcall catches.
func (l *State) ThrowFinal(v Value) {
	e := &Error{Value: v, Final: true}
	e.Source, e.Line = l.whereRaw()
	panic(e)
}

// whereRaw finds the innermost Lua function, past at most one Go function, as the host's error handlers do.
func (l *State) whereRaw() (string, int) {
	for i := len(l.frames) - 1; i >= 0 && i >= len(l.frames)-2; i-- {
		if f := &l.frames[i]; f.cl != nil {
			return f.cl.proto.source, f.line()
		}
	}
	if len(l.frames) > 0 {
		return "=[C]", -1
	}
	return "", 0
}

func (f *frame) line() int {
	return int(f.cl.proto.lines[max(f.pc-1, 0)])
}

// where is the position that a message begins with; level 0 is the running function.
func (l *State) where(level int) string {
	i := len(l.frames) - 1 - level
	if i < 0 || l.frames[i].cl == nil {
		return ""
	}
	f := &l.frames[i]
	return fmt.Sprintf("%s:%d: ", f.cl.proto.chunk, f.line())
}

// Errorf raises an error with the position of the Lua function that called the running Go function.
func (l *State) Errorf(format string, args ...any) {
	l.Throw(String(l.where(1) + fmt.Sprintf(format, args...)))
}

// runtimeErrorf raises an error at the current instruction.
func (l *State) runtimeErrorf(format string, args ...any) {
	l.Throw(String(l.where(0) + fmt.Sprintf(format, args...)))
}

// Push adds a result (or an argument for Call).
func (l *State) Push(v Value) {
	if l.top >= len(l.stack) {
		l.grow(l.top + 1)
	}
	l.stack[l.top] = v
	l.top++
}

// PushString, PushNumber, PushBool and PushNil push and count one, for the return of a GoFunc.
func (l *State) pushString(s string) int  { l.Push(String(s)); return 1 }
func (l *State) pushNumber(f float64) int { l.Push(Number(f)); return 1 }
func (l *State) pushBool(b bool) int      { l.Push(Bool(b)); return 1 }
func (l *State) pushNil() int             { l.Push(Nil); return 1 }

// grow makes the stack hold at least n values.
func (l *State) grow(n int) {
	size := len(l.stack) * 2
	for size < n {
		size *= 2
	}
	stack := make([]Value, size)
	copy(stack, l.stack)
	l.stack = stack
	for _, u := range l.open {
		u.v = &stack[u.index]
	}
}

// Arg returns an argument, from 1; nil if there are fewer.
func (l *State) Arg(a Args, i int) Value {
	if i > a.N {
		return Nil
	}
	return l.stack[a.base+i-1]
}

// ArgError raises "bad argument".
func (l *State) ArgError(i int, text string) {
	name := "?"
	if n := len(l.frames) - 1; n >= 0 {
		f := &l.frames[n]
		if n > 0 && l.frames[n-1].cl != nil {
			caller := &l.frames[n-1]
			o := caller.cl.proto.operands[int32(caller.pc-1)][0]
			if o.name != "" {
				name = o.name
			}
			if o.kind == "method" {
				i--
				if i == 0 {
					l.Errorf("calling '%s' on bad self (%s)", name, text)
				}
			}
		} else if f.fn == nil {
			name = "?"
		}
	}
	l.Errorf("bad argument #%d to '%s' (%s)", i, name, text)
}

// TypeError raises "bad argument" for an argument of the wrong type.
func (l *State) TypeError(a Args, i int, want string) {
	got := "no value"
	if i <= a.N {
		got = l.Arg(a, i).TypeName()
	}
	l.ArgError(i, want+" expected, got "+got)
}

// CheckTable returns a table argument.
func (l *State) CheckTable(a Args, i int) *Table {
	v := l.Arg(a, i)
	if !v.isTable() {
		l.TypeError(a, i, "table")
	}
	return v.table()
}

// CheckNumber returns a number argument (a string that reads as one will do).
func (l *State) CheckNumber(a Args, i int) float64 {
	v := l.Arg(a, i)
	if v.isNumber() {
		return v.num()
	}
	f, ok := v.toNumber()
	if !ok {
		l.TypeError(a, i, "number")
	}
	return f
}

// CheckInt is CheckNumber, cut to an integer as a C cast does.
func (l *State) CheckInt(a Args, i int) int { return toInt(l.CheckNumber(a, i)) }

// OptInt is CheckInt with a default for an argument that is nil.
func (l *State) OptInt(a Args, i, standard int) int {
	if l.Arg(a, i).isNil() {
		return standard
	}
	return l.CheckInt(a, i)
}

func toInt(f float64) int {
	if f >= -9.2e18 && f <= 9.2e18 {
		return int(f)
	}
	return -1 << 63
}

// CheckString returns a string argument (a number will do).
func (l *State) CheckString(a Args, i int) string {
	v := l.Arg(a, i)
	if v.isString() {
		return v.str()
	}
	s, ok := v.ToText()
	if !ok {
		l.TypeError(a, i, "string")
	}
	return s
}

// CheckAny wants an argument to be there.
func (l *State) CheckAny(a Args, i int) Value {
	if i > a.N {
		l.ArgError(i, "value expected")
	}
	return l.Arg(a, i)
}

// charge counts memory that a script has asked for, and raises an error for what no script may have.
func (l *State) charge(bytes int) {
	if bytes > maxString {
		l.Throw(String("not enough memory"))
	}
	if l.maxBytes > 0 {
		l.memory += int64(bytes)
		if l.memory > l.maxBytes {
			l.measure()
		}
	}
}

// call calls what is at stack[at] with nargs arguments behind it, up to the top. The results take their
// place, want of them (-1: all), and end at the top.
func (l *State) call(at, nargs, want int) {
	if l.precall(at, nargs, want) {
		l.frames[len(l.frames)-1].fresh = true
		l.nested++
		if l.nested >= maxNested {
			l.frames = l.frames[:len(l.frames)-1] // so that the caller is where it happened
			l.nested--
			l.Errorf("C stack overflow")
		}
		l.execute()
		l.nested--
	}
	if want >= 0 {
		l.top = at + want
	}
}

// Invoke calls a function from a Go function, and returns its first result.
func (l *State) Invoke(fn Value, args ...Value) Value {
	at := l.top
	l.Push(fn)
	for _, v := range args {
		l.Push(v)
	}
	l.call(at, len(args), 1)
	l.top = at
	return l.stack[at]
}

// protect runs f, and returns the error that it raised. Only Lua errors are caught.
func (l *State) protect(f func(), all bool) (err *Error) {
	frames, nested, top := len(l.frames), l.nested, l.top
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		e, ok := v.(*Error)
		if !ok || e.Final && !all {
			panic(v)
		}
		l.current = l
		clear(l.frames[frames:])
		l.frames, l.nested, l.top = l.frames[:frames], nested, top
		err = e
	}()
	f()
	return nil
}

// Load makes a function of a compiled chunk.
func (l *State) Load(p *Proto) Value { return closureValue(&Closure{proto: p, env: l.globals}) }

// Run calls fn from outside of any Lua code, and returns its first result or the error that it raised.
func (l *State) Run(fn Value, args ...Value) (result Value, err *Error) {
	l.budget = hookInterval
	err = l.protect(func() { result = l.Invoke(fn, args...) }, true)
	l.closeUpvalues(0)
	return result, err
}

// Reset drops what the stack still refers to, and makes the state usable after a panic that was no Lua error.
func (l *State) Reset() {
	l.closeUpvalues(0)
	clear(l.frames)
	l.frames, l.nested, l.top, l.current = l.frames[:0], 0, 0, l
	if len(l.stack) > 8*firstStack {
		l.stack = make([]Value, firstStack)
		return
	}
	clear(l.stack)
}

// ToString is what tostring() makes of a value.
func (l *State) ToString(v Value) string {
	if m := l.metaOf(v, &eventToString); !m.isNil() {
		s := l.Invoke(m, v)
		if text, ok := s.ToText(); ok {
			return text
		}
		l.Errorf("'tostring' must return a string to 'print'")
	}
	switch v.Kind() {
	case KindNil:
		return "nil"
	case KindBool:
		if v.truthy() {
			return "true"
		}
		return "false"
	case KindString, KindNumber:
		s, _ := v.ToText()
		return s
	case KindBuiltin:
		return fmt.Sprintf("function: builtin: %p", v.p)
	case KindOther:
		if !v.isThread() {
			return "userdata: (nil)"
		}
	}
	return fmt.Sprintf("%s: %p", v.TypeName(), v.p)
}

func joinName(o operand) string {
	var b strings.Builder
	b.WriteString(o.kind)
	b.WriteString(" '")
	b.WriteString(o.name)
	b.WriteString("' (a ")
	return b.String()
}
