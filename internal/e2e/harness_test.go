package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/elastane/elastane/internal/e2e/proc"
)

const (
	// patience bounds every wait for something that should take well under a second.
	patience = proc.Patience
	region   = "us-east-1"
)

// binary is the program under test: $ELASTANE_BINARY, or one built for this run.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	scratch, err := os.MkdirTemp("", "elastane-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	if binary = os.Getenv("ELASTANE_BINARY"); binary == "" {
		binary = filepath.Join(scratch, "elastane")
		build := exec.Command("go", "build", "-o", binary, "github.com/elastane/elastane/cmd/elastane")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the program under test: %v\n%s", err, out)
			return 1
		}
	}
	defer shared.stop()
	return m.Run()
}

// dev is a running `elastane dev` with what tests do to it.
type dev struct {
	*proc.Dev
	keyID, secret string // empty: those that dev suggests
}

func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	dir, err := os.MkdirTemp("", "elastane-e2e-") // not t.TempDir: its long names do not fit a socket address
	require.NoError(t, err)
	d, err := newDev(dir, args...)
	require.NoError(t, err)
	t.Cleanup(func() {
		code := d.Terminate()
		if t.Failed() {
			t.Logf("log of elastane dev:\n%s", d.Log.Tail())
		}
		require.Equal(t, 0, code, "dev stops cleanly")
		require.NoError(t, os.RemoveAll(dir))
	})
	return d
}

func newDev(dir string, args ...string) (*dev, error) {
	d, err := proc.StartDev(binary, dir, args...)
	return &dev{Dev: d}, err
}

// restart kills dev with -9 and starts it again on the same data.
func (d *dev) restart(t *testing.T) {
	t.Helper()
	d.Kill()
	require.NoError(t, d.Start())
}

func (d *dev) endpoint() string { return d.Env["AWS_ENDPOINT_URL_ELASTICACHE"] }

// sharedDev is the one dev of all tests that leave it alone: starting one for each would be slow.
type sharedDev struct {
	once sync.Once
	dev  *dev
	err  error
}

var shared sharedDev

func useDev(t *testing.T) *dev {
	t.Helper()
	shared.once.Do(func() {
		var dir string
		if dir, shared.err = os.MkdirTemp("", "elastane-e2e-"); shared.err == nil {
			shared.dev, shared.err = newDev(dir)
		}
	})
	require.NoError(t, shared.err)
	return shared.dev
}

func (s *sharedDev) stop() {
	if s.dev == nil {
		return
	}
	if s.dev.Process != nil {
		if code := s.dev.Terminate(); code != 0 {
			fmt.Fprintf(os.Stderr, "the shared dev ended with code %d\n%s", code, s.dev.Log.Tail())
		}
	}
	_ = os.RemoveAll(s.dev.Dir) // a temporary directory
}

func (d *dev) api() *elasticache.Client {
	if d.keyID != "" {
		return client(d.endpoint(), d.keyID, d.secret)
	}
	return client(d.endpoint(), "test", "test")
}

func client(endpoint, keyID, secret string) *elasticache.Client {
	return elasticache.New(elasticache.Options{
		Region: region, BaseEndpoint: aws.String(endpoint), RetryMaxAttempts: 1, HTTPClient: proc.OwnBody{},
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, ""),
	})
}

// cli runs the real AWS CLI as a shell would after sourcing dev's lines, and returns its output.
func (d *dev) cli(t *testing.T, args ...string) (string, error) {
	t.Helper()
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the AWS CLI is not installed here")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, aws, append([]string{"elasticache"}, args...)...)
	cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	for name, value := range d.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mustCLI is cli for calls that have to work.
func (d *dev) mustCLI(t *testing.T, args ...string) string {
	t.Helper()
	out, err := d.cli(t, args...)
	require.NoError(t, err, "aws elasticache %s: %s", strings.Join(args, " "), out)
	return out
}

// group describes one replication group.
func (d *dev) group(t *testing.T, id string) types.ReplicationGroup {
	t.Helper()
	out, err := d.api().DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &id})
	require.NoError(t, err)
	require.Len(t, out.ReplicationGroups, 1)
	return out.ReplicationGroups[0]
}

// create makes a replication group, waits until it is available, and deletes it with the test.
func (d *dev) create(t *testing.T, in *elasticache.CreateReplicationGroupInput) types.ReplicationGroup {
	t.Helper()
	if in.ReplicationGroupDescription == nil {
		in.ReplicationGroupDescription = aws.String("of an end-to-end test")
	}
	if in.CacheNodeType == nil {
		in.CacheNodeType = aws.String("cache.t4g.micro")
	}
	if in.Engine == nil {
		in.Engine = aws.String("redis")
	}
	_, err := d.api().CreateReplicationGroup(t.Context(), in)
	require.NoError(t, err)
	t.Cleanup(func() { d.remove(t, *in.ReplicationGroupId) })
	d.waitAvailable(t, *in.ReplicationGroupId)
	return d.group(t, *in.ReplicationGroupId)
}

// remove deletes a group and waits until it is gone.
func (d *dev) remove(t *testing.T, id string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	_, err := d.api().DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: &id})
	require.NoError(t, err)
	waiter := elasticache.NewReplicationGroupDeletedWaiter(d.api(), func(o *elasticache.ReplicationGroupDeletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
	})
	require.NoError(t, waiter.Wait(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &id}, patience))
}

func (d *dev) waitAvailable(t *testing.T, id string) {
	t.Helper()
	waiter := elasticache.NewReplicationGroupAvailableWaiter(d.api(), func(o *elasticache.ReplicationGroupAvailableWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
	})
	err := waiter.Wait(t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: &id}, patience)
	require.NoError(t, err, "log of dev:\n%s", d.Log.Tail())
}

// tlsConfig trusts the installation's certificate authority and nothing else.
func (d *dev) tlsConfig(t *testing.T) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(d.Env["ELASTANE_CA_FILE"])
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func address(e *types.Endpoint) string {
	return net.JoinHostPort(aws.ToString(e.Address), strconv.Itoa(int(aws.ToInt32(e.Port))))
}

// cache is a client of one endpoint; config nil is plain TCP.
func cache(t *testing.T, e *types.Endpoint, config *tls.Config) *redis.Client {
	t.Helper()
	require.NotNil(t, e)
	c := redis.NewClient(&redis.Options{Addr: address(e), TLSConfig: config, MaxRetries: -1})
	t.Cleanup(func() { closeIt(t, c) })
	return c
}

func closeIt(t *testing.T, c io.Closer) {
	t.Helper()
	require.NoError(t, c.Close())
}

// eventually asks again and again until ok, without a pause longer than 5 ms; it fails the test when
// that takes longer than patience.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 5*time.Millisecond, what)
}
