package pg_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/elastane/elastane/internal/pg"
)

// childDir is set in the environment of a copy of this test binary that plays the program that
// gets killed: it starts a server, prints its address and waits for its end.
const childDir = "ELASTANE_PG_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func child(dir string) error {
	server, err := pg.Start(context.Background(), pg.Options{Dir: dir})
	if err != nil {
		return err
	}
	fmt.Println(server.URL())
	<-server.Exited()
	return nil
}

func start(t *testing.T, dir string) *pg.Server {
	t.Helper()
	server, err := pg.Start(t.Context(), pg.Options{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, server.Stop(context.WithoutCancel(t.Context())))
	})
	return server
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) }) // the server may be gone by design
	return conn
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	_, err := connect(t, url).Exec(t.Context(), sql)
	require.NoError(t, err)
}

func count(t *testing.T, url string) int {
	t.Helper()
	var n int
	require.NoError(t, connect(t, url).QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&n))
	return n
}

func TestKeepsDataOverAStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir)
	exec1(t, first.URL(), "CREATE TABLE things AS SELECT generate_series(1, 10)")
	require.NoError(t, first.Stop(t.Context()))
	require.NoError(t, first.Stop(t.Context()), "a second Stop is allowed")

	began := time.Now()
	second := start(t, dir)
	t.Logf("warm start took %v", time.Since(began))
	require.Equal(t, 10, count(t, second.URL()))
	require.Equal(t, 10, count(t, second.LoopbackURL()))
}

func TestIsDurableAndPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := start(t, dir)
	conn := connect(t, server.URL())
	for name, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "listen_addresses": "127.0.0.1"} {
		var got string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got))
		require.Equal(t, want, got, name)
	}
	info, err := os.Stat(filepath.Join(dir, "password"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	password, err := os.ReadFile(filepath.Join(dir, "password"))
	require.NoError(t, err)
	for _, url := range []string{server.URL(), server.LoopbackURL()} {
		_, err = pgx.Connect(t.Context(), strings.Replace(url, string(password), "guess", 1))
		require.ErrorContains(t, err, "password authentication failed")
	}
}

// A long path does not fit a socket address; the server is then reached over loopback.
func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 20))
	server := start(t, dir)
	exec1(t, server.URL(), "CREATE TABLE things AS SELECT 1")
}

func TestDiesWithItsParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range 2 {
		url, killed := startChild(t, dir)
		exec1(t, url, "CREATE TABLE IF NOT EXISTS things (n integer)")
		exec1(t, url, "INSERT INTO things VALUES ("+strconv.Itoa(round)+")")
		killed()
	}
	// The server of the killed child may be running still; Start waits for it.
	server := start(t, dir)
	require.Equal(t, 2, count(t, server.URL()), "a committed row was lost")
}

// A server that lives on (no parent-death signal, or a stuck shutdown) is ended and replaced.
func TestReplacesALeftoverServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url, _ := startChild(t, dir)
	exec1(t, url, "CREATE TABLE things AS SELECT 1")
	before := postmasterPID(t, dir)

	server := start(t, dir) // the child is alive, and so is its server
	require.Equal(t, 1, count(t, server.URL()))
	require.NotEqual(t, before, postmasterPID(t, dir))
}

func TestRecoversFromKillOfTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir)
	exec1(t, first.URL(), "CREATE TABLE things AS SELECT 1")
	require.NoError(t, syscall.Kill(postmasterPID(t, dir), syscall.SIGKILL))
	<-first.Exited()

	second := start(t, dir)
	require.Equal(t, 1, count(t, second.URL()))
}

func TestStalePIDFileOfAStranger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, start(t, dir).Stop(t.Context()))
	// Our own process is alive and is no postmaster of this directory.
	file := filepath.Join(dir, "cluster", "postmaster.pid")
	require.NoError(t, os.WriteFile(file, []byte(strconv.Itoa(os.Getpid())+"\n/elsewhere\n"), 0o600))
	start(t, dir)
}

func TestHalfMadeClusterIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "cluster.new", "base"), 0o700))
	start(t, dir)
	require.NoDirExists(t, filepath.Join(dir, "cluster.new"))
}

func TestDataOfAnotherVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "cluster"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cluster", "PG_VERSION"), []byte("9\n"), 0o600))
	_, err := pg.Start(t.Context(), pg.Options{Dir: dir})
	require.ErrorContains(t, err, "PostgreSQL 9")
}

// startChild runs a copy of this test binary with a server in dir, and returns the server's URL and
// a function that kills the copy with -9 and waits for it.
func startChild(t *testing.T, dir string) (url string, kill func()) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	done := false
	kill = func() {
		if done {
			return
		}
		done = true
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait(), "killed, so not a clean exit")
	}
	t.Cleanup(func() {
		if !done {
			done = true
			_ = cmd.Process.Kill() // it ends by itself when its server was replaced
			_ = cmd.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line), kill
}

func postmasterPID(t *testing.T, dir string) int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "cluster", "postmaster.pid"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(t, err)
	return pid
}
