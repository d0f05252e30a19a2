package lua

import (
	"strconv"
	"strings"
)

// OpenString adds the library string, and returns the metatable for strings.
func OpenString(g *Table) *Table {
	t := library(NewTable(0, 16), []entry{
		{"byte", stringByte},
		{"char", stringChar},
		{"dump", stringDump},
		{"find", stringFind},
		{"format", stringFormat},
		{"gmatch", stringGmatch},
		{"gsub", stringGsub},
		{"len", stringLen},
		{"lower", stringLower},
		{"match", stringMatch},
		{"rep", stringRep},
		{"reverse", stringReverse},
		{"sub", stringSub},
		{"upper", stringUpper},
	})
	t.SetString("gfind", t.GetString("gmatch"))
	g.SetString("string", TableValue(t))
	meta := NewTable(0, 1)
	meta.SetString("__index", TableValue(t))
	return meta
}

// position turns a relative string position into one from the start.
func position(i, n int) int {
	if i < 0 {
		i += n + 1
	}
	return max(i, 0)
}

func stringLen(l *State, a Args) int { return l.pushNumber(float64(len(l.CheckString(a, 1)))) }

func stringSub(l *State, a Args) int {
	s := l.CheckString(a, 1)
	i, j := max(position(l.CheckInt(a, 2), len(s)), 1), min(position(l.OptInt(a, 3, -1), len(s)), len(s))
	if i > j {
		return l.pushString("")
	}
	return l.pushString(s[i-1 : j])
}

func stringLower(l *State, a Args) int {
	b := []byte(l.CheckString(a, 1))
	l.charge(len(b))
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	l.Push(ownBytes(b))
	return 1
}

func stringUpper(l *State, a Args) int {
	b := []byte(l.CheckString(a, 1))
	l.charge(len(b))
	upper(b)
	l.Push(ownBytes(b))
	return 1
}

func stringReverse(l *State, a Args) int {
	s := l.CheckString(a, 1)
	l.charge(len(s))
	b := make([]byte, len(s))
	for i := range len(s) {
		b[len(s)-1-i] = s[i]
	}
	l.Push(ownBytes(b))
	return 1
}

func stringRep(l *State, a Args) int {
	s, n := l.CheckString(a, 1), l.CheckInt(a, 2)
	if n <= 0 || s == "" {
		return l.pushString("")
	}
	if n > maxString/len(s) {
		l.charge(maxString + 1)
	}
	l.charge(n * len(s))
	return l.pushString(strings.Repeat(s, n))
}

func stringByte(l *State, a Args) int {
	s := l.CheckString(a, 1)
	i := position(l.OptInt(a, 2, 1), len(s))
	j := min(position(l.OptInt(a, 3, i), len(s)), len(s))
	i = max(i, 1)
	if i > j {
		return 0
	}
	if j-i+1 >= maxCSlots {
		l.Errorf("stack overflow (string slice too long)")
	}
	for _, c := range []byte(s[i-1 : j]) {
		l.Push(Number(float64(c)))
	}
	return j - i + 1
}

func stringChar(l *State, a Args) int {
	b := make([]byte, a.N)
	for i := range b {
		c := l.CheckInt(a, i+1)
		if c < 0 || c > 255 {
			l.ArgError(i+1, "invalid value")
		}
		b[i] = byte(c)
	}
	l.Push(ownBytes(b))
	return 1
}

func stringDump(l *State, a Args) int {
	l.checkFunction(a, 1)
	l.Errorf("unable to dump given function")
	return 0
}

func stringFind(l *State, a Args) int  { return l.find(a, true) }
func stringMatch(l *State, a Args) int { return l.find(a, false) }

func (l *State) find(a Args, find bool) int {
	s, p := l.CheckString(a, 1), l.CheckString(a, 2)
	start := position(l.OptInt(a, 3, 1), len(s)) - 1
	start = min(max(start, 0), len(s))
	if find && (l.Arg(a, 4).truthy() || !strings.ContainsAny(p, "^$*+?.([%-")) {
		i := strings.Index(s[start:], p)
		if i < 0 {
			return l.pushNil()
		}
		l.Push(Number(float64(start + i + 1)))
		return 1 + l.pushNumber(float64(start+i+len(p)))
	}
	m := matcher{l: l, s: s, p: p}
	anchor := p != "" && p[0] == '^'
	at := 0
	if anchor {
		at = 1
	}
	for ; ; start++ {
		m.level = 0
		if e := m.match(start, at); e >= 0 {
			if find {
				l.Push(Number(float64(start + 1)))
				l.Push(Number(float64(e)))
				return 2 + m.pushCaptures(-1, -1)
			}
			return m.pushCaptures(start, e)
		}
		if anchor || start >= len(s) {
			return l.pushNil()
		}
	}
}

