package lua

import (
	"math"
	"unsafe"
)

// precall calls what is at stack[at]. A Lua function gets a frame and the report is true: execute has to run it. A Go
// function has been run, and its results are in place (want -1: up to the top).
func (l *State) precall(at, nargs, want int) bool {
	f := l.stack[at]
	if f.n == tagClosure {
		l.enter(f.closure(), at, nargs, want)
		return true
	}
	if f.n != tagBuiltin {
		h := l.metaOf(f, &eventCall)
		if !h.isFunction() {
			l.typeError(f, 0, "call")
		}
		if at+nargs+2 >= len(l.stack) {
			l.grow(at + nargs + 2)
		}
		copy(l.stack[at+1:at+nargs+2], l.stack[at:at+nargs+1])
		l.stack[at] = h
		l.top = at + nargs + 2
		return l.precall(at, nargs+1, want)
	}
	b := f.builtin()
	l.push(frame{fn: b, base: at + 1, at: at, want: want})
	l.top = at + 1 + nargs
	n := b.fn(l, Args{at + 1, nargs})
	l.frames = l.frames[:len(l.frames)-1]
	l.results(at, l.top-n, n, want)
	return false
}

func (l *State) push(f frame) {
	if len(l.frames) >= maxFrames {
		if len(l.frames) > maxFrames+maxNested {
			panic(&Error{Value: String("error in error handling")})
		}
		l.runtimeErrorf("stack overflow")
	}
	l.frames = append(l.frames, f)
}

// results moves n results at from to where the caller wants them.
func (l *State) results(at, from, n, want int) {
	stack := l.stack
	if want < 0 {
		copy(stack[at:at+n], stack[from:from+n])
		l.top = at + n
		return
	}
	if n >= want {
		for i := range want {
			stack[at+i] = stack[from+i]
		}
		return
	}
	copy(stack[at:at+n], stack[from:from+n])
	for i := at + n; i < at+want; i++ {
		stack[i] = Nil
	}
}

// enter makes the frame of a Lua function.
func (l *State) enter(cl *Closure, at, nargs, want int) {
	p := cl.proto
	base, extra := at+1, 0
	if p.vararg {
		extra = max(nargs-p.params, 0)
		base = at + 1 + nargs
	}
	if base+frameRoom+p.params >= len(l.stack) {
		l.grow(base + frameRoom + p.params + 1)
	}
	stack := l.stack
	if p.vararg {
		for i := range p.params {
			if i < nargs {
				stack[base+i] = stack[at+1+i]
			} else {
				stack[base+i] = Nil
			}
		}
		if extra > 0 && p.params > 0 {
			extra = nargs - p.params
		}
	} else {
		for i := nargs; i < p.params; i++ {
			stack[base+i] = Nil
		}
	}
	l.push(frame{cl: cl, base: base, at: at, want: want, extra: extra})
	l.top = base + p.stack
}

func (l *State) findUpvalue(index int) *upvalue {
	i := len(l.open)
	for i > 0 && l.open[i-1].index > index {
		i--
	}
	if i > 0 && l.open[i-1].index == index {
		return l.open[i-1]
	}
	u := &upvalue{v: &l.stack[index], index: index}
	l.open = append(l.open, nil)
	copy(l.open[i+1:], l.open[i:])
	l.open[i] = u
	return u
}

func (l *State) closeUpvalues(from int) {
	n := len(l.open)
	for n > 0 && l.open[n-1].index >= from {
		u := l.open[n-1]
		u.closed = *u.v
		u.v = &u.closed
		n--
		l.open[n] = nil
	}
	l.open = l.open[:n]
}

// tick is called when the budget is used up.
func (l *State) tick() {
	l.budget = hookInterval
	if l.hook != nil {
		l.hook(l)
	}
}

func signed(i uint64) int { return int(int32(i >> 32)) }

