package engine_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elastane/elastane/engine"
	"github.com/elastane/elastane/engine/internal/redistest"
)

// testNode is a node of the public API with a listener of its own.
type testNode struct {
	*engine.Node
	t    testing.TB
	addr string
	port int

	mu      sync.Mutex
	changed chan struct{}
}

type testLog struct{ t testing.TB }

func (w testLog) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func newTestRuntime(t testing.TB) *engine.Runtime {
	t.Helper()
	rt, err := engine.NewRuntime(engine.RuntimeOptions{Logger: slog.New(slog.NewTextHandler(testLog{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := rt.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return rt
}

// start runs a node on a port of its own, which it announces.
func start(t testing.TB, rt *engine.Runtime, o engine.Options) *testNode {
	t.Helper()
	n := &testNode{t: t, changed: make(chan struct{})}
	var ready atomic.Pointer[engine.Node]
	l, err := rt.Listen("127.0.0.1:0", ready.Load, engine.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n.addr, n.port = l.Addr().String(), l.Addr().(*net.TCPAddr).Port
	o.AnnounceHost, o.AnnouncePort = "127.0.0.1", n.port
	if o.Engine == "" {
		o.Engine, o.Version = "redis", "7.2.6"
	}
	o.Name = strconv.Itoa(n.port)
	if n.Node, err = rt.NewNode(o); err != nil {
		t.Fatal(err)
	}
	n.OnChange(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		close(n.changed)
		n.changed = make(chan struct{})
	})
	ready.Store(n.Node)
	return n
}

func (n *testNode) client(o redis.Options) *redis.Client {
	o.Addr, o.MaxRetries = n.addr, -1
	c := redis.NewClient(&o)
	n.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (n *testNode) do(words ...string) string {
	n.t.Helper()
	v, err := n.Do(context.Background(), words...)
	if err != nil {
		n.t.Errorf("%v: %v", words, err)
	}
	return v.Text()
}

func (n *testNode) until(what string, cond func(s engine.Status) bool) engine.Status {
	n.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		s := n.Status()
		if cond(s) {
			return s
		}
		select {
		case <-changed:
		case <-deadline:
			n.t.Fatalf("never: %s; %+v", what, s)
		}
	}
}

func linkUp(s engine.Status) bool { return s.LinkUp }

func (n *testNode) follow(p *testNode) {
	n.t.Helper()
	n.do("REPLICAOF", "127.0.0.1", strconv.Itoa(p.port))
	n.until("link up", func(s engine.Status) bool { return s.LinkUp && s.Primary == p.addr })
}

// wait lets a client wait until the replicas have everything.
func wait(t testing.TB, c redis.UniversalClient, replicas int) {
	t.Helper()
	if n, err := c.Do(context.Background(), "WAIT", replicas, 20_000).Int(); err != nil || n < replicas {
		t.Fatalf("WAIT %d: %d %v", replicas, n, err)
	}
}

// authority issues the certificate of a test's nodes.
func authority(t testing.TB) (server *tls.Config, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// TestReplicationWithTLSAndAuth replicates over TLS as the internal user; a replica that does not trust the primary, or
// has the wrong password, never gets in.
func TestReplicationWithTLSAndAuth(t *testing.T) {
	rt := newTestRuntime(t)
	server, pool := authority(t)
	token := sha256.Sum256([]byte("a token of users"))
	secured := func(password string, trust *x509.CertPool) *testNode {
		n := start(t, rt, engine.Options{
			Managed: true, ReplicationUser: "replication", ReplicationPassword: password,
			ReplicationTLS: &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12},
		})
		n.SetTLS(server, true)
		if err := n.SetAuth([]string{hex.EncodeToString(token[:])}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	p, r := secured("right", pool), secured("right", pool)
	stranger, liar := secured("right", x509.NewCertPool()), secured("wrong", pool)
	ctx := context.Background()
	c := p.client(redis.Options{Password: "a token of users", TLSConfig: &tls.Config{RootCAs: pool}})
	for i := range 100 {
		if err := c.Set(ctx, fmt.Sprint("early", i), strings.Repeat("x", 1000), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []*testNode{stranger, liar} {
		n.do("REPLICAOF", "127.0.0.1", strconv.Itoa(p.port))
	}
	r.follow(p)
	if err := c.Set(ctx, "late", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	wait(t, c, 1)
	at := r.client(redis.Options{Password: "a token of users", TLSConfig: &tls.Config{RootCAs: pool}})
	if v := at.Get(ctx, "late").Val(); v != "value" {
		t.Errorf("late = %q", v)
	}
	if n := at.DBSize(ctx).Val(); n != 101 {
		t.Errorf("%d keys", n)
	}
	if err := at.Set(ctx, "a", "b", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "READONLY") {
		t.Errorf("a write at the replica: %v", err)
	}
	if err := at.Do(ctx, "PSYNC", "?", "-1").Err(); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("PSYNC by a user: %v", err)
	}
	for _, n := range []*testNode{stranger, liar} {
		if s := n.Status(); s.LinkUp || s.Keys != 0 || s.Role != "replica" {
			t.Errorf("%+v", s)
		}
	}
	if s := p.Status(); s.AttachedReplicas != 1 {
		t.Errorf("%+v", s)
	}
}

// TestHandOver pauses writes, waits for equal offsets, and changes roles, while a client writes: what was acknowledged is
// there afterwards, and the write that was held back is answered with an error.
func TestHandOver(t *testing.T) {
	rt := newTestRuntime(t)
	a, b := start(t, rt, engine.Options{}), start(t, rt, engine.Options{})
	b.follow(a)
	ctx := context.Background()
	acked, refused := 0, error(nil)
	var halfway, ended sync.WaitGroup
	halfway.Add(1)
	ended.Add(1)
	c := a.client(redis.Options{ReadTimeout: 20 * time.Second})
	go func() {
		defer ended.Done()
		for i := 0; ; i++ {
			if err := c.RPush(ctx, "log", i).Err(); err != nil {
				refused = err
				return
			}
			acked++
			if i == 500 {
				halfway.Done()
			}
		}
	}()
	halfway.Wait()
	a.do("CLIENT", "PAUSE", "60000", "WRITE")
	final := a.until("paused", func(s engine.Status) bool { return s.WritesPaused }).Offset
	// The replica's offset moves without a change of its status; the primary knows when it was acknowledged.
	if n := a.do("WAIT", "1", "0"); n != "1" {
		caughtUp(t, b, final)
	}
	if s := a.Status(); s.Offset != final {
		t.Errorf("the offset moved from %d to %d during the pause", final, s.Offset)
	}
	b.do("REPLICAOF", "NO", "ONE")
	a.follow(b)
	ended.Wait()
	if refused == nil || !strings.HasPrefix(refused.Error(), "READONLY") {
		t.Errorf("the held write: %v", refused)
	}
	if n := b.do("LLEN", "log"); n != strconv.Itoa(acked) {
		t.Errorf("%s elements, %d were acknowledged", n, acked)
	}
	b.do("RPUSH", "log", "after")
	a.until("caught up", func(s engine.Status) bool { return s.LinkUp })
	caughtUp(t, a, b.Status().Offset)
	if got, want := a.do("LLEN", "log"), b.do("LLEN", "log"); got != want {
		t.Errorf("%s and %s elements", got, want)
	}
	if info := b.do("INFO", "stats") + b.do("INFO", "replication"); strings.Contains(info, "sync_full:1") {
		t.Errorf("the old primary needed a full synchronisation")
	}
}

// caughtUp reads a replica's offset until it is there; the stream comes by itself, so this ends.
func caughtUp(t testing.TB, n *testNode, offset int64) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for n.Status().Offset < offset {
		if time.Now().After(deadline) {
			t.Fatalf("offset %d, want %d", n.Status().Offset, offset)
		}
		runtime.Gosched()
	}
}

// TestBlockedClientAtDemotion: a client in BLPOP is told that the role has changed.
func TestBlockedClientAtDemotion(t *testing.T) {
	rt := newTestRuntime(t)
	a, b := start(t, rt, engine.Options{}), start(t, rt, engine.Options{})
	b.follow(a)
	ctx := context.Background()
	c := a.client(redis.Options{ReadTimeout: 20 * time.Second})
	result := make(chan error, 1)
	go func() { result <- c.BLPop(ctx, 0, "nothing").Err() }()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(a.do("INFO", "clients"), "blocked_clients:1") {
		if time.Now().After(deadline) {
			t.Fatal("never blocked")
		}
		runtime.Gosched()
	}
	b.do("REPLICAOF", "NO", "ONE")
	a.do("REPLICAOF", "127.0.0.1", strconv.Itoa(b.port))
	select {
	case err := <-result:
		if err == nil || !strings.HasPrefix(err.Error(), "UNBLOCKED") && !strings.HasPrefix(err.Error(), "READONLY") {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("still blocked")
	}
}

// TestRestart stops a primary and its replica in order and starts them again: everything is there, times to live
// included, and the replica goes on without a full synchronisation.
func TestRestart(t *testing.T) {
	dirA, dirB := t.TempDir(), t.TempDir() // before the runtime, so that they outlive its nodes
	rt := newTestRuntime(t)
	a, b := start(t, rt, engine.Options{Dir: dirA}), start(t, rt, engine.Options{Dir: dirB})
	b.follow(a)
	ctx := context.Background()
	c := a.client(redis.Options{})
	c.Set(ctx, "s", "value", 0)
	c.Set(ctx, "ttl", "value", time.Hour)
	c.HSet(ctx, "h", "f", "v")
	c.RPush(ctx, "l", "1", "2")
	c.ZAdd(ctx, "z", redis.Z{Score: 1.5, Member: "m"})
	wait(t, c, 1)
	expiry := a.do("PEXPIRETIME", "ttl")
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	c.Set(ctx, "while", "it was away", 0)
	b = start(t, rt, engine.Options{Dir: dirB})
	if got := b.do("PEXPIRETIME", "ttl"); got != expiry {
		t.Errorf("expiry %s, want %s", got, expiry)
	}
	b.follow(a)
	wait(t, c, 1)
	if v := b.do("GET", "while"); v != "it was away" {
		t.Errorf("while = %q", v)
	}
	if info := a.do("INFO", "replication"); !strings.Contains(info, "connected_slaves:1") {
		t.Error(info)
	}
	before := a.Status()
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(ctx); err != nil {
		t.Fatal(err)
	}
	a = start(t, rt, engine.Options{Dir: dirA})
	if s := a.Status(); s.Offset < before.Offset || s.Keys != 6 || s.ReplicationID == before.ReplicationID {
		t.Errorf("%+v, before %+v", s, before)
	}
	for k, want := range map[string]string{"s": "value", "ttl": "value", "while": "it was away"} {
		if got := a.do("GET", k); got != want {
			t.Errorf("%s = %q", k, got)
		}
	}
	if a.do("HGET", "h", "f") != "v" || a.do("LINDEX", "l", "1") != "2" || a.do("ZSCORE", "z", "m") != "1.5" {
		t.Error("a collection is not what it was")
	}
}

// TestSaveCommands: SAVE, BGSAVE, LASTSAVE and INFO persistence, and the error of a node without a directory.
func TestSaveCommands(t *testing.T) {
	dir := t.TempDir() // before the runtime, so that it outlives its nodes
	rt := newTestRuntime(t)
	n, bare := start(t, rt, engine.Options{Dir: dir}), start(t, rt, engine.Options{})
	n.do("SET", "k", "v")
	if info := n.do("INFO", "persistence"); !strings.Contains(info, "rdb_changes_since_last_save:1\r\n") {
		t.Error(info)
	}
	n.do("SAVE")
	if info := n.do("INFO", "persistence"); !strings.Contains(info, "rdb_changes_since_last_save:0\r\n") ||
		!strings.Contains(info, "rdb_last_bgsave_status:ok\r\n") {
		t.Error(info)
	}
	if n.do("BGSAVE") != "Background saving started" || n.do("LASTSAVE") == "0" {
		t.Error("BGSAVE or LASTSAVE")
	}
	if _, err := bare.Do(context.Background(), "SAVE"); err == nil || err.Error() != "ERR this node has no directory" {
		t.Errorf("%v", err)
	}
}

// TestRedisAndEngine replicates every type in both directions between a real server and this engine.
func TestRedisAndEngine(t *testing.T) {
	srv := redistest.Start(t, "")
	rt := newTestRuntime(t)
	n := start(t, rt, engine.Options{})
	ctx := context.Background()
	fill := func(c *redis.Client, mark string) {
		t.Helper()
		p := c.Pipeline()
		for i := range 600 {
			p.Set(ctx, fmt.Sprint(mark, "s", i), i, time.Hour)
			p.RPush(ctx, mark+"l", i, strings.Repeat("e", i))
			p.HSet(ctx, mark+"h", i, strings.Repeat("v", i%90))
			p.SAdd(ctx, mark+"t", i)
			p.ZAdd(ctx, mark+"z", redis.Z{Score: float64(i) / 7, Member: i})
			p.HSet(ctx, mark+"small", "f", i)
		}
		p.SPop(ctx, mark+"t")
		p.IncrByFloat(ctx, mark+"float", 0.1)
		p.Del(ctx, mark+"s7")
		p.Expire(ctx, mark+"h", 2*time.Hour)
		if _, err := p.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	mine := n.client(redis.Options{Protocol: 2})
	// A real primary: what it has before and what it writes while we follow.
	fill(srv.Client, "a")
	n.do("REPLICAOF", "127.0.0.1", strconv.Itoa(srv.Port))
	n.until("link up", linkUp)
	fill(srv.Client, "b")
	wait(t, srv.Client, 1)
	compareAll(t, srv.Client, mine, 2*(599+5+1))
	// And the other way round.
	n.do("REPLICAOF", "NO", "ONE")
	fill(mine, "c")
	if err := srv.Client.Do(ctx, "REPLICAOF", "127.0.0.1", n.port).Err(); err != nil {
		t.Fatal(err)
	}
	n.until("the real server follows", func(s engine.Status) bool { return s.AttachedReplicas == 1 })
	fill(mine, "d")
	wait(t, mine, 1)
	compareAll(t, srv.Client, mine, 4*(599+5+1))
}

func compareAll(t *testing.T, a, b *redis.Client, keys int64) {
	t.Helper()
	ctx := context.Background()
	if x, y := a.DBSize(ctx).Val(), b.DBSize(ctx).Val(); x != keys || y != keys {
		t.Errorf("%d and %d keys, want %d", x, y, keys)
	}
	names := a.Keys(ctx, "*").Val()
	for _, k := range names {
		var x, y any
		switch kind := a.Type(ctx, k).Val(); kind {
		case "string":
			x, y = a.Get(ctx, k).Val(), b.Get(ctx, k).Val()
		case "list":
			x, y = a.LRange(ctx, k, 0, -1).Val(), b.LRange(ctx, k, 0, -1).Val()
		case "hash":
			x, y = a.HGetAll(ctx, k).Val(), b.HGetAll(ctx, k).Val()
		case "set":
			x, y = a.SMembersMap(ctx, k).Val(), b.SMembersMap(ctx, k).Val()
		case "zset":
			x, y = a.ZRangeWithScores(ctx, k, 0, -1).Val(), b.ZRangeWithScores(ctx, k, 0, -1).Val()
		}
		if fmt.Sprint(x) != fmt.Sprint(y) {
			t.Errorf("%s: %.200v and %.200v", k, x, y)
		}
		if x, y := a.Do(ctx, "PEXPIRETIME", k).Val(), b.Do(ctx, "PEXPIRETIME", k).Val(); x != y {
			t.Errorf("%s: expiry %v and %v", k, x, y)
		}
	}
}

// TestPauseStopsExpiryAndEviction: while writes are paused neither a key whose time has come nor a full memory moves the
// offset, and afterwards both go on.
func TestPauseStopsExpiryAndEviction(t *testing.T) {
	var ahead atomic.Int64
	rt, err := engine.NewRuntime(engine.RuntimeOptions{
		Logger: slog.New(slog.NewTextHandler(testLog{t}, nil)),
		Clock:  func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	p := start(t, rt, engine.Options{MaxMemory: 1 << 20, MaxMemoryPolicy: "allkeys-lru"})
	r := start(t, rt, engine.Options{})
	r.follow(p)
	ctx := context.Background()
	c := p.client(redis.Options{ReadTimeout: 20 * time.Second, PoolSize: 3})
	for i := range 2000 {
		if err := c.Set(ctx, fmt.Sprint("k", i), strings.Repeat("x", 1000), time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if evicted := p.do("INFO", "stats"); strings.Contains(evicted, "evicted_keys:0\r\n") {
		t.Fatal("nothing was evicted")
	}
	p.do("CLIENT", "PAUSE", "3600000", "WRITE")
	final := p.Status()
	ahead.Store(int64(2 * time.Minute))
	held := make(chan error, 1)
	go func() { held <- c.Set(ctx, "more", strings.Repeat("y", 100_000), 0).Err() }()
	for i := range 2000 {
		if v, err := c.Get(ctx, fmt.Sprint("k", i)).Result(); !errors.Is(err, redis.Nil) {
			t.Fatalf("k%d = %.10q %v", i, v, err)
		}
	}
	if s := p.Status(); s.Offset != final.Offset || s.Keys != final.Keys {
		t.Errorf("from offset %d, %d keys to %d, %d", final.Offset, final.Keys, s.Offset, s.Keys)
	}
	p.do("CLIENT", "UNPAUSE")
	if err := <-held; err != nil {
		t.Errorf("the held write: %v", err)
	}
	wait(t, c, 1)
	if a, b := p.do("GET", "more"), r.do("GET", "more"); a != b || len(a) != 100_000 {
		t.Errorf("%d and %d bytes", len(a), len(b))
	}
}

// TestWait: WAIT counts what is acknowledged, gives up at its time, and forgets clients that go away.
func TestWait(t *testing.T) {
	rt := newTestRuntime(t)
	p, r := start(t, rt, engine.Options{}), start(t, rt, engine.Options{})
	r.follow(p)
	ctx := context.Background()
	c := p.client(redis.Options{PoolSize: 1, ReadTimeout: 20 * time.Second})
	for i := range 20 {
		c.Set(ctx, "k", i, 0)
		if n, err := c.Do(ctx, "WAIT", 1, 0).Int(); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if v := r.do("GET", "k"); v != strconv.Itoa(i) {
			t.Fatalf("acknowledged, but %q is not %d", v, i)
		}
	}
	c.Set(ctx, "k", "v", 0)
	if n, err := c.Do(ctx, "WAIT", 5, 10).Int(); n > 1 || err != nil {
		t.Errorf("WAIT 5 10: %d %v", n, err)
	}
	if n, err := c.Do(ctx, "WAIT", 1, 0).Int(); n != 1 || err != nil {
		t.Errorf("after one that gave up: %d %v", n, err)
	}
	for words, want := range map[string]string{
		"WAIT 1 -1": "ERR timeout is negative", "WAIT x 1": "ERR value is not an integer or out of range",
		"WAIT 1 x": "ERR timeout is not an integer or out of range", "WAIT 1 9223372036854775807": "ERR timeout is out of range",
	} {
		var args []any
		for _, w := range strings.Fields(words) {
			args = append(args, w)
		}
		if err := c.Do(ctx, args...).Err(); err == nil || err.Error() != want {
			t.Errorf("%s: %v", words, err)
		}
	}
	if err := r.client(redis.Options{}).Do(ctx, "WAIT", 1, 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "ERR WAIT cannot be used with replica") {
		t.Errorf("at a replica: %v", err)
	}
	// Unblocked by an administrator, the client can wait again.
	waits := make(chan error, 1)
	id := c.ClientID(ctx).Val()
	c.Set(ctx, "k", "w", 0)
	go func() { waits <- c.Do(ctx, "WAIT", 5, 0).Err() }()
	deadline := time.Now().Add(10 * time.Second)
	for p.do("CLIENT", "UNBLOCK", strconv.FormatInt(id, 10), "ERROR") != "1" {
		if time.Now().After(deadline) {
			t.Fatal("never blocked")
		}
		runtime.Gosched()
	}
	if err := <-waits; err == nil || !strings.HasPrefix(err.Error(), "UNBLOCKED") {
		t.Errorf("%v", err)
	}
	if n, err := c.Do(ctx, "WAIT", 1, 0).Int(); n != 1 || err != nil {
		t.Errorf("after UNBLOCK: %d %v", n, err)
	}
}

// Without an append-only file nothing is ever in one.
func TestWaitAOF(t *testing.T) {
	c := start(t, newTestRuntime(t), engine.Options{}).client(redis.Options{})
	ctx := context.Background()
	for args, want := range map[string]string{
		"0 0 0": "[0 0]", "0 1 1": "[0 0]",
		"1 0 0":  "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
		"2 0 0":  "ERR value is out of range, value must between 0 and 1",
		"0 -1 0": "ERR value is out of range, must be positive",
		"0 0 -1": "ERR timeout is negative",
	} {
		words := []any{"WAITAOF"}
		for _, w := range strings.Fields(args) {
			words = append(words, w)
		}
		v, err := c.Do(ctx, words...).Result()
		got := fmt.Sprint(v)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("WAITAOF %s: %s, want %s", args, got, want)
		}
	}
}