func stringGmatch(l *State, a Args) int {
	s, p := l.CheckString(a, 1), l.CheckString(a, 2)
	at := 0
	l.Push(FunctionValue("gmatch_iterator", func(l *State, _ Args) int {
		m := matcher{l: l, s: s, p: p}
		for ; at <= len(s); at++ {
			m.level = 0
			if e := m.match(at, 0); e >= 0 {
				start := at
				at = e
				if e == start {
					at++
				}
				return m.pushCaptures(start, e)
			}
		}
		return l.pushNil()
	}))
	return 1
}

func stringGsub(l *State, a Args) int {
	s, p := l.CheckString(a, 1), l.CheckString(a, 2)
	r := l.Arg(a, 3)
	if !r.isString() && !r.isNumber() && !r.isTable() && !r.isFunction() {
		l.ArgError(3, "string/function/table expected")
	}
	most := l.OptInt(a, 4, len(s)+1)
	anchor := p != "" && p[0] == '^'
	pat := 0
	if anchor {
		pat = 1
	}
	m := matcher{l: l, s: s, p: p}
	var b []byte
	at, n := 0, 0
	for n < most {
		m.level = 0
		e := m.match(at, pat)
		if e >= 0 {
			n++
			b = m.replace(b, r, at, e)
			l.charge(max(0, len(b)-maxString))
		}
		switch {
		case e > at:
			at = e
		case at < len(s):
			b = append(b, s[at])
			at++
		default:
			at++
		}
		if at > len(s) || anchor {
			break
		}
	}
	if at < len(s) {
		b = append(b, s[at:]...)
	}
	l.charge(len(b))
	l.Push(ownBytes(b))
	return 1 + l.pushNumber(float64(n))
}

// replace appends what replaces a match.
func (m *matcher) replace(b []byte, r Value, start, end int) []byte {
	l := m.l
	var v Value
	switch {
	case r.isTable():
		v = l.index(r, m.capture(0, start, end))
	case r.isFunction():
		top := l.top
		l.Push(r)
		n := m.pushCaptures(start, end)
		l.call(top, n, 1)
		v = l.stack[top]
		l.top = top
	default:
		text, _ := r.ToText()
		for i := 0; i < len(text); i++ {
			c := text[i]
			if c != '%' {
				b = append(b, c)
				continue
			}
			i++
			switch {
			case i >= len(text):
				b = append(b, 0) // what C reads there
			case !isDigit(text[i]):
				b = append(b, text[i])
			case text[i] == '0':
				b = append(b, m.s[start:end]...)
			default:
				s, _ := m.capture(int(text[i]-'1'), start, end).ToText()
				b = append(b, s...)
			}
		}
		return b
	}
	if !v.truthy() {
		return append(b, m.s[start:end]...)
	}
	text, ok := v.ToText()
	if !ok {
		l.Errorf("invalid replacement value (a %s)", v.TypeName())
	}
	return append(b, text...)
}

func stringFormat(l *State, a Args) int {
	f := l.CheckString(a, 1)
	var b []byte
	arg := 1
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b = append(b, f[i])
			continue
		}
		i++
		if i < len(f) && f[i] == '%' {
			b = append(b, '%')
			continue
		}
		arg++
		var s spec
		i = s.parse(l, f, i)
		verb := byte(0)
		if i < len(f) {
			verb = f[i]
		}
		switch verb {
		case 'c':
			b = s.pad(b, []byte{byte(l.CheckInt(a, arg))})
		case 'd', 'i':
			b = s.integer(b, int64(l.CheckInt(a, arg)))
		case 'o', 'u', 'x', 'X':
			b = s.unsigned(b, toUint(l.CheckNumber(a, arg)), verb)
		case 'e', 'E', 'f', 'g', 'G':
			b = s.float(b, l.CheckNumber(a, arg), verb)
		case 'q':
			b = quote(b, l.CheckString(a, arg))
		case 's':
			text := l.CheckString(a, arg)
			if s.precision >= 0 {
				text = text[:min(len(text), s.precision)]
			}
			b = s.pad(b, []byte(text))
		default:
			l.Errorf("invalid option '%%%s' to 'format'", strings.TrimRight(string([]byte{verb}), "\x00"))
		}
		l.charge(max(0, len(b)-maxString))
	}
	l.charge(len(b))
	l.Push(ownBytes(b))
	return 1
}

