package pg

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// tools is a folder with the programs postgres and initdb, of one version.
type tools struct {
	dir   string
	major int // 0: not known
}

func (t tools) path(program string) string { return filepath.Join(t.dir, program) }

// installedDirs are patterns of where packages put Postgres outside of PATH: Debian and Ubuntu,
// the PGDG packages of Red Hat's family, Homebrew.
var installedDirs = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
}

// findTools picks the newest Postgres on this machine, or the one of the wanted major version when a
// data directory of that version exists already (0: none). Where there is none it downloads one.
func findTools(wantMajor int, dir string) (tools, error) {
	found := installedTools()
	for _, t := range found {
		if wantMajor == 0 || t.major == wantMajor {
			return t, nil
		}
	}
	if wantMajor != 0 && len(found) > 0 {
		return tools{}, fmt.Errorf("the data in %s is of PostgreSQL %d, but this machine has only %s: install postgresql-%d, or start with an empty directory",
			dir, wantMajor, describe(found), wantMajor)
	}
	t, err := downloadTools(filepath.Join(dir, "download"))
	if err != nil {
		return tools{}, fmt.Errorf("no PostgreSQL found on PATH or in %s, and none could be downloaded: install it (Debian and Ubuntu: apt-get install postgresql) or use --database-url: %w",
			installedDirs[0], err)
	}
	return t, nil
}

// installedTools lists what is installed, the newest first.
func installedTools() []tools {
	var dirs []string
	for _, pattern := range installedDirs {
		matches, err := filepath.Glob(pattern)
		if err == nil { // only a malformed pattern fails
			dirs = append(dirs, matches...)
		}
	}
	if onPath, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(onPath); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	var found []tools
	for _, dir := range dirs {
		t := tools{dir: dir}
		if !executable(t.path("postgres")) || !executable(t.path("initdb")) {
			continue
		}
		out, err := exec.Command(t.path("postgres"), "--version").Output()
		if err != nil {
			continue
		}
		if t.major = parseMajor(string(out)); t.major > 0 {
			found = append(found, t)
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].major > found[j].major })
	return found
}

// parseMajor reads "postgres (PostgreSQL) 15.18 (Debian …)", also "17beta1"; 0 if it is no such text.
func parseMajor(version string) int {
	_, rest, ok := strings.Cut(version, "PostgreSQL) ")
	if !ok {
		rest = version
	}
	digits := rest
	for i, r := range rest {
		if r < '0' || r > '9' {
			digits = rest[:i]
			break
		}
	}
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return major
}

// clusterMajor is the version that made a data directory; 0 if there is none yet.
func clusterMajor(clusterDir string) int {
	raw, err := os.ReadFile(filepath.Join(clusterDir, "PG_VERSION"))
	if err != nil {
		return 0
	}
	return parseMajor(strings.TrimSpace(string(raw)))
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func describe(found []tools) string {
	versions := make([]string, len(found))
	for i, t := range found {
		versions[i] = strconv.Itoa(t.major)
	}
	return "PostgreSQL " + strings.Join(versions, ", ")
}

// downloadTools lets the embedded-postgres library fetch and unpack a Postgres. The library only does
// so on its way to a server of its own, so one is started on a scratch folder and stopped; as
// root that start fails after the unpacking, which is all we need.
func downloadTools(dir string) (tools, error) {
	t := tools{dir: filepath.Join(dir, "bin")}
	if executable(t.path("postgres")) {
		return t, nil
	}
	scratch, err := os.MkdirTemp("", "elastane-postgres-")
	if err != nil {
		return tools{}, err
	}
	defer os.RemoveAll(scratch)
	server := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		BinariesPath(dir).RuntimePath(filepath.Join(scratch, "run")).DataPath(filepath.Join(scratch, "data")).
		Port(0).Logger(io.Discard))
	startErr := server.Start()
	if startErr == nil {
		if err := server.Stop(); err != nil {
			return tools{}, fmt.Errorf("stop the downloaded Postgres: %w", err)
		}
	}
	if !executable(t.path("postgres")) || !executable(t.path("initdb")) {
		return tools{}, fmt.Errorf("download PostgreSQL: %w", startErr)
	}
	return t, nil
}
