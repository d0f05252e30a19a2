// Package redistest starts a real redis-server for tests that compare the engine with it. The environment
// variable ELASTANE_REFERENCE_SERVER names another server to compare with, such as a valkey-server.
package redistest

import (
	"bufio"
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a running redis-server of the machine, with its own directory.
type Server struct {
	Host string
	Port int
	Dir  string
	// Client is connected to the server and closed with the test.
	Client *redis.Client
	cmd    *exec.Cmd
	log    chan string
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Start runs redis-server in dir (empty: a new temporary one) until the end of the test. args are
// further directives. The test is skipped on a machine without redis-server.
func Start(t testing.TB, dir string, args ...string) *Server {
	t.Helper()
	path, err := exec.LookPath(cmp.Or(os.Getenv("ELASTANE_REFERENCE_SERVER"), "redis-server"))
	if err != nil {
		t.Skip("redis-server is not on PATH; the comparison with a real server is left out")
	}
	if dir == "" {
		dir = t.TempDir()
	}
	// A free port can be taken by another program before the server binds it: try again then.
	for range 5 {
		s, err := start(path, dir, args)
		if err != nil {
			t.Logf("redis-server: %v", err)
			continue
		}
		s.Client = redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2, DisableIdentity: true})
		t.Cleanup(func() {
			_ = s.Client.Close()
			s.Stop()
		})
		return s
	}
	t.Fatal("redis-server did not start")
	return nil
}

func start(path, dir string, args []string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	all := append([]string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "",
		"--daemonize", "no", "--repl-diskless-sync-delay", "0",
	}, args...)
	s := &Server{Host: "127.0.0.1", Port: port, Dir: dir, cmd: exec.Command(path, all...), log: make(chan string, 1024)}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = s.cmd.Stdout
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.log)
		for in := bufio.NewScanner(out); in.Scan(); {
			select {
			case s.log <- in.Text():
			default: // nobody reads: the oldest lines are enough
			}
		}
	}()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	var seen []string
	for {
		select {
		case line, ok := <-s.log:
			if !ok {
				_ = s.cmd.Wait()
				return nil, fmt.Errorf("it ended: %s", strings.Join(seen, "\n"))
			}
			seen = append(seen, line)
			if strings.Contains(line, "Ready to accept connections") {
				return s, nil
			}
		case <-deadline.C:
			s.Stop()
			return nil, fmt.Errorf("not ready in time: %s", strings.Join(seen, "\n"))
		}
	}
}

// Stop kills the server and waits for its end. It may be called twice.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill()
	for range s.log { // the pipe has to be drained before Wait
	}
	_ = s.cmd.Wait()
}