// execute runs the topmost frame, and what it calls, until a fresh frame returns or the coroutine yields.
func (l *State) execute() {
	g := l.shared
newFrame:
	f := &l.frames[len(l.frames)-1]
	cl := f.cl
	p := cl.proto
	code, k, base := p.code, p.k, f.base
	regs := (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
	pc := f.pc
	for {
		i := code[pc]
		pc++
		a := uint8(i >> 8)
		switch opcode(uint8(i)) {
		case opMove:
			regs[a] = regs[uint8(i>>32)]
		case opLoadK:
			regs[a] = k[signed(i)]
		case opLoadNil:
			for r := int(a); r <= int(uint8(i>>32)); r++ {
				regs[uint8(r)] = Nil
			}
		case opUpvalue:
			regs[a] = *cl.up[uint8(i>>32)].v
		case opSetUp:
			*cl.up[uint8(i>>32)].v = regs[a]
		case opGlobal:
			x := signed(i)
			v := cl.env.getString(k[x].str(), p.hashes[x], true)
			if v.isNil() && cl.env.meta != nil {
				f.pc = pc
				v = l.index(TableValue(cl.env), k[x])
				regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
				f = &l.frames[len(l.frames)-1]
			}
			regs[a] = v
		case opSetGlob:
			f.pc = pc
			l.setIndex(TableValue(cl.env), k[signed(i)], regs[a])
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
		case opIndex:
			o, key := regs[uint8(i>>32)], regs[uint8(i>>48)]
			if o.isTable() {
				t := o.table()
				if key.isNumber() {
					x := key.num()
					if n := int(x); uint(n-1) < uint(len(t.array)) && float64(n) == x {
						if v := t.array[n-1]; !v.isNil() {
							regs[a] = v
							continue
						}
					}
				}
				if t.meta == nil {
					regs[a] = t.Get(key)
					continue
				}
			}
			f.pc = pc
			v := l.index(o, key)
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opField:
			o, x := regs[uint8(i>>32)], int(i>>48)
			if o.isTable() {
				t := o.table()
				v := t.getString(k[x].str(), p.hashes[x], true)
				if !v.isNil() || t.meta == nil {
					regs[a] = v
					continue
				}
			}
			f.pc = pc
			v := l.index(o, k[x])
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opElement:
			o, n := regs[uint8(i>>32)], int(i>>48)
			if o.isTable() {
				t := o.table()
				if n-1 < len(t.array) {
					if v := t.array[n-1]; !v.isNil() || t.meta == nil {
						regs[a] = v
						continue
					}
				}
			}
			f.pc = pc
			v := l.index(o, Number(float64(n)))
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opSetIdx:
			o, key := regs[a], regs[uint8(i>>32)]
			if o.isTable() && key.isNumber() {
				t := o.table()
				x := key.num()
				if n := int(x); uint(n-1) < uint(len(t.array)) && float64(n) == x && t.meta == nil && !t.readOnly {
					t.array[n-1] = regs[uint8(i>>48)]
					continue
				}
			}
			f.pc = pc
			l.setIndex(o, key, regs[uint8(i>>48)])
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
		case opSetField:
			o, x := regs[a], int(uint16(i>>32))
			if o.isTable() {
				if t := o.table(); t.meta == nil && !t.readOnly && g.maxBytes == 0 {
					t.set(k[x], regs[uint8(i>>48)], p.hashes[x], true)
					continue
				}
			}
			f.pc = pc
			l.setIndex(o, k[x], regs[uint8(i>>48)])
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
		case opSelf:
			o, x := regs[uint8(i>>32)], int(i>>48)
			regs[a+1] = o
			f.pc = pc
			v := l.index(o, k[x])
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opTable:
			if g.maxBytes > 0 {
				f.pc = pc
				l.charge(64)
			}
			regs[a] = TableValue(NewTable(int(uint16(i>>32)), int(i>>48)))
		case opSetList:
			n := int(uint16(i >> 32))
			if n == 0 {
				n = l.top - base - int(a) - 1
			}
			offset := signed(code[pc])
			pc++
			start := base + int(a) + 1
			regs[a].table().setList(offset, l.stack[start:start+n])
			l.top = base + p.stack
		case opAdd:
			x, y := &regs[uint8(i>>32)], &regs[uint8(i>>48)]
			if x.n >= firstNumber && y.n >= firstNumber {
				regs[a].n = math.Float64bits(x.num()+y.num()) + firstNumber
				continue
			}
			f.pc = pc
			v := l.arithmetic(opAdd, *x, *y)
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opSub:
			x, y := &regs[uint8(i>>32)], &regs[uint8(i>>48)]
			if x.n >= firstNumber && y.n >= firstNumber {
				regs[a].n = math.Float64bits(x.num()-y.num()) + firstNumber
				continue
			}
			f.pc = pc
			v := l.arithmetic(opSub, *x, *y)
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opMul:
			x, y := &regs[uint8(i>>32)], &regs[uint8(i>>48)]
			if x.n >= firstNumber && y.n >= firstNumber {
				regs[a].n = math.Float64bits(x.num()*y.num()) + firstNumber
				continue
			}
			f.pc = pc
			v := l.arithmetic(opMul, *x, *y)
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opDiv, opMod, opPow:
			x, y := regs[uint8(i>>32)], regs[uint8(i>>48)]
			if x.n >= firstNumber && y.n >= firstNumber {
				regs[a] = Number(arith(opcode(uint8(i)), x.num(), y.num()))
				continue
			}
			f.pc = pc
			v := l.arithmetic(opcode(uint8(i)), x, y)
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opAddK:
			x := &regs[uint8(i>>32)]
			if x.n >= firstNumber {
				regs[a].n = math.Float64bits(x.num()+k[i>>48].num()) + firstNumber
				continue
			}
			f.pc = pc
			v := l.arithmetic(opAdd, *x, k[i>>48])
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opSubK:
			x := &regs[uint8(i>>32)]
			if x.n >= firstNumber {
				regs[a].n = math.Float64bits(x.num()-k[i>>48].num()) + firstNumber
				continue
			}
			f.pc = pc
			v := l.arithmetic(opSub, *x, k[i>>48])
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opMulK, opDivK, opModK, opPowK:
			op := opcode(uint8(i)) - opAddK + opAdd
			x := regs[uint8(i>>32)]
			if x.n >= firstNumber {
				regs[a] = Number(arith(op, x.num(), k[i>>48].num()))
				continue
			}
			f.pc = pc
			v := l.arithmetic(op, x, k[i>>48])
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opUnm:
			x := regs[uint8(i>>32)]
			if x.isNumber() {
				regs[a] = Number(-x.num())
				continue
			}
			f.pc = pc
			v := l.negate(x)
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opNot:
			regs[a] = Bool(!regs[uint8(i>>32)].truthy())
		case opLen:
			f.pc = pc
			regs[a] = l.length(regs[uint8(i>>32)])
		case opConcat:
			f.pc = pc
			v := l.concat(base+int(uint16(i>>32)), base+int(i>>48)+1)
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
			regs[a] = v
		case opJump:
			x := signed(i)
			pc += x
			if x < 0 {
				if g.budget--; g.budget <= 0 {
					f.pc = pc
					l.tick()
				}
			}
		case opJumpIf:
			if regs[a].truthy() {
				pc += signed(i)
			}
		case opJumpNo:
			if !regs[a].truthy() {
				pc += signed(i)
			}
		case opEq:
			x, y := regs[uint8(i>>32)], regs[uint8(i>>48)]
			var r bool
			if x.isTable() && y.isTable() && x.p != y.p {
				f.pc = pc
				r = l.equal(x, y)
				regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
				f = &l.frames[len(l.frames)-1]
			} else {
				r = rawEqual(x, y)
			}
			if r == (a != 0) {
				pc += signed(code[pc])
			}
			pc++
		case opEqK:
			if rawEqual(regs[uint8(i>>32)], k[i>>48]) == (a != 0) {
				pc += signed(code[pc])
			}
			pc++
		case opLt:
			x, y := regs[uint8(i>>32)], regs[uint8(i>>48)]
			var r bool
			if x.isNumber() && y.isNumber() {
				r = x.num() < y.num()
			} else {
				f.pc = pc
				r = l.less(x, y)
				regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
				f = &l.frames[len(l.frames)-1]
			}
			if r == (a != 0) {
				pc += signed(code[pc])
			}
			pc++
		case opLe:
			x, y := regs[uint8(i>>32)], regs[uint8(i>>48)]
			var r bool
			if x.isNumber() && y.isNumber() {
				r = x.num() <= y.num()
			} else {
				f.pc = pc
				r = l.lessEqual(x, y)
				regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
				f = &l.frames[len(l.frames)-1]
			}
			if r == (a != 0) {
				pc += signed(code[pc])
			}
			pc++
		case opLtK, opLeK, opGtK, opGeK:
			x, y := regs[uint8(i>>32)], k[i>>48]
			var r bool
			if x.isNumber() {
				n, m := x.num(), y.num()
				switch opcode(uint8(i)) {
				case opLtK:
					r = n < m
				case opLeK:
					r = n <= m
				case opGtK:
					r = n > m
				default:
					r = n >= m
				}
			} else {
				f.pc = pc
				switch opcode(uint8(i)) {
				case opLtK:
					r = l.less(x, y)
				case opLeK:
					r = l.lessEqual(x, y)
				case opGtK:
					r = l.less(y, x)
				default:
					r = l.lessEqual(y, x)
				}
				regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
				f = &l.frames[len(l.frames)-1]
			}
			if r == (a != 0) {
				pc += signed(code[pc])
			}
			pc++
		case opCall:
			f.pc = pc
			at := base + int(a)
			nargs := int(uint16(i>>32)) - 1
			if nargs < 0 {
				nargs = l.top - at - 1
			}
			if g.budget--; g.budget <= 0 {
				top := l.top
				l.top = max(at+1+nargs, base+p.stack)
				l.tick()
				l.top = top
			}
			if v := regs[a]; v.n == tagClosure {
				l.enter(v.closure(), at, nargs, int(i>>48)-1)
				goto newFrame
			}
			if l.precall(at, nargs, int(i>>48)-1) {
				goto newFrame
			}
			if l.co.status != coRunning {
				return // it has yielded
			}
			if i>>48 != 0 {
				l.top = base + p.stack
			}
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
		case opTail:
			f.pc = pc
			at := base + int(a)
			nargs := int(uint16(i>>32)) - 1
			if nargs < 0 {
				nargs = l.top - at - 1
			}
			if g.budget--; g.budget <= 0 {
				top := l.top
				l.top = max(at+1+nargs, base+p.stack)
				l.tick()
				l.top = top
			}
			if v := regs[a]; v.n == tagClosure {
				if len(l.open) > 0 {
					l.closeUpvalues(base)
				}
				to, want, fresh := f.at, f.want, f.fresh
				copy(l.stack[to:to+nargs+1], l.stack[at:at+nargs+1])
				l.frames = l.frames[:len(l.frames)-1]
				l.enter(v.closure(), to, nargs, want)
				last := &l.frames[len(l.frames)-1]
				last.fresh, last.tailed = fresh, true
				goto newFrame
			}
			if l.precall(at, nargs, -1) {
				goto newFrame
			}
			if l.co.status != coRunning {
				return
			}
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
		case opReturn:
			if len(l.open) > 0 {
				l.closeUpvalues(base)
			}
			n := int(uint16(i>>32)) - 1
			from := base + int(a)
			if n < 0 {
				n = l.top - from
			}
			fresh, want, at := f.fresh, f.want, f.at
			l.frames = l.frames[:len(l.frames)-1]
			if n == 1 && want == 1 {
				l.stack[at] = l.stack[from]
			} else {
				l.results(at, from, n, want)
			}
			if fresh || len(l.frames) == 0 {
				return
			}
			if want >= 0 {
				caller := &l.frames[len(l.frames)-1]
				l.top = caller.base + caller.cl.proto.stack
			}
			goto newFrame
		case opForPrep:
			f.pc = pc
			l.prepareFor(base + int(a))
			x := &regs[a]
			*x = Number(x.num() - regs[a+2].num())
			pc += signed(i)
		case opForLoop:
			step, limit := regs[a+2].num(), regs[a+1].num()
			x := regs[a].num() + step
			if step > 0 && x <= limit || step <= 0 && limit <= x {
				regs[a].n = math.Float64bits(x) + firstNumber
				regs[a+3].n = math.Float64bits(x) + firstNumber
				pc += signed(i)
				if g.budget--; g.budget <= 0 {
					f.pc = pc
					l.tick()
				}
			}
		case opTForLoop:
			f.pc = pc
			at := base + int(a) + 3
			regs[a+3], regs[a+4], regs[a+5] = regs[a], regs[a+1], regs[a+2]
			l.top = at + 3
			if l.precall(at, 2, int(i>>48)) {
				goto newFrame
			}
			if l.co.status != coRunning {
				return
			}
			l.top = base + p.stack
			regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
			f = &l.frames[len(l.frames)-1]
		case opTForTest:
			if v := regs[a+3]; !v.isNil() {
				regs[a+2] = v
				pc += signed(i)
				if g.budget--; g.budget <= 0 {
					f.pc = pc
					l.tick()
				}
			}
		case opClosure:
			p := p.protos[signed(i)]
			c := &Closure{proto: p, env: cl.env, up: make([]*upvalue, len(p.upvalues))}
			for n, u := range p.upvalues {
				if u.local {
					c.up[n] = l.findUpvalue(base + u.index)
				} else {
					c.up[n] = cl.up[u.index]
				}
			}
			if g.maxBytes > 0 {
				f.pc = pc
				l.charge(64)
			}
			regs[a] = closureValue(c)
		case opClose:
			if len(l.open) > 0 {
				l.closeUpvalues(base + int(a))
			}
		case opVararg:
			n := int(uint16(i>>32)) - 1
			all := n < 0
			if all {
				n = f.extra
				if base+int(a)+n+frameRoom >= len(l.stack) {
					l.grow(base + int(a) + n + frameRoom)
					regs = (*[frameRoom]Value)(unsafe.Pointer(&l.stack[base]))
					f = &l.frames[len(l.frames)-1]
				}
				l.top = base + int(a) + n
			}
			to := base + int(a)
			for j := range n {
				if j < f.extra {
					l.stack[to+j] = l.stack[base-f.extra+j]
				} else {
					l.stack[to+j] = Nil
				}
			}
		}
	}
}

func (l *State) prepareFor(at int) {
	for i, what := range [...]string{"initial value", "limit", "step"} {
		v := &l.stack[at+i]
		f, ok := v.toNumber()
		if !ok {
			l.runtimeErrorf("'for' %s must be a number", what)
		}
		*v = Number(f)
	}
}
