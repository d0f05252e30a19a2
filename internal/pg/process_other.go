//go:build !linux

package pg

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// The postmaster's signals (PostgreSQL documentation, "Shutting Down the Server").
const (
	fastShutdown      = syscall.SIGINT
	immediateShutdown = syscall.SIGQUIT
)

// account is never set outside Linux: there elastane runs as an ordinary user.
type account struct{}

func unprivilegedAccount() (*account, error) {
	if os.Geteuid() == 0 {
		return nil, errors.New("no user to run Postgres as, which refuses to run as root: run elastane as another user, or use --database-url")
	}
	return nil, nil
}

func (a *account) own(string) error { return nil }

func (a *account) pathOf(home *os.File) string { return home.Name() }

func (a *account) apply(cmd *exec.Cmd, _ *os.File) {
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}

// dieWithParent does nothing where the kernel has no parent-death signal: the next start ends a
// left-over server instead.
func dieWithParent(*exec.Cmd) {}

func superviseOnOwnThread(cmd *exec.Cmd, started chan<- error, exited func(error)) {
	err := cmd.Start()
	started <- err
	if err != nil {
		return
	}
	exited(cmd.Wait())
}

func alive(process *os.Process) bool {
	err := process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, syscall.EPERM)
}

// runsIn cannot be asked here; a process id in the pid file of a private server is taken at its word.
func runsIn(int, string) bool { return true }
