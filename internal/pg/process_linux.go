package pg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// The postmaster's signals (PostgreSQL documentation, "Shutting Down the Server").
const (
	fastShutdown      = syscall.SIGINT
	immediateShutdown = syscall.SIGQUIT
)

// account is the unprivileged user that Postgres runs as when we are root; nil: as ourselves.
type account struct {
	name     string
	uid, gid uint32
}

// unprivilegedAccount picks who runs Postgres. It is nil unless we are root.
func unprivilegedAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errors.New("no user to run Postgres as, which refuses to run as root: this machine has neither postgres nor nobody; run elastane as another user, or use --database-url")
}

// own gives a file or a whole folder to the account, where it is not its already.
func (a *account) own(root string) error {
	if a == nil {
		return nil
	}
	if info, err := os.Stat(root); err == nil {
		// Files below a folder of the account were made by it: no need to walk them at each start.
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid == a.uid {
			return nil
		}
	}
	return filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(a.uid), int(a.gid))
	})
}

// inheritedFD is the number under which a child finds its home directory: the first of ExtraFiles.
const inheritedFD = 3

// pathOf names an open folder for the child: as the file it inherits when it runs under another
// account, which may be unable to walk the folders above.
func (a *account) pathOf(home *os.File) string {
	if a == nil {
		return home.Name()
	}
	return fmt.Sprintf("/proc/self/fd/%d", inheritedFD)
}

// apply makes cmd run as the account, with the folder home open.
func (a *account) apply(cmd *exec.Cmd, home *os.File) {
	cmd.Dir = "/"
	// An own group: Ctrl-C in a terminal reaches us alone, and we stop the server in our order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	if a != nil {
		cmd.ExtraFiles = []*os.File{home}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

// dieWithParent lets the kernel shut the server down when the thread that started it ends.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = fastShutdown }

// superviseOnOwnThread starts cmd and waits for it. The kernel's parent-death signal follows the
// thread, not the process, so this goroutine keeps its thread for as long as the server runs.
func superviseOnOwnThread(cmd *exec.Cmd, started chan<- error, exited func(error)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err != nil {
		return
	}
	exited(cmd.Wait())
}

// alive tells whether the process exists, and is more than a zombie.
func alive(process *os.Process) bool {
	if err := process.Signal(syscall.Signal(0)); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Pid))
	if err != nil {
		return false
	}
	// "pid (comm) state …": comm may hold anything, so look behind its last parenthesis.
	for i := len(raw) - 1; i > 0; i-- {
		if raw[i] == ')' {
			return i+2 >= len(raw) || raw[i+2] != 'Z'
		}
	}
	return true
}

// runsIn tells whether a process has a folder as its working directory, as a postmaster has its data
// directory.
func runsIn(pid int, dir string) bool {
	cwd, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return false
	}
	want, err := os.Stat(dir)
	return err == nil && os.SameFile(cwd, want)
}
