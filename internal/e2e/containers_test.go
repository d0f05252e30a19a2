package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"

	"github.com/elastane/elastane/internal/e2e/proc"
)

// The fleet of docker-compose.yml, as `make up` starts it: Postgres, a control plane and an agent in each of
// three zones, in containers. No image is pulled: both are built here from scratch, one from the binary
// under test, the other from this machine's own Postgres.
func TestComposeFleet(t *testing.T) {
	t.Parallel()
	provider := dockerProvider(t)
	version := composeVersion(t)
	t.Logf("compose %s", version)
	buildImage(t, provider, "elastane-e2e", "latest", elastaneImage(t))
	buildImage(t, provider, "elastane-e2e-postgres", "latest", postgresImage(t))

	secrets := t.TempDir()
	credentials := filepath.Join(secrets, "credentials")
	require.NoError(t, os.WriteFile(credentials, []byte("COMPOSEKEY compose-secret 123456789012\n"), 0o644))
	port := freePort(t)
	compose := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "scripts/compose", append([]string{"-p", "elastane-e2e"}, args...)...)
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "ELASTANE_IMAGE=elastane-e2e:latest", "ELASTANE_POSTGRES_IMAGE=elastane-e2e-postgres:latest",
			"ELASTANE_CREDENTIALS="+credentials, "ELASTANE_POSTGRES_PASSWORD=only-in-this-test", "ELASTANE_PORT="+strconv.Itoa(port))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "compose %v: %s", args, out)
		if args[0] == "logs" {
			t.Logf("%s", out)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			compose("logs", "--tail=20")
		}
		compose("down", "-v", "--timeout", "5")
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "docker", "rmi", "elastane-e2e", "elastane-e2e-postgres").CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	compose("up", "-d")

	d := &dev{keyID: "COMPOSEKEY", secret: "compose-secret", Dev: &proc.Dev{
		Process: &proc.Process{Log: &proc.Log{}},
		Env:     map[string]string{"AWS_ENDPOINT_URL_ELASTICACHE": "http://127.0.0.1:" + strconv.Itoa(port)},
	}}
	eventually(t, "the control plane in its container is ready", func() bool { return healthy(d) == nil })
	// A group that is asked for before there is room for it fails, as on AWS: the agents come first.
	eventually(t, "the agents in their containers join", func() bool {
		return strings.Contains(get(t, d.endpoint()+"/metrics"), `elastane_agents{connected="true"} 3`)
	})
	g := d.create(t, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: aws.String("contained"), NumCacheClusters: aws.Int32(3), AutomaticFailoverEnabled: aws.Bool(true), MultiAZEnabled: aws.Bool(true),
	})
	primary := cache(t, g.NodeGroups[0].PrimaryEndpoint, nil)
	require.NoError(t, primary.Set(t.Context(), "greeting", "from a container", 0).Err())
	reader := cache(t, g.NodeGroups[0].ReaderEndpoint, nil)
	eventually(t, "the replicas in the other containers follow", func() bool {
		return reader.Get(t.Context(), "greeting").Val() == "from a container"
	})
}

func dockerProvider(t *testing.T) *testcontainers.DockerProvider {
	t.Helper()
	// The library panics on some machines without an engine, so ask the client of the command line first.
	if err := exec.CommandContext(t.Context(), "docker", "info").Run(); err != nil {
		t.Skip("no Docker engine answers here")
	}
	provider, err := testcontainers.NewDockerProvider()
	require.NoError(t, err)
	t.Cleanup(func() { closeIt(t, provider) })
	return provider
}

func composeVersion(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "scripts/compose", "version")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skip("Docker Compose is not installed here")
	}
	return strings.SplitN(string(out), "\n", 2)[0]
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer closeIt(t, l)
	return l.Addr().(*net.TCPAddr).Port
}

func buildImage(t *testing.T, provider *testcontainers.DockerProvider, repo, tag string, buildContext io.ReadSeeker) {
	t.Helper()
	_, err := provider.BuildImage(t.Context(), &testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		ContextArchive: buildContext, Repo: repo, Tag: tag, KeepImage: true,
	}})
	require.NoError(t, err)
}

// elastaneImage is the build context of the project's own Dockerfile, with the binary under test.
func elastaneImage(t *testing.T) io.ReadSeeker {
	t.Helper()
	var a archive
	a.copy(t, filepath.Join("..", "..", "Dockerfile"), "Dockerfile")
	a.copy(t, binary, "bin/elastane")
	return a.reader(t)
}

