package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is one running server under measurement.
type server struct {
	name string
	port int
	cmd  *exec.Cmd
	log  *os.File
	dir  string
	load *load
}

// program is how a kind of server is started.
type program struct {
	name string
	path string
	args []string // without the port
	env  []string
}

func ours(binary string) program {
	return program{name: "elastane", path: binary, args: []string{"engine"}}
}

// peer is a redis-server or valkey-server: as installed, without snapshots, which ours has none of either by default.
func peer(path string) program {
	return program{name: filepath.Base(path), path: path, args: []string{"--save", "", "--appendonly", "no", "--enable-debug-command", "yes"}}
}

const conns = 50

func (p program) start(ctx context.Context) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-engine-")
	if err != nil {
		return nil, err
	}
	s := &server{name: p.name, port: port, dir: dir}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.cmd = exec.CommandContext(ctx, p.path, append(p.args, "--port", strconv.Itoa(port))...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, s.log, s.log
	s.cmd.Env = append(os.Environ(), p.env...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.path, err), s.log.Close(), os.RemoveAll(dir))
	}
	if err := s.await(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	if s.load, err = dial(port, conns); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// await returns when the server answers.
func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := s.do("PING"); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			text, _ := os.ReadFile(s.log.Name())
			return fmt.Errorf("%s does not answer: %s", s.name, text)
		}
	}
}

func (s *server) stop() error {
	var err error
	if s.load != nil {
		err = s.load.close()
	}
	// What it holds is not wanted: no orderly stop. That it was killed is what Wait reports.
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	return errors.Join(err, s.log.Close(), os.RemoveAll(s.dir))
}

// do sends one command on a connection of its own, and returns the first line of the reply.
func (s *server) do(words ...string) (string, error) {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	if _, err := c.Write(command(nil, words...)); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	line = strings.TrimSpace(line)
	if err == nil && strings.HasPrefix(line, "-") {
		err = errors.New(line)
	}
	return line, err
}

// cpu is the user and system time of the process so far. The scheduler's count is in nanoseconds, but without
// threads that have ended; the process's own is in hundredths of a second.
func (s *server) cpu() (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, t := range tasks {
		text, err := os.ReadFile(t)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended since
		}
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(text))
		if len(fields) == 0 {
			continue
		}
		ns, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(ns)
	}
	if total > 0 {
		return total, nil
	}
	return s.cpuTicks()
}

// cpuTicks is for kernels without scheduler statistics.
func (s *server) cpuTicks() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const user, system, perSecond = 11, 12, 100
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/%d/stat: %q", s.cmd.Process.Pid, text)
	}
	u, err := strconv.ParseInt(fields[user], 10, 64)
	if err != nil {
		return 0, err
	}
	k, err := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+k) * time.Second / perSecond, err
}

// resident is the process's resident memory in bytes.
func (s *server) resident() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm: %q", text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
