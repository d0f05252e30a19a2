package lua

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// cjsonConfig is what the cjson functions of configuration change.
type cjsonConfig struct {
	sparseConvert           bool
	sparseRatio, sparseSafe int
	encodeDepth             int
	decodeDepth             int
	precision               int
	keepBuffer              bool
	encodeInvalid           int // 0 error, 1 as they are, 2 null
	decodeInvalid           bool
}

func newCJSONConfig() *cjsonConfig {
	return &cjsonConfig{
		sparseRatio: 2, sparseSafe: 10, encodeDepth: 1000, decodeDepth: 1000, precision: 14, keepBuffer: true, decodeInvalid: true,
	}
}

// OpenCJSON adds the library cjson.
func OpenCJSON(g *Table) { g.SetString("cjson", TableValue(newCJSON())) }

func newCJSON() *Table {
	c := newCJSONConfig()
	number := func(p *int, low, high int) GoFunc {
		return func(l *State, a Args) int {
			if a.N > 1 {
				l.ArgError(2, "found too many arguments")
			}
			if !l.Arg(a, 1).isNil() {
				n := l.CheckInt(a, 1)
				if n < low || n > high {
					l.ArgError(1, "expected integer between "+strconv.Itoa(low)+" and "+strconv.Itoa(high))
				}
				*p = n
			}
			return l.pushNumber(float64(*p))
		}
	}
	boolean := func(p *bool) GoFunc {
		return func(l *State, a Args) int {
			if v := l.Arg(a, 1); !v.isNil() {
				*p = v.truthy()
			}
			return l.pushBool(*p)
		}
	}
	t := library(NewTable(0, 16), []entry{
		{"encode", func(l *State, a Args) int {
			if a.N != 1 {
				l.ArgError(1, "expected 1 argument")
			}
			e := jsonEncoder{l: l, c: c}
			e.value(l.Arg(a, 1), 0)
			l.charge(len(e.b))
			l.Push(ownBytes(e.b))
			return 1
		}},
		{"decode", func(l *State, a Args) int {
			if a.N != 1 {
				l.ArgError(1, "expected 1 argument")
			}
			l.Push(jsonDecode(l, c, l.CheckString(a, 1)))
			return 1
		}},
		{"encode_sparse_array", func(l *State, a Args) int {
			if v := l.Arg(a, 1); !v.isNil() {
				c.sparseConvert = v.truthy()
			}
			c.sparseRatio, c.sparseSafe = max(l.OptInt(a, 2, c.sparseRatio), 0), max(l.OptInt(a, 3, c.sparseSafe), 0)
			l.Push(Bool(c.sparseConvert))
			l.Push(Number(float64(c.sparseRatio)))
			return 2 + l.pushNumber(float64(c.sparseSafe))
		}},
		{"encode_max_depth", number(&c.encodeDepth, 1, math.MaxInt32)},
		{"decode_max_depth", number(&c.decodeDepth, 1, math.MaxInt32)},
		{"encode_number_precision", number(&c.precision, 1, 14)},
		{"encode_keep_buffer", boolean(&c.keepBuffer)},
		{"encode_invalid_numbers", func(l *State, a Args) int {
			if v := l.Arg(a, 1); !v.isNil() {
				c.encodeInvalid = 0
				if s, ok := v.AsString(); ok && s == "null" {
					c.encodeInvalid = 2
				} else if v.truthy() {
					c.encodeInvalid = 1
				}
			}
			if c.encodeInvalid == 2 {
				return l.pushString("null")
			}
			return l.pushBool(c.encodeInvalid == 1)
		}},
		{"decode_invalid_numbers", boolean(&c.decodeInvalid)},
		{"new", func(l *State, _ Args) int {
			l.Push(TableValue(newCJSON()))
			return 1
		}},
	})
	t.SetString("null", Null)
	t.SetString("_NAME", String("cjson"))
	t.SetString("_VERSION", String("2.1.0"))
	return t
}

