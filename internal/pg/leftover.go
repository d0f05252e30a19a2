package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pidFile is what a postmaster writes to postmaster.pid (PostgreSQL documentation, "Server Start-up",
// and its miscadmin header: pid, data directory, start time, port, socket directory, address, shared
// memory key, status).
type pidFile struct {
	pid    int
	status string // starting, stopping, ready or standby; empty when not written yet
}

func readPIDFile(clusterDir string) (pidFile, error) {
	raw, err := os.ReadFile(filepath.Join(clusterDir, "postmaster.pid"))
	if err != nil {
		return pidFile{}, err
	}
	return parsePIDFile(string(raw))
}

func parsePIDFile(text string) (pidFile, error) {
	lines := strings.Split(text, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 1 {
		return pidFile{}, fmt.Errorf("postmaster.pid: no process id in %q", lines[0])
	}
	file := pidFile{pid: pid}
	if len(lines) >= 8 {
		file.status = strings.TrimSpace(lines[7])
	}
	return file, nil
}

// retireLeftover ends the server that an earlier program left in our data directory: killed with -9,
// its Postgres may still be shutting down, or, without parent-death signals, still be running. We
// replace it instead of adopting it, so that every server is a child that we can wait for.
func (s *Server) retireLeftover(ctx context.Context) error {
	file, err := readPIDFile(s.clusterDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		// A file cut short by a power failure names no process; Postgres itself refuses it.
		s.opts.Logger.Warn("removing an unreadable postmaster.pid", "error", err)
		return os.Remove(filepath.Join(s.clusterDir(), "postmaster.pid"))
	}
	process, err := os.FindProcess(file.pid)
	if err != nil || !alive(process) {
		return nil // Postgres sees by itself that the file is stale
	}
	if !runsIn(file.pid, s.clusterDir()) {
		// The number now belongs to a stranger, whom Postgres would take for a running server.
		s.opts.Logger.Warn("removing a stale postmaster.pid", "pid", file.pid)
		return os.Remove(filepath.Join(s.clusterDir(), "postmaster.pid"))
	}
	s.opts.Logger.Info("waiting for the Postgres of an earlier run to end", "pid", file.pid)
	exited := make(chan struct{})
	watched := make(chan struct{})
	watchCtx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(watched)
		watchExit(watchCtx, process, exited)
	}()
	defer func() { cancel(); <-watched }()
	endCtx, cancelEnd := context.WithTimeout(ctx, stopTimeout)
	defer cancelEnd()
	if err := endProcess(endCtx, process, exited); err != nil {
		return fmt.Errorf("the Postgres of an earlier run: %w", err)
	}
	return nil
}

// watchExit closes exited when a process that is not our child has gone.
func watchExit(ctx context.Context, process *os.Process, exited chan<- struct{}) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if !alive(process) {
			close(exited)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
