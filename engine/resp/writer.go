package resp

import (
	"math"
	"strconv"
)

// Writer appends replies to a byte buffer, in the form of the protocol version that the client has
// negotiated. RESP3-only types are written in the form that Valkey uses for RESP2 clients.
//
// A Writer never fails and never blocks; whoever owns the buffer limits its size.
type Writer struct {
	// Buf holds what has been written. The owner may replace it between two replies.
	Buf []byte
	// Proto is 2 or 3.
	Proto int
}

// Raw appends bytes that are already in wire form.
func (w *Writer) Raw(b []byte) { w.Buf = append(w.Buf, b...) }

// RawString appends a string that is already in wire form.
func (w *Writer) RawString(s string) { w.Buf = append(w.Buf, s...) }

// OK appends +OK.
func (w *Writer) OK() { w.Buf = append(w.Buf, "+OK\r\n"...) }

// Simple appends a simple string. s must hold no line break.
func (w *Writer) Simple(s string) {
	w.Buf = append(w.Buf, '+')
	w.Buf = append(w.Buf, s...)
	w.Buf = append(w.Buf, '\r', '\n')
}

// Error appends an error. text begins with its code ("ERR …", "WRONGTYPE …"); line breaks in it become
// blanks, so that an argument echoed in an error cannot forge a reply.
func (w *Writer) Error(text string) {
	w.Buf = append(w.Buf, '-')
	for i := 0; i < len(text); i++ {
		b := text[i]
		if b == '\r' || b == '\n' {
			b = ' '
		}
		w.Buf = append(w.Buf, b)
	}
	w.Buf = append(w.Buf, '\r', '\n')
}

// Int appends an integer.
func (w *Writer) Int(n int64) {
	if n >= 0 && n < 10 {
		w.Buf = append(w.Buf, ':', byte('0'+n), '\r', '\n')
		return
	}
	w.head(':', n)
}

// Bool appends a boolean: #t or #f, in RESP2 the integer 1 or 0.
func (w *Writer) Bool(v bool) {
	switch {
	case w.Proto < 3 && v:
		w.Buf = append(w.Buf, ":1\r\n"...)
	case w.Proto < 3:
		w.Buf = append(w.Buf, ":0\r\n"...)
	case v:
		w.Buf = append(w.Buf, "#t\r\n"...)
	default:
		w.Buf = append(w.Buf, "#f\r\n"...)
	}
}

// Bulk appends a bulk string.
func (w *Writer) Bulk(b []byte) {
	w.head('$', int64(len(b)))
	w.Buf = append(w.Buf, b...)
	w.Buf = append(w.Buf, '\r', '\n')
}

// BulkString appends a bulk string.
func (w *Writer) BulkString(s string) {
	w.head('$', int64(len(s)))
	w.Buf = append(w.Buf, s...)
	w.Buf = append(w.Buf, '\r', '\n')
}

// BulkInt appends an integer as a bulk string, as GET of a counter answers.
func (w *Writer) BulkInt(n int64) {
	var scratch [20]byte
	w.Bulk(strconv.AppendInt(scratch[:0], n, 10))
}

// Null appends a null: _ in RESP3, the null bulk string in RESP2.
func (w *Writer) Null() {
	if w.Proto >= 3 {
		w.Buf = append(w.Buf, "_\r\n"...)
		return
	}
	w.Buf = append(w.Buf, "$-1\r\n"...)
}

// NullArray appends a null: _ in RESP3, the null array in RESP2.
func (w *Writer) NullArray() {
	if w.Proto >= 3 {
		w.Buf = append(w.Buf, "_\r\n"...)
		return
	}
	w.Buf = append(w.Buf, "*-1\r\n"...)
}

// Array announces an array of n replies, which the caller appends next.
func (w *Writer) Array(n int) { w.head('*', int64(n)) }

// ArrayFrom puts the announcement of an array of n replies before what was appended since the writer had mark
// bytes, for arrays whose length shows at their end.
func (w *Writer) ArrayFrom(mark, n int) {
	end := len(w.Buf)
	w.Array(n)
	w.Turn(mark, end)
}

// MapFrom is ArrayFrom for a map of n pairs.
func (w *Writer) MapFrom(mark, n int) {
	end := len(w.Buf)
	w.Map(n)
	w.Turn(mark, end)
}

// Turn moves what was appended after end, 128 bytes at the most, to mark.
func (w *Writer) Turn(mark, end int) {
	var head [128]byte
	n := copy(head[:], w.Buf[end:])
	copy(w.Buf[mark+n:], w.Buf[mark:end])
	copy(w.Buf[mark:], head[:n])
}

// Map announces n pairs: a map in RESP3, an array of 2n replies in RESP2.
func (w *Writer) Map(n int) {
	if w.Proto >= 3 {
		w.head('%', int64(n))
		return
	}
	w.head('*', 2*int64(n))
}

// Set announces a set of n replies: an array in RESP2.
func (w *Writer) Set(n int) {
	if w.Proto >= 3 {
		w.head('~', int64(n))
		return
	}
	w.head('*', int64(n))
}

// Push announces an out-of-band message of n replies: an array in RESP2.
func (w *Writer) Push(n int) {
	if w.Proto >= 3 {
		w.head('>', int64(n))
		return
	}
	w.head('*', int64(n))
}

// Double appends a floating point number: a double in RESP3, a bulk string in RESP2.
func (w *Writer) Double(f float64) {
	var scratch [32]byte
	text := AppendDouble(scratch[:0], f)
	if w.Proto >= 3 {
		w.Buf = append(w.Buf, ',')
		w.Buf = append(w.Buf, text...)
		w.Buf = append(w.Buf, '\r', '\n')
		return
	}
	w.Bulk(text)
}

// Verbatim appends text with its three-letter format ("txt", "mkd"): a bulk string in RESP2.
func (w *Writer) Verbatim(format, text string) {
	if w.Proto < 3 {
		w.BulkString(text)
		return
	}
	w.head('=', int64(len(text)+4))
	w.Buf = append(w.Buf, format...)
	w.Buf = append(w.Buf, ':')
	w.Buf = append(w.Buf, text...)
	w.Buf = append(w.Buf, '\r', '\n')
}

// Command appends a request: an array of bulk strings. Replication streams and clients use it.
func (w *Writer) Command(argv ...[]byte) {
	w.Array(len(argv))
	for _, a := range argv {
		w.Bulk(a)
	}
}

// CommandStrings is Command for strings.
func (w *Writer) CommandStrings(argv ...string) {
	w.Array(len(argv))
	for _, a := range argv {
		w.BulkString(a)
	}
}

func (w *Writer) head(kind byte, n int64) {
	w.Buf = append(w.Buf, kind)
	w.Buf = strconv.AppendInt(w.Buf, n, 10)
	w.Buf = append(w.Buf, '\r', '\n')
}

// AppendDouble appends f the way Valkey prints doubles in replies: the shortest form that reads back
// as the same number, exponents as %.17g has them, inf, -inf and nan.
func AppendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case f == math.Trunc(f) && math.Abs(f) < 1e17:
		if f == 0 && math.Signbit(f) {
			return append(dst, "-0"...)
		}
		return strconv.AppendInt(dst, int64(f), 10)
	}
	abs := math.Abs(f)
	if abs >= 1e-4 && abs < 1e17 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'e', -1, 64)
}