// postgresImage is a build context for an image FROM scratch that takes the environment variables of the
// official image of Postgres, made of this machine's own binaries and the libraries that they load.
func postgresImage(t *testing.T) io.ReadSeeker {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	require.NoError(t, err)
	if len(found) == 0 {
		t.Skip("Postgres is not installed as a package of Debian here, so no image can be made of it")
	}
	bin := filepath.Dir(found[len(found)-1])
	lib := filepath.Join(filepath.Dir(bin), "lib")
	share := strings.Replace(filepath.Dir(bin), "/usr/lib/", "/usr/share/", 1)

	var a archive
	a.add(t, "Dockerfile", 0o644, "FROM scratch\nCOPY root /\nENV PGDATA=/var/lib/postgresql/data PATH=/bin:/usr/bin:"+bin+
		"\nVOLUME /var/lib/postgresql/data\nENTRYPOINT [\"/bin/sh\", \"/entrypoint\"]\n")
	a.add(t, "root/entrypoint", 0o755, postgresEntrypoint)
	a.add(t, "root/etc/passwd", 0o644, "root:x:0:0::/:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n")
	a.add(t, "root/etc/group", 0o644, "root:x:0:\npostgres:x:999:\n")
	programs := []string{"/bin/sh", "/bin/chown", "/bin/mkdir", "/usr/bin/setpriv", filepath.Join(bin, "postgres"), filepath.Join(bin, "initdb")}
	extensions, err := filepath.Glob(filepath.Join(lib, "*.so"))
	require.NoError(t, err)
	loaded := map[string]bool{}
	for _, file := range append(programs, extensions...) {
		a.copy(t, file, "root"+file)
		for _, library := range librariesOf(t, file) {
			if !loaded[library] {
				loaded[library] = true
				a.copy(t, library, "root"+library)
			}
		}
	}
	a.copyTree(t, share, "root"+share)
	a.copy(t, "/usr/share/zoneinfo/Etc/UTC", "root/usr/share/zoneinfo/Etc/UTC")
	a.copy(t, "/usr/share/zoneinfo/Etc/UTC", "root/usr/share/zoneinfo/UTC")
	a.mkdir(t, "root/tmp", 0o777)
	a.mkdir(t, "root/var/run/postgresql", 0o777)
	return a.reader(t)
}

const postgresEntrypoint = `set -e
if [ "$1" != inner ]; then
  mkdir -p "$PGDATA"
  chown postgres:postgres "$PGDATA"
  exec setpriv --reuid=999 --regid=999 --clear-groups /bin/sh /entrypoint inner
fi
if [ ! -f "$PGDATA/PG_VERSION" ]; then
  echo "$POSTGRES_PASSWORD" >/tmp/password
  initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --no-locale --no-sync
  echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$PGDATA" postgres
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c timezone=UTC -c log_timezone=UTC -c dynamic_shared_memory_type=mmap
`

var libraryPath = regexp.MustCompile(`(/\S+) \(0x`)

// librariesOf asks the dynamic linker which files a program or library loads.
func librariesOf(t *testing.T, file string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ldd", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var files []string
	for _, match := range libraryPath.FindAllStringSubmatch(string(out), -1) {
		files = append(files, match[1])
	}
	return files
}

// archive is a tar file in memory.
type archive struct {
	buf bytes.Buffer
	tar *tar.Writer
}

func (a *archive) header(t *testing.T, h *tar.Header) {
	t.Helper()
	if a.tar == nil {
		a.tar = tar.NewWriter(&a.buf)
	}
	require.NoError(t, a.tar.WriteHeader(h))
}

func (a *archive) add(t *testing.T, name string, mode int64, text string) {
	t.Helper()
	a.header(t, &tar.Header{Name: name, Mode: mode, Size: int64(len(text))})
	_, err := io.WriteString(a.tar, text)
	require.NoError(t, err)
}

func (a *archive) mkdir(t *testing.T, name string, mode int64) {
	t.Helper()
	a.header(t, &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode})
}

// copy adds a file's content; symbolic links are followed.
func (a *archive) copy(t *testing.T, from, name string) {
	t.Helper()
	f, err := os.Open(from)
	require.NoError(t, err)
	defer closeIt(t, f)
	info, err := f.Stat()
	require.NoError(t, err)
	a.header(t, &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size()})
	_, err = io.Copy(a.tar, f)
	require.NoError(t, err)
}

func (a *archive) copyTree(t *testing.T, from, name string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(path, "/man/") {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err == nil {
			a.copy(t, path, filepath.Join(name, rest))
		}
		return err
	}))
}

func (a *archive) reader(t *testing.T) io.ReadSeeker {
	t.Helper()
	require.NoError(t, a.tar.Close())
	return bytes.NewReader(a.buf.Bytes())
}
