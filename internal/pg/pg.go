// Package pg runs the private Postgres of `elastane dev`: one server in one data directory, made by
// initdb at the first start, reached over a Unix socket and over loopback, and gone when its parent is.
//
// What must stay true:
//   - fsync stays on: kill -9 of everything loses no committed transaction.
//   - The server never outlives the program that started it: the kernel tells it to shut down when the
//     parent dies (Linux), and the next Start waits for such a left-over to end before it begins.
//   - Postgres refuses to run as root; then it runs as an unprivileged user that owns only its
//     own directory, which it is handed as an open file, so that the folders above may stay closed to it.
package pg

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "elastane"
	database  = "postgres" // made by initdb; one database in a private server needs no other name

	// maxSocketPath is what fits sockaddr_un on every system, with the socket's own name added.
	maxSocketPath = 80

	startTimeout = 30 * time.Second
	stopTimeout  = 5 * time.Second
	pollInterval = 2 * time.Millisecond
)

// Options says where a server lives.
type Options struct {
	// Dir is the server's own directory; it is created. It holds cluster/ (the data directory),
	// password (mode 0600), socket files and postgres.log.
	Dir string
	// Port is the loopback port; 0 takes a free one.
	Port int
	// Ephemeral trades durability for speed: no fsync. Only for data that tests throw away.
	Ephemeral bool
	// Logger gets the few lines about the life of the server; nil discards them.
	Logger *slog.Logger
}

// Server is a running Postgres.
type Server struct {
	opts     Options
	tools    tools
	account  *account // nil: as ourselves
	password string
	port     int

	process *os.Process
	exited  chan struct{} // closed when the process has been waited for
	exitErr error         // set before exited is closed
}

// Start makes the data directory if need be, starts Postgres in it and returns when it takes
// connections. ctx bounds the start only; the server runs until Stop or the end of this process.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	opts.Dir = dir
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	s := &Server{opts: opts}
	if s.account, err = unprivilegedAccount(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of Postgres: %w", err)
	}
	if err := s.account.own(dir); err != nil {
		return nil, err
	}
	if s.password, err = loadPassword(filepath.Join(dir, "password")); err != nil {
		return nil, err
	}
	if s.tools, err = findTools(clusterMajor(s.clusterDir()), dir); err != nil {
		return nil, err
	}
	if err := s.retireLeftover(ctx); err != nil {
		return nil, err
	}
	if err := s.tidy(); err != nil {
		return nil, err
	}
	if err := s.initCluster(ctx); err != nil {
		return nil, err
	}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// URL is the connection string of the superuser, over the Unix socket where its path fits a socket
// address, else over loopback. It holds the password: keep it out of logs.
func (s *Server) URL() string {
	if len(s.opts.Dir) <= maxSocketPath {
		u := url.URL{
			Scheme: "postgres", User: url.UserPassword(superuser, s.password), Path: "/" + database,
			RawQuery: url.Values{"host": {s.opts.Dir}, "port": {strconv.Itoa(s.port)}, "sslmode": {"disable"}}.Encode(),
		}
		return u.String()
	}
	return s.LoopbackURL()
}

// LoopbackURL is the connection string over TCP. It holds the password.
func (s *Server) LoopbackURL() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Port is where the server listens on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Exited is closed when the server's process has ended, asked or not.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// LogFile is where the server writes its log.
func (s *Server) LogFile() string { return filepath.Join(s.opts.Dir, "postgres.log") }

func (s *Server) clusterDir() string { return filepath.Join(s.opts.Dir, "cluster") }

// Stop shuts the server down: fast first (clients are cut off, everything is checkpointed), at once
// when ctx or five seconds have run out; then the next start replays the log. Safe to call twice.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return endProcess(ctx, s.process, s.exited)
}

// endProcess asks a postmaster for a fast shutdown, and for an immediate one when ctx has ended.
func endProcess(ctx context.Context, process *os.Process, exited <-chan struct{}) error {
	if err := process.Signal(fastShutdown); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	select {
	case <-exited:
		return nil
	case <-ctx.Done():
	}
	if err := process.Signal(immediateShutdown); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop Postgres at once: %w", err)
	}
	select {
	case <-exited:
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("stop Postgres: process %d does not end", process.Pid)
	}
}

// maxLogBytes bounds postgres.log: a longer one is set aside at the next start, one generation deep.
const maxLogBytes = 16 << 20

// tidy removes the socket files of a server that was killed, and sets a grown log aside. No server
// runs in the directory now.
func (s *Server) tidy() error {
	sockets, err := filepath.Glob(filepath.Join(s.opts.Dir, ".s.PGSQL.*"))
	if err != nil {
		return err
	}
	for _, file := range sockets {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("remove a left-over socket: %w", err)
		}
	}
	if info, err := os.Stat(s.LogFile()); err == nil && info.Size() > maxLogBytes {
		if err := os.Rename(s.LogFile(), s.LogFile()+".old"); err != nil {
			return fmt.Errorf("set the log of Postgres aside: %w", err)
		}
	}
	return nil
}

