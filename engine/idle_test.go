package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elastane/elastane/engine"
)

const idleNodes = 500

// An agent may hold hundreds of nodes that nobody uses: together they must cost little. The test starts itself again, so
// that what it measures is a process of its own.
func TestFiveHundredIdleNodes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc, which only Linux has")
	}
	if dir := os.Getenv("ELASTANE_IDLE_DIR"); dir != "" {
		beIdle(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFiveHundredIdleNodes$", "-test.v")
	cmd.Env = append(os.Environ(), "ELASTANE_IDLE_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "idle nodes") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

func beIdle(t *testing.T, dir string) {
	began := time.Now()
	rt, err := engine.NewRuntime(engine.RuntimeOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	var last net.Addr
	for i := range idleNodes {
		n, err := rt.NewNode(engine.Options{
			Name: fmt.Sprint("idle", i), Dir: filepath.Join(dir, strconv.Itoa(i)), SnapshotInterval: time.Second, Managed: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		l, err := rt.Listen("127.0.0.1:0", func() *engine.Node { return n }, engine.ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		last = l.Addr()
	}
	c, err := net.Dial("tcp", last.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	listening := time.Since(began)

	debug.FreeOSMemory() // what start-up left behind
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		t.Fatal(err)
	}
	const window = 3 * time.Second
	<-time.After(window) // what is measured is that time passes and nothing happens
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		t.Fatal(err)
	}
	busy := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	core := busy.Seconds() / window.Seconds()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(err)
	}
	mib := float64(pages*os.Getpagesize()) / (1 << 20)
	t.Logf("%d idle nodes: listening after %v, %.1f MiB resident, %.4f of a core, %d goroutines",
		idleNodes, listening.Round(time.Millisecond), mib, core, runtime.NumGoroutine())
	// To reach: 0.25 s, 50 MiB, 0.01 of a core. The bounds leave room for a busy machine.
	if raceDetector { // which costs memory and time of its own
		return
	}
	if mib > 50 {
		t.Errorf("%.1f MiB resident, more than 50", mib)
	}
	if core > 0.03 {
		t.Errorf("%.4f of a core, more than 0.03", core)
	}
	if goroutines := runtime.NumGoroutine(); goroutines > 50 {
		t.Errorf("%d goroutines: an idle node must have none of its own", goroutines)
	}
}
