package embedded

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// bench is a driver with a certificate for its nodes.
type bench struct {
	t      *testing.T
	ctx    context.Context
	driver *Driver
	server *tls.Config
	client *tls.Config
}

func newBench(t *testing.T) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	d, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closing, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := d.Close(closing); err != nil {
			t.Error(err)
		}
	})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &bench{
		t: t, ctx: ctx, driver: d,
		server: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		client: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "127.0.0.1"},
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() //nolint:errcheck // only its number is wanted
	return ln.Addr().(*net.TCPAddr).Port
}

const token = "a token of sixteen or more"

// start starts a node with AUTH and TLS, which listens once its role is set.
func (b *bench) start(name string, port int, change func(*driver.Options)) driver.Node {
	b.t.Helper()
	sum := sha256.Sum256([]byte(token))
	o := driver.Options{
		Name: name, Dir: b.t.TempDir(), Engine: "redis", EngineVersion: "7.0.7", EngineNodeID: strings.Repeat("a", 40),
		ListenAddr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), ReplicationPassword: "between nodes", ReplicationTLS: b.client,
		Config: driver.Config{
			MaxMemoryBytes: 64 << 20, AuthSHA256: []string{hex.EncodeToString(sum[:])}, TLS: b.server, TLSRequired: true,
		},
	}
	if change != nil {
		change(&o)
	}
	n, err := b.driver.Start(b.ctx, o)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bench) do(n driver.Node, args ...string) {
	b.t.Helper()
	if err := n.Do(b.ctx, args...); err != nil {
		b.t.Fatalf("%v: %v", args, err)
	}
}

func (b *bench) dial(addr string) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: addr, Password: token, TLSConfig: b.client, MaxRetries: -1})
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// until waits for the node to be as wanted, looking at each of its events.
func (b *bench) until(n driver.Node, what string, ok func(driver.Status) bool) {
	b.t.Helper()
	for !ok(n.Status()) {
		select {
		case <-n.Events():
		case <-b.ctx.Done():
			b.t.Fatalf("%s: it never happened: %+v", what, n.Status())
		}
	}
}

func (b *bench) close(nodes ...driver.Node) {
	b.t.Helper()
	for _, n := range nodes {
		if err := n.Close(b.ctx); err != nil {
			b.t.Error(err)
		}
	}
}

// The whole of what the agent does with nodes: start, roles, pause, hand-over of the role, endpoints.
func TestPrimaryReplicaAndHandOver(t *testing.T) {
	b := newBench(t)
	onePort, twoPort := freePort(t), freePort(t)
	one, two := b.start("one", onePort, nil), b.start("two", twoPort, nil)
	defer b.close(one, two)
	b.do(two, "REPLICAOF", "127.0.0.1", strconv.Itoa(onePort))
	for _, n := range []driver.Node{one, two} {
		if err := n.Listen(b.ctx); err != nil {
			t.Fatal(err)
		}
	}
	b.until(two, "the replica is in sync", func(s driver.Status) bool { return s.Role == agentv1.Role_ROLE_REPLICA && s.LinkUp })
	b.until(one, "the primary counts it", func(s driver.Status) bool { return s.AttachedReplicas == 1 })

	// An endpoint hands its connections to whoever is the primary.
	primary := one
	endpointAddr := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	endpoint, err := b.driver.Listen(endpointAddr, func() driver.Node { return primary })
	if err != nil {
		t.Fatal(err)
	}
	defer endpoint.Close() //nolint:errcheck // the test is over
	c := b.dial(endpointAddr)
	if err := c.Set(b.ctx, "k", "v1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Wait(b.ctx, 1, patience).Result(); err != nil || n != 1 {
		t.Fatalf("replicas that have it = %d, error %v", n, err)
	}

	b.do(one, "CLIENT", "PAUSE", "3600000", "WRITE")
	b.until(one, "paused", func(s driver.Status) bool { return s.WritesPaused })
	b.do(two, "REPLICAOF", "NO", "ONE")
	primary = two
	b.do(one, "REPLICAOF", "127.0.0.1", strconv.Itoa(twoPort))
	one.CloseClients()
	b.do(one, "CLIENT", "UNPAUSE")
	b.until(one, "the former primary follows", func(s driver.Status) bool { return s.Role == agentv1.Role_ROLE_REPLICA && s.LinkUp })

	fresh := b.dial(endpointAddr)
	if v, err := fresh.Get(b.ctx, "k").Result(); err != nil || v != "v1" {
		t.Errorf("after the hand-over k = %q, error %v", v, err)
	}
	if err := fresh.Set(b.ctx, "k", "v2", 0).Err(); err != nil {
		t.Error(err)
	}
	if err := b.dial(net.JoinHostPort("127.0.0.1", strconv.Itoa(onePort))).Set(b.ctx, "k", "v3", 0).Err(); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("write at the former primary: error = %v", err)
	}
}