// initCluster runs initdb into a folder beside the final one and renames it, so that a start that
// died half-way leaves nothing that looks like a data directory.
func (s *Server) initCluster(ctx context.Context) error {
	if _, err := os.Stat(s.clusterDir()); err == nil {
		return s.account.own(s.clusterDir())
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at the data directory of Postgres: %w", err)
	}
	fresh := s.clusterDir() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear a half-made data directory: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make the data directory of Postgres: %w", err)
	}
	if err := s.account.own(fresh); err != nil {
		return err
	}
	// initdb reads the password from a file of its own account; it lies in the folder that only that
	// account and we can open.
	passwordFile := filepath.Join(s.opts.Dir, "initdb-password")
	if err := os.WriteFile(passwordFile, []byte(s.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("hand initdb the password: %w", err)
	}
	defer os.Remove(passwordFile)
	if err := s.account.own(passwordFile); err != nil {
		return err
	}
	home, err := os.Open(s.opts.Dir)
	if err != nil {
		return err
	}
	defer home.Close()
	root := s.account.pathOf(home)
	args := []string{
		"--pgdata=" + root + "/cluster.new", "--username=" + superuser, "--pwfile=" + root + "/initdb-password",
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions",
		// Small segments: an idle server keeps 2 MB of log instead of 32.
		"--wal-segsize=1",
	}
	if s.opts.Ephemeral {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, s.tools.path("initdb"), args...)
	s.account.apply(cmd, home)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w: %s", s.opts.Dir, err, lastLines(string(out), 5))
	}
	if err := os.Rename(fresh, s.clusterDir()); err != nil {
		return fmt.Errorf("put the new data directory in place: %w", err)
	}
	return nil
}

// settings are given on the command line at each start, so that a new version of this program
// brings its own: small and quick, and as durable as Postgres is by default.
func (s *Server) settings() []string {
	settings := map[string]string{
		"max_connections":            "60",
		"shared_buffers":             "16MB",
		"dynamic_shared_memory_type": "mmap", // needs no /dev/shm, which containers keep small
		"max_parallel_workers":       "0",
		"max_wal_senders":            "0",
		"wal_level":                  "minimal",
		"max_wal_size":               "64MB",
		"min_wal_size":               "4MB",
		"jit":                        "off",
		"autovacuum_naptime":         "30s",
		"timezone":                   "UTC",
		"log_timezone":               "UTC",
		"listen_addresses":           "127.0.0.1",
		"unix_socket_permissions":    "0700",
		"password_encryption":        "scram-sha-256",
		"cluster_name":               "elastane",
		"logging_collector":          "off",
		"log_line_prefix":            "%m [%p] ",
	}
	if s.opts.Ephemeral {
		settings["fsync"] = "off"
		settings["synchronous_commit"] = "off"
		settings["full_page_writes"] = "off"
	}
	args := make([]string, 0, 2*len(settings))
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

// run starts the postmaster on a free port and waits until it takes connections. Another program may
// take the port between our look and Postgres's bind, so a start that fails is tried again.
func (s *Server) run(ctx context.Context) error {
	var err error
	for attempt := 0; attempt < 3; attempt++ {
		if s.port = s.opts.Port; s.port == 0 {
			if s.port, err = freePort(ctx); err != nil {
				return err
			}
		}
		began := time.Now()
		if err = s.launch(ctx); err == nil {
			s.opts.Logger.Debug("postgres is ready", "pid", s.process.Pid, "took", time.Since(began))
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return err
}

func (s *Server) launch(ctx context.Context) error {
	home, err := os.Open(s.opts.Dir)
	if err != nil {
		return err
	}
	defer home.Close()
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of Postgres: %w", err)
	}
	defer log.Close()
	logStart, err := log.Seek(0, 2)
	if err != nil {
		return err
	}

	root := s.account.pathOf(home)
	args := append(s.settings(),
		"-D", root+"/cluster", "-p", strconv.Itoa(s.port), "-k", root)
	cmd := exec.Command(s.tools.path("postgres"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	s.account.apply(cmd, home)
	dieWithParent(cmd)

	s.exited = make(chan struct{})
	started := make(chan error, 1)
	go superviseOnOwnThread(cmd, started, func(err error) {
		s.exitErr = err
		close(s.exited)
	})
	if err := <-started; err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	s.process = cmd.Process

	if err := s.waitReady(ctx); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return errors.Join(err, endProcess(stopCtx, s.process, s.exited), s.logSince(logStart))
	}
	return nil
}

// waitReady watches postmaster.pid, whose eighth line the server sets to "ready", and then proves it
// with one connection.
func (s *Server) waitReady(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		file, err := readPIDFile(s.clusterDir())
		if err == nil && file.pid == s.process.Pid && file.status == "ready" {
			break
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return fmt.Errorf("start Postgres: it ended at once: %w", errors.Join(s.exitErr, errEnded))
		case <-ctx.Done():
			return fmt.Errorf("start Postgres: not ready in time: %w", ctx.Err())
		}
	}
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	return conn.Close(ctx)
}

var errEnded = errors.New("process ended")

// logSince returns the end of what the server logged since an offset, as an error to show.
func (s *Server) logSince(offset int64) error {
	raw, err := os.ReadFile(s.LogFile())
	if err != nil {
		return err
	}
	if offset > int64(len(raw)) {
		offset = 0
	}
	return fmt.Errorf("%s: %s", s.LogFile(), lastLines(string(raw[offset:]), 5))
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "; ")
}

// freePort asks the kernel for a port that is free on 127.0.0.1 now.
func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port for Postgres: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// loadPassword returns the random password kept in a file that only we can read.
func loadPassword(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err == nil && len(raw) > 0 {
		return strings.TrimSpace(string(raw)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the password of Postgres: %w", err)
	}
	secret := make([]byte, 24)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	password := hex.EncodeToString(secret)
	// Written whole before it gets its name: initdb must never run with a password that is lost.
	if err := os.WriteFile(file+".new", []byte(password), 0o600); err != nil {
		return "", fmt.Errorf("keep the password of Postgres: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return "", fmt.Errorf("keep the password of Postgres: %w", err)
	}
	return password, nil
}
