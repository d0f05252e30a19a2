package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// files is what the agent asks of the file system. Tests put one in its place that fails on demand.
type files interface {
	Read(name string) ([]byte, error)
	// Write replaces a file as a whole, or leaves it as it was. Only the owner may read it.
	Write(name string, data []byte) error
	Names(dir string) ([]string, error) // of files and directories; none if there is no such directory
	MakeDir(dir string) error
	Rename(from, to string) error
	RemoveAll(name string) error
}

// tempPrefix begins the names of files that are being written; a crash may leave some.
const tempPrefix = ".tmp-"

// disk is the real file system.
type disk struct{}

func (disk) Read(name string) ([]byte, error) { return os.ReadFile(name) }

// Write goes through a temporary file beside the real one: after a crash there is the old content or
// the new, and a checksum inside tells where a power cut left less.
func (disk) Write(name string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), tempPrefix+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(os.Remove(f.Name())))
		}
	}()
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes a rename outlast a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (disk) Names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err = ignoreMissing(err); err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (disk) MakeDir(dir string) error     { return os.MkdirAll(dir, 0o700) }
func (disk) Rename(from, to string) error { return os.Rename(from, to) }
func (disk) RemoveAll(name string) error  { return os.RemoveAll(name) }

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
