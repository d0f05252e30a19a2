package keyspace

import (
	"encoding/binary"
	"unsafe"

	"github.com/elastane/elastane/engine/arena"
)

// An entry is one block:
//
//	0     type (low four bits), encoding (high four)
//	1     flags: the widths of what follows
//	2     24 bits of access time or frequency, see access.go
//	5     key length: 1 or 4 bytes
//	      value length: 1, 2 or 4 bytes
//	      expiry, unix milliseconds: 8 bytes, if there is one
//	      key, value
//
// A string of 64 bytes under a key of 16 takes 87 bytes in a class of 88.
const (
	entryFixed  = 5
	flagExpiry  = 1
	flagLongKey = 2
	widthShift  = 2 // two bits: the value length takes 1 << bits bytes
)

// Entry is a key that was found. It is valid until the key is changed or the View ends.
type Entry struct {
	p        unsafe.Pointer
	ref      arena.Ref
	keyLen   uint32
	valueLen uint32
	keyAt    uint8 // offset of the key
}

// shape is what decides the layout of an entry.
type shape struct {
	keyLen, valueLen int
	expires          bool
}

func (s shape) flags() (f byte) {
	if s.expires {
		f = flagExpiry
	}
	if s.keyLen > 0xff {
		f |= flagLongKey
	}
	switch {
	case s.valueLen > 0xffff:
		f |= 2 << widthShift
	case s.valueLen > 0xff:
		f |= 1 << widthShift
	}
	return f
}

// keyOffset returns where the key starts in an entry of these flags.
func keyOffset(flags byte) int {
	n := entryFixed + 1 + 1<<(flags>>widthShift)
	if flags&flagLongKey != 0 {
		n += 3
	}
	if flags&flagExpiry != 0 {
		n += 8
	}
	return n
}

func (s shape) size() int { return keyOffset(s.flags()) + s.keyLen + s.valueLen }

// entryAt decodes the header of the entry at r.
func entryAt(r arena.Ref) Entry {
	p := arena.Pointer(r)
	e := Entry{p: p, ref: r}
	flags := e.flags()
	at := uintptr(entryFixed)
	if flags&flagLongKey != 0 {
		e.keyLen = *(*uint32)(unsafe.Add(p, at))
		at += 4
	} else {
		e.keyLen = uint32(*(*byte)(unsafe.Add(p, at)))
		at++
	}
	switch flags >> widthShift {
	case 0:
		e.valueLen = uint32(*(*byte)(unsafe.Add(p, at)))
		at++
	case 1:
		e.valueLen = uint32(*(*uint16)(unsafe.Add(p, at)))
		at += 2
	default:
		e.valueLen = *(*uint32)(unsafe.Add(p, at))
		at += 4
	}
	if flags&flagExpiry != 0 {
		at += 8
	}
	e.keyAt = uint8(at)
	return e
}

// writeHeader fills in everything of an entry but its value.
func writeHeader(b []byte, t Type, enc Encoding, access uint32, expireAt int64, key []byte, valueLen int) {
	s := shape{len(key), valueLen, expireAt != 0}
	flags := s.flags()
	b[0], b[1] = byte(t)|byte(enc)<<4, flags
	putAccess(b, access)
	at := entryFixed
	if flags&flagLongKey != 0 {
		binary.NativeEndian.PutUint32(b[at:], uint32(len(key)))
		at += 4
	} else {
		b[at] = byte(len(key))
		at++
	}
	at += putLength(b[at:], flags, valueLen)
	if s.expires {
		binary.NativeEndian.PutUint64(b[at:], uint64(expireAt))
		at += 8
	}
	copy(b[at:], key)
}

// putLength writes a value length in the width of the flags and returns that width.
func putLength(b []byte, flags byte, valueLen int) int {
	switch flags >> widthShift {
	case 0:
		b[0] = byte(valueLen)
		return 1
	case 1:
		binary.NativeEndian.PutUint16(b, uint16(valueLen))
		return 2
	}
	binary.NativeEndian.PutUint32(b, uint32(valueLen))
	return 4
}

func putAccess(b []byte, access uint32) {
	_ = b[4]
	b[2], b[3], b[4] = byte(access), byte(access>>8), byte(access>>16)
}

func (e Entry) flags() byte { return *(*byte)(unsafe.Add(e.p, 1)) }

func (e Entry) head() []byte { return unsafe.Slice((*byte)(e.p), entryFixed) }

func (e Entry) expires() bool { return e.flags()&flagExpiry != 0 }

func (e Entry) shape() shape { return shape{int(e.keyLen), int(e.valueLen), e.expires()} }

func (e Entry) size() int { return int(e.keyAt) + int(e.keyLen) + int(e.valueLen) }

func (e Entry) access() uint32 {
	b := e.head()
	return uint32(b[2]) | uint32(b[3])<<8 | uint32(b[4])<<16
}

// setLength changes the value length in place; the widths have to stay the same.
func (e *Entry) setLength(n int) {
	at := entryFixed + 1
	if e.flags()&flagLongKey != 0 {
		at += 3
	}
	putLength(unsafe.Slice((*byte)(unsafe.Add(e.p, at)), 4), e.flags(), n)
	e.valueLen = uint32(n)
}

// setExpiry changes the expiry in place; the entry has to have one.
func (e Entry) setExpiry(ms int64) { *(*int64)(unsafe.Add(e.p, int(e.keyAt)-8)) = ms }

// Type returns the value's type.
func (e Entry) Type() Type { return Type(*(*byte)(e.p) & 0xf) }

// Encoding returns a collection's encoding.
func (e Entry) Encoding() Encoding { return Encoding(*(*byte)(e.p) >> 4) }

// Key returns the key's name; read-only.
func (e Entry) Key() []byte { return unsafe.Slice((*byte)(unsafe.Add(e.p, e.keyAt)), e.keyLen) }

// Value returns a string's bytes or a collection's root; read-only.
func (e Entry) Value() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(e.p, uint32(e.keyAt)+e.keyLen)), e.valueLen)
}

// ExpireAt returns the expiry in unix milliseconds, 0 if the key has none.
func (e Entry) ExpireAt() int64 {
	if !e.expires() {
		return 0
	}
	return *(*int64)(unsafe.Add(e.p, int(e.keyAt)-8))
}

// Memory is the bytes of the entry's block: header, key, and the string or the collection's root.
func (e Entry) Memory() int { return arena.Size(e.size()) }

// freeValue gives back what a collection's root names.
func (e Entry) freeValue(h *arena.Heap) {
	if free := freeFuncs[e.Type()]; free != nil {
		free(h, e.Encoding(), e.Value())
	}
}
