package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// listen takes a TCP address for the program, with an error that says what to do about a taken one.
func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s %s is in use by another program: stop it, or choose another address with %s", flag, address, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s %s is not an address of this machine", flag, address)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s %s: this user may not listen there", flag, address)
	}
	var syntax *net.AddrError
	var lookup *net.DNSError
	if errors.As(err, &syntax) || errors.As(err, &lookup) {
		return nil, fmt.Errorf("%w: %s %s: want HOST:PORT", ErrUsage, flag, address)
	}
	return nil, fmt.Errorf("%s %s: %w", flag, address, err)
}

// isLoopback tells whether a listener can be reached from this machine only.
func isLoopback(l net.Listener) bool {
	tcp, ok := l.Addr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// PortRange is an inclusive range of TCP ports.
type PortRange struct{ Min, Max uint16 }

// ParsePortRange reads "6400-6999".
func ParsePortRange(text string) (PortRange, error) {
	from, to, ok := strings.Cut(text, "-")
	low, err1 := strconv.ParseUint(from, 10, 16)
	high, err2 := strconv.ParseUint(to, 10, 16)
	if !ok || err1 != nil || err2 != nil || low == 0 || low > high {
		return PortRange{}, fmt.Errorf("%w: --port-range %s: want FROM-TO, such as 6400-6999", ErrUsage, text)
	}
	return PortRange{Min: uint16(low), Max: uint16(high)}, nil
}

// split cuts the range into n parts that do not overlap, one for each of several agents on one host.
func (r PortRange) split(n int) ([]PortRange, error) {
	size := (int(r.Max) - int(r.Min) + 1) / n
	if size == 0 {
		return nil, fmt.Errorf("%w: --port-range %d-%d has too few ports for %d agents", ErrUsage, r.Min, r.Max, n)
	}
	parts := make([]PortRange, n)
	for i := range parts {
		low := int(r.Min) + i*size
		parts[i] = PortRange{Min: uint16(low), Max: uint16(low + size - 1)}
	}
	return parts, nil
}
