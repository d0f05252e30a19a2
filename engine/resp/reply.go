package resp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// ErrIncomplete says that a reply is not whole yet.
var ErrIncomplete = errors.New("resp: incomplete reply")

// maxDepth bounds nesting, maxReplyElems the elements of one aggregate, maxReplyLine the bytes of a line.
const (
	maxDepth      = 32
	maxReplyLine  = 1 << 20
	maxReplyElems = 1 << 24
)

// ParseReply reads the reply at the start of buf, and returns its length. ErrIncomplete: read more first.
// Attributes (|) are skipped.
func ParseReply(buf []byte) (v Value, n int, err error) {
	p := replyParser{buf: buf}
	v, err = p.value(0)
	if err != nil {
		return Value{}, 0, err
	}
	return v, p.pos, nil
}

// ReadReply reads one reply from a buffered stream.
func ReadReply(r *bufio.Reader) (Value, error) { return readReply(r, 0) }

type replyParser struct {
	buf []byte
	pos int
}

func (p *replyParser) line() ([]byte, error) {
	i := bytes.Index(p.buf[p.pos:], []byte("\r\n"))
	if i < 0 {
		return nil, ErrIncomplete
	}
	line := p.buf[p.pos : p.pos+i]
	p.pos += i + 2
	return line, nil
}

func (p *replyParser) blob(n int) ([]byte, error) {
	if n > len(p.buf)-p.pos-2 {
		return nil, ErrIncomplete
	}
	b := p.buf[p.pos : p.pos+n]
	p.pos += n + 2
	return b, nil
}

func (p *replyParser) value(depth int) (Value, error) { return parseValue(p, depth) }

// source yields the pieces of a reply.
type source interface {
	line() ([]byte, error)
	blob(n int) ([]byte, error)
}

type streamSource struct{ r *bufio.Reader }

func (s streamSource) line() ([]byte, error) {
	var line []byte
	for {
		part, err := s.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxReplyLine:
			return nil, errors.New("resp: line too long")
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("resp: read reply: %w", err)
		case bytes.HasSuffix(line, []byte("\r\n")):
			return line[:len(line)-2], nil
		}
	}
}

func (s streamSource) blob(n int) ([]byte, error) {
	var b bytes.Buffer
	if _, err := io.CopyN(&b, s.r, int64(n)+2); err != nil {
		return nil, fmt.Errorf("resp: read reply: %w", err)
	}
	return b.Bytes()[:n], nil
}

func readReply(r *bufio.Reader, depth int) (Value, error) { return parseValue(streamSource{r}, depth) }

func parseValue(s source, depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, errors.New("resp: reply nested too deeply")
	}
	line, err := s.line()
	if err != nil {
		return Value{}, err
	}
	if len(line) == 0 {
		return Value{}, errors.New("resp: empty line in place of a reply")
	}
	kind, rest := Kind(line[0]), string(line[1:])
	switch kind {
	case KindSimple, KindError, KindBig:
		return Value{Kind: kind, Str: rest}, nil
	case KindInt:
		n, err := strconv.ParseInt(rest, 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("resp: integer reply: %w", err)
		}
		return Value{Kind: kind, Int: n}, nil
	case KindDouble:
		f, err := strconv.ParseFloat(rest, 64)
		if err != nil {
			return Value{}, fmt.Errorf("resp: double reply: %w", err)
		}
		return Value{Kind: kind, Float: f}, nil
	case KindBool:
		if rest != "t" && rest != "f" {
			return Value{}, fmt.Errorf("resp: boolean reply %q", rest)
		}
		v := Value{Kind: kind}
		if rest == "t" {
			v.Int = 1
		}
		return v, nil
	case KindNull:
		return Value{Kind: KindNull}, nil
	case KindBulk, KindBlobErr, KindVerbatim:
		return parseBlob(s, kind, rest)
	case KindArray, KindSet, KindPush, KindMap, '|':
		return parseAggregate(s, kind, rest, depth)
	default:
		return Value{}, fmt.Errorf("resp: reply of unknown type %q", byte(kind))
	}
}

func parseBlob(s source, kind Kind, length string) (Value, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < -1 || n > 512<<20 {
		return Value{}, fmt.Errorf("resp: bad length %q", length)
	}
	if n == -1 {
		return Value{Kind: KindNull}, nil
	}
	b, err := s.blob(n)
	if err != nil {
		return Value{}, err
	}
	if kind == KindVerbatim && len(b) >= 4 {
		b = b[4:]
	}
	return Value{Kind: kind, Str: string(b)}, nil
}

func parseAggregate(s source, kind Kind, length string, depth int) (Value, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < -1 || n > maxReplyElems {
		return Value{}, fmt.Errorf("resp: bad length %q", length)
	}
	if n == -1 {
		return Value{Kind: KindNull}, nil
	}
	if kind == KindMap || kind == '|' {
		n *= 2
	}
	elems := make([]Value, 0, min(n, 1024))
	for range n {
		e, err := parseValue(s, depth+1)
		if err != nil {
			return Value{}, err
		}
		elems = append(elems, e)
	}
	if kind == '|' { // attributes precede the reply itself
		return parseValue(s, depth+1)
	}
	return Value{Kind: kind, Elems: elems}, nil
}
