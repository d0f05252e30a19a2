package lua

import (
	"math"
	"strings"
)

const (
	maxLocals    = 200
	maxUpvalues  = 60
	maxRegisters = 250
	maxShort     = math.MaxUint16
	listBatch    = 50 // items of a constructor that are set at a time
)

// Compile compiles a chunk. name is as for lua_load: "@file" or "=text" show as they are, anything else is
// the text itself. The error is a *SyntaxError.
func Compile(src, name string) (p *Proto, err error) {
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(*SyntaxError)
			if !ok {
				panic(v)
			}
			err = e
		}
	}()
	chunk := chunkName(name)
	if strings.HasPrefix(src, "#") { // the first line of a file that can be executed
		if i := strings.IndexByte(src, '\n'); i >= 0 {
			src = "--" + src[1:i] + src[i:]
		} else {
			src = ""
		}
	}
	tree := parse(src, chunk)
	c := &compiler{chunk: chunk, source: name}
	return c.function(tree, nil), nil
}

// chunkName is how messages show a chunk.
func chunkName(name string) string {
	const size = 60
	if name == "" {
		return `[string ""]`
	}
	if name[0] == '=' {
		return name[1:min(len(name), size)]
	}
	if name[0] == '@' {
		if len(name) > size-8 {
			return "..." + name[len(name)-(size-8):]
		}
		return name[1:]
	}
	line, _, cut := strings.Cut(name, "\n")
	if room := size - len(`[string "..."]`) - 1; len(line) > room {
		line, cut = line[:room], true
	}
	if cut {
		line += "..."
	}
	return `[string "` + line + `"]`
}

type compiler struct {
	chunk, source string
	fn            *fnState
}

type localVar struct {
	name     string
	reg      int
	captured bool
}

type scope struct {
	locals int // active before
	loop   bool
	breaks []int
}

// fnState is a function being compiled.
type fnState struct {
	proto   *Proto
	parent  *fnState
	locals  []localVar
	scopes  []scope
	free    int // first free register
	line    int
	strings map[string]int
	numbers map[uint64]int
	bools   [2]int
}

func (c *compiler) fail(line int, text string) {
	panic(&SyntaxError{c.chunk + ":" + formatNumber(float64(line)) + ": " + text})
}

func (c *compiler) function(f *functionExpr, parent *fnState) *Proto {
	fs := &fnState{
		parent: parent, strings: map[string]int{}, numbers: map[uint64]int{}, bools: [2]int{-1, -1},
		proto: &Proto{params: len(f.params), vararg: f.vararg, chunk: c.chunk, source: c.source, line: f.at()},
	}
	c.fn = fs
	c.open(false)
	fs.line = f.at()
	for _, name := range f.params {
		c.declare(name, c.reserve(1))
	}
	for _, s := range f.body {
		c.stat(s)
	}
	fs.line = f.end
	c.emit(encode(opReturn, 0, 1, 0))
	c.fn = parent
	p := fs.proto
	p.stack++
	p.hashes = make([]uint32, len(p.k))
	for i, v := range p.k {
		if v.isString() {
			p.hashes[i] = hashString(v.str())
		}
	}
	return p
}

func (c *compiler) emit(i uint64) int {
	p := c.fn.proto
	p.code = append(p.code, i)
	p.lines = append(p.lines, int32(c.fn.line))
	return len(p.code) - 1
}

func (c *compiler) here() int { return len(c.fn.proto.code) }

func (c *compiler) reserve(n int) int {
	r := c.fn.free
	c.fn.free += n
	if c.fn.free > maxRegisters {
		c.fail(c.fn.line, "function or expression too complex")
	}
	c.fn.proto.stack = max(c.fn.proto.stack, c.fn.free)
	return r
}

func (c *compiler) patch(jumps []int, to int) {
	for _, j := range jumps {
		i := &c.fn.proto.code[j]
		*i = *i&(1<<32-1) | uint64(uint32(int32(to-j-1)))<<32
	}
}

func (c *compiler) jump() int { return c.emit(encodeX(opJump, 0, 0)) }

