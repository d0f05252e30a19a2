package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// DefaultDataDir is where the state of this user lives when --data is not given: the platform's
// folder for the data of users ($XDG_DATA_HOME, else ~/.local/share; on macOS
// ~/Library/Application Support), with elastane in it.
func DefaultDataDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "elastane"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home directory to keep data in, use --data: %w", err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "elastane"), nil
	}
	return filepath.Join(home, ".local", "share", "elastane"), nil
}

// dataDirLock is the exclusive hold of one process on a data directory. The kernel drops it with the
// process, so that a killed one locks nobody out.
type dataDirLock struct{ file *os.File }

// lockDataDir makes the directory and takes it for this process.
func lockDataDir(dir string) (*dataDirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer file.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
		}
		return nil, fmt.Errorf("the data directory %s is in use by another elastane%s: stop it, or use another --data", dir, holder(file))
	}
	if err := file.Truncate(0); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &dataDirLock{file: file}, nil
}

// holder reads who says it holds the lock, for the error message.
func holder(file *os.File) string {
	buf := make([]byte, 20)
	n, err := file.ReadAt(buf, 0)
	if pid := strings.TrimSpace(string(buf[:n])); pid != "" && (err == nil || n > 0) {
		return " (process " + pid + ")"
	}
	return ""
}

func (l *dataDirLock) release() error { return l.file.Close() }

// writeFile replaces a small file at once: a reader sees the old or the new text, never a part.
func writeFile(file string, data []byte, mode os.FileMode) error {
	fresh := file + ".new"
	if err := os.WriteFile(fresh, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(fresh, file); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
