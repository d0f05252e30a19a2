package lua

import (
	"math"
	"strconv"
	"strings"
)

// AppendNumber appends f as C's %.14g prints it.
func AppendNumber(dst []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1e14 && (f != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	return appendG(dst, f, 14, false, 'g')
}

func formatNumber(f float64) string {
	var scratch [40]byte
	return string(AppendNumber(scratch[:0], f))
}

// appendG appends f as C's %.*g (or G) does; alt keeps trailing zeros (flag #).
func appendG(dst []byte, f float64, precision int, alt bool, verb byte) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return appendSpecial(dst, f, verb == 'G')
	}
	if precision == 0 {
		precision = 1
	}
	var scratch [400]byte
	b := strconv.AppendFloat(scratch[:0], f, 'e', precision-1, 64)
	at := len(b) - 1
	for b[at] != 'e' {
		at--
	}
	exponent, _ := strconv.Atoi(string(b[at+1:])) // strconv wrote it
	if exponent < -4 || exponent >= precision {
		mantissa := b[:at]
		if !alt {
			mantissa = trimZeros(mantissa)
		}
		dst = append(dst, mantissa...)
		dst = append(dst, b[at:]...)
		if verb == 'G' {
			upper(dst[len(dst)-(len(b)-at):])
		}
		return dst
	}
	b = strconv.AppendFloat(scratch[:0], f, 'f', precision-1-exponent, 64)
	if !alt {
		b = trimZeros(b)
	}
	return append(dst, b...)
}

func trimZeros(b []byte) []byte {
	point := -1
	for i, c := range b {
		if c == '.' {
			point = i
		}
	}
	if point < 0 {
		return b
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	if len(b)-1 == point {
		b = b[:point]
	}
	return b
}

func appendSpecial(dst []byte, f float64, capitals bool) []byte {
	start := len(dst)
	if math.Signbit(f) {
		dst = append(dst, '-')
	}
	if math.IsNaN(f) {
		dst = append(dst, "nan"...)
	} else {
		dst = append(dst, "inf"...)
	}
	if capitals {
		upper(dst[start:])
	}
	return dst
}

func upper(b []byte) {
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
}

// ParseNumber reads a number as Lua's tonumber does: C's strtod, blanks around it allowed.
func ParseNumber(s string) (float64, bool) {
	if len(s) > 0 && len(s) <= 15 { // plain integers first
		n := 0
		for i := 0; ; i++ {
			if i == len(s) {
				return float64(n), true
			}
			if s[i] < '0' || s[i] > '9' {
				break
			}
			n = n*10 + int(s[i]-'0')
		}
	}
	s = strings.Trim(s, " \t\n\v\f\r")
	if s == "" || strings.IndexByte(s, '_') >= 0 {
		return 0, false
	}
	body := strings.TrimLeft(s, "+-")
	if len(s)-len(body) > 1 {
		return 0, false
	}
	if len(body) > 1 && body[0] == '0' && body[1]|0x20 == 'x' && !strings.ContainsAny(body, "pP") {
		if len(body) == 2 {
			return 0, false
		}
		s += "p0"
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		if ne, ok := err.(*strconv.NumError); !ok || ne.Err != strconv.ErrRange { //nolint:errorlint // strconv returns it bare
			return 0, false
		}
	}
	return f, true
}
