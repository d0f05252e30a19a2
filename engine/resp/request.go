package resp

import (
	"bytes"
	"math"
)

// Limits bound what a client may send. Zero values are not limits: use DefaultLimits.
type Limits struct {
	Args   int // words of one command
	Bulk   int // bytes of one word
	Inline int // bytes of a line: an inline command, or the head of an array or bulk
	// Unauthenticated marks the limits for clients before AUTH, whose errors have texts of their own.
	Unauthenticated bool
}

// DefaultLimits are Valkey's: proto-max-bulk-len, and a million words.
func DefaultLimits() Limits { return Limits{Args: 1 << 20, Bulk: 512 << 20, Inline: 64 << 10} }

// UnauthenticatedLimits are Valkey's for clients that still have to authenticate.
func UnauthenticatedLimits() Limits {
	return Limits{Args: 10, Bulk: 16 << 10, Inline: 64 << 10, Unauthenticated: true}
}

// ProtocolError is a request that is not RESP. Its text is the error reply, after which the connection is closed.
type ProtocolError string

// Error returns the text of the error reply.
func (e ProtocolError) Error() string { return string(e) }

// The protocol errors, in Valkey's words.
const (
	errInline          ProtocolError = "ERR Protocol error: too big inline request"
	errQuotes          ProtocolError = "ERR Protocol error: unbalanced quotes in request"
	errArrayHead       ProtocolError = "ERR Protocol error: too big mbulk count string"
	errArrayLength     ProtocolError = "ERR Protocol error: invalid multibulk length"
	errArrayLengthAuth ProtocolError = "ERR Protocol error: unauthenticated multibulk length"
	errBulkHead        ProtocolError = "ERR Protocol error: too big bulk count string"
	errBulkLength      ProtocolError = "ERR Protocol error: invalid bulk length"
	errBulkLengthAuth  ProtocolError = "ERR Protocol error: unauthenticated bulk length"
)

// Parse reads the command at the start of buf and appends its words to dst; they alias buf.
//
// n is the length of the command in buf; 0 means that it is not whole yet, and need is the length that buf
// must have at least before it can be. A command may be empty (an empty line or array): n > 0 and nothing
// appended. The error is a ProtocolError.
func (l Limits) Parse(dst [][]byte, buf []byte) (words [][]byte, n, need int, err error) {
	if len(buf) == 0 {
		return dst, 0, 1, nil
	}
	if buf[0] != '*' {
		return l.parseInline(dst, buf)
	}
	count, pos, ok := parseHead(buf, 1)
	switch {
	case pos == 0 && len(buf) > l.Inline:
		return dst, 0, 0, errArrayHead
	case pos == 0:
		return dst, 0, len(buf) + 1, nil
	case !ok || count > int64(l.Args) && !l.Unauthenticated || count > math.MaxInt32:
		return dst, 0, 0, errArrayLength
	case count > int64(l.Args):
		return dst, 0, 0, errArrayLengthAuth
	case count <= 0:
		return dst, pos, 0, nil
	}
	words = dst
	for left := int(count); left > 0; left-- {
		const least = len("$0\r\n\r\n")
		if pos >= len(buf) {
			return dst, 0, pos + left*least, nil
		}
		if buf[pos] != '$' {
			return dst, 0, 0, expectedBulk(buf[pos])
		}
		size, start, ok := parseHead(buf, pos+1)
		switch {
		case start == 0 && len(buf)-pos > l.Inline:
			return dst, 0, 0, errBulkHead
		case start == 0:
			return dst, 0, max(len(buf)+1, pos+left*least), nil
		case !ok || size < 0 || size > int64(l.Bulk) && !l.Unauthenticated:
			return dst, 0, 0, errBulkLength
		case size > int64(l.Bulk):
			return dst, 0, 0, errBulkLengthAuth
		}
		end := start + int(size)
		if end+2 > len(buf) {
			return dst, 0, end + 2 + (left-1)*least, nil
		}
		words = append(words, buf[start:end:end])
		pos = end + 2
	}
	return words, pos, 0, nil
}

