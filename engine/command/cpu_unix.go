//go:build unix

package command

import "golang.org/x/sys/unix"

// cpuSeconds is the processor time of this process.
func cpuSeconds() (system, user float64) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	return float64(u.Stime.Nano()) / 1e9, float64(u.Utime.Nano()) / 1e9
}
