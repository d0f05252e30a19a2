package command

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/elastane/elastane/engine/keyspace"
)

// Bitmaps are strings whose bits are counted from the highest bit of the first byte on (bitfields.go has
// BITFIELD).

var eventSetBit = keyspace.Event{Name: "setbit", Class: '$'}

// maxBit is the greatest offset of a bit plus one.
const maxBit = maxString * 8

// parseBitOffset reads the offset of a bit. With width not 0 it may be written as "#n": the nth field of
// width bits.
func parseBitOffset(text []byte, width int64) (offset int64, ok bool) {
	unit := int64(1)
	if width > 0 && len(text) > 0 && text[0] == '#' {
		text, unit = text[1:], width
	}
	n, ok := parseInt(text)
	if !ok || n < 0 || n >= maxBit || n*unit >= maxBit {
		return 0, false
	}
	return n * unit, true
}

func readBitOffset(c *Ctx, width int64) int64 {
	text := c.Args.Bytes()
	if c.Args.Failed() {
		return 0
	}
	offset, ok := parseBitOffset(text, width)
	if !ok {
		c.Args.Fail(ErrBitOffset)
	}
	return offset
}

// editBits opens a string for change and makes it at least n bytes long; grown tells whether it was not.
// If another type is there, it answers with WRONGTYPE, ok is false, and there is nothing to end.
func (c *Ctx) editBits(key []byte, n int) (w keyspace.Edit, b []byte, grown, ok bool) {
	w = c.View.Edit(key)
	switch {
	case !w.Exists():
		return w, w.Create(keyspace.TypeString, keyspace.EncodingRaw, n), true, true
	case w.Type() != keyspace.TypeString:
		w.Unchanged()
		c.Reply.Error(ErrWrongType)
		return w, nil, false, false
	case len(w.Value()) < n:
		return w, w.Resize(n), true, true
	}
	return w, w.Value(), false, true
}

// SETBIT key offset value
func cmdSETBIT(c *Ctx) {
	key, offset := c.Args.Bytes(), readBitOffset(c, 0)
	bit := c.Args.IntRange(0, 1, ErrBit)
	if c.Failed() {
		return
	}

	w, b, grown, ok := c.editBits(key, int(offset>>3)+1)
	if !ok {
		return
	}
	at, shift := &b[offset>>3], 7-offset&7
	old := *at >> shift & 1
	if !grown && int64(old) == bit {
		w.Unchanged()
	} else {
		*at = *at&^(1<<shift) | byte(bit)<<shift
		w.Done(eventSetBit)
	}

	c.Reply.Int(int64(old))
}

// GETBIT key offset
func cmdGETBIT(c *Ctx) {
	key, offset := c.Args.Bytes(), readBitOffset(c, 0)
	if c.Failed() {
		return
	}

	value, _, ok := c.findString(key)
	if !ok {
		return
	}
	bit := byte(0)
	if i := int(offset >> 3); i < len(value) {
		bit = value[i] >> (7 - offset&7) & 1
	}

	c.Reply.Int(int64(bit))
}

// bitRange is "[start [end [BYTE | BIT]]]".
type bitRange struct {
	start, end     int64
	given, bounded bool // start, end was given
	bits           bool // they count bits, not bytes
}

func readBitRange(c *Ctx) (r bitRange) {
	a := &c.Args
	if !a.More() {
		return r
	}
	r.start, r.given = a.Int(), true
	if !a.More() {
		return r
	}
	end := a.Bytes()
	if a.More() { // the unit is looked at before the end
		switch {
		case a.Len() > 1:
			a.Syntax()
		case a.Word("BIT"):
			r.bits = true
		case !a.Word("BYTE"):
			a.Syntax()
		}
	}
	if a.Failed() {
		return r
	}
	var ok bool
	if r.end, ok = parseInt(end); !ok {
		a.Fail(ErrNotInteger)
	}
	r.bounded = true
	return r
}

// within returns the first bit of the range in a string of n bytes, and the one after its last; they are equal
// if the range is empty.
func (r *bitRange) within(n int) (from, to int64) {
	total, unit := int64(n), int64(8)
	if r.bits {
		total, unit = total*8, 1
	}
	start, end := r.start, r.end
	if !r.bounded {
		end = int64(n) - 1
	}
	if start < 0 {
		start = max(total+start, 0)
	}
	if end < 0 {
		end = max(total+end, 0)
	}
	end = min(end, total-1)
	if start > end {
		return 0, 0
	}
	return start * unit, (end + 1) * unit
}

// BITCOUNT key [start [end [BYTE | BIT]]]
func cmdBITCOUNT(c *Ctx) {
	key, r := c.Args.Bytes(), readBitRange(c)
	if c.Failed() {
		return
	}

	value, _, ok := c.findString(key)
	if !ok {
		return
	}
	if r.bounded && r.start < 0 && r.end < 0 && r.start > r.end {
		c.Reply.Int(0)
		return
	}
	from, to := r.within(len(value))

	c.Reply.Int(countBits(value, from, to))
}

// countBits counts the bits that are set from one offset up to another.
func countBits(b []byte, from, to int64) (n int64) {
	if from >= to {
		return 0
	}
	first, last := from>>3, (to-1)>>3
	head, tail := byte(0xff)>>(from&7), byte(0xff)<<(7-(to-1)&7)
	if first == last {
		return int64(bits.OnesCount8(b[first] & head & tail))
	}
	n = int64(bits.OnesCount8(b[first]&head) + bits.OnesCount8(b[last]&tail))
	b = b[first+1 : last]
	for ; len(b) >= 8; b = b[8:] {
		n += int64(bits.OnesCount64(binary.LittleEndian.Uint64(b)))
	}
	for _, x := range b {
		n += int64(bits.OnesCount8(x))
	}
	return n
}