func (c *compiler) jumpTo(to int) { c.patch([]int{c.jump()}, to) }

func (c *compiler) constant(v Value) int {
	fs, p := c.fn, c.fn.proto
	add := func() int {
		p.k = append(p.k, v)
		return len(p.k) - 1
	}
	switch {
	case v.isString():
		if i, ok := fs.strings[v.str()]; ok {
			return i
		}
		i := add()
		fs.strings[v.str()] = i
		return i
	case v.isNumber():
		key := v.n
		if v.num() == 0 {
			key = 0 // C Lua has one constant for 0 and -0 too
		}
		if i, ok := fs.numbers[key]; ok {
			return i
		}
		i := add()
		fs.numbers[key] = i
		return i
	default:
		b := v.n & 1
		if fs.bools[b] < 0 {
			fs.bools[b] = add()
		}
		return fs.bools[b]
	}
}

func (c *compiler) name(pc, which int, e expr) {
	kind, name := c.describe(e)
	if kind == "" {
		return
	}
	p := c.fn.proto
	if p.operands == nil {
		p.operands = make(map[int32][2]operand)
	}
	o := p.operands[int32(pc)]
	o[which] = operand{kind, name}
	p.operands[int32(pc)] = o
}

func (c *compiler) describe(e expr) (kind, name string) {
	switch e := e.(type) {
	case *parenExpr:
		return c.describe(e.inner)
	case *nameExpr:
		switch where, _ := c.resolve(c.fn, e.name); where {
		case isLocal:
			return "local", e.name
		case isUpvalue:
			return "upvalue", e.name
		default:
			return "global", e.name
		}
	case *indexExpr:
		if k, ok := e.key.(*constExpr); ok && k.value.isString() {
			return "field", k.value.str()
		}
		return "field", "?"
	case *callExpr:
		if e.method != "" {
			return "method", e.method
		}
	}
	return "", ""
}

type where uint8

const (
	isGlobal where = iota
	isLocal
	isUpvalue
)

func (c *compiler) resolve(fs *fnState, name string) (where, int) {
	if fs == nil {
		return isGlobal, 0
	}
	for i := len(fs.locals) - 1; i >= 0; i-- {
		if fs.locals[i].name == name {
			return isLocal, i
		}
	}
	for i, u := range fs.proto.upvalues {
		if u.name == name {
			return isUpvalue, i
		}
	}
	w, i := c.resolve(fs.parent, name)
	if w == isGlobal {
		return isGlobal, 0
	}
	if w == isLocal {
		fs.parent.locals[i].captured = true
		i = fs.parent.locals[i].reg
	}
	if len(fs.proto.upvalues) >= maxUpvalues {
		c.fail(fs.line, "function at line "+formatNumber(float64(fs.proto.line))+" has more than 60 upvalues")
	}
	fs.proto.upvalues = append(fs.proto.upvalues, upvalueAt{name, w == isLocal, i})
	return isUpvalue, len(fs.proto.upvalues) - 1
}

func (c *compiler) open(loop bool) {
	c.fn.scopes = append(c.fn.scopes, scope{locals: len(c.fn.locals), loop: loop})
}

// close ends a scope; captured locals are closed unless the code never gets here.
func (c *compiler) close() {
	fs := c.fn
	s := fs.scopes[len(fs.scopes)-1]
	c.closeFrom(s.locals)
	fs.scopes = fs.scopes[:len(fs.scopes)-1]
	if len(fs.locals) > s.locals {
		fs.free = fs.locals[s.locals].reg
	}
	fs.locals = fs.locals[:s.locals]
	c.patch(s.breaks, c.here())
}

func (c *compiler) closeFrom(local int) bool {
	for _, l := range c.fn.locals[local:] {
		if l.captured {
			c.emit(encode(opClose, c.fn.locals[local].reg, 0, 0))
			return true
		}
	}
	return false
}

func (c *compiler) declare(name string, reg int) {
	if len(c.fn.locals) >= maxLocals {
		c.fail(c.fn.line, "too many local variables (limit is 200)")
	}
	c.fn.locals = append(c.fn.locals, localVar{name: name, reg: reg})
}

