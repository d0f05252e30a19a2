package snapshot

import (
	"io"
	"os"
	"path/filepath"
)

// FileSystem is what a Saver does with files, so that tests can make each step fail.
type FileSystem interface {
	// Create makes a new file, or empties an old one.
	Create(path string) (File, error)
	Open(path string) (io.ReadCloser, error)
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes renames in a directory durable.
	SyncDir(dir string) error
}

// File is a file that is being written.
type File interface {
	io.WriteCloser
	// Sync makes what was written durable.
	Sync() error
}

// OS is the operating system's file system.
type OS struct{}

// Create makes a file that only its owner may read: a snapshot holds everything that users stored.
func (OS) Create(path string) (File, error) {
	return os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

// Open opens a file for reading.
func (OS) Open(path string) (io.ReadCloser, error) { return os.Open(filepath.Clean(path)) }

// Rename replaces to by from.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove deletes a file.
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncDir syncs the directory's entries.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}
