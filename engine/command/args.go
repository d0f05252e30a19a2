package command

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"
)

// Args reads the arguments of one call in order. It latches: after the first thing that is wrong every
// further read returns a zero value, and Failed reports it once at the end.
type Args struct {
	argv [][]byte
	pos  int
	err  string
}

// All returns every argument, the command's name first.
func (a *Args) All() [][]byte { return a.argv }

// Len returns how many arguments are left.
func (a *Args) Len() int { return len(a.argv) - a.pos }

// More tells whether there are arguments left, and nothing has gone wrong.
func (a *Args) More() bool { return a.err == "" && a.pos < len(a.argv) }

// Bytes takes the next argument. It aliases the connection's read buffer.
func (a *Args) Bytes() []byte {
	if a.err != "" {
		return nil
	}
	if a.pos >= len(a.argv) {
		a.err = ErrSyntax
		return nil
	}
	b := a.argv[a.pos]
	a.pos++
	return b
}

// Peek returns the next argument without taking it; nil if there is none.
func (a *Args) Peek() []byte {
	if !a.More() {
		return nil
	}
	return a.argv[a.pos]
}

// Rest takes all that are left.
func (a *Args) Rest() [][]byte {
	if a.err != "" {
		return nil
	}
	rest := a.argv[a.pos:]
	a.pos = len(a.argv)
	return rest
}

// String takes the next argument as a string of its own.
func (a *Args) String() string { return string(a.Bytes()) }

// Int takes a signed 64-bit integer in Valkey's strict form (no sign +, no leading zeros or blanks).
func (a *Args) Int() int64 { return a.IntOr(ErrNotInteger) }

// IntOr is Int with another error text.
func (a *Args) IntOr(text string) int64 {
	b := a.Bytes()
	if a.err != "" {
		return 0
	}
	n, ok := parseInt(b)
	if !ok {
		a.err = text
	}
	return n
}

// IntRange takes an integer between low and high, both included; text is the error otherwise.
func (a *Args) IntRange(low, high int64, text string) int64 {
	n := a.IntOr(text)
	if a.err == "" && (n < low || n > high) {
		a.err = text
		return 0
	}
	return n
}

// Float takes a floating point number; not-a-number is refused.
func (a *Args) Float() float64 { return a.FloatOr(ErrNotFloat) }

// FloatOr is Float with another error text.
func (a *Args) FloatOr(text string) float64 {
	b := a.Bytes()
	if a.err != "" {
		return 0
	}
	f, ok := parseFloat(b)
	if !ok {
		a.err = text
	}
	return f
}

// Word takes the next argument if it is the given word (upper case), whatever its case.
func (a *Args) Word(upper string) bool {
	if !a.More() || !isWord(a.argv[a.pos], upper) {
		return false
	}
	a.pos++
	return true
}

// Fail latches an error of the handler's own.
func (a *Args) Fail(text string) {
	if a.err == "" {
		a.err = text
	}
}

// Syntax latches "ERR syntax error".
func (a *Args) Syntax() { a.Fail(ErrSyntax) }

// End latches a syntax error if arguments are left.
func (a *Args) End() {
	if a.More() {
		a.err = ErrSyntax
	}
}

// Failed tells whether anything was wrong. Handlers ask Ctx.Failed, which also answers the client.
func (a *Args) Failed() bool { return a.err != "" }

func (a *Args) reset(argv [][]byte, skip int) {
	a.argv, a.pos, a.err = argv, skip, ""
}

// isWord compares b, of any case, with an upper-case word.
func isWord(b []byte, upper string) bool {
	if len(b) != len(upper) {
		return false
	}
	for i, x := range b {
		if x >= 'a' && x <= 'z' {
			x -= 'a' - 'A'
		}
		if x != upper[i] {
			return false
		}
	}
	return true
}

// parseInt reads a signed 64-bit integer as Valkey's string2ll does.
func parseInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	if len(b) == 1 && b[0] == '0' {
		return 0, true
	}
	negative := b[0] == '-'
	digits := b
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || digits[0] < '1' || digits[0] > '9' {
		return 0, false
	}
	var n uint64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		v := uint64(d - '0')
		if n > (math.MaxUint64-v)/10 {
			return 0, false
		}
		n = n*10 + v
	}
	if negative {
		if n > 1<<63 {
			return 0, false
		}
		return -int64(n), true
	}
	if n > math.MaxInt64 {
		return 0, false
	}
	return int64(n), true
}

// parseFloat reads a number as strtold does in Valkey: decimal, hexadecimal, inf; no blanks, no NaN.
func parseFloat(b []byte) (float64, bool) {
	if len(b) == 0 || len(b) > 5<<10 {
		return 0, false
	}
	for _, c := range b {
		if c == '_' { // Go's own extension
			return 0, false
		}
	}
	if hex := bytes.TrimLeft(b, "+-"); len(hex) > 2 && hex[0] == '0' && hex[1]|0x20 == 'x' && !bytes.ContainsAny(hex, "pP") {
		b = append(bytes.Clone(b), 'p', '0') // C's strtod wants no exponent, Go does
	}
	f, err := strconv.ParseFloat(unsafe.String(&b[0], len(b)), 64)
	if err != nil {
		if ne, ok := err.(*strconv.NumError); !ok || ne.Err != strconv.ErrRange {
			return 0, false
		}
		if math.IsInf(f, 0) {
			return 0, false
		}
	}
	if math.IsNaN(f) {
		return 0, false
	}
	return f, true
}
