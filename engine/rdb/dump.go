package rdb

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A dump is what DUMP answers and RESTORE takes: the type and the value as they stand in a snapshot, the format's
// version in two bytes, and the checksum of all that in eight, little endian.
const dumpFooter = 10

// dumpStreamVersion is the version that a dump of a stream needs; all others get Version, so that Redis 7.0
// takes them.
const dumpStreamVersion = 11

var (
	// ErrDumpFooter says that a dump is of a version that this package does not know, or was damaged.
	ErrDumpFooter = errors.New("DUMP payload version or checksum are wrong")
	// ErrDump says that a dump of the right checksum is not sound.
	ErrDump = errors.New("bad data format")
)

// AppendDump appends the dump of the value that write hands to a Writer: Begin, whose key is ignored, and its elements.
func AppendDump(dst []byte, write func(w *Writer)) ([]byte, error) {
	var buf bytes.Buffer
	w := &Writer{bare: true, db: -1}
	w.w = bufio.NewWriter(&buf)
	write(w)
	if w.left != 0 {
		w.fail(fmt.Errorf("rdb: value ended while %d elements are missing", w.left))
	}
	if err := w.Flush(); err != nil {
		return dst, err
	}
	start, version := len(dst), uint16(Version)
	if w.cur == Stream {
		version = dumpStreamVersion
	}
	dst = append(dst, buf.Bytes()...)
	dst = binary.LittleEndian.AppendUint16(dst, version)
	return binary.LittleEndian.AppendUint64(dst, crcUpdate(0, dst[start:])), nil
}

// CheckDump checks the version and the checksum of a dump.
func CheckDump(dump []byte) error {
	if len(dump) < dumpFooter {
		return ErrDumpFooter
	}
	body := len(dump) - 8
	if binary.LittleEndian.Uint16(dump[body-2:]) > maxReadVersion || binary.LittleEndian.Uint64(dump[body:]) != crcUpdate(0, dump[:body]) {
		return ErrDumpFooter
	}
	return nil
}

// ReadDump checks a dump, and feeds sink with its value: Begin with an empty key, the elements, End.
func ReadDump(dump []byte, sink Sink) error {
	if err := CheckDump(dump); err != nil {
		return err
	}
	in := &reader{r: bufio.NewReader(bytes.NewReader(dump[:len(dump)-dumpFooter])), sink: sink}
	code, err := in.byte()
	if err == nil {
		kind := kindOf(code)
		if kind == 0 {
			return fmt.Errorf("%w: value type %d", ErrDump, code)
		}
		err = in.elements(code, Key{Type: kind})
	}
	if err == nil {
		err = sink.End()
	}
	if err == nil {
		if _, rest := in.r.ReadByte(); rest != io.EOF {
			err = errors.New("it goes on after its end")
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDump, err)
	}
	return nil
}
