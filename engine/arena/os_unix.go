//go:build unix && !linux

package arena

import "syscall"

func reserveRange(size uintptr) ([]byte, error) {
	return syscall.Mmap(-1, 0, int(size), syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
}

// discard lets the system take the memory back; when it does so is its own affair outside Linux.
func discard(b []byte) {
	_ = syscall.Madvise(b, syscall.MADV_FREE)
}

func adviseHuge([]byte, bool) {}