func (c *compiler) block(body []stat) {
	c.open(false)
	for _, s := range body {
		c.stat(s)
	}
	c.close()
}

func (c *compiler) stat(s stat) {
	fs := c.fn
	mark := fs.free
	switch s := s.(type) {
	case *localStat:
		fs.line = s.at()
		base := fs.free
		c.exprList(s.values, len(s.names))
		for i, name := range s.names {
			c.declare(name, base+i)
		}
		fs.free = base + len(s.names)
		return
	case *localFunction:
		fs.line = s.at()
		reg := c.reserve(1)
		c.declare(s.name, reg)
		c.to(s.fn, reg)
		return
	case *assignStat:
		c.assign(s)
	case *callStat:
		c.call(s.call, fs.free, 0)
	case *doStat:
		c.block(s.body)
	case *ifStat:
		c.ifStat(s)
	case *whileStat:
		c.open(true)
		start := c.here()
		exit := c.jumpIf(s.condition, false)
		c.block(s.body)
		c.jumpTo(start)
		c.patch(exit, c.here())
		c.close()
	case *repeatStat:
		c.repeat(s)
	case *numericFor:
		c.numericFor(s)
	case *genericFor:
		c.genericFor(s)
	case *returnStat:
		c.returns(s)
	case *breakStat:
		fs.line = s.at()
		i := len(fs.scopes) - 1
		for !fs.scopes[i].loop {
			i--
		}
		c.closeFrom(fs.scopes[i].locals)
		fs.scopes[i].breaks = append(fs.scopes[i].breaks, c.jump())
	}
	fs.free = mark
}

func (c *compiler) ifStat(s *ifStat) {
	var ends []int
	for i, condition := range s.conditions {
		next := c.jumpIf(condition, false)
		c.block(s.blocks[i])
		if i < len(s.conditions)-1 || s.otherwise != nil {
			ends = append(ends, c.jump())
		}
		c.patch(next, c.here())
	}
	if s.otherwise != nil {
		c.block(s.otherwise)
	}
	c.patch(ends, c.here())
}

func (c *compiler) repeat(s *repeatStat) {
	c.open(true)
	start := c.here()
	c.open(false)
	for _, b := range s.body {
		c.stat(b)
	}
	scope := c.fn.scopes[len(c.fn.scopes)-1]
	exit := c.jumpIf(s.condition, true)
	c.closeFrom(scope.locals)
	c.jumpTo(start)
	c.patch(exit, c.here())
	c.close()
	c.close()
}

func (c *compiler) numericFor(s *numericFor) {
	c.open(true)
	base := c.reserve(3)
	c.to(s.start, base)
	c.to(s.stop, base+1)
	if s.step != nil {
		c.to(s.step, base+2)
	} else {
		c.to(&constExpr{s.line, Number(1)}, base+2)
	}
	c.declare("(for index)", base)
	c.declare("(for limit)", base+1)
	c.declare("(for step)", base+2)
	c.fn.line = s.at()
	prepare := c.emit(encodeX(opForPrep, base, 0))
	c.open(false)
	c.declare(s.name, c.reserve(1))
	c.block(s.body)
	c.close()
	c.fn.line = s.at()
	c.patch([]int{prepare}, c.here())
	c.patch([]int{c.emit(encodeX(opForLoop, base, 0))}, prepare+1)
	c.close()
}

func (c *compiler) genericFor(s *genericFor) {
	c.open(true)
	base := c.fn.free
	c.fn.line = s.at()
	c.exprList(s.values, 3)
	c.fn.free = base
	c.reserve(3)
	c.declare("(for generator)", base)
	c.declare("(for state)", base+1)
	c.declare("(for control)", base+2)
	c.fn.line = s.at()
	prepare := c.jump()
	c.open(false)
	first := c.reserve(max(len(s.names), 3)) // room for the call
	for i, name := range s.names {
		c.declare(name, first+i)
	}
	c.fn.free = first + len(s.names)
	c.block(s.body)
	c.close()
	c.fn.line = s.at()
	c.patch([]int{prepare}, c.here())
	c.emit(encode(opTForLoop, base, 0, len(s.names)))
	c.patch([]int{c.emit(encodeX(opTForTest, base, 0))}, prepare+1)
	c.close()
}