func toUint(f float64) uint64 {
	if f < 0 {
		return uint64(int64(f))
	}
	return uint64(f)
}

func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\', '\n':
			b = append(b, '\\', c)
		case '\r':
			b = append(b, `\r`...)
		case 0:
			b = append(b, `\000`...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// spec is one directive of a C format.
type spec struct {
	minus, plus, space, alt, zero bool
	width, precision              int
}

func (s *spec) parse(l *State, f string, i int) int {
	s.precision = -1
	flags := 0
	for ; i < len(f); i++ {
		switch f[i] {
		case '-':
			s.minus = true
		case '+':
			s.plus = true
		case ' ':
			s.space = true
		case '#':
			s.alt = true
		case '0':
			s.zero = true
		default:
			goto digits
		}
		if flags++; flags >= 6 {
			l.Errorf("invalid format (repeated flags)")
		}
	}
digits:
	number := func() (n int) {
		for d := 0; d < 2 && i < len(f) && isDigit(f[i]); d++ {
			n = n*10 + int(f[i]-'0')
			i++
		}
		return n
	}
	s.width = number()
	if i < len(f) && f[i] == '.' {
		i++
		s.precision = number()
	}
	if i < len(f) && isDigit(f[i]) {
		l.Errorf("invalid format (width or precision too long)")
	}
	return i
}

func (s *spec) pad(b, text []byte) []byte {
	fill := s.width - len(text)
	if !s.minus {
		for ; fill > 0; fill-- {
			b = append(b, ' ')
		}
	}
	b = append(b, text...)
	for ; fill > 0; fill-- {
		b = append(b, ' ')
	}
	return b
}

// number pads sign and digits, with zeros between if asked for.
func (s *spec) number(b []byte, sign string, digits []byte, zero bool) []byte {
	if zero && !s.minus {
		for fill := s.width - len(sign) - len(digits); fill > 0; fill-- {
			sign += "0"
		}
	}
	return s.pad(b, append([]byte(sign), digits...))
}

func (s *spec) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case s.plus:
		return "+"
	case s.space:
		return " "
	}
	return ""
}

func (s *spec) integer(b []byte, n int64) []byte {
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	return s.number(b, s.sign(n < 0), s.digits(u, 10), s.zero && s.precision < 0)
}

func (s *spec) digits(u uint64, base int) []byte {
	d := strconv.AppendUint(nil, u, base)
	if u == 0 && s.precision == 0 {
		d = nil
	}
	if missing := s.precision - len(d); missing > 0 {
		d = append([]byte(strings.Repeat("0", missing)), d...)
	}
	return d
}

func (s *spec) unsigned(b []byte, u uint64, verb byte) []byte {
	base, prefix := 10, ""
	switch verb {
	case 'o':
		base = 8
	case 'x', 'X':
		base = 16
		if s.alt && u != 0 {
			prefix = "0x"
		}
	}
	d := s.digits(u, base)
	if verb == 'o' && s.alt && (len(d) == 0 || d[0] != '0') {
		d = append([]byte{'0'}, d...)
	}
	if verb == 'X' {
		upper(d)
		prefix = strings.ToUpper(prefix)
	}
	return s.number(b, prefix, d, s.zero && s.precision < 0)
}

func (s *spec) float(b []byte, f float64, verb byte) []byte {
	var d []byte
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	switch {
	case f != f || f-f != 0:
		d = appendSpecial(nil, f, verb == 'E' || verb == 'G')
	case verb == 'g' || verb == 'G':
		d = appendG(nil, f, precision, s.alt, verb)
	default:
		d = strconv.AppendFloat(nil, f, verb, precision, 64)
	}
	negative := len(d) > 0 && d[0] == '-'
	if negative {
		d = d[1:]
	}
	return s.number(b, s.sign(negative), d, s.zero && f-f == 0)
}
