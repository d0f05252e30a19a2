package lua

import "math"

// event is the name of a metamethod with its hash.
type event struct {
	name string
	hash uint32
}

func newEvent(name string) event { return event{name, hashString(name)} }

var (
	eventIndex    = newEvent("__index")
	eventNewIndex = newEvent("__newindex")
	eventCall     = newEvent("__call")
	eventEq       = newEvent("__eq")
	eventLt       = newEvent("__lt")
	eventLe       = newEvent("__le")
	eventUnm      = newEvent("__unm")
	eventConcat   = newEvent("__concat")
	eventToString = newEvent("__tostring")
	eventMeta     = newEvent("__metatable")
	eventArith    = [...]event{
		newEvent("__add"), newEvent("__sub"), newEvent("__mul"), newEvent("__div"), newEvent("__mod"), newEvent("__pow"),
	}
)

func (t *Table) event(e *event) Value {
	if t == nil {
		return Nil
	}
	return t.getString(e.name, e.hash, true)
}

func (l *State) metatable(v Value) *Table {
	if v.isTable() {
		return v.table().meta
	}
	if v.isString() {
		return l.strings
	}
	return nil
}

func (l *State) metaOf(v Value, e *event) Value { return l.metatable(v).event(e) }

// operandName describes an operand of the current instruction.
func (l *State) operandName(which int) operand {
	f := &l.frames[len(l.frames)-1]
	if f.cl == nil {
		return operand{}
	}
	return f.cl.proto.operands[int32(f.pc-1)][which]
}

func (l *State) typeError(v Value, which int, doing string) {
	if o := l.operandName(which); o.name != "" {
		l.runtimeErrorf("attempt to %s %s%s value)", doing, joinName(o), v.TypeName())
	}
	l.runtimeErrorf("attempt to %s a %s value", doing, v.TypeName())
}

const maxChain = 100 // of __index

// index is v[k] with metamethods.
func (l *State) index(v, k Value) Value {
	for range maxChain {
		var h Value
		if v.isTable() {
			t := v.table()
			x := t.Get(k)
			if !x.isNil() || t.meta == nil {
				return x
			}
			if h = t.meta.event(&eventIndex); h.isNil() {
				return Nil
			}
		} else if h = l.metaOf(v, &eventIndex); h.isNil() {
			l.typeError(v, 0, "index")
		}
		if h.isFunction() {
			return l.Invoke(h, v, k)
		}
		v = h
	}
	l.runtimeErrorf("loop in gettable")
	return Nil
}

// setIndex is v[k] = x with metamethods.
func (l *State) setIndex(v, k, x Value) {
	for range maxChain {
		var h Value
		if v.isTable() {
			t := v.table()
			if t.readOnly {
				l.runtimeErrorf("Attempt to modify a readonly table")
			}
			if t.meta == nil {
				l.rawSet(t, k, x)
				return
			}
			if h = t.meta.event(&eventNewIndex); h.isNil() || !t.Get(k).isNil() {
				l.rawSet(t, k, x)
				return
			}
		} else if h = l.metaOf(v, &eventNewIndex); h.isNil() {
			l.typeError(v, 0, "index")
		}
		if h.isFunction() {
			l.Invoke(h, v, k, x)
			return
		}
		v = h
	}
	l.runtimeErrorf("loop in settable")
}

func (l *State) rawSet(t *Table, k, x Value) {
	if k.isNil() {
		l.runtimeErrorf("table index is nil")
	}
	if isNaN(k) {
		l.runtimeErrorf("table index is NaN")
	}
	if l.maxBytes > 0 {
		l.charge(16)
	}
	t.Set(k, x)
}

func arith(op opcode, x, y float64) float64 {
	switch op {
	case opAdd:
		return x + y
	case opSub:
		return x - y
	case opMul:
		return x * y
	case opDiv:
		return x / y
	case opMod:
		return x - math.Floor(x/y)*y
	default:
		return math.Pow(x, y)
	}
}

// arithmetic is the slow way: strings that read as numbers, and metamethods.
func (l *State) arithmetic(op opcode, x, y Value) Value {
	a, ok := x.toNumber()
	b, ok2 := y.toNumber()
	if ok && ok2 {
		return Number(arith(op, a, b))
	}
	e := &eventArith[op-opAdd]
	h := l.metaOf(x, e)
	if h.isNil() {
		h = l.metaOf(y, e)
	}
	if !h.isNil() {
		return l.Invoke(h, x, y)
	}
	if !ok {
		l.typeError(x, 0, "perform arithmetic on")
	}
	l.typeError(y, 1, "perform arithmetic on")
	return Nil
}

