// Package proc runs the built program as processes of their own, for end-to-end tests and measurements.
package proc

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Patience bounds every wait for something that should take well under a second.
const Patience = 60 * time.Second

// Process is one run of the binary.
type Process struct {
	Cmd    *exec.Cmd
	Log    *Log        // standard error
	Lines  chan string // of standard output; closed at its end
	Exited chan struct{}
	Err    error // of Wait, once Exited is closed
}

// Log keeps what a process writes to standard error, to show it when a test fails.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is everything so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Tail is the end of it, short enough to be read in a test's output.
func (l *Log) Tail() string {
	const lines = 40
	all := strings.SplitAfter(l.String(), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// Launch starts the binary. Its environment is this one's without what would change its behaviour.
func Launch(binary string, args ...string) (*Process, error) {
	p := &Process{Cmd: exec.Command(binary, args...), Log: &Log{}, Lines: make(chan string, 100), Exited: make(chan struct{})}
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "AWS_") && !strings.HasPrefix(pair, "ELASTANE_") {
			p.Cmd.Env = append(p.Cmd.Env, pair)
		}
	}
	p.Cmd.Stderr = p.Log
	// An own group, so that Ctrl-C in a terminal ends the tests and not their servers first.
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.Cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.Cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.Exited)
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			p.Lines <- scanner.Text()
		}
		close(p.Lines)
		p.Err = p.Cmd.Wait()
	}()
	return p, nil
}

// Terminate asks the process to stop and returns its exit code; -1 if it did not stop in time.
func (p *Process) Terminate() int {
	_ = p.Cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	return p.Wait()
}

// Kill ends the process with -9.
func (p *Process) Kill() {
	_ = p.Cmd.Process.Kill() // it may have ended
	<-p.Exited
}

// Wait waits for the end and returns the exit code; after Patience it kills the process and returns -1.
func (p *Process) Wait() int {
	select {
	case <-p.Exited:
		return p.Cmd.ProcessState.ExitCode()
	case <-time.After(Patience):
		p.Kill()
		return -1
	}
}

// Dev is a running `elastane dev`.
type Dev struct {
	*Process
	Dir string            // its data directory
	Env map[string]string // what it told the shell to export

	binary string
	args   []string
}

// StartDev runs dev on a data directory and a free port.
func StartDev(binary, dir string, args ...string) (*Dev, error) {
	d := &Dev{Dir: dir, binary: binary, args: args}
	return d, d.Start()
}

// Start runs dev and waits until it says that it is ready. It can be called again after an end.
func (d *Dev) Start() error {
	args := append([]string{"dev", "--listen", "127.0.0.1:0", "--data", d.Dir}, d.args...)
	p, err := Launch(d.binary, args...)
	if err != nil {
		return err
	}
	d.Process, d.Env = p, map[string]string{}
	deadline := time.After(Patience)
	var printed strings.Builder
	for {
		select {
		case line, ok := <-p.Lines:
			if !ok {
				<-p.Exited
				return fmt.Errorf("dev ended: %w\n%s", p.Err, p.Log.Tail())
			}
			printed.WriteString(line + "\n")
			if strings.HasPrefix(line, "export ELASTANE_CA_FILE=") { // the last line
				return d.source(printed.String())
			}
		case <-deadline:
			p.Kill()
			return fmt.Errorf("dev was not ready within %v\n%s", Patience, p.Log.Tail())
		}
	}
}

// source has a shell that has no settings of its own read what dev printed, as a user does, and keeps what it exports.
func (d *Dev) source(lines string) error {
	shell := exec.Command("sh", "-c", lines+"\nexec env")
	shell.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := shell.Output()
	if err != nil {
		return fmt.Errorf("source what dev printed: %w\n%s", err, lines)
	}
	for pair := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(pair, "\n"), "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "ELASTANE_") {
			d.Env[name] = value
		}
	}
	return nil
}
