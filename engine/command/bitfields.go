package command

import "math"

// BITFIELD sees a string as integers of any width, at any bit, the highest bit first.

// bitType is the type of such an integer: i1 to i64, u1 to u63.
type bitType struct {
	signed bool
	width  int64
}

func parseBitType(text []byte) (t bitType, ok bool) {
	if len(text) < 2 {
		return t, false
	}
	most := int64(63)
	switch text[0] {
	case 'i':
		t.signed, most = true, 64
	case 'u':
	default:
		return t, false
	}
	t.width, ok = parseInt(text[1:])
	return t, ok && t.width >= 1 && t.width <= most
}

// overflow says what becomes of a number that does not fit.
type overflow uint8

const (
	overflowWrap overflow = iota
	overflowSaturate
	overflowFail
)

// add returns value+by as the type holds it; fails is set if it did not fit and mode is overflowFail.
// value may itself be out of range: SET is add with 0.
func (t bitType) add(value, by int64, mode overflow) (sum int64, fails bool) {
	sum = value + by
	var over, under bool
	var low, high int64
	if t.signed {
		high = 1<<(t.width-1) - 1
		if t.width == 64 {
			high = math.MaxInt64
		}
		low = -high - 1
		over = by > 0 && sum < value
		under = by < 0 && sum > value
		if !over && !under {
			// Valkey's distance to the upper limit wraps for the lowest values that SET can name: they
			// saturate at the top. Clients see it, so it is kept.
			over = sum > high || (t.width < 64 && high-value < 0)
			under = sum < low
		}
	} else {
		// As in Valkey a negative value is one far above the range.
		high = 1<<t.width - 1
		over = uint64(value) > uint64(high) || (by > 0 && by > high-value)
		under = !over && by < 0 && by < -value
	}
	if !over && !under {
		return sum, false
	}
	switch {
	case mode == overflowFail:
		return 0, true
	case mode == overflowWrap:
		return t.wrap(uint64(sum)), false
	case over:
		return high, false
	}
	return low, false
}

// wrap keeps the lowest bits, extended by the sign.
func (t bitType) wrap(v uint64) int64 {
	unused := uint(64 - t.width)
	if t.signed {
		return int64(v<<unused) >> unused
	}
	return int64(v << unused >> unused)
}

// load reads the integer at a bit offset; behind its end the string is zeros.
func (t bitType) load(b []byte, offset int64) int64 {
	v := uint64(0)
	for done := int64(0); done < t.width; {
		i, skip := (offset+done)>>3, (offset+done)&7
		n := min(8-skip, t.width-done)
		part := byte(0)
		if i < int64(len(b)) {
			part = b[i] << skip >> (8 - n)
		}
		v = v<<n | uint64(part)
		done += n
	}
	return t.wrap(v)
}

// save writes the integer at a bit offset, which the string must reach.
func (t bitType) save(b []byte, offset, value int64) {
	for done := int64(0); done < t.width; {
		i, skip := (offset+done)>>3, (offset+done)&7
		n := min(8-skip, t.width-done)
		shift := 8 - skip - n
		mask := byte(1<<n-1) << shift
		b[i] = b[i]&^mask | byte(value>>(t.width-done-n))<<shift&mask
		done += n
	}
}

// bitfieldOp is one GET, SET or INCRBY.
type bitfieldOp struct {
	kind     byte // 'g', 's', 'i'
	field    bitType
	offset   int64
	value    int64
	overflow overflow
}

// readBitfieldOps reads "[GET encoding offset] [OVERFLOW WRAP | SAT | FAIL] [SET encoding offset value]
// [INCRBY encoding offset increment] …". end is the bit after the last that is written, 0 if none is.
func readBitfieldOps(c *Ctx) (ops []bitfieldOp, end int64) {
	mode := overflowWrap
	a := &c.Args
	for a.More() {
		op := bitfieldOp{}
		switch {
		case a.Len() > 2 && a.Word("GET"):
			op.kind = 'g'
		case a.Len() > 3 && a.Word("SET"):
			op.kind = 's'
		case a.Len() > 3 && a.Word("INCRBY"):
			op.kind = 'i'
		case a.Len() > 1 && a.Word("OVERFLOW"):
			switch {
			case a.Word("WRAP"):
				mode = overflowWrap
			case a.Word("SAT"):
				mode = overflowSaturate
			case a.Word("FAIL"):
				mode = overflowFail
			default:
				a.Fail(ErrOverflowType)
			}
			continue
		default:
			a.Syntax()
			return nil, 0
		}
		var ok bool
		if op.field, ok = parseBitType(a.Bytes()); !ok {
			a.Fail(ErrBitfieldType)
		}
		op.offset = readBitOffset(c, op.field.width)
		if op.kind != 'g' {
			op.value, op.overflow = a.Int(), mode
			end = max(end, op.offset+op.field.width)
		}
		ops = append(ops, op)
	}
	return ops, end
}

// BITFIELD key [GET encoding offset | [OVERFLOW WRAP | SAT | FAIL] SET encoding offset value |
// INCRBY encoding offset increment …]
func cmdBITFIELD(c *Ctx) {
	key := c.Args.Bytes()
	ops, end := readBitfieldOps(c)
	if c.Failed() {
		return
	}

	if end == 0 {
		readBitfields(c, key, ops)
		return
	}
	w, b, grown, ok := c.editBits(key, int((end+7)>>3))
	if !ok {
		return
	}
	c.Reply.Array(len(ops))
	changed, written := false, false
	for _, op := range ops {
		old := op.field.load(b, op.offset)
		if op.kind == 'g' {
			c.Reply.Int(old)
			continue
		}
		from, by := op.value, int64(0)
		if op.kind == 'i' {
			from, by = old, op.value
		}
		fresh, fails := op.field.add(from, by, op.overflow)
		switch {
		case fails:
			c.Reply.Null()
			continue
		case op.kind == 'i':
			c.Reply.Int(fresh)
		default:
			c.Reply.Int(old)
		}
		op.field.save(b, op.offset, fresh)
		written, changed = true, changed || fresh != old
	}
	switch {
	case changed || grown && written:
		w.Done(eventSetBit)
	case grown: // made longer for an operation that failed
		w.Done(eventNone)
	default:
		w.Unchanged()
	}
}

// BITFIELD_RO key [GET encoding offset …]
func cmdBITFIELDRO(c *Ctx) {
	key := c.Args.Bytes()
	ops, end := readBitfieldOps(c)
	if end != 0 {
		c.Args.Fail(ErrBitfieldRO)
	}
	if c.Failed() {
		return
	}
	readBitfields(c, key, ops)
}

// bitfieldUse is what a call does with its key: one without SET and INCRBY only reads.
func bitfieldUse(argv [][]byte) KeyUse {
	for i := 2; i < len(argv); i++ {
		switch {
		case isWord(argv[i], "GET"):
			i += 2
		case isWord(argv[i], "OVERFLOW"):
			i++
		default:
			return KeyRW | KeyAccess | KeyUpdate
		}
	}
	return KeyRO | KeyAccess
}

func readBitfields(c *Ctx, key []byte, ops []bitfieldOp) {
	value, _, ok := c.findString(key)
	if !ok {
		return
	}
	c.Reply.Array(len(ops))
	for _, op := range ops {
		c.Reply.Int(op.field.load(value, op.offset))
	}
}
