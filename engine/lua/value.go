package lua

import (
	"math"
	"unsafe"
)

// Kind is the type of a Value.
type Kind uint8

// The kinds. Lua and Go functions are both "function" to a script.
const (
	KindNil Kind = iota
	KindBool
	KindString
	KindTable
	KindClosure
	KindBuiltin
	KindOther // a coroutine, or the light userdata null
	KindNumber
)

// Value is any Lua value; the zero Value is nil.
//
// n tells everything but where a referenced object is: its upper 16 bits are the kind, or, from firstNumber on, all
// of it is a float64 moved up by firstNumber, so that a number can be stored without touching p. p is meaningless
// unless the kind has a reference.
type Value struct {
	p unsafe.Pointer
	n uint64
}

const (
	kindShift   = 48
	firstNumber = uint64(KindNumber) << kindShift
	tagBool     = uint64(KindBool) << kindShift
	tagString   = uint64(KindString) << kindShift
	tagTable    = uint64(KindTable) << kindShift
	tagClosure  = uint64(KindClosure) << kindShift
	tagBuiltin  = uint64(KindBuiltin) << kindShift
	tagNull     = uint64(KindOther) << kindShift
	tagThread   = tagNull | 1
	lengthMask  = 1<<kindShift - 1
)

// Nil, True, False and Null (the light userdata that cjson.null is) are constants.
var (
	Nil   = Value{}
	False = Value{n: tagBool}
	True  = Value{n: tagBool | 1}
	Null  = Value{n: tagNull}
)

var emptyString [1]byte

// Number makes a number.
func Number(f float64) Value {
	if f != f {
		return Value{n: nanBits(f) + firstNumber}
	}
	return Value{n: math.Float64bits(f) + firstNumber}
}

// nanBits drops what a foreign NaN carries: only its sign shows in Lua.
func nanBits(f float64) uint64 {
	return math.Float64bits(f)&(1<<63) | 0x7ff8<<kindShift
}

// Bool makes a boolean.
func Bool(b bool) Value {
	if b {
		return True
	}
	return False
}

// String makes a string; it shares the bytes of s.
func String(s string) Value {
	if len(s) == 0 {
		return Value{p: unsafe.Pointer(&emptyString), n: tagString}
	}
	return Value{p: unsafe.Pointer(unsafe.StringData(s)), n: tagString | uint64(len(s))}
}

// Bytes makes a string of a copy of b.
func Bytes(b []byte) Value { return String(string(b)) }

// TableValue makes a Value of a table, FunctionValue of a Go function.
func TableValue(t *Table) Value { return Value{p: unsafe.Pointer(t), n: tagTable} }

// FunctionValue makes a Value of a Go function; name is for error messages.
func FunctionValue(name string, fn GoFunc) Value {
	return builtinValue(&Builtin{name: name, fn: fn})
}

func builtinValue(b *Builtin) Value   { return Value{p: unsafe.Pointer(b), n: tagBuiltin} }
func closureValue(c *Closure) Value   { return Value{p: unsafe.Pointer(c), n: tagClosure} }
func threadValue(c *coroutine) Value  { return Value{p: unsafe.Pointer(c), n: tagThread} }
func (v Value) closure() *Closure     { return (*Closure)(v.p) }
func (v Value) builtin() *Builtin     { return (*Builtin)(v.p) }
func (v Value) coroutine() *coroutine { return (*coroutine)(v.p) }
func (v Value) isThread() bool        { return v.n == tagThread }
func (v Value) isTable() bool         { return v.n == tagTable }
func (v Value) isString() bool        { return v.n>>kindShift == uint64(KindString) }
func (v Value) isNumber() bool        { return v.n >= firstNumber }
func (v Value) isFunction() bool      { return v.n == tagClosure || v.n == tagBuiltin }
func (v Value) isNil() bool           { return v.n == 0 }
func (v Value) truthy() bool          { return v.n&^tagBool != 0 }
func (v Value) num() float64          { return math.Float64frombits(v.n - firstNumber) }
func (v Value) str() string           { return unsafe.String((*byte)(v.p), int(v.n&lengthMask)) }

func (v Value) table() *Table { return (*Table)(v.p) }

// Kind returns the kind.
func (v Value) Kind() Kind { return Kind(min(v.n>>kindShift, uint64(KindNumber))) }

// IsNil tells whether v is nil.
func (v Value) IsNil() bool { return v.n == 0 }

// Truthy tells whether v is neither nil nor false.
func (v Value) Truthy() bool { return v.truthy() }

// AsNumber returns the number that v is.
func (v Value) AsNumber() (float64, bool) {
	if !v.isNumber() {
		return 0, false
	}
	return v.num(), true
}

// AsString returns the string that v is. It must not be changed through unsafe means.
func (v Value) AsString() (string, bool) {
	if !v.isString() {
		return "", false
	}
	return v.str(), true
}

// AsTable returns the table that v is, or nil.
func (v Value) AsTable() *Table {
	if !v.isTable() {
		return nil
	}
	return v.table()
}

// IsFunction tells whether v is a function.
func (v Value) IsFunction() bool { return v.isFunction() }

// TypeName is what type() says.
func (v Value) TypeName() string {
	switch v.Kind() {
	case KindNil:
		return "nil"
	case KindBool:
		return "boolean"
	case KindString:
		return "string"
	case KindTable:
		return "table"
	case KindClosure, KindBuiltin:
		return "function"
	case KindOther:
		if v.isThread() {
			return "thread"
		}
		return "userdata"
	default:
		return "number"
	}
}

// toNumber converts as arithmetic does: numbers, and strings that read as one.
func (v Value) toNumber() (float64, bool) {
	if v.isNumber() {
		return v.num(), true
	}
	if v.isString() {
		return ParseNumber(v.str())
	}
	return 0, false
}

// ToText converts as concatenation does: strings and numbers.
func (v Value) ToText() (string, bool) {
	if v.isString() {
		return v.str(), true
	}
	if v.isNumber() {
		return formatNumber(v.num()), true
	}
	return "", false
}

// rawEqual is equality without metamethods.
func rawEqual(a, b Value) bool {
	if a.isNumber() || b.isNumber() {
		return a.isNumber() && b.isNumber() && a.num() == b.num()
	}
	if a.n != b.n {
		return false
	}
	switch Kind(a.n >> kindShift) {
	case KindNil, KindBool:
		return true
	case KindString:
		return a.p == b.p || a.str() == b.str()
	case KindOther:
		return a.n == tagNull || a.p == b.p
	default:
		return a.p == b.p
	}
}