func (c *compiler) returns(s *returnStat) {
	fs := c.fn
	fs.line = s.at()
	if len(s.values) == 1 {
		if call, ok := s.values[0].(*callExpr); ok {
			base := fs.free
			c.call(call, base, -1)
			i := &fs.proto.code[c.here()-1]
			*i = *i&^0xff | uint64(opTail)
			c.emit(encode(opReturn, base, 0, 0))
			return
		}
		r := c.any(s.values[0])
		if _, multi := s.values[0].(*varargExpr); !multi {
			c.emit(encode(opReturn, r, 2, 0))
			return
		}
	}
	base := fs.free
	if c.exprList(s.values, -1) {
		c.emit(encode(opReturn, base, 0, 0))
		return
	}
	c.emit(encode(opReturn, base, len(s.values)+1, 0))
}

// exprList evaluates into successive free registers; want values of them (-1: as many as there are, then it reports
// whether the last was open-ended).
func (c *compiler) exprList(list []expr, want int) (open bool) {
	base := c.fn.free
	for i, e := range list {
		if i == len(list)-1 && isMulti(e) {
			switch {
			case want < 0:
				c.multi(e, c.fn.free, -1)
				return true
			case want > i:
				c.multi(e, c.fn.free, want-i)
				c.fn.free = base
				c.reserve(want)
				return false
			}
		}
		c.to(e, c.reserve(1))
	}
	if want > len(list) {
		first := c.reserve(want - len(list))
		c.emit(encode(opLoadNil, first, base+want-1, 0))
	}
	return false
}

func isMulti(e expr) bool {
	switch e.(type) {
	case *callExpr, *varargExpr:
		return true
	}
	return false
}

// multi evaluates an open-ended expression to registers from base on: want values, -1 all.
func (c *compiler) multi(e expr, base, want int) {
	if call, ok := e.(*callExpr); ok {
		c.call(call, base, want)
		return
	}
	if want > 0 {
		c.fn.free = base
		c.reserve(want)
	}
	c.fn.line = e.at()
	c.emit(encode(opVararg, base, want+1, 0))
}

// call evaluates a call; base must be the first free register.
func (c *compiler) call(e *callExpr, base, want int) {
	fs := c.fn
	fs.free = base
	c.reserve(1)
	nargs := len(e.args)
	if e.method != "" {
		object := c.any(e.fn)
		fs.free = base
		c.reserve(2)
		fs.line = e.at()
		key := &constExpr{e.line, String(e.method)}
		if k := c.constant(key.value); k <= maxShort {
			pc := c.emit(encode(opSelf, base, object, k))
			c.name(pc, 0, e.fn)
		} else {
			c.emit(encode(opMove, base+1, object, 0))
			c.to(key, base)
			c.emit(encode(opIndex, base, base+1, base))
		}
		nargs++
	} else {
		c.to(e.fn, base)
	}
	open := c.exprList(e.args, -1)
	fs.line = e.at()
	b := nargs + 1
	if open {
		b = 0
	}
	pc := c.emit(encode(opCall, base, b, want+1))
	if e.method != "" {
		c.name(pc, 0, e)
	} else {
		c.name(pc, 0, e.fn)
	}
	fs.free = base
	if want > 0 {
		c.reserve(want)
	}
}

// any evaluates to some register: a local's own, or a new one.
func (c *compiler) any(e expr) int {
	if p, ok := e.(*parenExpr); ok {
		if !isMulti(p.inner) {
			return c.any(p.inner)
		}
	}
	if n, ok := e.(*nameExpr); ok {
		if w, i := c.resolve(c.fn, n.name); w == isLocal {
			return c.fn.locals[i].reg
		}
	}
	r := c.reserve(1)
	c.to(e, r)
	return r
}

