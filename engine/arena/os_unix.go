//go:build unix && !linux

package arena

import "golang.org/x/sys/unix"

func reserveRange(size uintptr) ([]byte, error) {
	return unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

// discard lets the system take the memory back; when it does so is its own affair outside Linux.
func discard(b []byte) {
	_ = unix.Madvise(b, unix.MADV_FREE)
}

func adviseHuge([]byte, bool) {}
