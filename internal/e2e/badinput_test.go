package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/elastane/elastane/internal/e2e/proc"
)

// requireAPIError checks the code and the HTTP status of what an SDK call returned.
func requireAPIError(t *testing.T, err error, code string, status int) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), api.ErrorMessage())
	require.NotEmpty(t, api.ErrorMessage())
	var response *awshttp.ResponseError
	require.ErrorAs(t, err, &response)
	require.Equal(t, status, response.HTTPStatusCode(), api.ErrorMessage())
}

// Each refused request gets AWS's code and status, and leaves nothing behind.
func TestBadInput(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	api := d.api()
	single := d.create(t, &elasticache.CreateReplicationGroupInput{ReplicationGroupId: aws.String("single"), NumCacheClusters: aws.Int32(1)})

	// create is a good request, made bad by change.
	create := func(change func(*elasticache.CreateReplicationGroupInput)) func() error {
		return func() error {
			in := &elasticache.CreateReplicationGroupInput{
				ReplicationGroupId: aws.String("refused"), ReplicationGroupDescription: aws.String("never made"),
				Engine: aws.String("redis"), CacheNodeType: aws.String("cache.t4g.micro"), NumCacheClusters: aws.Int32(2),
			}
			change(in)
			_, err := api.CreateReplicationGroup(t.Context(), in)
			return err
		}
	}
	for _, c := range []struct {
		name, code string
		status     int
		call       func() error
	}{
		{"unknown subnet group", "CacheSubnetGroupNotFoundFault", 400, create(func(in *elasticache.CreateReplicationGroupInput) {
			in.CacheSubnetGroupName = aws.String("nowhere")
		})},
		{"duplicate group", "ReplicationGroupAlreadyExists", 400, create(func(in *elasticache.CreateReplicationGroupInput) {
			in.ReplicationGroupId = single.ReplicationGroupId
		})},
		{"bad name", "InvalidParameterValue", 400, create(func(in *elasticache.CreateReplicationGroupInput) {
			in.ReplicationGroupId = aws.String("-bad--name-")
		})},
		{"name too long", "InvalidParameterValue", 400, create(func(in *elasticache.CreateReplicationGroupInput) {
			in.ReplicationGroupId = aws.String(strings.Repeat("a", 41))
		})},
		{"unknown node type", "InvalidParameterValue", 400, create(func(in *elasticache.CreateReplicationGroupInput) {
			in.CacheNodeType = aws.String("cache.enormous")
		})},
		{"missing node type", "InvalidParameterValue", 400, create(func(in *elasticache.CreateReplicationGroupInput) {
			in.CacheNodeType = nil
		})},
		{"unknown engine version", "InvalidParameterCombination", 400, create(func(in *elasticache.CreateReplicationGroupInput) {
			in.EngineVersion = aws.String("99.9")
		})},
		{"automatic failover with one node", "InvalidParameterCombination", 400, create(func(in *elasticache.CreateReplicationGroupInput) {
			in.NumCacheClusters, in.AutomaticFailoverEnabled = aws.Int32(1), aws.Bool(true)
		})},
		{"too many members", "InvalidParameterValue", 400, create(func(in *elasticache.CreateReplicationGroupInput) {
			in.NumCacheClusters = aws.Int32(7)
		})},
		{"failover with one node", "TestFailoverNotAvailableFault", 400, func() error {
			_, err := api.TestFailover(t.Context(), &elasticache.TestFailoverInput{ReplicationGroupId: single.ReplicationGroupId, NodeGroupId: aws.String("0001")})
			return err
		}},
		{"failover of an unknown group", "ReplicationGroupNotFoundFault", 404, func() error {
			_, err := api.TestFailover(t.Context(), &elasticache.TestFailoverInput{ReplicationGroupId: aws.String("nobody"), NodeGroupId: aws.String("0001")})
			return err
		}},
		{"failover of an unknown node group", "NodeGroupNotFoundFault", 404, func() error {
			_, err := api.TestFailover(t.Context(), &elasticache.TestFailoverInput{ReplicationGroupId: single.ReplicationGroupId, NodeGroupId: aws.String("0009")})
			return err
		}},
		{"delete of an unknown group", "ReplicationGroupNotFoundFault", 404, func() error {
			_, err := api.DeleteReplicationGroup(t.Context(), &elasticache.DeleteReplicationGroupInput{ReplicationGroupId: aws.String("nobody")})
			return err
		}},
		{"not built yet", "NotImplemented", 501, func() error {
			_, err := api.CreateServerlessCache(t.Context(), &elasticache.CreateServerlessCacheInput{ServerlessCacheName: aws.String("later"), Engine: aws.String("valkey")})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) { requireAPIError(t, c.call(), c.code, c.status) })
	}

	groups, err := api.DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{})
	require.NoError(t, err)
	require.Len(t, groups.ReplicationGroups, 1, "no refused request left a group behind")
	clusters, err := api.DescribeCacheClusters(t.Context(), &elasticache.DescribeCacheClustersInput{})
	require.NoError(t, err)
	require.Len(t, clusters.CacheClusters, 1, "no refused request left a cluster behind")
}

