package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	helperName  = "test_helper.tcl"
	serverName  = "server.tcl"
	serverStart = 10 * time.Second // how long a server may take to listen
	maxRestarts = 20               // how often a file is started anew after a test that ended or stopped it
)

// outcome is one finished test.
type outcome struct {
	Name   string
	Passed bool
	Text   string `json:",omitempty"` // what the suite says about a failure
}

// fileResult is what one file of the suite gave.
type fileResult struct {
	File    string
	Tests   []outcome
	Ignored int // tests and blocks that the suite itself left out
	Seconds float64
}

func (r *fileResult) add(name, text string, passed bool) {
	r.Tests = append(r.Tests, outcome{Name: name, Passed: passed, Text: strings.TrimSpace(text)})
}

func (r *fileResult) print(verbose bool) {
	passed := 0
	for _, t := range r.Tests {
		if t.Passed {
			passed++
		}
	}
	fmt.Printf("%-30s %4d passed %4d failed %5.0f s\n", r.File, passed, len(r.Tests)-passed, r.Seconds)
	for _, t := range r.Tests {
		if verbose && !t.Passed {
			fmt.Printf("    %s\n        %s\n", t.Name, strings.ReplaceAll(t.Text, "\n", "\n        "))
		}
	}
}

// runFile runs one file. A test that hangs, or that takes the server or the suite down with it, has failed; the
// file is then run again from a fresh server without it, so that the tests behind it count too.
func runFile(ctx context.Context, o *options, file string) fileResult {
	began := time.Now()
	result := fileResult{File: file}
	var fatal []outcome
	var without []string
	for range maxRestarts {
		result = fileResult{File: file}
		culprit, err := runOnce(ctx, o, file, without, &result)
		if err == nil {
			break
		}
		if culprit == "" && strings.Contains(err.Error(), "address already in use") && ctx.Err() == nil {
			continue // somebody else took the port that the suite had found for itself
		}
		if ctx.Err() != nil || culprit == "" {
			result.add(wholeFile, err.Error(), false)
			break
		}
		fatal = append(fatal, outcome{Name: culprit, Text: err.Error()})
		without = append(without, culprit)
	}
	result.Tests = append(result.Tests, fatal...)
	result.Seconds = time.Since(began).Seconds()
	return result
}

