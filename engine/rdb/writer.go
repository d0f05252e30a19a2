package rdb

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Writer emits one snapshot: NewWriter, Aux…, then for each key Begin and its elements, then Close.
// Errors latch: after the first one every call is a no-op, and Close (or Err) returns it.
type Writer struct {
	w    *bufio.Writer
	err  error
	crc  uint64
	db   int
	left int // elements still owed to the current key
	cur  Type
	n    int64
	tmp  [16]byte
}

// NewWriter starts a snapshot on w, which it buffers.
func NewWriter(w io.Writer) *Writer {
	out := &Writer{db: -1}
	out.w = bufio.NewWriterSize(&crcWriter{out: out, w: w}, 64<<10)
	out.raw([]byte(fmt.Sprintf("REDIS%04d", Version)))
	return out
}

// crcWriter sums what leaves the buffer, in large pieces, because the table-driven sum is far
// quicker on them than on single bytes.
type crcWriter struct {
	out *Writer
	w   io.Writer
}

func (c *crcWriter) Write(p []byte) (int, error) {
	c.out.crc = crcUpdate(c.out.crc, p)
	return c.w.Write(p)
}

// Aux writes an auxiliary field. Readers ignore names they do not know.
func (w *Writer) Aux(name, value string) {
	w.byte(opAux)
	w.str([]byte(name))
	w.str([]byte(value))
}

// Begin starts a key. Exactly k.Len Elements, Fields or Members have to follow; for a string, one Element.
func (w *Writer) Begin(k Key) {
	if w.left != 0 {
		w.fail(fmt.Errorf("rdb: key started while %d elements are missing", w.left))
	}
	if k.DB != w.db {
		w.db = k.DB
		w.byte(opSelectDB)
		w.length(uint64(k.DB))
	}
	if k.ExpireAt != 0 {
		w.byte(opExpireTimeMS)
		binary.LittleEndian.PutUint64(w.tmp[:8], uint64(k.ExpireAt))
		w.raw(w.tmp[:8])
	}
	var code byte
	switch k.Type {
	case String:
		code, k.Len = typeString, 1
	case List:
		code = typeList
	case Set:
		code = typeSet
	case Hash:
		code = typeHash
	case SortedSet:
		code = typeZset2
	case Stream:
		code = typeStream3
	default:
		w.fail(fmt.Errorf("rdb: cannot write a value of type %d", k.Type))
	}
	if k.Len <= 0 && k.Type != Stream {
		w.fail(fmt.Errorf("rdb: a %s of %d elements cannot be written", k.Type, k.Len))
	}
	w.byte(code)
	w.str(k.Name)
	if k.Type != String {
		w.length(uint64(k.Len))
	}
	w.left, w.cur = k.Len, k.Type
	if k.Type == Stream {
		w.left++ // Meta
	}
}

// ResizeDB tells readers how many keys, and how many with a time to live, follow in db. It may be a
// guess; it has to come before the keys of db.
func (w *Writer) ResizeDB(db int, keys, expires uint64) {
	w.db = db
	w.byte(opSelectDB)
	w.length(uint64(db))
	w.byte(opResizeDB)
	w.length(keys)
	w.length(expires)
}

// Element writes the value of a string, or the next element of a list or set.
func (w *Writer) Element(v []byte) {
	if w.take(String, List, Set) {
		w.str(v)
	}
}

// Field writes the next field of a hash.
func (w *Writer) Field(field, value []byte) {
	if w.take(Hash) {
		w.str(field)
		w.str(value)
	}
}

// Member writes the next member of a sorted set.
func (w *Writer) Member(member []byte, score float64) {
	if w.take(SortedSet) {
		w.str(member)
		binary.LittleEndian.PutUint64(w.tmp[:8], math.Float64bits(score))
		w.raw(w.tmp[:8])
	}
}

// Err is the first error so far.
func (w *Writer) Err() error { return w.err }

// Written is the number of bytes produced so far.
func (w *Writer) Written() int64 { return w.n }

// Flush pushes what is buffered to the underlying writer.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.fail(w.w.Flush())
	}
	return w.err
}

// Close writes the end and the checksum and flushes. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.left != 0 {
		w.fail(fmt.Errorf("rdb: snapshot ended while %d elements are missing", w.left))
	}
	w.byte(opEOF)
	if w.Flush() != nil {
		return w.err
	}
	binary.LittleEndian.PutUint64(w.tmp[:8], w.crc)
	w.raw(w.tmp[:8])
	return w.Flush()
}

func (w *Writer) take(types ...Type) bool {
	if w.err != nil {
		return false
	}
	for _, t := range types {
		if t == w.cur && w.left > 0 {
			w.left--
			return true
		}
	}
	w.fail(fmt.Errorf("rdb: element does not belong to the %s at hand (%d left)", w.cur, w.left))
	return false
}

func (w *Writer) fail(err error) {
	if w.err == nil && err != nil {
		w.err = err
	}
}

func (w *Writer) raw(p []byte) {
	if w.err != nil {
		return
	}
	_, err := w.w.Write(p)
	w.n += int64(len(p))
	w.fail(err)
}

func (w *Writer) byte(b byte) {
	w.tmp[15] = b
	w.raw(w.tmp[15:16])
}

func (w *Writer) length(n uint64) {
	switch {
	case n < 1<<6:
		w.byte(byte(n))
	case n < 1<<14:
		w.tmp[0], w.tmp[1] = 0x40|byte(n>>8), byte(n)
		w.raw(w.tmp[:2])
	case n <= math.MaxUint32:
		w.tmp[0] = 0x80
		binary.BigEndian.PutUint32(w.tmp[1:5], uint32(n))
		w.raw(w.tmp[:5])
	default:
		w.tmp[0] = 0x81
		binary.BigEndian.PutUint64(w.tmp[1:9], n)
		w.raw(w.tmp[:9])
	}
}

// str writes a string, as an integer where it is the canonical text of a 32-bit one.
func (w *Writer) str(s []byte) {
	if len(s) > 0 && len(s) <= 11 && (s[0] == '-' || (s[0] >= '0' && s[0] <= '9')) {
		if v, ok := canonicalInt(s); ok {
			switch {
			case v >= math.MinInt8 && v <= math.MaxInt8:
				w.tmp[0], w.tmp[1] = 0xc0|encInt8, byte(v)
				w.raw(w.tmp[:2])
			case v >= math.MinInt16 && v <= math.MaxInt16:
				w.tmp[0] = 0xc0 | encInt16
				binary.LittleEndian.PutUint16(w.tmp[1:3], uint16(v))
				w.raw(w.tmp[:3])
			default:
				w.tmp[0] = 0xc0 | encInt32
				binary.LittleEndian.PutUint32(w.tmp[1:5], uint32(v))
				w.raw(w.tmp[:5])
			}
			return
		}
	}
	w.length(uint64(len(s)))
	w.raw(s)
}

func canonicalInt(s []byte) (int64, bool) {
	v, err := strconv.ParseInt(string(s), 10, 32)
	if err != nil {
		return 0, false
	}
	var buf [12]byte
	return v, string(strconv.AppendInt(buf[:0], v, 10)) == string(s)
}