type jsonEncoder struct {
	l *State
	c *cjsonConfig
	b []byte
}

func (e *jsonEncoder) fail(v Value, reason string) {
	e.l.Errorf("Cannot serialise %s: %s", v.TypeName(), reason)
}

func (e *jsonEncoder) value(v Value, depth int) {
	if len(e.b) > maxString {
		e.l.charge(len(e.b))
	}
	switch {
	case v.isString():
		e.string(v.str())
	case v.isNumber():
		e.number(v)
	case v.Kind() == KindBool:
		e.b = strconv.AppendBool(e.b, v.truthy())
	case v.isNil() || v.n == tagNull:
		e.b = append(e.b, "null"...)
	case v.isTable():
		if depth++; depth > e.c.encodeDepth {
			e.l.Errorf("Cannot serialise, excessive nesting (%d)", depth)
		}
		e.table(v, depth)
	default:
		e.fail(v, "type not supported")
	}
}

func (e *jsonEncoder) number(v Value) {
	f := v.num()
	if f-f != 0 {
		switch e.c.encodeInvalid {
		case 0:
			e.fail(v, "must not be NaN or Inf")
		case 2:
			e.b = append(e.b, "null"...)
			return
		}
		if f != f {
			e.b = append(e.b, "nan"...)
			return
		}
	}
	if e.c.precision == 14 {
		e.b = AppendNumber(e.b, f)
		return
	}
	e.b = appendG(e.b, f, e.c.precision, false, 'g')
}