// parseHead reads the number of a head line that begins at pos; next is the position after its line end, 0 if
// the line is not whole.
func parseHead(buf []byte, pos int) (n int64, next int, ok bool) {
	// The common case first: a few digits.
	i := pos
	for i < len(buf) && i < pos+9 && buf[i] >= '0' && buf[i] <= '9' {
		n = n*10 + int64(buf[i]-'0')
		i++
	}
	if i > pos && i+1 < len(buf) && buf[i] == '\r' && (buf[pos] != '0' || i == pos+1) {
		return n, i + 2, true
	}
	end := bytes.IndexByte(buf[pos:], '\r')
	if end < 0 || pos+end+1 >= len(buf) {
		return 0, 0, false
	}
	n, ok = parseNumber(buf[pos : pos+end])
	return n, pos + end + 2, ok
}

// parseNumber is strict as Valkey's string2ll: no plus sign, no leading zeros.
func parseNumber(b []byte) (int64, bool) {
	negative := len(b) > 0 && b[0] == '-'
	digits := b
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && (len(digits) > 1 || negative) {
		return 0, false
	}
	var n int64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

func expectedBulk(got byte) ProtocolError {
	if got < ' ' || got > '~' {
		got = '?'
	}
	return ProtocolError("ERR Protocol error: expected '$', got '" + string(rune(got)) + "'")
}

func (l Limits) parseInline(dst [][]byte, buf []byte) ([][]byte, int, int, error) {
	end := bytes.IndexByte(buf, '\n')
	if end < 0 {
		if len(buf) > l.Inline {
			return dst, 0, 0, errInline
		}
		return dst, 0, len(buf) + 1, nil
	}
	if end > l.Inline {
		return dst, 0, 0, errInline
	}
	line := buf[:end]
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	words, ok := splitWords(dst, line)
	if !ok {
		return dst, 0, 0, errQuotes
	}
	if added := len(words) - len(dst); added > l.Args {
		if l.Unauthenticated {
			return dst, 0, 0, errArrayLengthAuth
		}
		return dst, 0, 0, errArrayLength
	}
	return words, end + 1, 0, nil
}

// splitWords splits an inline command into words as a shell would: "double" quotes know escapes (\n, \xff),
// 'single' ones only \'. A closing quote must be followed by a blank or the end. Words without quotes alias
// the line.
func splitWords(dst [][]byte, line []byte) ([][]byte, bool) {
	i := 0
	for {
		for i < len(line) && isBlank(line[i]) {
			i++
		}
		if i == len(line) {
			return dst, true
		}
		start := i
		for i < len(line) && !isBlank(line[i]) && line[i] != '"' && line[i] != '\'' {
			i++
		}
		if i == len(line) || isBlank(line[i]) {
			dst = append(dst, line[start:i:i])
			continue
		}
		word, next, ok := quotedWord(line, start)
		if !ok {
			return dst, false
		}
		dst = append(dst, word)
		i = next
	}
}

func quotedWord(line []byte, i int) (word []byte, next int, ok bool) {
	word = make([]byte, 0, 16)
	for i < len(line) && !isBlank(line[i]) {
		quote := line[i]
		if quote != '"' && quote != '\'' {
			word = append(word, quote)
			i++
			continue
		}
		i++
		closed := false
		for i < len(line) && !closed {
			c := line[i]
			switch {
			case c == quote:
				closed = true
				i++
			case c == '\\' && quote == '"' && i+3 < len(line) && line[i+1] == 'x' && isHex(line[i+2]) && isHex(line[i+3]):
				word = append(word, unhex(line[i+2])<<4|unhex(line[i+3]))
				i += 4
			case c == '\\' && quote == '"' && i+1 < len(line):
				word = append(word, unescape(line[i+1]))
				i += 2
			case c == '\\' && quote == '\'' && i+1 < len(line) && line[i+1] == '\'':
				word = append(word, '\'')
				i += 2
			default:
				word = append(word, c)
				i++
			}
		}
		if !closed || i < len(line) && !isBlank(line[i]) {
			return nil, 0, false
		}
	}
	return word, i, true
}

func isBlank(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' || b == 0 }

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func unhex(b byte) byte {
	switch {
	case b <= '9':
		return b - '0'
	case b >= 'a':
		return b - 'a' + 10
	default:
		return b - 'A' + 10
	}
}

func unescape(b byte) byte {
	switch b {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	default:
		return b
	}
}