// direct tells whether the last instruction of an expression alone writes its target.
func direct(e expr) bool {
	switch e := e.(type) {
	case *constExpr, *nameExpr, *indexExpr, *functionExpr, *callExpr, *varargExpr:
		return true
	case *unaryExpr:
		return true
	case *parenExpr:
		return direct(e.inner)
	case *binaryExpr:
		return e.op <= binConcat
	}
	return false
}

// to evaluates into a register, which is reserved.
func (c *compiler) to(e expr, target int) {
	fs := c.fn
	mark := fs.free
	defer func() { fs.free = mark }()
	switch e := e.(type) {
	case *constExpr:
		fs.line = max(fs.line, 0)
		if e.value.isNil() {
			c.emit(encode(opLoadNil, target, target, 0))
			return
		}
		c.emit(encodeX(opLoadK, target, c.constant(e.value)))
	case *parenExpr:
		c.to(e.inner, target)
	case *varargExpr:
		c.emit(encode(opVararg, target, 2, 0))
	case *nameExpr:
		fs.line = e.at()
		switch w, i := c.resolve(fs, e.name); w {
		case isLocal:
			if r := fs.locals[i].reg; r != target {
				c.emit(encode(opMove, target, r, 0))
			}
		case isUpvalue:
			c.emit(encode(opUpvalue, target, i, 0))
		default:
			c.emit(encodeX(opGlobal, target, c.constant(String(e.name))))
		}
	case *indexExpr:
		c.index(e, target)
	case *callExpr:
		if c.fresh(target) {
			c.call(e, target, 1)
			return
		}
		c.call(e, fs.free, 1)
		c.emit(encode(opMove, target, mark, 0))
	case *functionExpr:
		p := c.function(e, fs)
		c.fn = fs
		fs.proto.protos = append(fs.proto.protos, p)
		fs.line = e.end
		c.emit(encodeX(opClosure, target, len(fs.proto.protos)-1))
	case *unaryExpr:
		r := c.any(e.operand)
		fs.line = e.at()
		c.name(c.emit(encode(e.op, target, r, 0)), 0, e.operand)
	case *tableExpr:
		c.table(e, target)
	case *binaryExpr:
		c.binary(e, target)
	}
}

func (c *compiler) index(e *indexExpr, target int) {
	object := c.any(e.object)
	if k, ok := e.key.(*constExpr); ok {
		if k.value.isString() {
			if i := c.constant(k.value); i <= maxShort {
				c.fn.line = e.at()
				c.name(c.emit(encode(opField, target, object, i)), 0, e.object)
				return
			}
		} else if i, ok := arrayIndex(k.value, maxShort); ok {
			c.fn.line = e.at()
			c.name(c.emit(encode(opElement, target, object, i+1)), 0, e.object)
			return
		}
	}
	key := c.any(e.key)
	c.fn.line = e.at()
	c.name(c.emit(encode(opIndex, target, object, key)), 0, e.object)
}

func (c *compiler) binary(e *binaryExpr, target int) {
	fs := c.fn
	switch {
	case e.op <= binPow:
		left := c.any(e.left)
		op := opAdd + opcode(e.op)
		var right int
		if k, ok := e.right.(*constExpr); ok && k.value.isNumber() && c.constant(k.value) <= maxShort {
			op, right = opAddK+opcode(e.op), c.constant(k.value)
		} else {
			right = c.any(e.right)
		}
		fs.line = e.at()
		pc := c.emit(encode(op, target, left, right))
		c.name(pc, 0, e.left)
		c.name(pc, 1, e.right)
	case e.op == binConcat:
		first := fs.free
		var operands []expr
		var cur expr = e
		for {
			b, ok := cur.(*binaryExpr)
			if !ok || b.op != binConcat {
				break
			}
			c.to(b.left, c.reserve(1))
			operands = append(operands, b.left)
			cur = b.right
		}
		c.to(cur, c.reserve(1))
		operands = append(operands, cur)
		fs.line = e.at()
		pc := c.emit(encode(opConcat, target, first, fs.free-1))
		if len(operands) == 2 {
			c.name(pc, 0, operands[0])
			c.name(pc, 1, operands[1])
		}
	case e.op == binAnd || e.op == binOr:
		c.to(e.left, target)
		op := opJumpNo
		if e.op == binOr {
			op = opJumpIf
		}
		end := c.emit(encodeX(op, target, 0))
		c.to(e.right, target)
		c.patch([]int{end}, c.here())
	default:
		yes := c.jumpIf(e, true)
		c.emit(encodeX(opLoadK, target, c.constant(False)))
		end := c.jump()
		c.patch(yes, c.here())
		c.emit(encodeX(opLoadK, target, c.constant(True)))
		c.patch([]int{end}, c.here())
	}
}

