package repl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// Limits on what the other side of a link may send. They are those of Valkey's parser; only the bytes that have arrived
// are ever allocated.
const (
	maxArgs  = 1 << 20
	maxBulk  = 512 << 20
	maxLine  = 64 << 10
	readStep = 1 << 20
)

var errProtocol = errors.New("protocol error")

// commandReader reads commands (arrays of bulk strings) from a link, with their raw bytes.
type commandReader struct {
	r   *bufio.Reader
	raw []byte
	at  [][2]int
	arg [][]byte
}

// next returns one command: its arguments and its bytes in wire form, both valid until the next call. Bare
// line breaks before it, which both sides send to keep a link alive, are skipped.
func (c *commandReader) next() (argv [][]byte, raw []byte, err error) {
	if cap(c.raw) > readStep {
		c.raw = nil // one huge value must not stay
	}
	c.raw, c.at, c.arg = c.raw[:0], c.at[:0], c.arg[:0]
	for {
		b, err := c.r.Peek(1)
		if err != nil {
			return nil, nil, err
		}
		if b[0] != '\n' && b[0] != '\r' {
			break
		}
		_, _ = c.r.Discard(1)
	}
	n, err := c.head('*', maxArgs)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, fmt.Errorf("%w: a command without a name", errProtocol)
	}
	for range n {
		size, err := c.head('$', maxBulk)
		if err != nil {
			return nil, nil, err
		}
		start := len(c.raw)
		if err := c.take(size + 2); err != nil {
			return nil, nil, err
		}
		if c.raw[start+size] != '\r' || c.raw[start+size+1] != '\n' {
			return nil, nil, fmt.Errorf("%w: a bulk string is longer than it says", errProtocol)
		}
		c.at = append(c.at, [2]int{start, start + size})
	}
	for _, at := range c.at {
		c.arg = append(c.arg, c.raw[at[0]:at[1]])
	}
	return c.arg, c.raw, nil
}

// head reads "<kind><number>\r\n".
func (c *commandReader) head(kind byte, limit int) (int, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	c.raw = append(c.raw, line...)
	if len(line) < 4 || len(line) > 12 || line[0] != kind || line[len(line)-2] != '\r' {
		return 0, fmt.Errorf("%w: expected %c and a number, got %.20q", errProtocol, kind, line)
	}
	n := 0
	for _, d := range line[1 : len(line)-2] {
		if d < '0' || d > '9' {
			return 0, fmt.Errorf("%w: expected %c and a number, got %.20q", errProtocol, kind, line)
		}
		n = n*10 + int(d-'0')
	}
	if n > limit {
		return 0, fmt.Errorf("%w: %c%d is more than %d", errProtocol, kind, n, limit)
	}
	return n, nil
}

// take reads n bytes into raw.
func (c *commandReader) take(n int) error {
	for n > 0 {
		step := min(n, readStep)
		at := len(c.raw)
		if cap(c.raw)-at < step {
			bigger := make([]byte, at, max(2*cap(c.raw), at+step))
			copy(bigger, c.raw)
			c.raw = bigger
		}
		c.raw = c.raw[:at+step]
		if _, err := io.ReadFull(c.r, c.raw[at:]); err != nil {
			return err
		}
		n -= step
	}
	return nil
}

// readLine reads one line of a handshake, without its end; empty lines are skipped.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < maxLine:
			continue
		case err != nil:
			return "", err
		}
		if s := strings.TrimRight(string(line), "\r\n"); s != "" {
			return s, nil
		}
		line = line[:0]
	}
}

// deadlineConn gives each read and write its own time.
type deadlineConn struct {
	net.Conn
	timeout  time.Duration
	lastRead *atomic.Int64 // Unix nanoseconds of the last read that gave something; may be nil
}

func (c deadlineConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if n > 0 && c.lastRead != nil {
		c.lastRead.Store(time.Now().UnixNano())
	}
	return n, err
}

func (c deadlineConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