func (e *jsonEncoder) string(s string) {
	e.b = append(e.b, '"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\\' || c == '/':
			e.b = append(e.b, '\\', c)
		case c >= ' ' && c != 127:
			e.b = append(e.b, c)
		default:
			if at := strings.IndexByte("\b\t\n\f\r", c); at >= 0 {
				e.b = append(e.b, '\\', "btnfr"[at])
				continue
			}
			const digits = "0123456789abcdef"
			e.b = append(e.b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	e.b = append(e.b, '"')
}

// arrayLength returns the length of a table that is an array, -1 for others.
func (e *jsonEncoder) arrayLength(v Value) int {
	t := v.table()
	most, items := 0, 0
	for k, _, _ := t.Next(Nil); !k.isNil(); k, _, _ = t.Next(k) {
		if !k.isNumber() || k.num() < 1 || k.num() != math.Floor(k.num()) || k.num() > math.MaxInt32 {
			return -1
		}
		most = max(most, int(k.num()))
		items++
	}
	if e.c.sparseRatio > 0 && most > items*e.c.sparseRatio && most > e.c.sparseSafe {
		if !e.c.sparseConvert {
			e.fail(v, "excessively sparse array")
		}
		return -1
	}
	return most
}

func (e *jsonEncoder) table(v Value, depth int) {
	t := v.table()
	if n := e.arrayLength(v); n > 0 {
		e.b = append(e.b, '[')
		for i := 1; i <= n; i++ {
			if i > 1 {
				e.b = append(e.b, ',')
			}
			e.value(t.GetInt(i), depth)
		}
		e.b = append(e.b, ']')
		return
	}
	e.b = append(e.b, '{')
	first := true
	for k, x, _ := t.Next(Nil); !k.isNil(); k, x, _ = t.Next(k) {
		if !first {
			e.b = append(e.b, ',')
		}
		first = false
		switch {
		case k.isNumber():
			e.b = append(e.b, '"')
			e.number(k)
			e.b = append(e.b, '"')
		case k.isString():
			e.string(k.str())
		default:
			e.fail(k, "table key must be a number or string")
		}
		e.b = append(e.b, ':')
		e.value(x, depth)
	}
	e.b = append(e.b, '}')
}

type jsonDecoder struct {
	l     *State
	c     *cjsonConfig
	s     string
	pos   int
	depth int
}

func jsonDecode(l *State, c *cjsonConfig, s string) Value {
	if len(s) >= 2 && (s[0] == 0 || s[1] == 0) {
		l.Errorf("JSON parser does not support UTF-16 or UTF-32")
	}
	d := jsonDecoder{l: l, c: c, s: s}
	v := d.value("value")
	d.blanks()
	if d.pos < len(d.s) {
		d.expected("the end")
	}
	return v
}

func (d *jsonDecoder) blanks() {
	for d.pos < len(d.s) {
		switch d.s[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// expected raises the error for what stands at pos.
func (d *jsonDecoder) expected(what string) {
	at := d.pos
	d.l.Errorf("Expected %s but found %s at character %d", what, d.found(), at+1)
}

// found names the token at pos.
func (d *jsonDecoder) found() string {
	if d.pos >= len(d.s) {
		return "T_END"
	}
	switch c := d.s[d.pos]; {
	case c == '{':
		return "T_OBJ_BEGIN"
	case c == '}':
		return "T_OBJ_END"
	case c == '[':
		return "T_ARR_BEGIN"
	case c == ']':
		return "T_ARR_END"
	case c == ':':
		return "T_COLON"
	case c == ',':
		return "T_COMMA"
	case c == '"':
		return "T_STRING"
	case isDigit(c) || c == '-':
		if _, n := d.scanNumber(); n > 0 {
			return "T_NUMBER"
		}
		return "invalid number"
	case strings.HasPrefix(d.s[d.pos:], "true"), strings.HasPrefix(d.s[d.pos:], "false"):
		return "T_BOOLEAN"
	case strings.HasPrefix(d.s[d.pos:], "null"):
		return "T_NULL"
	}
	return "invalid token"
}

func (d *jsonDecoder) descend() {
	if d.depth++; d.depth > d.c.decodeDepth {
		d.l.Errorf("Found too many nested data structures (%d) at character %d", d.depth, d.pos+1)
	}
	d.l.charge(64)
}

func (d *jsonDecoder) value(what string) Value {
	d.blanks()
	if d.pos >= len(d.s) {
		d.expected(what)
	}
	rest := d.s[d.pos:]
	switch c := rest[0]; {
	case c == '"':
		return d.string(what)
	case c == '{':
		return d.object()
	case c == '[':
		return d.array()
	case strings.HasPrefix(rest, "true"):
		d.pos += 4
		return True
	case strings.HasPrefix(rest, "false"):
		d.pos += 5
		return False
	case strings.HasPrefix(rest, "null"):
		d.pos += 4
		return Null
	default:
		if f, n := d.scanNumber(); n > 0 {
			d.pos += n
			return Number(f)
		}
	}
	d.expected(what)
	return Nil
}

// scanNumber reads what strtod would at pos, and returns its length, 0 if there is no number.
func (d *jsonDecoder) scanNumber() (float64, int) {
	s := d.s[d.pos:]
	c := s[0]
	special := len(s) > 2 && (strings.EqualFold(s[:3], "inf") || strings.EqualFold(s[:3], "nan"))
	if !isDigit(c) && c != '-' && (!special || !d.c.decodeInvalid) {
		return 0, 0
	}
	i := 0
	if c == '-' {
		i++
	}
	if word := strings.ToLower(s[i:min(len(s), i+8)]); d.c.decodeInvalid {
		for _, w := range []string{"infinity", "inf", "nan"} {
			if strings.HasPrefix(word, w) {
				f, _ := ParseNumber(s[:i+len(w)])
				return f, i + len(w)
			}
		}
	}
	digits := func() bool {
		start := i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		return i > start
	}
	if i+2 < len(s) && s[i] == '0' && s[i+1]|0x20 == 'x' {
		if !d.c.decodeInvalid {
			return 0, 0
		}
		j := i + 2
		for j < len(s) && (isDigit(s[j]) || s[j]|0x20 >= 'a' && s[j]|0x20 <= 'f') {
			j++
		}
		if j > i+2 {
			f, _ := ParseNumber(s[:j])
			return f, j
		}
	}
	if !d.c.decodeInvalid && i+1 < len(s) && s[i] == '0' && isDigit(s[i+1]) {
		return 0, 0
	}
	whole := digits()
	if i < len(s) && s[i] == '.' {
		i++
		if !digits() && !whole {
			return 0, 0
		}
	} else if !whole {
		return 0, 0
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		mark := i
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			i = mark
		}
	}
	f, _ := ParseNumber(s[:i])
	return f, i
}

func (d *jsonDecoder) object() Value {
	d.descend()
	d.pos++
	t := NewTable(0, 0)
	d.blanks()
	if d.pos < len(d.s) && d.s[d.pos] == '}' {
		d.pos++
		d.depth--
		return TableValue(t)
	}
	for {
		d.blanks()
		if d.pos >= len(d.s) || d.s[d.pos] != '"' {
			d.expected("object key string")
		}
		key := d.string("object key string")
		d.blanks()
		if d.pos >= len(d.s) || d.s[d.pos] != ':' {
			d.expected("colon")
		}
		d.pos++
		d.l.rawSet(t, key, d.value("value"))
		d.blanks()
		if d.pos < len(d.s) {
			switch d.s[d.pos] {
			case '}':
				d.pos++
				d.depth--
				return TableValue(t)
			case ',':
				d.pos++
				continue
			}
		}
		d.expected("comma or object end")
	}
}

func (d *jsonDecoder) array() Value {
	d.descend()
	d.pos++
	t := NewTable(0, 0)
	d.blanks()
	if d.pos < len(d.s) && d.s[d.pos] == ']' {
		d.pos++
		d.depth--
		return TableValue(t)
	}
	for i := 1; ; i++ {
		t.SetInt(i, d.value("value"))
		d.l.charge(16)
		d.blanks()
		if d.pos < len(d.s) {
			switch d.s[d.pos] {
			case ']':
				d.pos++
				d.depth--
				return TableValue(t)
			case ',':
				d.pos++
				continue
			}
		}
		d.expected("comma or array end")
	}
}

func (d *jsonDecoder) string(what string) Value {
	start := d.pos
	i := d.pos + 1
	for i < len(d.s) && d.s[i] != '"' && d.s[i] != '\\' {
		i++
	}
	if i < len(d.s) && d.s[i] == '"' {
		d.pos = i + 1
		return String(strings.Clone(d.s[start+1 : i]))
	}
	b := append([]byte(nil), d.s[start+1:i]...)
	fail := func(found string, at int) {
		d.l.Errorf("Expected %s but found %s at character %d", what, found, at+1)
	}
	for i < len(d.s) {
		c := d.s[i]
		if c == '"' {
			d.pos = i + 1
			return ownBytes(b)
		}
		if c != '\\' {
			b = append(b, c)
			i++
			continue
		}
		if i+1 >= len(d.s) {
			fail("invalid escape code", i)
		}
		e := d.s[i+1]
		if e == 'u' {
			r, n := unicodeEscape(d.s[i:])
			if n == 0 {
				fail("invalid unicode escape code", i)
			}
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		at := strings.IndexByte(`"\/bfnrt`, e)
		if at < 0 {
			fail("invalid escape code", i)
		}
		b = append(b, "\"\\/\b\f\n\r\t"[at])
		i += 2
	}
	fail("unexpected end of string", len(d.s))
	return Nil
}

// unicodeEscape reads \uXXXX, or a surrogate pair of them, and returns its length; 0: wrong.
func unicodeEscape(s string) (rune, int) {
	hex := func(s string) (rune, bool) {
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(s[2:6], 16, 32)
		return rune(n), err == nil
	}
	r, ok := hex(s)
	if !ok || r >= 0xdc00 && r < 0xe000 {
		return 0, 0
	}
	if r < 0xd800 || r >= 0xdc00 {
		return r, 6
	}
	low, ok := hex(s[6:])
	if !ok || low < 0xdc00 || low >= 0xe000 {
		return 0, 0
	}
	return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), 12
}