// runOnce runs the file once, on a server of its own. If the suite did not come to the file's end, it returns an error
// and the name of the test that was running, if one was.
func runOnce(ctx context.Context, o *options, file string, without []string, result *fileResult) (culprit string, err error) {
	dir, err := os.MkdirTemp("", "valkeysuite-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := linkTree(o.valkey, dir); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	server, err := startServer(ctx, o, dir, port)
	if err != nil {
		return "", err
	}
	defer server.stop()

	args := []string{
		"tests/" + helperName, "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--single", file,
		"--verbose", "--verbose", "--durable", "--dont-clean", "--dont-pre-clean",
	}
	if o.tags != "" {
		args = append(args, "--tags", o.tags)
	}
	for _, name := range without {
		args = append(args, "--skiptest", name)
	}
	base, err := freePort() // the suite's own port is looked for from 32 below
	if err != nil {
		return "", err
	}
	args = append(args, "--baseport", strconv.Itoa(base))
	suite := exec.Command("tclsh", args...)
	suite.Dir = dir
	suite.Env = append(os.Environ(), "TERM=dumb")
	suite.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it starts children; they end with it
	out, in, err := os.Pipe()
	if err != nil {
		return "", err
	}
	suite.Stdout, suite.Stderr = in, in
	if err := suite.Start(); err != nil {
		return "", errors.Join(err, in.Close(), out.Close())
	}
	if err := in.Close(); err != nil {
		return "", err
	}
	ended := make(chan struct{})
	lines := make(chan string)
	go func() {
		defer close(lines)
		read := bufio.NewReaderSize(out, 1<<20)
		for {
			line, err := read.ReadString('\n')
			if line != "" {
				lines <- strings.TrimSuffix(line, "\n")
			}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		_ = suite.Wait() // the exit code says no more than the failures that were printed
		close(ended)
	}()
	p := parser{result: result}
	quiet := time.NewTimer(o.quiet)
	defer quiet.Stop()
	var why error
	for open, waiting := true, ended; open; {
		select {
		case line, ok := <-lines:
			if open = ok; ok {
				p.line(line)
				quiet.Reset(o.quiet)
			}
		case <-quiet.C:
			why = fmt.Errorf("not finished after %v", o.quiet)
			killGroup(suite)
		case <-ctx.Done():
			why = ctx.Err()
			killGroup(suite)
		case <-waiting: // children that hold the pipe open must not hold us
			waiting = nil
			killGroup(suite)
		}
	}
	<-ended
	_ = out.Close()
	p.flush()
	if why == nil && !p.complete {
		why = fmt.Errorf("the suite ended early: %s", p.tail())
	}
	if why != nil && !server.alive() {
		why = fmt.Errorf("the server ended: %s (%w)", server.tail(), why)
	}
	return p.current, why
}

// helper stands in the place of the suite's main script, which it evaluates: output line by line is what tells us which
// test is running. The suite starts itself a second time by the name of the script, and so gets it there too.
const helper = `fconfigure stdout -buffering line
set helper [open %q]
set code [read $helper]
close $helper
eval $code
`

// blocks is put behind the suite's script for servers: a block of tests for which the server cannot be set up, or after
// which it cannot be set back, is an error, and the file goes on behind it.
const blocks = `source %q
rename run_external_server_test run_block
proc run_external_server_test {code overrides} {
	set outer $::servers
	if {[catch {uplevel 1 [list run_block $code $overrides]} text]} {
		set ::servers $outer
		send_data_packet $::test_server_fd err "block with overrides {$overrides}: $text"
	}
}
`

// linkTree makes dir look like the Valkey tree to the suite, which uses paths relative to it: links to everything,
// except for the directory that the suite writes to, its main script and the one for servers.
func linkTree(valkey, dir string) error {
	link := func(name string) error {
		return os.Symlink(filepath.Join(valkey, name), filepath.Join(dir, name))
	}
	for _, own := range []string{"tmp", "support"} {
		if err := os.MkdirAll(filepath.Join(dir, "tests", own), 0o755); err != nil {
			return err
		}
	}
	linkAll := func(of string, but ...string) error {
		entries, err := os.ReadDir(filepath.Join(valkey, of))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !slices.Contains(but, e.Name()) {
				if err := link(filepath.Join(of, e.Name())); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := linkAll("tests", "tmp", "support", helperName); err != nil {
		return err
	}
	if err := linkAll("tests/support", serverName); err != nil {
		return err
	}
	for _, name := range []string{"src", "utils", "deps"} {
		if err := link(name); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{helperName: helper, "support/" + serverName: blocks} {
		name = filepath.Join("tests", name)
		script := fmt.Sprintf(text, filepath.Join(valkey, name))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func killGroup(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// server is the process under test.
type server struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

func startServer(ctx context.Context, o *options, dir string, port int) (*server, error) {
	s := &server{log: filepath.Join(dir, "server.log"), exited: make(chan struct{})}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	args := append([]string{}, o.server[1:]...)
	args = append(args, "--port", strconv.Itoa(port), "--dir", dir, "--save", "", "--enable-protected-configs", "yes",
		"--enable-debug-command", "yes")
	s.cmd = exec.Command(o.server[0], args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, serverStart)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		if c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return s, c.Close()
		}
		select {
		case <-s.exited:
			return nil, fmt.Errorf("the server ended: %s", s.tail())
		case <-ctx.Done():
			s.stop()
			return nil, fmt.Errorf("the server does not listen: %w", ctx.Err())
		case <-retry.C:
		}
	}
}

func (s *server) alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// tail is the end of the server's log.
func (s *server) tail() string {
	const size = 4000
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	if at := strings.Index(string(text), "panic:"); at >= 0 {
		text = text[at:min(len(text), at+size)]
	}
	return string(text[max(0, len(text)-size):])
}

// parser reads what the suite prints.
type parser struct {
	result   *fileResult
	current  string // the test that is running
	complete bool   // the suite came to its end
	failure  []string
	last     []string
}

var (
	statusLine = regexp.MustCompile(`^\[(ok|err|ignore|skip|exception|ready|timeout)\]: (.*)$`)
	tookSuffix = regexp.MustCompile(` \(\d+ ms\)$`)
	fileSuffix = regexp.MustCompile(` in tests/[^ ]*\.tcl$`)
)

func (p *parser) line(line string) {
	if p.complete {
		return // the failures again
	}
	if p.last = append(p.last, line); len(p.last) > 30 {
		p.last = p.last[1:]
	}
	// It may stand behind the last line of a failure's text, which has no end of line.
	if before, name, ok := strings.Cut(line, "starting test "); ok && !strings.HasPrefix(line, "[") {
		if p.failure != nil && before != "" {
			p.failure = append(p.failure, before)
		}
		p.current = name
		return
	}
	m := statusLine.FindStringSubmatch(line)
	switch {
	case m == nil && strings.Contains(line, "The End"):
		p.flush()
		p.complete = true
	case m == nil:
		if p.failure != nil {
			p.failure = append(p.failure, line)
		}
	case m[1] == "ok":
		p.flush()
		p.end(tookSuffix.ReplaceAllString(m[2], ""))
		p.result.add(tookSuffix.ReplaceAllString(m[2], ""), "", true)
	case m[1] == "err":
		p.flush()
		p.failure = []string{m[2]}
		p.end(fileSuffix.ReplaceAllString(m[2], ""))
	case m[1] == "ignore":
		p.flush()
		p.result.Ignored++
	default:
		p.flush()
	}
}

// end says that a test is done. The two processes of the suite print side by side: the next test may have started.
func (p *parser) end(name string) {
	if p.current == name {
		p.current = ""
	}
}

// flush ends the text about a failure. Only that of a test names a file after the test's name.
func (p *parser) flush() {
	if p.failure == nil {
		return
	}
	name, text := p.failure[0], strings.Join(p.failure, "\n")
	p.failure = nil
	if short := fileSuffix.ReplaceAllString(name, ""); short != name {
		p.result.add(short, text, false)
		return
	}
	p.result.add(wholeFile, text, false)
}

func (p *parser) tail() string { return strings.Join(p.last, "\n") }
