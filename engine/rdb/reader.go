package rdb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Sink receives what a snapshot holds, in file order. Slices are valid only during the call,
// except that Key.Name stays valid until End. An error ends the reading and is returned by Read.
type Sink interface {
	// Aux reports an auxiliary field.
	Aux(name, value string) error
	// DB announces that keys of db follow, and roughly how many.
	DB(db int, keys, expires uint64) error
	// Begin starts a key; calls of one of the next three follow, then End.
	Begin(k Key) error
	// Element is the value of a string, or the next element of a list or set.
	Element(v []byte) error
	// Field is the next field of a hash.
	Field(field, value []byte) error
	// Member is the next member of a sorted set.
	Member(member []byte, score float64) error
	End() error
}

// ErrCorrupt is wrapped by every error that says that the bytes are not a sound snapshot.
var ErrCorrupt = errors.New("corrupt snapshot")

// MaxString is the longest string that the reader takes, in bytes: Redis' proto-max-bulk-len.
const MaxString = 512 << 20

// readChunk bounds how much is allocated ahead of the bytes that have really arrived, so that a
// lying length in a short file costs nothing.
const readChunk = 1 << 20

type reader struct {
	r      *bufio.Reader
	sink   Sink
	crc    uint64
	offset int64
	key    []byte
	tmp    [16]byte
	bufA   []byte
	bufB   []byte
	packed []byte
}

