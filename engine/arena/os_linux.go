package arena

import "syscall"

func reserveRange(size uintptr) ([]byte, error) {
	return syscall.Mmap(-1, 0, int(size), syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
}

// discard gives the memory back at once; the range stays accessible.
func discard(b []byte) {
	if err := syscall.Madvise(b, syscall.MADV_DONTNEED); err != nil {
		panic("arena: madvise: " + err.Error())
	}
}

// adviseHuge asks for or against huge pages. It is advice: a kernel without them says EINVAL, and that is fine.
func adviseHuge(b []byte, huge bool) {
	advice := syscall.MADV_NOHUGEPAGE
	if huge {
		advice = syscall.MADV_HUGEPAGE
	}
	_ = syscall.Madvise(b, advice)
}
