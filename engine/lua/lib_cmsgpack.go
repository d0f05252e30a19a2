package lua

import (
	"encoding/binary"
	"math"
)

const msgpackDepth = 16 // deeper tables are packed as nil

// OpenCmsgpack adds the library cmsgpack.
func OpenCmsgpack(g *Table) {
	t := library(NewTable(0, 8), []entry{
		{"pack", msgPack}, {"unpack", msgUnpack}, {"unpack_one", msgUnpackOne}, {"unpack_limit", msgUnpackLimit},
	})
	t.SetString("_NAME", String("cmsgpack"))
	t.SetString("_VERSION", String("lua-cmsgpack 0.4.0"))
	t.SetString("_COPYRIGHT", String("Copyright (C) 2012, Redis Ltd."))
	t.SetString("_DESCRIPTION", String("MessagePack C implementation for Lua"))
	g.SetString("cmsgpack", TableValue(t))
}

func msgPack(l *State, a Args) int {
	if a.N == 0 {
		l.ArgError(0, "MessagePack pack needs input.")
	}
	var b []byte
	for i := 1; i <= a.N; i++ {
		b = msgAppend(l, b, l.Arg(a, i), 0)
	}
	l.charge(len(b))
	l.Push(ownBytes(b))
	return 1
}

func msgAppend(l *State, b []byte, v Value, depth int) []byte {
	if len(b) > maxString {
		l.charge(len(b))
	}
	switch {
	case v.isString():
		s := v.str()
		switch n := len(s); {
		case n < 32:
			b = append(b, 0xa0|byte(n))
		case n < 1<<8:
			b = append(b, 0xd9, byte(n))
		case n < 1<<16:
			b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
		default:
			b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(n))
		}
		return append(b, s...)
	case v.isNumber():
		return msgNumber(b, v.num())
	case v.Kind() == KindBool:
		if v.truthy() {
			return append(b, 0xc3)
		}
		return append(b, 0xc2)
	case v.isTable() && depth < msgpackDepth:
		return msgTable(l, b, v.table(), depth+1)
	}
	return append(b, 0xc0)
}

