package lua

// OpenCoroutine adds the library coroutine.
func OpenCoroutine(g *Table) {
	t := library(NewTable(0, 8), []entry{
		{"create", coCreate},
		{"resume", coResume},
		{"running", coRunningFunc},
		{"status", coStatusFunc},
		{"wrap", coWrap},
		{"yield", coYield},
	})
	g.SetString("coroutine", TableValue(t))
}

const coStack = 600 // values of a new coroutine

func (l *State) newCoroutine(a Args) *coroutine {
	fn := l.Arg(a, 1)
	if fn.n != tagClosure {
		if fn.n == tagBuiltin {
			l.ArgError(1, "Lua function expected")
		}
		l.ArgError(1, "Lua function expected")
	}
	l.charge(coStack * 16)
	co := &State{shared: l.shared, stack: make([]Value, coStack)}
	co.Push(fn)
	return co
}

func coCreate(l *State, a Args) int {
	l.Push(threadValue(l.newCoroutine(a)))
	return 1
}

func (l *State) checkCoroutine(a Args) *coroutine {
	v := l.Arg(a, 1)
	if !v.isThread() {
		l.ArgError(1, "coroutine expected")
	}
	return v.coroutine()
}

// resume runs a coroutine until it yields, ends or fails.
func (l *State) resume(co *coroutine, args []Value) (values []Value, err *Error) {
	if co.co.status != coSuspended {
		name := map[coStatus]string{coRunning: "running", coNormal: "normal", coDead: "dead"}[co.co.status]
		if co.co.status != coDead {
			name = "non-suspended"
		}
		return nil, &Error{Value: String("cannot resume " + name + " coroutine")}
	}
	if l.nested >= maxNested-1 {
		return nil, &Error{Value: String("C stack overflow")}
	}
	co.co.resumer, co.co.status, l.co.status, l.current = l, coRunning, coNormal, co
	co.nested = l.nested + 1
	outer := co.nested
	err = co.protect(func() {
		if !co.co.started {
			co.co.started = true
			for _, v := range args {
				co.Push(v)
			}
			if co.precall(0, len(args), -1) {
				co.frames[0].fresh = true
				co.execute()
			}
			return
		}
		for _, v := range args {
			co.Push(v)
		}
		co.results(co.co.at, co.top-len(args), len(args), co.co.want)
		if f := &co.frames[len(co.frames)-1]; co.co.want >= 0 {
			co.top = f.base + f.cl.proto.stack
		}
		co.execute()
	}, true)
	co.nested = outer
	l.co.status, l.current = coRunning, l
	co.co.resumer = nil
	switch {
	case err != nil:
		co.co.status = coDead
		co.closeUpvalues(0)
		if err.Final {
			panic(err)
		}
		return nil, err
	case co.co.status == coSuspended:
		return co.co.values, nil
	default:
		co.co.status = coDead
		return co.stack[:co.top], nil
	}
}

func (l *State) argsFrom(a Args, i int) []Value {
	if i > a.N {
		return nil
	}
	return l.stack[a.base+i-1 : a.base+a.N]
}

func coResume(l *State, a Args) int {
	co := l.checkCoroutine(a)
	values, err := l.resume(co, l.argsFrom(a, 2))
	if err != nil {
		l.Push(False)
		l.Push(err.Value)
		return 2
	}
	l.Push(True)
	for _, v := range values {
		l.Push(v)
	}
	return len(values) + 1
}

func coWrap(l *State, a Args) int {
	co := l.newCoroutine(a)
	b := &Builtin{name: "wrap", up: []Value{threadValue(co)}}
	b.fn = func(l *State, a Args) int {
		values, err := l.resume(co, l.argsFrom(a, 1))
		if err != nil {
			if s, ok := err.Value.AsString(); ok {
				err.Value = String(l.where(1) + s)
			}
			l.Throw(err.Value)
		}
		for _, v := range values {
			l.Push(v)
		}
		return len(values)
	}
	l.Push(builtinValue(b))
	return 1
}

func coYield(l *State, a Args) int {
	n := len(l.frames) - 2 // the function that yields
	if l.co.main || l.co.resumer == nil || l.nested != l.co.resumer.nested+1 || n < 0 || l.frames[n].cl == nil {
		l.Throw(String("attempt to yield across metamethod/C-call boundary"))
	}
	self := &l.frames[len(l.frames)-1]
	l.co.values = append(l.co.values[:0], l.argsFrom(a, 1)...)
	l.co.at, l.co.want = self.at, self.want
	l.co.status = coSuspended
	return 0
}

func coStatusFunc(l *State, a Args) int {
	co := l.checkCoroutine(a)
	names := [...]string{coSuspended: "suspended", coRunning: "running", coNormal: "normal", coDead: "dead"}
	return l.pushString(names[co.co.status])
}

func coRunningFunc(l *State, _ Args) int {
	if l.co.main {
		return l.pushNil()
	}
	l.Push(threadValue(l))
	return 1
}