// Read reads one snapshot and feeds sink. If r is a *bufio.Reader, Read consumes exactly the
// snapshot and leaves what follows (a replication stream) in it.
func Read(r io.Reader, sink Sink) error {
	br, ok := r.(*bufio.Reader)
	if !ok {
		br = bufio.NewReaderSize(r, 64<<10)
	}
	in := &reader{r: br, sink: sink}
	err := in.read()
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: it ends in the middle (%w)", ErrCorrupt, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("rdb: at byte %d: %w", in.offset, err)
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

func (in *reader) read() error {
	head, err := in.bytes(&in.bufA, 9)
	if err != nil {
		return err
	}
	if string(head[:5]) != "REDIS" {
		return corrupt("it does not start with REDIS")
	}
	version, err := strconv.Atoi(string(head[5:9]))
	if err != nil || version < 1 {
		return corrupt("version %q", head[5:9])
	}
	if version > maxReadVersion {
		return fmt.Errorf("snapshot has format version %d; this program reads up to %d", version, maxReadVersion)
	}
	db, expireAt := 0, int64(0)
	for {
		op, err := in.byte()
		if err != nil {
			return err
		}
		switch op {
		case opAux:
			name, err := in.str(&in.bufA)
			if err != nil {
				return err
			}
			value, err := in.str(&in.bufB)
			if err != nil {
				return err
			}
			if err := in.sink.Aux(string(name), string(value)); err != nil {
				return err
			}
		case opSelectDB:
			n, err := in.length()
			if err != nil {
				return err
			}
			if n > math.MaxInt32 {
				return corrupt("database number %d", n)
			}
			db = int(n)
		case opResizeDB:
			keys, err := in.length()
			if err != nil {
				return err
			}
			expires, err := in.length()
			if err != nil {
				return err
			}
			if err := in.sink.DB(db, keys, expires); err != nil {
				return err
			}
		case opExpireTimeMS:
			p, err := in.bytes(&in.bufA, 8)
			if err != nil {
				return err
			}
			expireAt = int64(binary.LittleEndian.Uint64(p))
		case opExpireTime:
			p, err := in.bytes(&in.bufA, 4)
			if err != nil {
				return err
			}
			expireAt = int64(int32(binary.LittleEndian.Uint32(p))) * 1000
		case opIdle, opSlotInfo:
			n := 1
			if op == opSlotInfo {
				n = 3
			}
			for range n {
				if _, err := in.length(); err != nil {
					return err
				}
			}
		case opFreq:
			if _, err := in.byte(); err != nil {
				return err
			}
		case opFunction2, opFunctionOld:
			return errors.New("snapshot holds functions (FUNCTION LOAD), which are not supported")
		case opModuleAux:
			return errors.New("snapshot holds data of a module, which is not supported")
		case opEOF:
			return in.checksum(version)
		default:
			if err := in.value(op, Key{DB: db, ExpireAt: expireAt}); err != nil {
				return err
			}
			expireAt = 0
		}
	}
}

func (in *reader) checksum(version int) error {
	if version < 5 {
		return nil
	}
	want := in.crc
	p, err := in.bytes(&in.bufA, 8)
	if err != nil {
		return err
	}
	// 0 says that the writer was told not to sum (rdbchecksum no).
	if got := binary.LittleEndian.Uint64(p); got != 0 && got != want {
		return corrupt("checksum is %016x, should be %016x", got, want)
	}
	return nil
}

// value reads a key and its value in whichever encoding code says.
func (in *reader) value(code byte, k Key) error {
	var kind Type
	switch code {
	case typeString:
		kind = String
	case typeList, typeListZiplist, typeListQuicklist, typeListQuicklist2:
		kind = List
	case typeSet, typeSetIntset, typeSetListpack:
		kind = Set
	case typeZset, typeZset2, typeZsetZiplist, typeZsetListpack:
		kind = SortedSet
	case typeHash, typeHashZiplist, typeHashListpack:
		kind = Hash
	case typeStream1, typeStream2, typeStream3:
		kind = Stream
	}
	// The key's own bytes live in a buffer of their own: they have to outlast the elements.
	name, err := in.str(&in.key)
	if err != nil {
		return err
	}
	if kind == 0 {
		if code > typeLast {
			return corrupt("unknown opcode %d", code)
		}
		return fmt.Errorf("key %.100q has value type %d, which is not supported", name, code)
	}
	k.Name, k.Type = name, kind
	if err := in.elements(code, k); err != nil {
		return fmt.Errorf("key %.100q: %w", name, err)
	}
	return in.sink.End()
}

func (in *reader) elements(code byte, k Key) error {
	switch code {
	case typeString:
		k.Len = 1
		if err := in.sink.Begin(k); err != nil {
			return err
		}
		v, err := in.str(&in.bufA)
		if err != nil {
			return err
		}
		return in.sink.Element(v)
	case typeList, typeSet, typeHash, typeZset, typeZset2:
		n, err := in.length()
		if err != nil {
			return err
		}
		if n == 0 {
			return corrupt("a %s without elements", k.Type)
		}
		k.Len = int(min(n, math.MaxInt32))
		if err := in.sink.Begin(k); err != nil {
			return err
		}
		for range n {
			if err := in.plain(code); err != nil {
				return err
			}
		}
		return nil
	case typeListQuicklist, typeListQuicklist2:
		return in.quicklist(code, k)
	case typeStream1, typeStream2, typeStream3:
		return in.stream(code, k)
	}
	blob, err := in.str(&in.packed)
	if err != nil {
		return err
	}
	if code == typeSetIntset {
		return in.intset(blob, k)
	}
	var it packedIter
	if code == typeListZiplist || code == typeZsetZiplist || code == typeHashZiplist {
		it, err = newZiplist(blob)
	} else {
		it, err = newListpack(blob)
	}
	if err != nil {
		return err
	}
	if k.Len = it.count(); k.Type == Hash || k.Type == SortedSet {
		k.Len /= 2
	}
	if err := in.sink.Begin(k); err != nil {
		return err
	}
	n, err := in.packedElements(it, k.Type)
	if err == nil && n == 0 {
		err = corrupt("a %s without elements", k.Type)
	}
	return err
}

// plain reads one element of the encodings that every version reads.
func (in *reader) plain(code byte) error {
	a, err := in.str(&in.bufA)
	if err != nil {
		return err
	}
	switch code {
	case typeHash:
		b, err := in.str(&in.bufB)
		if err != nil {
			return err
		}
		return in.sink.Field(a, b)
	case typeZset, typeZset2:
		var score float64
		if code == typeZset2 {
			p, err := in.bytes(&in.bufB, 8)
			if err != nil {
				return err
			}
			score = math.Float64frombits(binary.LittleEndian.Uint64(p))
		} else if score, err = in.asciiDouble(); err != nil {
			return err
		}
		if math.IsNaN(score) {
			return corrupt("a score that is not a number")
		}
		return in.sink.Member(a, score)
	default:
		return in.sink.Element(a)
	}
}

func (in *reader) quicklist(code byte, k Key) error {
	nodes, err := in.length()
	if err != nil {
		return err
	}
	if nodes == 0 {
		return corrupt("a list without elements")
	}
	if err := in.sink.Begin(k); err != nil {
		return err
	}
	for range nodes {
		container := uint64(quicklistPacked)
		if code == typeListQuicklist2 {
			if container, err = in.length(); err != nil {
				return err
			}
		}
		blob, err := in.str(&in.packed)
		if err != nil {
			return err
		}
		switch {
		case container == quicklistPlain:
			if err := in.sink.Element(blob); err != nil {
				return err
			}
			continue
		case container != quicklistPacked:
			return corrupt("list container %d", container)
		}
		var it packedIter
		if code == typeListQuicklist {
			it, err = newZiplist(blob)
		} else {
			it, err = newListpack(blob)
		}
		if err != nil {
			return err
		}
		n, err := in.packedElements(it, List)
		if err != nil {
			return err
		}
		if n == 0 {
			return corrupt("a list node without elements")
		}
	}
	return nil
}

func (in *reader) packedElements(it packedIter, kind Type) (int, error) {
	n := 0
	for {
		a, ok, err := it.next(in.tmpA())
		if err != nil || !ok {
			return n, err
		}
		n++
		if kind == List || kind == Set {
			if err := in.sink.Element(a); err != nil {
				return n, err
			}
			continue
		}
		b, ok, err := it.next(in.tmpB())
		if err != nil {
			return n, err
		}
		if !ok {
			return n, corrupt("a %s with an odd number of entries", kind)
		}
		if kind == Hash {
			err = in.sink.Field(a, b)
		} else {
			score, perr := strconv.ParseFloat(string(b), 64)
			if perr != nil && !errors.Is(perr, strconv.ErrRange) || math.IsNaN(score) {
				return n, corrupt("score %.40q", b)
			}
			err = in.sink.Member(a, score)
		}
		if err != nil {
			return n, err
		}
	}
}

func (in *reader) intset(blob []byte, k Key) error {
	if len(blob) < 8 {
		return corrupt("integer set of %d bytes", len(blob))
	}
	width := int(binary.LittleEndian.Uint32(blob))
	count := uint64(binary.LittleEndian.Uint32(blob[4:]))
	if width != 2 && width != 4 && width != 8 || count == 0 || uint64(len(blob)-8) != count*uint64(width) {
		return corrupt("integer set of %d × %d in %d bytes", count, width, len(blob))
	}
	k.Len = int(count)
	if err := in.sink.Begin(k); err != nil {
		return err
	}
	for p := blob[8:]; len(p) > 0; p = p[width:] {
		var v int64
		switch width {
		case 2:
			v = int64(int16(binary.LittleEndian.Uint16(p)))
		case 4:
			v = int64(int32(binary.LittleEndian.Uint32(p)))
		default:
			v = int64(binary.LittleEndian.Uint64(p))
		}
		if err := in.sink.Element(strconv.AppendInt(in.tmpA(), v, 10)); err != nil {
			return err
		}
	}
	return nil
}

// tmpA and tmpB are empty scratch space for the text of one integer each.
func (in *reader) tmpA() []byte { return grow(&in.bufA, 24)[:0] }
func (in *reader) tmpB() []byte { return grow(&in.bufB, 24)[:0] }

func grow(buf *[]byte, n int) []byte {
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	return (*buf)[:n]
}

func (in *reader) asciiDouble() (float64, error) {
	n, err := in.byte()
	if err != nil {
		return 0, err
	}
	switch n {
	case 253:
		return math.NaN(), nil
	case 254:
		return math.Inf(1), nil
	case 255:
		return math.Inf(-1), nil
	}
	p, err := in.bytes(&in.bufB, int(n))
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(string(p), 64)
	if err != nil {
		return 0, corrupt("score %.40q", p)
	}
	return v, nil
}

func (in *reader) byte() (byte, error) {
	b, err := in.r.ReadByte()
	if err != nil {
		return 0, err
	}
	in.offset++
	in.tmp[0] = b
	in.crc = crcUpdate(in.crc, in.tmp[:1])
	return b, nil
}

// bytes reads n bytes into *buf, which it grows and keeps for the next call.
func (in *reader) bytes(buf *[]byte, n int) ([]byte, error) {
	if n > MaxString {
		return nil, corrupt("a string of %d bytes (the most is %d)", n, MaxString)
	}
	p := (*buf)[:0]
	for len(p) < n {
		step := min(n-len(p), readChunk)
		if cap(p)-len(p) < step {
			bigger := make([]byte, len(p), min(n, max(2*cap(p), len(p)+step)))
			copy(bigger, p)
			p = bigger
		}
		at := len(p)
		got, err := io.ReadFull(in.r, p[at:at+step])
		in.offset += int64(got)
		if err != nil {
			return nil, err
		}
		p = p[:at+step]
		in.crc = crcUpdate(in.crc, p[at:])
	}
	// A buffer that one huge value needed must not stay for the rest of the snapshot.
	if cap(p) <= 4*readChunk {
		*buf = p
	}
	return p, nil
}

func (in *reader) rawLength() (n uint64, encoded bool, err error) {
	b, err := in.byte()
	if err != nil {
		return 0, false, err
	}
	switch b >> 6 {
	case 0:
		return uint64(b & 0x3f), false, nil
	case 1:
		low, err := in.byte()
		return uint64(b&0x3f)<<8 | uint64(low), false, err
	case 3:
		return uint64(b & 0x3f), true, nil
	}
	var width int
	switch b {
	case 0x80:
		width = 4
	case 0x81:
		width = 8
	default:
		return 0, false, corrupt("length byte %#x", b)
	}
	for range width {
		b, err := in.byte()
		if err != nil {
			return 0, false, err
		}
		n = n<<8 | uint64(b)
	}
	return n, false, nil
}

func (in *reader) length() (uint64, error) {
	n, encoded, err := in.rawLength()
	if err == nil && encoded {
		err = corrupt("an encoded string where a length is due")
	}
	return n, err
}

func (in *reader) str(buf *[]byte) ([]byte, error) {
	n, encoded, err := in.rawLength()
	if err != nil {
		return nil, err
	}
	if !encoded {
		if n > MaxString {
			return nil, corrupt("a string of %d bytes (the most is %d)", n, MaxString)
		}
		return in.bytes(buf, int(n))
	}
	var v int64
	switch n {
	case encInt8:
		p, err := in.bytes(buf, 1)
		if err != nil {
			return nil, err
		}
		v = int64(int8(p[0]))
	case encInt16:
		p, err := in.bytes(buf, 2)
		if err != nil {
			return nil, err
		}
		v = int64(int16(binary.LittleEndian.Uint16(p)))
	case encInt32:
		p, err := in.bytes(buf, 4)
		if err != nil {
			return nil, err
		}
		v = int64(int32(binary.LittleEndian.Uint32(p)))
	case encLZF:
		return in.compressed(buf)
	default:
		return nil, corrupt("string encoding %d", n)
	}
	out := strconv.AppendInt(grow(buf, 24)[:0], v, 10)
	return out, nil
}

func (in *reader) compressed(buf *[]byte) ([]byte, error) {
	packed, err := in.length()
	if err != nil {
		return nil, err
	}
	plain, err := in.length()
	if err != nil {
		return nil, err
	}
	// Three bytes of LZF make at most 264: a larger claim is a lie, and would only allocate.
	if packed > MaxString || plain > MaxString || plain > packed*88+264 {
		return nil, corrupt("a compressed string of %d bytes from %d", plain, packed)
	}
	var src []byte
	p, err := in.bytes(&src, int(packed))
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, plain)
	if cap(*buf) >= int(plain) {
		out = (*buf)[:0]
	}
	if out, err = lzfExpand(out, p, int(plain)); err != nil {
		return nil, err
	}
	if cap(out) <= 4*readChunk {
		*buf = out
	}
	return out, nil
}
