package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxForwarded bounds the connections that one endpoint forwards at a time, as maxclients does for a node.
const maxForwarded = 65000

// forwarder accepts connections on an endpoint's address and carries their bytes to a node elsewhere.
type forwarder struct {
	ln     net.Listener
	target func() string // host:port of the next connection; empty: none
	log    *slog.Logger
	cancel context.CancelFunc
	slots  chan struct{}
	accept sync.WaitGroup
	conns  sync.WaitGroup
}

// forward listens on addr, which others may listen on too. ctx ends with the agent, and so do the
// forwarded connections then; closing the forwarder only stops accepting.
func forward(ctx context.Context, log *slog.Logger, addr string, target func() string) (io.Closer, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if controlErr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); controlErr != nil {
			return controlErr
		}
		return err
	}}
	ln, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &forwarder{ln: ln, target: target, log: log, cancel: cancel, slots: make(chan struct{}, maxForwarded)}
	f.accept.Go(func() { f.run(ctx) })
	return f, nil
}

// Close stops accepting, and ends and awaits what is being forwarded.
func (f *forwarder) Close() error {
	err := f.ln.Close()
	f.cancel()
	f.accept.Wait()
	f.conns.Wait()
	return err
}

func (f *forwarder) run(ctx context.Context) {
	for {
		client, err := f.ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			f.log.Warn("an endpoint could not accept a connection", "addr", f.ln.Addr(), "error", err)
			select { // out of file descriptors, most likely: others have to close first
			case <-ctx.Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		select {
		case f.slots <- struct{}{}:
			f.conns.Go(func() {
				defer func() { <-f.slots }()
				f.carry(ctx, client)
			})
		default:
			_ = client.Close() // full: refused, like a node at maxclients
		}
	}
}

// carry copies both ways until both sides are done. The end of one direction is passed on as the end
// of that direction only.
func (f *forwarder) carry(ctx context.Context, client net.Conn) {
	defer client.Close() //nolint:errcheck // its bytes are through, or it is lost
	address := f.target()
	if address == "" {
		return
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	server, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		f.log.Warn("an endpoint's target cannot be reached", "target", address, "error", err)
		return
	}
	defer server.Close() //nolint:errcheck // likewise
	release := context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})
	defer release()
	var both sync.WaitGroup
	both.Go(func() { copyHalf(server, client) })
	both.Go(func() { copyHalf(client, server) })
	both.Wait()
}

// copyHalf carries one direction, then closes that direction; after an error it closes both.
func copyHalf(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(*net.TCPConn)
	if err == nil && ok && half.CloseWrite() == nil {
		return
	}
	_ = to.Close()
	_ = from.Close()
}
