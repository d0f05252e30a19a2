package repl

import (
	"errors"
	"strconv"
	"sync"
)

const (
	minChunk = 4 << 10
	maxChunk = 64 << 10
)

var (
	errStreamClosed = errors.New("the replication history has ended")
	errRoleChanged  = errors.New("this node's role has changed")
	errTooSlow      = errors.New("the replica is too far behind (client-output-buffer-limit replica)")
)

// chunk is a piece of the stream. buf is allocated at its full capacity, and bytes below its length never change: readers
// use them without a copy and without the lock.
type chunk struct {
	start int64
	buf   []byte
}

func (c *chunk) end() int64 { return c.start + int64(len(c.buf)) }

// stream is the replication history's recent part: bytes from start to end, which readers follow. It keeps at least
// keep bytes once it has them, and more while a reader has not got them, up to limit.
type stream struct {
	mu      sync.Mutex
	chunks  []chunk
	end     int64
	keep    int64
	limit   int64
	db      int // that the stream has selected; -1: say it before the next command
	frozen  bool
	closed  bool
	readers map[*reader]struct{}
	scratch []byte
}

// reader follows a stream. Its owner alone calls next.
type reader struct {
	s    *stream
	pos  int64 // guarded by s.mu
	err  error // guarded by s.mu
	wake chan struct{}
}

func newStream(offset, keep, limit int64) *stream {
	return &stream{end: offset, keep: keep, limit: limit, db: -1, readers: make(map[*reader]struct{})}
}

// start is the offset of the oldest byte that is kept. Call with mu held.
func (s *stream) start() int64 {
	if len(s.chunks) == 0 {
		return s.end
	}
	return s.chunks[0].start
}

// appendRaw adds bytes that are already in wire form. Call with mu held.
func (s *stream) appendRaw(p []byte) {
	if len(p) == 0 {
		return
	}
	for len(p) > 0 {
		last := len(s.chunks) - 1
		if last < 0 || len(s.chunks[last].buf) == cap(s.chunks[last].buf) {
			size := minChunk
			if last >= 0 {
				size = min(maxChunk, 2*cap(s.chunks[last].buf))
			}
			s.chunks = append(s.chunks, chunk{start: s.end, buf: make([]byte, 0, size)})
			last++
		}
		c := &s.chunks[last]
		n := min(len(p), cap(c.buf)-len(c.buf))
		c.buf = append(c.buf, p[:n]...)
		s.end += int64(n)
		p = p[n:]
	}
	s.trim()
	for r := range s.readers {
		select {
		case r.wake <- struct{}{}:
		default: // it has been told already
		}
	}
}

// trim forgets chunks that neither the backlog nor a reader needs, and readers that need too much.
func (s *stream) trim() {
	oldest := s.end - s.keep
	for r := range s.readers {
		if s.end-r.pos > s.limit {
			s.drop(r, errTooSlow)
			continue
		}
		oldest = min(oldest, r.pos)
	}
	n := 0
	for n < len(s.chunks)-1 && s.chunks[n].end() <= oldest {
		n++
	}
	if n > 0 {
		clear(s.chunks[:n])
		s.chunks = s.chunks[n:]
	}
}

func (s *stream) drop(r *reader, err error) {
	if r.err == nil {
		r.err = err
		close(r.wake)
	}
	delete(s.readers, r)
}

// command adds one command in database db; db -1: one that belongs to none, such as PING.
// Call with mu held.
func (s *stream) command(db int, argv [][]byte) {
	b := s.scratch[:0]
	if db >= 0 && db != s.db {
		s.db = db
		var n [20]byte
		b = appendCommand(b, [][]byte{[]byte("SELECT"), strconv.AppendInt(n[:0], int64(db), 10)})
	}
	b = appendCommand(b, argv)
	s.appendRaw(b)
	if cap(b) <= maxChunk {
		s.scratch = b
	}
}

func appendCommand(b []byte, argv [][]byte) []byte {
	b = append(b, '*')
	b = strconv.AppendInt(b, int64(len(argv)), 10)
	b = append(b, '\r', '\n')
	for _, a := range argv {
		b = append(b, '$')
		b = strconv.AppendInt(b, int64(len(a)), 10)
		b = append(b, '\r', '\n')
		b = append(b, a...)
		b = append(b, '\r', '\n')
	}
	return b
}

// follow starts a reader at offset pos, or returns nil if the stream no longer, or not yet, has it. Call with mu held.
func (s *stream) follow(pos int64) *reader {
	if s.closed || pos < s.start() || pos > s.end {
		return nil
	}
	r := &reader{s: s, pos: pos, wake: make(chan struct{}, 1)}
	s.readers[r] = struct{}{}
	return r
}

// close ends the history: every reader gets errStreamClosed.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for r := range s.readers {
		s.drop(r, errStreamClosed)
	}
}

// next returns the bytes at the reader's position, none if there are none yet: then wait for wake.
func (r *reader) next() ([]byte, error) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	for i := len(s.chunks) - 1; i >= 0; i-- {
		if c := &s.chunks[i]; c.start <= r.pos {
			return c.buf[r.pos-c.start:], nil
		}
	}
	return nil, nil
}

// advance says that n bytes were delivered.
func (r *reader) advance(n int) {
	r.s.mu.Lock()
	r.pos += int64(n)
	r.s.mu.Unlock()
}

// stop ends the reader with err; its owner sees it at the next call. What was kept for it alone is let go.
func (r *reader) stop(err error) {
	r.s.mu.Lock()
	r.s.drop(r, err)
	r.s.trim()
	r.s.mu.Unlock()
}
