// Package listpack encodes and decodes the packed lists of the RDB format ("listpack"): a header, elements that are
// strings or integers, and an end mark. Streams are kept in this form in memory, so that a block goes into a
// snapshot as it is.
//
//	list    = total:u32 count:u16 element* 0xFF        (little endian; count 65535: too many to tell)
//	element = encoding data back                       (back: the bytes before it, to be read from the right)
package listpack

import (
	"encoding/binary"
	"math"
	"strconv"
)

const (
	// HeaderSize is the size of what stands before the first element.
	HeaderSize = 6
	// End is the mark after the last element.
	End = 0xff

	countUnknown = math.MaxUint16
)

// Element is one element: an integer, or else a string that is a part of the list.
type Element struct {
	Str   []byte
	Int   int64
	IsInt bool
}

// Text is the element's text: the string itself, or the digits appended to scratch.
func (e Element) Text(scratch []byte) []byte {
	if e.IsInt {
		return strconv.AppendInt(scratch, e.Int, 10)
	}
	return e.Str
}

// Total is the size in bytes that the header of a list tells.
func Total(b []byte) int { return int(binary.LittleEndian.Uint32(b)) }

// Count is the number of elements that the header tells; ok is false if there were too many for it.
func Count(b []byte) (n int, ok bool) {
	n = int(binary.LittleEndian.Uint16(b[4:]))
	return n, n != countUnknown
}

// SetHeader writes the header of a list of total bytes and n elements.
func SetHeader(b []byte, total, n int) {
	binary.LittleEndian.PutUint32(b, uint32(total))
	binary.LittleEndian.PutUint16(b[4:], uint16(min(n, countUnknown)))
}

// Begin starts a list in an empty buffer; Finish ends what was appended to it since.
func Begin(dst []byte) []byte { return append(dst, 0, 0, 0, 0, 0, 0) }

// Finish writes the end mark, and the header for n elements.
func Finish(b []byte, n int) []byte {
	b = append(b, End)
	SetHeader(b, len(b), n)
	return b
}

// AppendString appends an element, as an integer if it is the exact text of one.
func AppendString(dst, s []byte) []byte {
	if v, ok := ParseInt(s); ok {
		return AppendInt(dst, v)
	}
	start := len(dst)
	switch n := len(s); {
	case n < 1<<6:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<12:
		dst = append(dst, 0xe0|byte(n>>8), byte(n))
	default:
		dst = append(dst, 0xf0)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	}
	dst = append(dst, s...)
	return appendBack(dst, len(dst)-start)
}

// AppendInt appends an integer.
func AppendInt(dst []byte, v int64) []byte {
	start := len(dst)
	switch {
	case v >= 0 && v < 1<<7:
		dst = append(dst, byte(v))
	case v >= -1<<12 && v < 1<<12:
		dst = append(dst, 0xc0|byte(v>>8)&0x1f, byte(v))
	case v >= math.MinInt16 && v <= math.MaxInt16:
		dst = append(dst, 0xf1, byte(v), byte(v>>8))
	case v >= -1<<23 && v < 1<<23:
		dst = append(dst, 0xf2, byte(v), byte(v>>8), byte(v>>16))
	case v >= math.MinInt32 && v <= math.MaxInt32:
		dst = append(dst, 0xf3)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	default:
		dst = append(dst, 0xf4)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return appendBack(dst, len(dst)-start)
}

// backSize is the size of the back length of an element of n bytes. The odd limits are the format's.
func backSize(n int) int {
	switch {
	case n <= 127:
		return 1
	case n < 16383:
		return 2
	case n < 2097151:
		return 3
	case n < 268435455:
		return 4
	}
	return 5
}

func appendBack(dst []byte, n int) []byte {
	for i := backSize(n) - 1; i >= 0; i-- {
		c := byte(n>>(7*i)) & 0x7f
		if i < backSize(n)-1 {
			c |= 0x80
		}
		dst = append(dst, c)
	}
	return dst
}

// ParseInt reads the text of an integer, if formatting that integer gives the same text.
func ParseInt(s []byte) (int64, bool) {
	if len(s) == 0 || len(s) > 20 || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return 0, false
	}
	digits, negative := s, s[0] == '-'
	if negative {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && len(s) > 1 {
		return 0, false
	}
	var n uint64 // nineteen digits fit
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	if negative {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n <= math.MaxInt64
}

// Decode reads the element at the start of p, and returns its whole size. ok is false at the end mark, and if the
// element is not whole.
func Decode(p []byte) (e Element, size int, ok bool) {
	if len(p) == 0 {
		return e, 0, false
	}
	b := p[0]
	head := 0
	switch {
	case b < 0x80:
		e.IsInt, e.Int, size = true, int64(b), 1
	case b < 0xc0:
		head, size = 1, 1+int(b&0x3f)
	case b < 0xe0:
		if size = 2; len(p) > size {
			e.IsInt, e.Int = true, int64(int16(uint16(b&0x1f)<<11|uint16(p[1])<<3)>>3)
		}
	case b < 0xf0:
		if head, size = 2, 2; len(p) > head {
			size = 2 + (int(b&0x0f)<<8 | int(p[1]))
		}
	case b == 0xf0:
		if head, size = 5, 5; len(p) > head {
			size = 5 + int(binary.LittleEndian.Uint32(p[1:]))
		}
	case b == 0xf1:
		if size = 3; len(p) > size {
			e.IsInt, e.Int = true, int64(int16(binary.LittleEndian.Uint16(p[1:])))
		}
	case b == 0xf2:
		if size = 4; len(p) > size {
			e.IsInt, e.Int = true, int64(int32(uint32(p[1])<<8|uint32(p[2])<<16|uint32(p[3])<<24)>>8)
		}
	case b == 0xf3:
		if size = 5; len(p) > size {
			e.IsInt, e.Int = true, int64(int32(binary.LittleEndian.Uint32(p[1:])))
		}
	case b == 0xf4:
		if size = 9; len(p) > size {
			e.IsInt, e.Int = true, int64(binary.LittleEndian.Uint64(p[1:]))
		}
	default:
		return e, 0, false
	}
	back := backSize(size)
	if len(p) <= size+back { // the end mark follows at least
		return Element{}, 0, false
	}
	if !e.IsInt {
		e.Str = p[head:size:size]
	}
	return e, size + back, true
}

// Previous returns the offset of the element that ends at off; off must be past the first element of a sound list.
func Previous(b []byte, off int) int {
	n := 0
	for size := 1; ; size++ {
		c := b[off-size]
		n |= int(c&0x7f) << (7 * (size - 1))
		if c < 0x80 {
			return off - size - n
		}
	}
}
