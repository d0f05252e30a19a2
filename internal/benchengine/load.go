package main

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// load is a client with many connections on one thread: each connection sends a pipeline of requests, waits for
// all their replies, and sends the next. It works with readiness, as the servers do, so that it takes as little of a
// small machine as it can.
type load struct {
	epoll int
	conns []*loadConn
	read  []byte
}

type loadConn struct {
	fd      int
	out     []byte // what is still to be sent
	in      []byte // the start of a reply that is not whole
	replies replyReader
	sent    time.Time
	waiting int // replies
}

// sample is what one measured run saw at the client.
type sample struct {
	ops     int
	took    time.Duration
	latency []time.Duration // of each pipeline, from sending it to its last reply; sorted
}

func (s *sample) percentile(p float64) time.Duration {
	if len(s.latency) == 0 {
		return 0
	}
	return s.latency[min(int(p*float64(len(s.latency))), len(s.latency)-1)]
}

func (s *sample) rate() float64 { return float64(s.ops) / s.took.Seconds() }

func dial(port, conns int) (l *load, err error) {
	l = &load{read: make([]byte, 256<<10)}
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	for i := range conns {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.conns = append(l.conns, &loadConn{fd: fd})
		if err := errors.Join(
			unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
			unix.SetNonblock(fd, true),
			unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}),
		); err != nil {
			return nil, errors.Join(fmt.Errorf("connect to port %d: %w", port, err), l.close())
		}
	}
	return l, nil
}

func (l *load) close() error {
	err := unix.Close(l.epoll)
	for _, c := range l.conns {
		err = errors.Join(err, unix.Close(c.fd))
	}
	return err
}

// run sends commands until count of them are sent or the time is over, and returns when all replies have come. next
// appends one request.
func (l *load) run(next func(dst []byte) []byte, pipeline, count int, limit time.Duration) (s sample, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, len(l.conns))
	began := time.Now()
	now, left, busy := began, count, 0
	start := func(i int) error { // the next pipeline of a connection, if there is more to do
		c := l.conns[i]
		n := min(pipeline, left)
		if n == 0 || now.Sub(began) > limit {
			return nil
		}
		left -= n
		busy++
		for range n {
			c.out = next(c.out)
		}
		c.sent, c.waiting = now, n
		return l.send(i)
	}
	for i := range l.conns {
		if err := start(i); err != nil {
			return s, err
		}
	}
	for busy > 0 {
		n, err := unix.EpollWait(l.epoll, events, 10_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return s, fmt.Errorf("epoll_wait: %w", err)
		}
		if n == 0 {
			return s, errors.New("no reply for ten seconds")
		}
		now = time.Now()
		for _, e := range events[:n] {
			c := l.conns[e.Fd]
			if e.Events&unix.EPOLLOUT != 0 {
				if err := l.send(int(e.Fd)); err != nil {
					return s, err
				}
			}
			if e.Events&^unix.EPOLLOUT == 0 {
				continue
			}
			whole, err := l.receive(c)
			if err != nil {
				return s, err
			}
			s.ops += whole
			if c.waiting -= whole; c.waiting == 0 && whole > 0 {
				busy--
				s.latency = append(s.latency, now.Sub(c.sent))
				if err := start(int(e.Fd)); err != nil {
					return s, err
				}
			}
		}
	}
	s.took = time.Since(began)
	slices.Sort(s.latency)
	return s, nil
}

// send writes what the socket takes, and waits for room if that is not all.
func (l *load) send(i int) error {
	c := l.conns[i]
	n, err := unix.Write(c.fd, c.out)
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("write: %w", err)
	}
	was := len(c.out)
	c.out = c.out[:copy(c.out, c.out[max(n, 0):])]
	events := uint32(unix.EPOLLIN)
	if len(c.out) > 0 {
		events |= unix.EPOLLOUT
	} else if n == was {
		return nil
	}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: events, Fd: int32(i)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// receive reads once and returns how many replies became whole.
func (l *load) receive(c *loadConn) (whole int, err error) {
	n, err := unix.Read(c.fd, l.read)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read: %w", err)
	case n == 0:
		return 0, errors.New("the server closed the connection")
	}
	in := l.read[:n]
	if len(c.in) > 0 {
		c.in = append(c.in, in...)
		in = c.in
	}
	whole, used, err := c.replies.count(in)
	c.in = append(c.in[:0], in[used:]...)
	return whole, err
}

// replyReader counts whole RESP2 replies in a stream. An error reply ends the run: what is measured has to succeed.
type replyReader struct {
	open int // elements of the reply that is being read; 0: between two replies
	skip int // bytes of the bulk that is being read, with its line end
}

func (r *replyReader) count(in []byte) (whole, used int, err error) {
	for {
		if r.skip > 0 {
			n := min(r.skip, len(in)-used)
			used, r.skip = used+n, r.skip-n
			if r.skip > 0 {
				return whole, used, nil
			}
		} else {
			end := bytes.IndexByte(in[used:], '\n')
			if end < 0 {
				return whole, used, nil
			}
			line := in[used : used+end]
			used += end + 1
			if r.open == 0 {
				r.open = 1
			}
			switch line[0] {
			case '-':
				return whole, used, fmt.Errorf("error reply: %s", bytes.TrimSpace(line))
			case '*', '$':
				n, err := strconv.Atoi(string(bytes.TrimSpace(line[1:])))
				if err != nil {
					return whole, used, fmt.Errorf("reply %q: %w", line, err)
				}
				if line[0] == '$' && n >= 0 {
					r.skip = n + 2
					continue
				}
				r.open += max(n, 0)
				if line[0] == '*' && n < 0 {
					n = 0
				}
			}
		}
		if r.open--; r.open == 0 {
			whole++
		}
	}
}
