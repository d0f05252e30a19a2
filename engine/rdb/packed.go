package rdb

import (
	"encoding/binary"
	"strconv"
)

// packedIter walks one of the packed encodings of small collections. next returns the entry as
// text: a part of the blob, or an integer appended to scratch.
type packedIter interface {
	count() int
	next(scratch []byte) (entry []byte, ok bool, err error)
}

// lzfExpand appends the expansion of src to out, which has room for exactly n bytes.
func lzfExpand(out, src []byte, n int) ([]byte, error) {
	for i := 0; i < len(src); {
		ctrl := int(src[i])
		i++
		if ctrl < 32 {
			run := ctrl + 1
			if i+run > len(src) || len(out)+run > n {
				return nil, corrupt("compressed string: literal run over the end")
			}
			out = append(out, src[i:i+run]...)
			i += run
			continue
		}
		run := ctrl >> 5
		if run == 7 {
			if i >= len(src) {
				return nil, corrupt("compressed string: it ends in a length")
			}
			run += int(src[i])
			i++
		}
		run += 2
		if i >= len(src) {
			return nil, corrupt("compressed string: it ends in a reference")
		}
		from := len(out) - (ctrl&0x1f)<<8 - int(src[i]) - 1
		i++
		if from < 0 || len(out)+run > n {
			return nil, corrupt("compressed string: reference out of range")
		}
		for range run { // source and target may overlap: byte by byte is the meaning
			out = append(out, out[from])
			from++
		}
	}
	if len(out) != n {
		return nil, corrupt("compressed string has %d bytes, should have %d", len(out), n)
	}
	return out, nil
}

// listpack: 4 bytes total size, 2 bytes count (65535: unknown), entries, 0xff. An entry is an
// encoding byte, its data, and its own length once more for walking backwards.
type listpack struct {
	p []byte
	n int
}

func newListpack(blob []byte) (packedIter, error) {
	if len(blob) < 7 || uint64(binary.LittleEndian.Uint32(blob)) != uint64(len(blob)) || blob[len(blob)-1] != 0xff {
		return nil, corrupt("listpack of %d bytes", len(blob))
	}
	n := int(binary.LittleEndian.Uint16(blob[4:]))
	if n == 65535 {
		n = 0
	}
	return &listpack{p: blob[6:], n: n}, nil
}

func (l *listpack) count() int { return l.n }

func (l *listpack) next(scratch []byte) ([]byte, bool, error) {
	p := l.p
	b := p[0] // the constructor and the length checks below keep at least the end mark
	if b == 0xff {
		if len(p) != 1 {
			return nil, false, corrupt("listpack: end mark in the middle")
		}
		return nil, false, nil
	}
	var size, head int // bytes of encoding and data; of those, encoding
	var v int64
	isInt := true
	need := func(n int) bool { return len(p) > n }
	switch {
	case b&0x80 == 0:
		size, v = 1, int64(b)
	case b&0xc0 == 0x80:
		isInt, head = false, 1
		size = 1 + int(b&0x3f)
	case b&0xe0 == 0xc0:
		if size = 2; need(size) {
			v = int64(b&0x1f)<<8 | int64(p[1])
			if v >= 1<<12 {
				v -= 1 << 13
			}
		}
	case b&0xf0 == 0xe0:
		if isInt, head = false, 2; need(head) {
			size = 2 + (int(b&0x0f)<<8 | int(p[1]))
		}
	case b == 0xf0:
		if isInt, head = false, 5; need(head) {
			size = 5 + int(binary.LittleEndian.Uint32(p[1:]))
		}
	case b == 0xf1:
		if size = 3; need(size) {
			v = int64(int16(binary.LittleEndian.Uint16(p[1:])))
		}
	case b == 0xf2:
		if size = 4; need(size) {
			v = int64(int32(uint32(p[1])<<8|uint32(p[2])<<16|uint32(p[3])<<24)) >> 8
		}
	case b == 0xf3:
		if size = 5; need(size) {
			v = int64(int32(binary.LittleEndian.Uint32(p[1:])))
		}
	case b == 0xf4:
		if size = 9; need(size) {
			v = int64(binary.LittleEndian.Uint64(p[1:]))
		}
	default:
		return nil, false, corrupt("listpack: entry %#x", b)
	}
	back := 1
	for limit := 127; size > limit && back < 5; back++ {
		limit = limit<<7 | 127
	}
	if size == 0 || size < head || !need(size+back) {
		return nil, false, corrupt("listpack: entry over the end")
	}
	entry := p[head:size]
	if isInt {
		entry = strconv.AppendInt(scratch, v, 10)
	}
	l.p = p[size+back:]
	return entry, true, nil
}

// ziplist: 4 bytes total size, 4 bytes offset of the last entry, 2 bytes count, entries, 0xff. An
// entry is the length of the one before (1 or 5 bytes), an encoding, and data.
type ziplist struct {
	p []byte
	n int
}

func newZiplist(blob []byte) (packedIter, error) {
	if len(blob) < 11 || uint64(binary.LittleEndian.Uint32(blob)) != uint64(len(blob)) || blob[len(blob)-1] != 0xff {
		return nil, corrupt("ziplist of %d bytes", len(blob))
	}
	n := int(binary.LittleEndian.Uint16(blob[8:]))
	if n == 65535 {
		n = 0
	}
	return &ziplist{p: blob[10:], n: n}, nil
}

func (z *ziplist) count() int { return z.n }

func (z *ziplist) next(scratch []byte) ([]byte, bool, error) {
	p := z.p
	if p[0] == 0xff {
		if len(p) != 1 {
			return nil, false, corrupt("ziplist: end mark in the middle")
		}
		return nil, false, nil
	}
	skip := 1
	if p[0] == 254 {
		skip = 5
	}
	over := corrupt("ziplist: entry over the end")
	if len(p) <= skip+1 {
		return nil, false, over
	}
	p = p[skip:]
	b := p[0]
	head, data := 1, 0
	isInt := false
	switch {
	case b>>6 == 0:
		data = int(b & 0x3f)
	case b>>6 == 1:
		if len(p) < 2 {
			return nil, false, over
		}
		head, data = 2, int(b&0x3f)<<8|int(p[1])
	case b == 0x80:
		if len(p) < 5 {
			return nil, false, over
		}
		head, data = 5, int(binary.BigEndian.Uint32(p[1:]))
	case b == 0xc0:
		isInt, data = true, 2
	case b == 0xd0:
		isInt, data = true, 4
	case b == 0xe0:
		isInt, data = true, 8
	case b == 0xf0:
		isInt, data = true, 3
	case b == 0xfe:
		isInt, data = true, 1
	case b >= 0xf1 && b <= 0xfd:
		isInt = true
	default:
		return nil, false, corrupt("ziplist: entry %#x", b)
	}
	if len(p) <= head+data {
		return nil, false, over
	}
	z.p = p[head+data:]
	d := p[head : head+data]
	if !isInt {
		return d, true, nil
	}
	var v int64
	switch data {
	case 0:
		v = int64(b&0x0f) - 1
	case 1:
		v = int64(int8(d[0]))
	case 2:
		v = int64(int16(binary.LittleEndian.Uint16(d)))
	case 3:
		v = int64(int32(uint32(d[0])<<8|uint32(d[1])<<16|uint32(d[2])<<24)) >> 8
	case 4:
		v = int64(int32(binary.LittleEndian.Uint32(d)))
	case 8:
		v = int64(binary.LittleEndian.Uint64(d))
	}
	return strconv.AppendInt(scratch, v, 10), true, nil
}
