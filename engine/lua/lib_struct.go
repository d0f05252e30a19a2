package lua

import (
	"encoding/binary"
	"math"
	"strings"
)

const (
	structMaxInt   = 32
	structMaxAlign = 8
)

// OpenStruct adds the library struct.
func OpenStruct(g *Table) {
	t := library(NewTable(0, 4), []entry{{"pack", structPack}, {"unpack", structUnpack}, {"size", structSize}})
	g.SetString("struct", TableValue(t))
}

// layout reads a format, option by option.
type layout struct {
	l      *State
	format string
	pos    int
	big    bool
	align  int
}

func (f *layout) number(standard int) int {
	if f.pos >= len(f.format) || !isDigit(f.format[f.pos]) {
		return standard
	}
	n := 0
	for f.pos < len(f.format) && isDigit(f.format[f.pos]) {
		d := int(f.format[f.pos] - '0')
		if n > (math.MaxInt32-d)/10 {
			f.l.Errorf("integral size overflow")
		}
		n = n*10 + d
		f.pos++
	}
	return n
}

// next returns the next option that stands for data (0: the end), its size, and the padding that it needs at offset.
func (f *layout) next(offset int) (option byte, size, padding int) {
	for f.pos < len(f.format) {
		option = f.format[f.pos]
		f.pos++
		switch option {
		case ' ':
			continue
		case '<':
			f.big = false
			continue
		case '>':
			f.big = true
			continue
		case '=':
			f.big = false
			continue
		case '!':
			n := f.number(structMaxAlign)
			if n <= 0 || n&(n-1) != 0 {
				f.l.Errorf("alignment %d is not a power of 2", n)
			}
			f.align = n
			continue
		case 'b', 'B', 'x':
			size = 1
		case 'h', 'H':
			size = 2
		case 'l', 'L', 'T', 'd':
			size = 8
		case 'f':
			size = 4
		case 'i', 'I':
			size = f.number(4)
			if size > structMaxInt {
				f.l.Errorf("integral size %d is larger than limit of %d", size, structMaxInt)
			}
		case 'c':
			return option, f.number(1), 0
		case 's':
			return option, 0, 0
		default:
			f.l.ArgError(1, "invalid format option '"+string([]byte{option})+"'")
		}
		if align := min(size, f.align); size > 1 && align > 1 {
			padding = (align - offset&(align-1)) & (align - 1)
		}
		return option, size, padding
	}
	return 0, 0, 0
}

func structPack(l *State, a Args) int {
	f := layout{l: l, format: l.CheckString(a, 1), align: 1}
	arg := 2
	var b []byte
	for {
		option, size, padding := f.next(len(b))
		if option == 0 {
			break
		}
		b = append(b, make([]byte, padding)...)
		switch option {
		case 'x':
			b = append(b, 0)
			continue
		case 's', 'c':
			s := l.CheckString(a, arg)
			if option == 's' || size == 0 {
				size = len(s)
			}
			if len(s) < size {
				l.ArgError(arg+1, "string too short") // counted as Valkey does
			}
			b = append(b, s[:size]...)
			if option == 's' {
				b = append(b, 0)
			}
		case 'f':
			b = f.append(b, uint64(math.Float32bits(float32(l.CheckNumber(a, arg)))), 4)
		case 'd':
			b = f.append(b, math.Float64bits(l.CheckNumber(a, arg)), 8)
		default:
			b = f.append(b, wrapInt(l.CheckNumber(a, arg)), size)
		}
		arg++
		l.charge(max(0, len(b)-maxString))
	}
	l.charge(len(b))
	l.Push(ownBytes(b))
	return 1
}

func wrapInt(x float64) uint64 {
	if x < 0 {
		return uint64(int64(x))
	}
	return toUint(x)
}

// append writes the low bytes of u; beyond eight they are zeros.
func (f *layout) append(b []byte, u uint64, size int) []byte {
	start := len(b)
	for range size {
		b = append(b, byte(u))
		u >>= 8
	}
	if f.big {
		for i, j := start, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	return b
}

func structUnpack(l *State, a Args) int {
	f := layout{l: l, format: l.CheckString(a, 1), align: 1}
	s := l.CheckString(a, 2)
	pos := l.OptInt(a, 3, 1) - 1
	if pos < 0 {
		l.ArgError(3, "offset must be 1 or greater")
	}
	base := l.top
	for {
		option, size, padding := f.next(pos)
		if option == 0 {
			break
		}
		pos += padding
		if pos > len(s) || size > len(s)-pos {
			l.ArgError(2, "data string too short")
		}
		if l.top-base >= maxCSlots {
			l.Errorf("too many results to unpack")
		}
		switch option {
		case 'x':
		case 's':
			n := strings.IndexByte(s[pos:], 0)
			if n < 0 {
				l.Errorf("unfinished string in data")
			}
			l.Push(String(s[pos : pos+n]))
			size = n + 1
		case 'c':
			if size == 0 {
				if l.top == base || !l.stack[l.top-1].isNumber() {
					l.Errorf("format 'c0' needs a previous size")
				}
				size = toInt(l.stack[l.top-1].num())
				l.top--
				if size < 0 || size > len(s)-pos {
					l.ArgError(2, "data string too short")
				}
			}
			l.Push(String(s[pos : pos+size]))
		case 'f':
			l.Push(Number(float64(math.Float32frombits(uint32(f.read(s[pos : pos+4]))))))
		case 'd':
			l.Push(Number(math.Float64frombits(f.read(s[pos : pos+8]))))
		default:
			u := f.read(s[pos : pos+size])
			if signed := option >= 'a'; signed && size > 0 && size <= 8 {
				shift := 64 - 8*size
				l.Push(Number(float64(int64(u<<shift) >> shift)))
			} else if signed {
				l.Push(Number(float64(int64(u))))
			} else {
				l.Push(Number(float64(u)))
			}
		}
		pos += size
	}
	l.Push(Number(float64(pos + 1)))
	return l.top - base
}

// read returns the low eight bytes of an integer.
func (f *layout) read(s string) uint64 {
	var b [8]byte
	for i := range min(len(s), 8) {
		if f.big {
			b[i] = s[len(s)-1-i]
		} else {
			b[i] = s[i]
		}
	}
	return binary.LittleEndian.Uint64(b[:])
}

func structSize(l *State, a Args) int {
	f := layout{l: l, format: l.CheckString(a, 1), align: 1}
	total := 0
	for {
		option, size, padding := f.next(total)
		if option == 0 {
			return l.pushNumber(float64(total))
		}
		if option == 's' {
			l.ArgError(1, "option 's' has no fixed size")
		}
		if option == 'c' && size == 0 {
			l.ArgError(1, "option 'c0' has no fixed size")
		}
		total += padding + size
	}
}