func (l *State) negate(x Value) Value {
	if f, ok := x.toNumber(); ok {
		return Number(-f)
	}
	if h := l.metaOf(x, &eventUnm); !h.isNil() {
		return l.Invoke(h, x, x)
	}
	l.typeError(x, 0, "perform arithmetic on")
	return Nil
}

func (l *State) length(x Value) Value {
	switch {
	case x.isString():
		return Number(float64(len(x.str())))
	case x.isTable():
		return Number(float64(x.table().Len()))
	}
	l.typeError(x, 0, "get length of")
	return Nil
}

// equal is == with metamethods.
func (l *State) equal(x, y Value) bool {
	if rawEqual(x, y) {
		return true
	}
	if !x.isTable() || !y.isTable() {
		return false
	}
	h, h2 := x.table().meta.event(&eventEq), y.table().meta.event(&eventEq)
	if h.isNil() || !rawEqual(h, h2) {
		return false
	}
	return l.Invoke(h, x, y).truthy()
}

func (l *State) less(x, y Value) bool {
	if x.isNumber() && y.isNumber() {
		return x.num() < y.num()
	}
	if x.isString() && y.isString() {
		return x.str() < y.str()
	}
	if r, ok := l.compareMeta(&eventLt, x, y); ok {
		return r
	}
	l.compareError(x, y)
	return false
}

func (l *State) lessEqual(x, y Value) bool {
	if x.isNumber() && y.isNumber() {
		return x.num() <= y.num()
	}
	if x.isString() && y.isString() {
		return x.str() <= y.str()
	}
	if r, ok := l.compareMeta(&eventLe, x, y); ok {
		return r
	}
	if r, ok := l.compareMeta(&eventLt, y, x); ok {
		return !r
	}
	l.compareError(x, y)
	return false
}

func (l *State) compareMeta(e *event, x, y Value) (result, ok bool) {
	if x.Kind() != y.Kind() {
		return false, false
	}
	h := l.metaOf(x, e)
	if h.isNil() || !rawEqual(h, l.metaOf(y, e)) {
		return false, false
	}
	return l.Invoke(h, x, y).truthy(), true
}

func (l *State) compareError(x, y Value) {
	if t, t2 := x.TypeName(), y.TypeName(); t != t2 {
		l.runtimeErrorf("attempt to compare %s with %s", t, t2)
	}
	l.runtimeErrorf("attempt to compare two %s values", x.TypeName())
}

// concat joins stack[from:to].
func (l *State) concat(from, to int) Value {
	if to-from > 2 || l.stack[from].isTable() || l.stack[to-1].isTable() {
		for i := from; i < to; i++ {
			if v := l.stack[i]; !v.isString() && !v.isNumber() {
				return l.concatSlow(from, to)
			}
		}
	}
	size := 0
	var numbers [8][]byte
	var scratch [8 * 24]byte
	used := scratch[:0]
	if to-from > len(numbers) {
		for i := from; i < to; i++ {
			if v := l.stack[i]; v.isNumber() {
				l.stack[i] = String(formatNumber(v.num()))
			}
		}
	}
	for i := from; i < to; i++ {
		v := l.stack[i]
		switch {
		case v.isString():
			size += len(v.str())
		case v.isNumber():
			start := len(used)
			used = AppendNumber(used, v.num())
			numbers[i-from] = used[start:]
			size += len(used) - start
		default:
			return l.concatSlow(from, to)
		}
	}
	l.charge(size)
	b := make([]byte, 0, size)
	for i := from; i < to; i++ {
		if v := l.stack[i]; v.isString() {
			b = append(b, v.str()...)
		} else {
			b = append(b, numbers[i-from]...)
		}
	}
	return ownBytes(b)
}

// concatSlow joins from the right, pair by pair, with metamethods.
func (l *State) concatSlow(from, to int) Value {
	acc := l.stack[to-1]
	for i := to - 2; i >= from; i-- {
		x := l.stack[i]
		s, ok := x.ToText()
		t, ok2 := acc.ToText()
		if ok && ok2 {
			l.charge(len(s) + len(t))
			acc = String(s + t)
			continue
		}
		h := l.metaOf(x, &eventConcat)
		if h.isNil() {
			h = l.metaOf(acc, &eventConcat)
		}
		if h.isNil() {
			if !ok {
				l.typeError(x, 0, "concatenate")
			}
			l.typeError(acc, 1, "concatenate")
		}
		acc = l.Invoke(h, x, acc)
	}
	return acc
}