func msgNumber(b []byte, f float64) []byte {
	n := int64(f)
	if f >= 1<<63 || f < -1<<63 || float64(n) != f {
		if float64(float32(f)) == f {
			return binary.BigEndian.AppendUint32(append(b, 0xca), math.Float32bits(float32(f)))
		}
		return binary.BigEndian.AppendUint64(append(b, 0xcb), math.Float64bits(f))
	}
	switch {
	case n >= 0 && n < 128, n < 0 && n >= -32:
		return append(b, byte(n))
	case n >= 0 && n < 1<<8:
		return append(b, 0xcc, byte(n))
	case n >= 0 && n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(n))
	case n >= 0 && n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	case n >= 0:
		return binary.BigEndian.AppendUint64(append(b, 0xcf), uint64(n))
	case n >= -1<<7:
		return append(b, 0xd0, byte(n))
	case n >= -1<<15:
		return binary.BigEndian.AppendUint16(append(b, 0xd1), uint16(n))
	case n >= -1<<31:
		return binary.BigEndian.AppendUint32(append(b, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(n))
}

func msgTable(l *State, b []byte, t *Table, depth int) []byte {
	items, most, array := 0, 0.0, true
	for k, _, _ := t.Next(Nil); !k.isNil(); k, _, _ = t.Next(k) {
		items++
		if !k.isNumber() || k.num() <= 0 || k.num() != math.Floor(k.num()) {
			array = false
		} else {
			most = math.Max(most, k.num())
		}
	}
	head := func(fix byte, wide byte) {
		switch {
		case items < 16:
			b = append(b, fix|byte(items))
		case items < 1<<16:
			b = binary.BigEndian.AppendUint16(append(b, wide), uint16(items))
		default:
			b = binary.BigEndian.AppendUint32(append(b, wide+1), uint32(items))
		}
	}
	if array && most == float64(items) {
		head(0x90, 0xdc)
		for i := range items {
			b = msgAppend(l, b, t.GetInt(i+1), depth)
		}
		return b
	}
	head(0x80, 0xde)
	for k, v, _ := t.Next(Nil); !k.isNil(); k, v, _ = t.Next(k) {
		b = msgAppend(l, msgAppend(l, b, k, depth), v, depth)
	}
	return b
}

type msgReader struct {
	l   *State
	s   string
	pos int
}

func (r *msgReader) take(n int) string {
	if n < 0 || n > len(r.s)-r.pos {
		r.l.Errorf("Missing bytes in input.")
	}
	r.pos += n
	return r.s[r.pos-n : r.pos]
}

func (r *msgReader) uint(n int) (u uint64) {
	for _, c := range []byte(r.take(n)) {
		u = u<<8 | uint64(c)
	}
	return u
}

func (r *msgReader) value(depth int) Value {
	if depth > maxNested*5 {
		r.l.Errorf("Bad data format in input.")
	}
	switch c := byte(r.uint(1)); {
	case c < 0x80:
		return Number(float64(c))
	case c >= 0xe0:
		return Number(float64(int8(c)))
	case c < 0x90:
		return r.pairs(int(c&15), depth)
	case c < 0xa0:
		return r.list(int(c&15), depth)
	case c < 0xc0:
		return r.string(int(c & 31))
	case c == 0xc0:
		return Nil
	case c == 0xc2, c == 0xc3:
		return Bool(c == 0xc3)
	case c >= 0xc4 && c <= 0xc6:
		return r.string(int(r.uint(1 << (c - 0xc4))))
	case c == 0xca:
		return Number(float64(math.Float32frombits(uint32(r.uint(4)))))
	case c == 0xcb:
		return Number(math.Float64frombits(r.uint(8)))
	case c >= 0xcc && c <= 0xcf:
		return Number(float64(r.uint(1 << (c - 0xcc))))
	case c >= 0xd0 && c <= 0xd3:
		width := 1 << (c - 0xd0)
		shift := 64 - 8*width
		return Number(float64(int64(r.uint(width)<<shift) >> shift))
	case c >= 0xd9 && c <= 0xdb:
		return r.string(int(r.uint(1 << (c - 0xd9))))
	case c == 0xdc, c == 0xdd:
		return r.list(int(r.uint(2<<(c-0xdc))), depth)
	case c == 0xde, c == 0xdf:
		return r.pairs(int(r.uint(2<<(c-0xde))), depth)
	}
	r.l.Errorf("Bad data format in input.")
	return Nil
}

func (r *msgReader) string(n int) Value {
	r.l.charge(n)
	return Bytes([]byte(r.take(n)))
}

func (r *msgReader) list(n, depth int) Value {
	t := NewTable(min(n, len(r.s)-r.pos), 0)
	for i := range n {
		t.SetInt(i+1, r.value(depth+1))
		r.l.charge(16)
	}
	return TableValue(t)
}

func (r *msgReader) pairs(n, depth int) Value {
	t := NewTable(0, 0)
	for range n {
		k := r.value(depth + 1)
		v := r.value(depth + 1)
		r.l.rawSet(t, k, v)
	}
	return TableValue(t)
}

func msgUnpack(l *State, a Args) int { return l.unpackMessages(a, 0, 0) }

func msgUnpackOne(l *State, a Args) int { return l.unpackMessages(a, 1, l.OptInt(a, 2, 0)) }

func msgUnpackLimit(l *State, a Args) int {
	return l.unpackMessages(a, l.CheckInt(a, 2), l.OptInt(a, 3, 0))
}

// unpackMessages unpacks up to limit values (0: all), and with a limit pushes the next offset first, -1 at the end.
func (l *State) unpackMessages(a Args, limit, offset int) int {
	s := l.CheckString(a, 1)
	switch {
	case limit < 0 || offset < 0:
		l.Errorf("Invalid request to unpack with offset of %d and limit of %d.", offset, len(s))
	case offset > len(s):
		l.Errorf("Start offset %d greater than input length %d.", offset, len(s))
	}
	r := msgReader{l: l, s: s, pos: offset}
	at := l.top
	if limit > 0 {
		l.Push(Nil)
	}
	n := 0
	for ; r.pos < len(s) && (limit == 0 || n < limit); n++ {
		if n >= maxCSlots {
			l.Errorf("too many values to unpack")
		}
		l.Push(r.value(0))
	}
	if limit == 0 {
		return n
	}
	next := r.pos
	if next >= len(s) {
		next = -1
	}
	l.stack[at] = Number(float64(next))
	return n + 1
}
