package lua

import "math"

// firstRandom is where the sequence of math.random starts: drand48's own beginning.
const firstRandom = 0x1234abcd330e

// OpenMath adds the library math. Its random numbers are those of drand48's family, as Valkey has them.
func OpenMath(g *Table) {
	t := library(NewTable(0, 32), []entry{
		{"max", mathMax},
		{"min", mathMin},
		{"random", mathRandom},
		{"randomseed", mathRandomSeed},
		{"frexp", mathFrexp},
		{"ldexp", mathLdexp},
		{"modf", mathModf},
		{"log10", one(math.Log10)},
		{"log", one(math.Log)},
		{"abs", one(math.Abs)},
		{"ceil", one(math.Ceil)},
		{"floor", one(math.Floor)},
		{"sqrt", one(math.Sqrt)},
		{"exp", one(math.Exp)},
		{"sin", one(math.Sin)},
		{"cos", one(math.Cos)},
		{"tan", one(math.Tan)},
		{"asin", one(math.Asin)},
		{"acos", one(math.Acos)},
		{"atan", one(math.Atan)},
		{"sinh", one(math.Sinh)},
		{"cosh", one(math.Cosh)},
		{"tanh", one(math.Tanh)},
		{"deg", one(func(x float64) float64 { return x / (math.Pi / 180) })},
		{"rad", one(func(x float64) float64 { return x * (math.Pi / 180) })},
		{"atan2", two(math.Atan2)},
		{"fmod", two(math.Mod)},
		{"mod", two(math.Mod)},
		{"pow", two(math.Pow)},
	})
	t.SetString("pi", Number(math.Pi))
	t.SetString("huge", Number(math.Inf(1)))
	g.SetString("math", TableValue(t))
}

func one(f func(float64) float64) GoFunc {
	return func(l *State, a Args) int { return l.pushNumber(f(l.CheckNumber(a, 1))) }
}

func two(f func(x, y float64) float64) GoFunc {
	return func(l *State, a Args) int { return l.pushNumber(f(l.CheckNumber(a, 1), l.CheckNumber(a, 2))) }
}

func mathMax(l *State, a Args) int {
	m := l.CheckNumber(a, 1)
	for i := 2; i <= a.N; i++ {
		if x := l.CheckNumber(a, i); x > m {
			m = x
		}
	}
	return l.pushNumber(m)
}

func mathMin(l *State, a Args) int {
	m := l.CheckNumber(a, 1)
	for i := 2; i <= a.N; i++ {
		if x := l.CheckNumber(a, i); x < m {
			m = x
		}
	}
	return l.pushNumber(m)
}

func mathFrexp(l *State, a Args) int {
	f, e := math.Frexp(l.CheckNumber(a, 1))
	l.Push(Number(f))
	return 1 + l.pushNumber(float64(e))
}

func mathLdexp(l *State, a Args) int {
	return l.pushNumber(math.Ldexp(l.CheckNumber(a, 1), l.CheckInt(a, 2)))
}

func mathModf(l *State, a Args) int {
	x := l.CheckNumber(a, 1)
	whole := math.Trunc(x)
	part := x - whole
	if math.IsInf(x, 0) {
		part = math.Copysign(0, x)
	}
	l.Push(Number(whole))
	return 1 + l.pushNumber(part)
}

const randomMax = math.MaxInt32

// SeedRandom sets the sequence of math.random.
func (l *State) SeedRandom(seed int32) { l.random = uint64(uint32(seed))<<16 | 0x330e }

func (l *State) nextRandom() int {
	l.random = (l.random*0x5deece66d + 0xb) & (1<<48 - 1)
	return int(l.random >> 17)
}

func mathRandom(l *State, a Args) int {
	r := float64(l.nextRandom()%randomMax) / randomMax
	switch a.N {
	case 0:
		return l.pushNumber(r)
	case 1:
		high := l.CheckInt(a, 1)
		if high < 1 {
			l.ArgError(1, "interval is empty")
		}
		return l.pushNumber(math.Floor(r*float64(high)) + 1)
	case 2:
		low, high := l.CheckInt(a, 1), l.CheckInt(a, 2)
		if low > high {
			l.ArgError(2, "interval is empty")
		}
		return l.pushNumber(math.Floor(r*float64(high-low+1)) + float64(low))
	}
	l.Errorf("wrong number of arguments")
	return 0
}

func mathRandomSeed(l *State, a Args) int {
	l.SeedRandom(int32(l.CheckInt(a, 1)))
	return 0
}
