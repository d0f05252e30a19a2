//go:build !linux

package loop

import (
	"net"
	"net/netip"
)

type poller struct{}

type readiness struct {
	fd                       int
	readable, writable, hung bool
}

func newPoller() (*poller, error)          { return nil, ErrUnsupported }
func (p *poller) close() error             { return nil }
func (p *poller) add(int) error            { return ErrUnsupported }
func (p *poller) set(int, interest) error  { return ErrUnsupported }
func (p *poller) remove(int)               {}
func (p *poller) wait(int) (int, error)    { return 0, ErrUnsupported }
func (p *poller) at(int) (readiness, bool) { return readiness{}, false }
func (p *poller) wake()                    {}

func readFD(int, []byte) (int, bool, error)  { return 0, false, ErrUnsupported }
func writeFD(int, []byte) (int, bool, error) { return 0, false, ErrUnsupported }
func closeFD(int)                            {}
func acceptFD(int) (int, netip.AddrPort, bool, bool, error) {
	return -1, netip.AddrPort{}, false, false, ErrUnsupported
}
func keepAlive(int, int)                               {}
func localAddr(int) netip.AddrPort                     { return netip.AddrPort{} }
func listenFD(string, bool) (int, *net.TCPAddr, error) { return -1, nil, ErrUnsupported }
func netConn(int) (net.Conn, error)                    { return nil, ErrUnsupported }