func TestRequiredTLSAndAuth(t *testing.T) {
	b := newBench(t)
	port := freePort(t)
	n := b.start("one", port, nil)
	defer b.close(n)
	if err := n.Listen(b.ctx); err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := b.dial(addr).Ping(b.ctx).Err(); err != nil {
		t.Errorf("with TLS and token: %v", err)
	}
	for name, o := range map[string]*redis.Options{
		"wrong token": {Addr: addr, Password: "wrong", TLSConfig: b.client, MaxRetries: -1},
		"no token":    {Addr: addr, TLSConfig: b.client, MaxRetries: -1},
		"no TLS":      {Addr: addr, Password: token, MaxRetries: -1},
	} {
		c := redis.NewClient(o)
		if err := c.Ping(b.ctx).Err(); err == nil {
			t.Errorf("%s: let in", name)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAddressInUseIsAnError(t *testing.T) {
	b := newBench(t)
	port := freePort(t)
	one, two := b.start("one", port, nil), b.start("two", port, nil)
	defer b.close(one, two)
	if err := one.Listen(b.ctx); err != nil {
		t.Fatal(err)
	}
	if err := two.Listen(b.ctx); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error = %v", err)
	}
}

func TestDataOutlivesTheNode(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	port := freePort(t)
	for restart := range 2 {
		n := b.start("one", port, func(o *driver.Options) { o.Dir = dir })
		if err := n.Listen(b.ctx); err != nil {
			t.Fatal(err)
		}
		c := b.dial(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if restart == 0 {
			if err := c.Set(b.ctx, "k", "v", 0).Err(); err != nil {
				t.Fatal(err)
			}
		} else if v, err := c.Get(b.ctx, "k").Result(); err != nil || v != "v" {
			t.Errorf("after a restart k = %q, error %v", v, err)
		}
		b.close(n)
	}
}

func TestConfigureChangesAtRunTime(t *testing.T) {
	b := newBench(t)
	port := freePort(t)
	n := b.start("one", port, func(o *driver.Options) {
		o.ClusterEnabled = true
		o.Config.ClusterMap = slots(1, port)
		o.Config.TLS, o.Config.TLSRequired, o.Config.AuthSHA256 = nil, false, nil
	})
	defer b.close(n)
	if err := n.Listen(b.ctx); err != nil {
		t.Fatal(err)
	}
	if epoch := n.Status().ClusterMapEpoch; epoch != 1 {
		t.Fatalf("slot map's epoch = %d", epoch)
	}
	err := n.Configure(b.ctx, driver.Config{
		MaxMemoryBytes: 32 << 20, ClusterMap: slots(2, port),
		Parameters: map[string]string{"maxmemory-policy": "allkeys-lru", "no-such-parameter": "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if epoch := n.Status().ClusterMapEpoch; epoch != 2 {
		t.Errorf("slot map's epoch = %d", epoch)
	}
	c := redis.NewClient(&redis.Options{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), MaxRetries: -1})
	defer c.Close() //nolint:errcheck // the test is over
	info, err := c.Info(b.ctx, "memory").Result()
	if err != nil || !strings.Contains(info, "maxmemory:33554432") || !strings.Contains(info, "maxmemory_policy:allkeys-lru") {
		t.Errorf("INFO memory = %q, error %v", info, err)
	}
	bad := slots(3, port)
	bad.Shards[0].Slots[0].End = 16384
	if err := n.Configure(b.ctx, driver.Config{MaxMemoryBytes: 32 << 20, ClusterMap: bad}); err == nil {
		t.Error("a slot map with slot 16384 was taken")
	}
}

// slots is a map of one shard with one node.
func slots(epoch uint64, port int) *agentv1.ClusterMap {
	return &agentv1.ClusterMap{Epoch: epoch, Shards: []*agentv1.ClusterShard{{
		ShardId: strings.Repeat("b", 40), Slots: []*agentv1.SlotRange{{Start: 0, End: 16383}},
		Nodes: []*agentv1.ClusterNode{{
			EngineNodeId: strings.Repeat("a", 40), Host: "127.0.0.1", Port: uint32(port), Role: agentv1.Role_ROLE_PRIMARY, ShardEpoch: 1,
		}},
	}}}
}
