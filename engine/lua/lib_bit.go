package lua

import (
	"math"
	"math/bits"
)

// OpenBit adds the library bit: operations on 32-bit integers.
func OpenBit(g *Table) {
	fold := func(f func(x, y uint32) uint32) GoFunc {
		return func(l *State, a Args) int {
			x := l.checkBits(a, 1)
			for i := 2; i <= a.N; i++ {
				x = f(x, l.checkBits(a, i))
			}
			return l.pushBits(x)
		}
	}
	shift := func(f func(x uint32, n uint) uint32) GoFunc {
		return func(l *State, a Args) int { return l.pushBits(f(l.checkBits(a, 1), uint(l.checkBits(a, 2)&31))) }
	}
	t := library(NewTable(0, 16), []entry{
		{"tobit", func(l *State, a Args) int { return l.pushBits(l.checkBits(a, 1)) }},
		{"bnot", func(l *State, a Args) int { return l.pushBits(^l.checkBits(a, 1)) }},
		{"band", fold(func(x, y uint32) uint32 { return x & y })},
		{"bor", fold(func(x, y uint32) uint32 { return x | y })},
		{"bxor", fold(func(x, y uint32) uint32 { return x ^ y })},
		{"lshift", shift(func(x uint32, n uint) uint32 { return x << n })},
		{"rshift", shift(func(x uint32, n uint) uint32 { return x >> n })},
		{"arshift", shift(func(x uint32, n uint) uint32 { return uint32(int32(x) >> n) })},
		{"rol", shift(func(x uint32, n uint) uint32 { return bits.RotateLeft32(x, int(n)) })},
		{"ror", shift(func(x uint32, n uint) uint32 { return bits.RotateLeft32(x, -int(n)) })},
		{"bswap", func(l *State, a Args) int { return l.pushBits(bits.ReverseBytes32(l.checkBits(a, 1))) }},
		{"tohex", bitToHex},
	})
	g.SetString("bit", TableValue(t))
}

// checkBits takes the low 32 bits of a number, rounded to the nearest integer.
func (l *State) checkBits(a Args, i int) uint32 {
	return uint32(math.Float64bits(l.CheckNumber(a, i) + 6755399441055744.0))
}

func (l *State) pushBits(x uint32) int { return l.pushNumber(float64(int32(x))) }

func bitToHex(l *State, a Args) int {
	x := l.checkBits(a, 1)
	n := int32(8)
	if !l.Arg(a, 2).isNil() {
		n = int32(l.checkBits(a, 2))
	}
	digits := "0123456789abcdef"
	if n < 0 {
		n, digits = -n, "0123456789ABCDEF"
	}
	if n < 0 || n > 8 {
		n = 8
	}
	b := make([]byte, n)
	for i := int(n) - 1; i >= 0; i-- {
		b[i] = digits[x&15]
		x >>= 4
	}
	return l.pushString(string(b))
}