// BITPOS key bit [start [end [BYTE | BIT]]]
func cmdBITPOS(c *Ctx) {
	key, bit := c.Args.Bytes(), c.Args.Int()
	if !c.Args.Failed() && bit != 0 && bit != 1 {
		c.Args.Fail(ErrBitArgument)
	}
	r := readBitRange(c)
	if c.Failed() {
		return
	}

	value, found, ok := c.findString(key)
	if !ok {
		return
	}
	if !found {
		c.Reply.Int(-bit) // nothing but zeros without end
		return
	}
	from, to := r.within(len(value))
	pos := findBit(value, from, to, byte(bit))
	if pos < 0 && bit == 0 && from < to && !r.bounded {
		pos = to // the string goes on as zeros
	}

	c.Reply.Int(pos)
}

// findBit returns the offset of the first bit of a kind from one offset up to another, -1 if there is none.
func findBit(b []byte, from, to int64, bit byte) int64 {
	flip := byte(0)
	if bit == 0 {
		flip = 0xff
	}
	for pos := from; pos < to; {
		i := pos >> 3
		if pos&7 == 0 && i+8 <= to>>3 {
			if word := binary.LittleEndian.Uint64(b[i:]); word == 0 && flip == 0 || word == math.MaxUint64 && flip != 0 {
				pos += 64
				continue
			}
		}
		if x := (b[i] ^ flip) << (pos & 7); x != 0 {
			if pos += int64(bits.LeadingZeros8(x)); pos < to {
				return pos
			}
			return -1
		}
		pos = (i + 1) << 3
	}
	return -1
}

// BITOP AND | OR | XOR | NOT destkey key [key …]
func cmdBITOP(c *Ctx) {
	var join func(a, b byte) byte // nil: NOT
	a := &c.Args
	switch {
	case a.Word("AND"):
		join = func(a, b byte) byte { return a & b }
	case a.Word("OR"):
		join = func(a, b byte) byte { return a | b }
	case a.Word("XOR"):
		join = func(a, b byte) byte { return a ^ b }
	case a.Word("NOT"):
		if a.Len() != 2 {
			a.Fail(ErrBitopNot)
		}
	default:
		a.Syntax()
	}
	dst, keys := a.Bytes(), a.Rest()
	if c.Failed() {
		return
	}

	sources, length := make([][]byte, len(keys)), 0
	for i, key := range keys {
		value, _, ok := c.findString(key)
		if !ok {
			return
		}
		sources[i], length = value, max(length, len(value))
	}
	if length == 0 {
		c.View.Delete(dst, eventDel)
		c.Reply.Int(0)
		return
	}
	result := make([]byte, length)
	copy(result, sources[0])
	if join == nil {
		for i := range result {
			result[i] = ^result[i]
		}
	}
	for _, source := range sources[1:] {
		for i, b := range source {
			result[i] = join(result[i], b)
		}
		rest := result[len(source):] // a shorter source goes on as zeros
		for i, b := range rest {
			rest[i] = join(b, 0)
		}
	}
	c.View.SetString(dst, result, 0, eventSet)

	c.Reply.Int(int64(length))
}

var bitmapSpecs = []Spec{
	{
		Name: "bitcount", Group: "bitmap", Since: "2.6.0", Arity: -2,
		Summary: "Counts the bits that are set.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RW access update").Uses("RO access"), Categories: "read bitmap slow", Handler: cmdBITCOUNT,
	},
	{
		Name: "bitfield", Group: "bitmap", Since: "3.2.0", Arity: -2,
		Summary: "Reads and changes integers of any width at any bit.",
		Flags:   Write | DenyOOM, Keys: OneKey.Uses("RW access update variable_flags").Varies(bitfieldUse), Categories: "write bitmap slow", Handler: cmdBITFIELD,
	},
	{
		Name: "bitfield_ro", Group: "bitmap", Since: "6.0.0", Arity: -2,
		Summary: "Reads integers of any width at any bit.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read bitmap fast", Handler: cmdBITFIELDRO,
	},
	{
		Name: "bitop", Group: "bitmap", Since: "2.6.0", Arity: -4,
		Summary: "Combines bitmaps and stores the result.",
		Flags:   Write | DenyOOM, Keys: Keys{First: 2, Last: -1, Step: 1}.Uses("OW update", "RO access"), Categories: "write bitmap slow", Handler: cmdBITOP,
	},
	{
		Name: "bitpos", Group: "bitmap", Since: "2.8.7", Arity: -3,
		Summary: "Finds the first bit that is set, or clear.",
		Flags:   ReadOnly, Keys: OneKey.Uses("RO access"), Categories: "read bitmap slow", Handler: cmdBITPOS,
	},
	{
		Name: "getbit", Group: "bitmap", Since: "2.2.0", Arity: 3,
		Summary: "Returns a bit.",
		Flags:   ReadOnly | Fast, Keys: OneKey.Uses("RO access"), Categories: "read bitmap fast", Handler: cmdGETBIT,
	},
	{
		Name: "setbit", Group: "bitmap", Since: "2.2.0", Arity: 4,
		Summary: "Sets or clears a bit; the string grows as needed.",
		Flags:   Write | DenyOOM, Keys: OneKey, Categories: "write bitmap slow", Handler: cmdSETBIT,
	},
}