// Requests that no SDK would send.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	d := useDev(t)
	for _, c := range []struct {
		name   string
		form   url.Values
		code   string
		status int
	}{
		{"unknown action", url.Values{"Action": {"MakeCoffee"}, "Version": {"2015-02-02"}}, "InvalidAction", 400},
		{"wrong version", url.Values{"Action": {"DescribeReplicationGroups"}, "Version": {"1999-01-01"}}, "InvalidAction", 400},
		{"missing action", url.Values{"Version": {"2015-02-02"}}, "MissingAction", 400},
		{"missing parameter", url.Values{"Action": {"DeleteReplicationGroup"}, "Version": {"2015-02-02"}}, "InvalidParameterValue", 400},
		{"wrong type", url.Values{"Action": {"DescribeReplicationGroups"}, "Version": {"2015-02-02"}, "MaxRecords": {"many"}}, "MalformedInput", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, status := post(t, d.endpoint(), c.form, "test", "test", time.Now())
			require.Equal(t, c.code, code)
			require.Equal(t, c.status, status)
		})
	}
	t.Run("not signed", func(t *testing.T) {
		response, err := http.PostForm(d.endpoint(), url.Values{"Action": {"DescribeReplicationGroups"}, "Version": {"2015-02-02"}})
		require.NoError(t, err)
		code, status := readError(t, response)
		require.Equal(t, "MissingAuthenticationToken", code)
		require.Equal(t, 403, status)
	})
}

// With credentials set up, signatures are verified.
func TestSignatures(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(file, []byte("# made for this test\nKNOWNKEY right-secret 123456789012\n"), 0o600))
	d := startDev(t, "--credentials", file, "--listen", "0.0.0.0:0")
	endpoint := d.endpoint()

	ok, err := client(endpoint, "KNOWNKEY", "right-secret").DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{})
	require.NoError(t, err)
	require.Empty(t, ok.ReplicationGroups)

	_, err = client(endpoint, "KNOWNKEY", "wrong-secret").DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{})
	requireAPIError(t, err, "SignatureDoesNotMatch", 403)
	_, err = client(endpoint, "NOBODY", "right-secret").DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{})
	requireAPIError(t, err, "InvalidClientTokenId", 403)

	describe := url.Values{"Action": {"DescribeReplicationGroups"}, "Version": {"2015-02-02"}}
	for _, off := range []time.Duration{-16 * time.Minute, 16 * time.Minute} {
		code, status := post(t, endpoint, describe, "KNOWNKEY", "right-secret", time.Now().Add(off))
		require.Equal(t, "SignatureDoesNotMatch", code, off)
		require.Equal(t, 403, status, off)
	}
	require.NotContains(t, d.Log.String(), "right-secret")
}

// post sends a signed form and returns the error code and the status of the answer.
func post(t *testing.T, endpoint string, form url.Values, keyID, secret string, at time.Time) (code string, status int) {
	t.Helper()
	body := form.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/", strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), "elasticache", region, at)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	return readError(t, response)
}

func readError(t *testing.T, response *http.Response) (code string, status int) {
	t.Helper()
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var answer struct {
		Error struct{ Code, Message string }
	}
	require.NoError(t, xml.Unmarshal(raw, &answer), "%s", raw)
	if response.StatusCode != http.StatusOK {
		require.NotEmpty(t, answer.Error.Message)
	}
	return answer.Error.Code, response.StatusCode
}

// What is wrong with the command line or the machine is said in one line, with its exit code.
func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	d := useDev(t)
	taken := strings.TrimPrefix(d.endpoint(), "http://")
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"port in use", []string{"dev", "--listen", taken, "--data", t.TempDir()}, 1, taken + " is in use"},
		{"data directory in use", []string{"dev", "--listen", "127.0.0.1:0", "--data", d.Dir}, 1, "in use by another elastane"},
		{"open to the network", []string{"dev", "--listen", "0.0.0.0:0", "--data", t.TempDir()}, 2, "--credentials"},
		{"no agents", []string{"dev", "--agents", "0", "--data", t.TempDir()}, 2, "--agents 0"},
		{"bad port range", []string{"dev", "--port-range", "9-1", "--data", t.TempDir()}, 2, "--port-range 9-1"},
		{"unknown flag", []string{"dev", "--colour", "blue"}, 2, "--colour"},
		{"unknown command", []string{"fly"}, 2, "fly"},
		{"no command", nil, 2, ""},
		{"no database", []string{"migrate", "up", "--database-url", "postgres://127.0.0.1:1/none?connect_timeout=2"}, 1, "database"},
		{"agent without a server", []string{"agent", "--zone", "us-east-1a", "--data", t.TempDir()}, 2, "--server"},
		{"missing credentials file", []string{"dev", "--credentials", "/nonexistent", "--data", t.TempDir()}, 1, "/nonexistent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := proc.Launch(binary, c.args...)
			require.NoError(t, err)
			for range p.Lines { // until its end
			}
			require.Equal(t, c.code, p.Wait(), p.Log)
			require.Contains(t, p.Log.String(), c.says)
			require.LessOrEqual(t, strings.Count(p.Log.String(), "\n"), 2, "one clear line, and a hint:\n%s", p.Log)
			require.NotContains(t, p.Log.String(), "goroutine")
		})
	}
	// The running one was not disturbed.
	require.NoError(t, healthy(d))
}

func healthy(d *dev) error {
	response, err := http.Get(d.endpoint() + "/readyz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}