// jumpIf emits jumps that are taken if the truth of e is want, and returns them; else it falls through.
func (c *compiler) jumpIf(e expr, want bool) []int {
	fs := c.fn
	mark := fs.free
	defer func() { fs.free = mark }()
	switch e := e.(type) {
	case *constExpr:
		if e.value.truthy() == want {
			return []int{c.jump()}
		}
		return nil
	case *parenExpr:
		if !isMulti(e.inner) {
			return c.jumpIf(e.inner, want)
		}
	case *unaryExpr:
		if e.op == opNot {
			return c.jumpIf(e.operand, !want)
		}
	case *binaryExpr:
		if e.op == binAnd || e.op == binOr {
			if (e.op == binOr) == want {
				return append(c.jumpIf(e.left, want), c.jumpIf(e.right, want)...)
			}
			skip := c.jumpIf(e.left, !want)
			jumps := c.jumpIf(e.right, want)
			c.patch(skip, c.here())
			return jumps
		}
		if e.op >= binEq && e.op <= binGe {
			return []int{c.compare(e, want)}
		}
	}
	r := c.any(e)
	fs.line = e.at()
	op := opJumpNo
	if want {
		op = opJumpIf
	}
	return []int{c.emit(encodeX(op, r, 0))}
}

func (c *compiler) compare(e *binaryExpr, want bool) int {
	left, right, op := e.left, e.right, e.op
	if op == binNe {
		want = !want
	}
	a := 0
	if want {
		a = 1
	}
	if op == binEq || op == binNe {
		if _, ok := left.(*constExpr); ok {
			left, right = right, left
		}
		l := c.any(left)
		if k, ok := right.(*constExpr); ok && !k.value.isNil() && c.constant(k.value) <= maxShort {
			c.fn.line = e.at()
			c.emit(encode(opEqK, a, l, c.constant(k.value)))
			return c.jump()
		}
		r := c.any(right)
		c.fn.line = e.at()
		c.emit(encode(opEq, a, l, r))
		return c.jump()
	}
	l := c.any(left)
	if k, ok := right.(*constExpr); ok && k.value.isNumber() && c.constant(k.value) <= maxShort {
		c.fn.line = e.at()
		with := map[binaryOp]opcode{binLt: opLtK, binLe: opLeK, binGt: opGtK, binGe: opGeK}[op]
		c.emit(encode(with, a, l, c.constant(k.value)))
		return c.jump()
	}
	r := c.any(right)
	c.fn.line = e.at()
	switch op {
	case binLt:
		c.emit(encode(opLt, a, l, r))
	case binLe:
		c.emit(encode(opLe, a, l, r))
	case binGt:
		c.emit(encode(opLt, a, r, l))
	default:
		c.emit(encode(opLe, a, r, l))
	}
	return c.jump()
}

