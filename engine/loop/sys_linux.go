package loop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller is one epoll instance with the eventfd that wakes it.
type poller struct {
	epoll, event int
	ready        []unix.EpollEvent
}

// readiness is one reported event. It is a hint: the read or write that follows tells the truth.
type readiness struct {
	fd                       int
	readable, writable, hung bool
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("loop: epoll_create: %w", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("loop: eventfd: %w", err), unix.Close(epoll))
	}
	p := &poller{epoll: epoll, event: event, ready: make([]unix.EpollEvent, 256)}
	if err := p.add(event); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *poller) close() error { return errors.Join(unix.Close(p.epoll), unix.Close(p.event)) }

func (p *poller) add(fd int) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, interest{read: true, hangUp: true})
}

// set changes what is waited for. That both directions are closed is always reported.
func (p *poller) set(fd int, i interest) error { return p.control(unix.EPOLL_CTL_MOD, fd, i) }

func (p *poller) control(op, fd int, i interest) error {
	e := unix.EpollEvent{Fd: int32(fd)}
	if i.read {
		e.Events |= unix.EPOLLIN
	}
	if i.write {
		e.Events |= unix.EPOLLOUT
	}
	if i.hangUp {
		e.Events |= unix.EPOLLRDHUP
	}
	if err := unix.EpollCtl(p.epoll, op, fd, &e); err != nil {
		return fmt.Errorf("loop: epoll_ctl: %w", err)
	}
	return nil
}

func (p *poller) remove(fd int) {
	// The descriptor is about to be closed or handed away; an error changes nothing for the caller.
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// wait waits for events for at most ms milliseconds; -1: for ever. With ms == 0 it goes past Go's scheduler,
// as it cannot block.
func (p *poller) wait(ms int) (int, error) {
	if ms == 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll),
			uintptr(unsafe.Pointer(&p.ready[0])), uintptr(len(p.ready)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			return 0, nil
		}
		return 0, fmt.Errorf("loop: epoll_wait: %w", errno)
	}
	n, err := unix.EpollWait(p.epoll, p.ready, ms)
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("loop: epoll_wait: %w", err)
	}
	return n, nil
}

// at returns event i of the last wait; ok is false for the wake-up.
func (p *poller) at(i int) (r readiness, ok bool) {
	e := &p.ready[i]
	if int(e.Fd) == p.event {
		var b [8]byte
		_, _ = unix.Read(p.event, b[:]) // only resets the counter
		return r, false
	}
	const hung = unix.EPOLLHUP | unix.EPOLLERR | unix.EPOLLRDHUP
	return readiness{
		fd:       int(e.Fd),
		readable: e.Events&(unix.EPOLLIN|hung) != 0,
		writable: e.Events&(unix.EPOLLOUT|unix.EPOLLERR) != 0,
		hung:     e.Events&hung != 0,
	}, true
}

func (p *poller) wake() {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], 1)
	_, _ = unix.Write(p.event, b[:]) // fails only if the counter is full, and then it is awake
}

// readFD and writeFD do not block, so they go past Go's scheduler. again: nothing to be done now.
func readFD(fd int, b []byte) (n int, again bool, err error) {
	for {
		r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(r), false, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, true, nil
		}
		return 0, false, errno
	}
}

func writeFD(fd int, b []byte) (n int, again bool, err error) {
	for {
		// sendto, for MSG_NOSIGNAL; one call writes what the socket buffer takes.
		r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
			uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(r), false, nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, true, nil
		}
		return 0, false, errno
	}
}

func closeFD(fd int) { _ = unix.Close(fd) }

// acceptFD accepts one connection. busy: no descriptors are left, try later.
func acceptFD(listener int) (fd int, remote netip.AddrPort, again, busy bool, err error) {
	fd, sa, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
		return -1, remote, true, false, nil
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		return -1, remote, false, true, err
	case err != nil:
		return -1, remote, false, false, err
	}
	// A socket that refuses these options still works.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	return fd, addrPort(sa), false, false, nil
}

// keepAlive has the kernel probe a silent peer after so many seconds, as Valkey's tcp-keepalive.
func keepAlive(fd, seconds int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(1, seconds/3))
}

func localAddr(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(sa)
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// listenFD opens a listening socket. An empty host means all addresses, IPv6 and IPv4.
func listenFD(addr string, reusePort bool) (fd int, local *net.TCPAddr, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return -1, nil, fmt.Errorf("loop: listen: %w", err)
	}
	if host != "" {
		return listenTCP(addr, reusePort)
	}
	fd, local, err = listenTCP(net.JoinHostPort("::", port), reusePort)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) {
		return listenTCP(net.JoinHostPort("0.0.0.0", port), reusePort)
	}
	return fd, local, err
}

func listenTCP(addr string, reusePort bool) (int, *net.TCPAddr, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return -1, nil, fmt.Errorf("loop: listen: %w", err)
	}
	ap := tcp.AddrPort()
	family := unix.AF_INET6
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}
	if ip := ap.Addr().Unmap(); ip.Is4() {
		family = unix.AF_INET
		sa = &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ip.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("loop: listen on %s: %w", addr, err)
	}
	fail := func(err error) (int, *net.TCPAddr, error) {
		closeFD(fd)
		return -1, nil, fmt.Errorf("loop: listen on %s: %w", addr, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fail(err)
	}
	if reusePort {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return fail(err)
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return fail(err)
	}
	if err := unix.Listen(fd, 511); err != nil {
		return fail(err)
	}
	return fd, net.TCPAddrFromAddrPort(localAddr(fd)), nil
}

// netConn turns the descriptor into a connection of Go's network poller. The descriptor is consumed.
func netConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "connection "+strconv.Itoa(fd))
	conn, err := net.FileConn(f)
	return conn, errors.Join(err, f.Close())
}
