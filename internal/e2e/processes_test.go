package e2e

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/stretchr/testify/require"

	"github.com/elastane/elastane/internal/e2e/proc"
)

// fleet is a control plane and agents as processes of their own.
type fleet struct {
	dir, database   string
	serve           *proc.Process
	endpoint, agent string // addresses of the API and of the agents' listener
	agents          []*proc.Process
	ports           int // the first one of its agents' ranges
}

// fleets counts, so that fleets that run at the same time use other ports. The ranges lie below the
// kernel's ephemeral ports and beside dev's default.
var fleets atomic.Int32

const fleetSize = 2

func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{
		dir: t.TempDir(), database: startPostgres(t).server.URL(), agents: make([]*proc.Process, fleetSize),
		ports: 21000 + 1000*int(fleets.Add(1)),
	}
	t.Cleanup(func() {
		for _, p := range append(f.agents, f.serve) {
			if p == nil {
				continue
			}
			code := p.Terminate()
			if t.Failed() {
				t.Logf("log of %v:\n%s", p.Cmd.Args[1], p.Log.Tail())
			}
			require.Equal(t, 0, code)
		}
	})
	f.startServe(t, "127.0.0.1:0", "127.0.0.1:0")
	for i := range f.agents {
		f.startAgent(t, i)
	}
	for i, p := range f.agents {
		eventually(t, "agent "+strconv.Itoa(i)+" joins", func() bool { return strings.Contains(p.Log.String(), "connected to the control plane") })
	}
	return f
}

func (f *fleet) startServe(t *testing.T, listen, agentListen string) {
	t.Helper()
	args := []string{"serve", "--listen", listen, "--agent-listen", agentListen, "--database-url", f.database, "--log-format", "json"}
	for i := range f.agents {
		args = append(args, "--join-token-file", f.tokenFile(i))
	}
	var err error
	f.serve, err = proc.Launch(binary, args...)
	require.NoError(t, err)
	eventually(t, "the control plane serves", func() bool {
		for line := range bytes.Lines([]byte(f.serve.Log.String())) {
			var entry struct{ Msg, API, Agents string }
			if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
				f.endpoint, f.agent = "http://"+entry.API, entry.Agents[len("https://"):]
				return true
			}
		}
		return false
	})
}

func (f *fleet) tokenFile(i int) string { return filepath.Join(f.dir, "token-"+strconv.Itoa(i)) }

func (f *fleet) startAgent(t *testing.T, i int) {
	t.Helper()
	low := f.ports + 100*i
	// One agent finds its token in the file that serve writes, the other is given one by hand.
	join := []string{"--join-token-file", f.tokenFile(i)}
	if i == 1 {
		join = []string{"--join-token", f.token(t)}
	}
	var err error
	f.agents[i], err = proc.Launch(binary, append([]string{
		"agent", "--server", f.agent,
		"--zone", region + string(rune('a'+i)), "--data", filepath.Join(f.dir, "agent-"+strconv.Itoa(i)), "--host", "host-" + strconv.Itoa(i),
		"--addresses", "ports", "--advertise-host", "127.0.0.1", "--cluster-host", "127.0.0.1",
		"--port-range", strconv.Itoa(low) + "-" + strconv.Itoa(low+99),
	}, join...)...)
	require.NoError(t, err)
}

// token asks the program for a join token.
func (f *fleet) token(t *testing.T) string {
	t.Helper()
	p, err := proc.Launch(binary, "fleet", "token", "--database-url", f.database)
	require.NoError(t, err)
	token := <-p.Lines
	require.Equal(t, 0, p.Wait(), p.Log)
	require.NotEmpty(t, token)
	return token
}

// A fleet of processes serves caches, goes on without its control plane, and its agents come back
// with their nodes before they have heard from it.
func TestFleetOfProcesses(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	d := &dev{Dev: &proc.Dev{Process: f.serve, Env: map[string]string{"AWS_ENDPOINT_URL_ELASTICACHE": f.endpoint}}}
	in := &elasticache.CreateReplicationGroupInput{ReplicationGroupId: aws.String("spread"), NumCacheClusters: aws.Int32(2)}
	g := d.create(t, in)
	require.NotEqual(t, g.NodeGroups[0].NodeGroupMembers[0].PreferredAvailabilityZone, g.NodeGroups[0].NodeGroupMembers[1].PreferredAvailabilityZone)
	primary := cache(t, g.NodeGroups[0].PrimaryEndpoint, nil)
	reader := cache(t, g.NodeGroups[0].ReaderEndpoint, nil)
	require.NoError(t, primary.Set(t.Context(), "a", "1", 0).Err())
	eventually(t, "the replica on the other agent follows", func() bool { return reader.Get(t.Context(), "a").Val() == "1" })
	waitSaved(t, primary)
	waitSaved(t, reader)

	f.serve.Kill()
	require.NoError(t, primary.Set(t.Context(), "b", "2", 0).Err(), "caches go on without the control plane")
	waitSaved(t, primary)
	for i := range f.agents {
		f.agents[i].Kill()
		f.startAgent(t, i)
	}
	eventually(t, "the agents restart their nodes from their own specs", func() bool {
		return primary.Get(t.Context(), "b").Val() == "2" && reader.Get(t.Context(), "b").Val() == "2"
	})

	f.startServe(t, f.endpoint[len("http://"):], f.agent)
	d.Process = f.serve
	d.waitAvailable(t, "spread")
	require.NoError(t, primary.Set(t.Context(), "c", "3", 0).Err())
	eventually(t, "the replica follows", func() bool { return reader.Get(t.Context(), "c").Val() == "3" })
}

// Two control planes on one database take the same requests.
func TestTwoControlPlanes(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	first := &dev{Dev: &proc.Dev{Process: f.serve, Env: map[string]string{"AWS_ENDPOINT_URL_ELASTICACHE": f.endpoint}}}
	second := &fleet{dir: f.dir, database: f.database}
	second.startServe(t, "127.0.0.1:0", "127.0.0.1:0")
	other := &dev{Dev: &proc.Dev{Process: second.serve, Env: map[string]string{"AWS_ENDPOINT_URL_ELASTICACHE": second.endpoint}}}
	first.create(t, &elasticache.CreateReplicationGroupInput{ReplicationGroupId: aws.String("both"), NumCacheClusters: aws.Int32(1)})
	require.Equal(t, "available", *other.group(t, "both").Status)
	require.Equal(t, 0, second.serve.Terminate())
}