func (c *compiler) table(e *tableExpr, target int) {
	fs := c.fn
	list, hash := 0, 0
	for _, item := range e.items {
		if item.key == nil {
			list++
		} else {
			hash++
		}
	}
	fs.line = e.at()
	t := target
	if !c.fresh(target) { // the items may use what is there
		t = c.reserve(1)
	}
	c.emit(encode(opTable, t, min(list, maxShort), min(hash, maxShort)))
	pending, done := 0, 0
	flush := func(open bool) {
		n := pending
		if open {
			n = 0
		}
		fs.line = e.at()
		c.emit(encode(opSetList, t, n, 0))
		c.emit(encodeX(opJump, 0, done))
		done += pending
		pending, fs.free = 0, t+1
	}
	for i, item := range e.items {
		if item.key != nil {
			mark := fs.free
			c.setIndex(t, item.key, c.keyOf(item.key), item.value, nil)
			fs.free = mark
			continue
		}
		if i == len(e.items)-1 && isMulti(item.value) {
			c.multi(item.value, fs.free, -1)
			flush(true)
			break
		}
		c.to(item.value, c.reserve(1))
		if pending++; pending == listBatch {
			flush(false)
		}
	}
	if pending > 0 {
		flush(false)
	}
	if t != target {
		fs.line = e.at()
		c.emit(encode(opMove, target, t, 0))
	}
}

// fresh tells whether a register is the last reserved one, and no local's.
func (c *compiler) fresh(target int) bool {
	locals := c.fn.locals
	return target == c.fn.free-1 && (len(locals) == 0 || locals[len(locals)-1].reg < target)
}

// keyOf evaluates a key, unless it is a constant that setIndex can use; then it is -1.
func (c *compiler) keyOf(key expr) int {
	if k, ok := key.(*constExpr); ok && k.value.isString() && c.constant(k.value) <= maxShort {
		return -1
	}
	return c.any(key)
}

// setIndex emits table[key] = value; of is what the table is called.
func (c *compiler) setIndex(table int, key expr, keyReg int, value expr, of expr) {
	v := c.any(value)
	c.store(table, key, keyReg, v, of)
}

func (c *compiler) store(table int, key expr, keyReg, v int, of expr) {
	c.fn.line = key.at()
	var pc int
	if keyReg < 0 {
		pc = c.emit(encode(opSetField, table, c.constant(key.(*constExpr).value), v))
	} else {
		pc = c.emit(encode(opSetIdx, table, keyReg, v))
	}
	if of != nil {
		c.name(pc, 0, of)
	}
}

func (c *compiler) assign(s *assignStat) {
	fs := c.fn
	if len(s.targets) == 1 && len(s.values) == 1 {
		c.assignOne(s.targets[0], s.values[0])
		return
	}
	type place struct{ table, key int }
	places := make([]place, len(s.targets))
	for i, target := range s.targets { // what is indexed is fixed before anything is assigned
		if e, ok := target.(*indexExpr); ok {
			places[i].table = c.reserve(1)
			c.to(e.object, places[i].table)
			places[i].key = -1
			if k, ok := e.key.(*constExpr); !ok || !k.value.isString() || c.constant(k.value) > maxShort {
				places[i].key = c.reserve(1)
				c.to(e.key, places[i].key)
			}
		}
	}
	base := fs.free
	c.exprList(s.values, len(s.targets))
	for i := len(s.targets) - 1; i >= 0; i-- {
		if e, ok := s.targets[i].(*indexExpr); ok {
			c.store(places[i].table, e.key, places[i].key, base+i, e.object)
			continue
		}
		c.setName(s.targets[i].(*nameExpr), base+i)
	}
}

func (c *compiler) assignOne(target, value expr) {
	switch t := target.(type) {
	case *indexExpr:
		table := c.any(t.object)
		key := c.keyOf(t.key)
		c.setIndex(table, t.key, key, value, t.object)
	case *nameExpr:
		if w, i := c.resolve(c.fn, t.name); w == isLocal && direct(value) {
			c.to(value, c.fn.locals[i].reg)
			return
		}
		c.setName(t, c.any(value))
	}
}

func (c *compiler) setName(t *nameExpr, from int) {
	c.fn.line = t.at()
	switch w, i := c.resolve(c.fn, t.name); w {
	case isLocal:
		c.emit(encode(opMove, c.fn.locals[i].reg, from, 0))
	case isUpvalue:
		c.emit(encode(opSetUp, from, i, 0))
	default:
		c.emit(encodeX(opSetGlob, from, c.constant(String(t.name))))
	}
}
