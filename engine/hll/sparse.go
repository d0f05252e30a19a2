package hll

import (
	"slices"
	"strconv"
)

// Sparse registers are a sequence of operations, each a run of equal registers:
//
//	00xxxxxx            1 to 64 zeros
//	01xxxxxx xxxxxxxx   1 to 16384 zeros
//	1vvvvvxx            1 to 4 registers of value 1 to 32
const (
	shortZeros     = 64
	maxSparseValue = 32
	maxSparseRun   = 4
)

// run is one operation.
type run struct {
	value  byte
	length int
	size   int // in bytes
}

// runAt decodes the operation at the start of b; ok is false if it is cut off.
func runAt(b []byte) (r run, ok bool) {
	switch op := b[0]; op >> 6 {
	case 0:
		return run{0, int(op&63) + 1, 1}, true
	case 1:
		if len(b) < 2 {
			return r, false
		}
		return run{0, (int(op&63)<<8 | int(b[1])) + 1, 2}, true
	default:
		return run{op>>2&31 + 1, int(op&3) + 1, 1}, true
	}
}

func appendZeros(b []byte, length int) []byte {
	if length > shortZeros {
		return append(b, byte((length-1)>>8)|0x40, byte(length-1))
	}
	return append(b, byte(length-1))
}

func valueOp(value byte, length int) byte { return 0x80 | (value-1)<<2 | byte(length-1) }

// appendRun appends length registers of a value; none if length is 0.
func appendRun(b []byte, value byte, length int) []byte {
	switch {
	case length == 0:
		return b
	case value == 0:
		return appendZeros(b, length)
	}
	return append(b, valueOp(value, length))
}

// eachRun calls f with every run of a sparse counter. Together they are all registers: f is never given one that
// is out of range, and the error says if they were not.
func eachRun(b []byte, f func(first, length int, value byte)) error {
	first := 0
	for at := headerSize; at < len(b); {
		r, ok := runAt(b[at:])
		if !ok || first+r.length > Registers {
			return ErrCorrupt
		}
		f(first, r.length, r.value)
		first += r.length
		at += r.size
	}
	if first != Registers {
		return ErrCorrupt
	}
	return nil
}

// raiseSparse is Raise of a sparse counter: it splits the run that the register is in, and joins what has become
// equal around it. A value or a length that the encoding does not allow turns the counter dense. The steps
// are those of Valkey, because they decide the bytes.
func raiseSparse(b []byte, index int, value byte, sparseMax int) (result []byte, changed bool, err error) {
	if value > maxSparseValue {
		return promote(b, index, value)
	}
	// The run that covers the register.
	at, before, first := headerSize, headerSize, 0
	var r run
	for {
		if at >= len(b) {
			return b, false, ErrCorrupt
		}
		var ok bool
		if r, ok = runAt(b[at:]); !ok {
			return b, false, ErrCorrupt
		}
		if index < first+r.length {
			break
		}
		before, at, first = at, at+r.size, first+r.length
	}
	if r.value >= value {
		return b, false, nil
	}
	var seq [5]byte
	split := appendRun(seq[:0], r.value, index-first)
	split = append(split, valueOp(value, 1))
	split = appendRun(split, r.value, first+r.length-1-index)
	if longer := len(split) - r.size; longer > 0 && len(b)+longer > sparseMax {
		return promote(b, index, value)
	}
	b = slices.Replace(b, at, at+r.size, split...)
	b = joinRuns(b, before)
	Invalidate(b)
	return b, true, nil
}

// joinRuns joins neighbours of the same value from an offset on, over at most five steps.
func joinRuns(b []byte, at int) []byte {
	for steps := 5; steps > 0 && at < len(b); steps-- {
		op := b[at]
		switch {
		case op>>6 == 1:
			at += 2
			continue
		case op>>7 == 0:
			at++
			continue
		}
		if at+1 < len(b) && b[at+1]>>7 == 1 && b[at+1]>>2 == op>>2 {
			if length := int(op&3) + int(b[at+1]&3) + 2; length <= maxSparseRun {
				b[at] = op&^3 | byte(length-1)
				b = slices.Delete(b, at+1, at+2)
				continue // the joined one may join the next
			}
		}
		at++
	}
	return b
}

func promote(b []byte, index int, value byte) (result []byte, changed bool, err error) {
	out, err := ToDense(b)
	if err != nil {
		return b, false, err
	}
	out, changed, err = Raise(out, index, value, 0)
	Invalidate(out)
	return out, changed, err
}

// Describe lists the operations of a sparse counter as PFDEBUG DECODE does: z:length, Z:length, v:value,length.
func Describe(b []byte) string {
	var text []byte
	for at := headerSize; at < len(b); {
		r, ok := runAt(b[at:])
		if !ok {
			break
		}
		if len(text) > 0 {
			text = append(text, ' ')
		}
		switch {
		case r.value > 0:
			text = append(text, "v:"...)
			text = strconv.AppendInt(text, int64(r.value), 10)
			text = append(text, ',')
		case r.size == 2:
			text = append(text, "Z:"...)
		default:
			text = append(text, "z:"...)
		}
		text = strconv.AppendInt(text, int64(r.length), 10)
		at += r.size
	}
	return string(text)
}
