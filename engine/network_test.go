package engine

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/elastane/elastane/engine/command"
	"github.com/elastane/elastane/engine/resp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = 20 * time.Second

// served is a runtime with one node that listens.
type served struct {
	t    testing.TB
	rt   *Runtime
	node *Node
	addr string
}

func serve(t testing.TB, o Options, prepare ...func(n *Node)) *served {
	t.Helper()
	return serveOn(t, 2, o, prepare...)
}

func serveOn(t testing.TB, loops int, o Options, prepare ...func(n *Node)) *served {
	t.Helper()
	rt, err := NewRuntime(RuntimeOptions{Loops: loops, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		if err := rt.Close(ctx); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	node, err := rt.NewNode(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(node)
	}
	ln, err := rt.Listen("127.0.0.1:0", func() *Node { return node }, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &served{t, rt, node, ln.Addr().String()}
}

func (s *served) goRedis(o redis.Options) *redis.Client {
	s.t.Helper()
	o.Addr = s.addr
	o.DialTimeout, o.ReadTimeout, o.MaxRetries = testTimeout, testTimeout, -1
	c := redis.NewClient(&o)
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// rawConn is a connection that a test speaks the protocol on itself.
type rawConn struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (s *served) dial() *rawConn {
	s.t.Helper()
	c, err := net.DialTimeout("tcp", s.addr, testTimeout)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		s.t.Fatal(err)
	}
	return &rawConn{c, s.t, bufio.NewReader(c)}
}

func (c *rawConn) send(words ...string) {
	c.t.Helper()
	var w resp.Writer
	w.CommandStrings(words...)
	if _, err := c.Write(w.Buf); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawConn) reply() resp.Value {
	c.t.Helper()
	v, err := resp.ReadReply(c.r)
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

func (c *rawConn) do(words ...string) resp.Value {
	c.t.Helper()
	c.send(words...)
	return c.reply()
}

func (c *rawConn) want(text string, words ...string) {
	c.t.Helper()
	if v := c.do(words...); v.Text() != text {
		c.t.Fatalf("%q: got %v, want %q", words, v, text)
	}
}

func TestClientLibrary(t *testing.T) {
	s := serve(t, Options{Name: "n"})
	ctx := context.Background()
	for _, proto := range []int{2, 3} {
		t.Run("RESP"+strconv.Itoa(proto), func(t *testing.T) {
			c := s.goRedis(redis.Options{Protocol: proto, ClientName: "app"})
			if err := c.Set(ctx, "k", "v", time.Minute).Err(); err != nil {
				t.Fatal(err)
			}
			if v, err := c.Get(ctx, "k").Result(); v != "v" || err != nil {
				t.Fatalf("got %q, %v", v, err)
			}
			if name, err := c.ClientGetName(ctx).Result(); name != "app" || err != nil {
				t.Fatalf("name %q, %v", name, err)
			}
			cmds, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
				for i := range 1000 {
					p.Incr(ctx, "n"+strconv.Itoa(proto))
					p.Set(ctx, fmt.Sprintf("key:%d", i), strings.Repeat("x", i), 0)
				}
				return nil
			})
			if err != nil || cmds[1998].(*redis.IntCmd).Val() != 1000 {
				t.Fatalf("pipeline: %v", err)
			}
			if _, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.HSet(ctx, "h", "f", "1")
				p.HGetAll(ctx, "h")
				return nil
			}); err != nil {
				t.Fatalf("transaction: %v", err)
			}
			sub := c.Subscribe(ctx, "news")
			defer func() { _ = sub.Close() }()
			if _, err := sub.Receive(ctx); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Publish(ctx, "news", "hello").Result(); n != 1 || err != nil {
				t.Fatalf("publish: %d, %v", n, err)
			}
			if m, err := sub.ReceiveMessage(ctx); err != nil || m.Payload != "hello" {
				t.Fatalf("message %v, %v", m, err)
			}
			if docs, err := c.Do(ctx, "COMMAND", "DOCS", "get").Result(); err != nil || docs == nil {
				t.Fatalf("docs %v, %v", docs, err)
			}
		})
	}
}

func TestOptimisticTransaction(t *testing.T) {
	s := serve(t, Options{})
	ctx := context.Background()
	c := s.goRedis(redis.Options{})
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range each {
				for {
					err := c.Watch(ctx, func(tx *redis.Tx) error {
						n, err := tx.Get(ctx, "n").Int()
						if err != nil && !errors.Is(err, redis.Nil) {
							return err
						}
						_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
							p.Set(ctx, "n", n+1, 0)
							return nil
						})
						return err
					}, "n")
					if err == nil {
						break
					}
					if !errors.Is(err, redis.TxFailedErr) {
						t.Error(err)
						return
					}
				}
			}
		}()
	}
	wg.Wait()
	if n, err := c.Get(ctx, "n").Int(); n != writers*each {
		t.Fatalf("%d increments, %v; want %d", n, err, writers*each)
	}
}

func TestSplitReads(t *testing.T) {
	s := serve(t, Options{})
	c := s.dial()
	var w resp.Writer
	big := strings.Repeat("v", 200<<10)
	w.CommandStrings("SET", "k", "value")
	w.CommandStrings("GET", "k")
	w.CommandStrings("SET", "big", big)
	w.CommandStrings("STRLEN", "big")
	go func() {
		for i := 0; i < len(w.Buf); {
			n := 1
			if i > 100 {
				n = min(7001, len(w.Buf)-i)
			}
			if _, err := c.Write(w.Buf[i : i+n]); err != nil {
				return // the reader fails then
			}
			i += n
		}
	}()
	for _, want := range []string{"OK", "value", "OK", strconv.Itoa(len(big))} {
		if v := c.reply(); v.Text() != want {
			t.Fatalf("got %.40v, want %q", v, want)
		}
	}
}

func TestBadInputHarmsNobodyElse(t *testing.T) {
	s := serve(t, Options{})
	good := s.dial()
	for _, bad := range []string{"*1\r\n$x\r\n", "*99999999\r\n", "*1\r\n!", "set \"\r\n"} {
		c := s.dial()
		if _, err := io.WriteString(c, "PING\r\n"+bad); err != nil {
			t.Fatal(err)
		}
		if v := c.reply(); v.Text() != "PONG" {
			t.Fatalf("command before %q: %v", bad, v)
		}
		if v := c.reply(); !v.IsError() || !strings.HasPrefix(v.Str, "ERR Protocol error: ") {
			t.Fatalf("%q: got %v", bad, v)
		}
		if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Fatalf("%q: connection stays open: %v", bad, err)
		}
		good.want("PONG", "PING")
	}
}

func TestPanicEndsOnlyItsConnection(t *testing.T) {
	boom := command.NewTable(command.Families(), []command.Spec{{
		Name: "boom", Group: "server", Since: "1.0.0", Arity: 2, Flags: command.Write, Keys: command.OneKey,
		Handler: func(c *command.Ctx) {
			c.View.Edit(c.Args.Bytes()) // stays open
			panic("boom")
		},
	}})
	s := serve(t, Options{}, func(n *Node) { n.server.Table = boom })
	good, bad := s.dial(), s.dial()
	good.want("OK", "SET", "k", "v")
	if v := bad.do("BOOM", "k"); v.Str != command.ErrInternal {
		t.Fatalf("got %v", v)
	}
	if _, err := bad.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("connection stays open: %v", err)
	}
	good.want("v", "GET", "k") // the stripe is free again
	good.want("1", "DEL", "k")
}

func TestSlowReaderIsDropped(t *testing.T) {
	for _, loops := range []int{1, 2} { // on the publisher's loop, and on another one
		t.Run(strconv.Itoa(loops), func(t *testing.T) { slowReader(t, loops) })
	}
}

func slowReader(t *testing.T, loops int) {
	s := serveOn(t, loops, Options{Parameters: map[string]string{
		"client-output-buffer-limit": "normal 0 0 0 pubsub 1mb 512kb 60",
	}})
	slow, other := s.dial(), s.dial()
	slow.do("SUBSCRIBE", "ch")
	payload := strings.Repeat("x", 64<<10)
	for n := int64(1); n > 0; { // until the subscriber is gone
		n = other.do("PUBLISH", "ch", payload).Int
	}
	if dropped := s.node.server.Stats.OutputLimit.Load(); dropped != 1 {
		t.Fatalf("%d clients dropped", dropped)
	}
	other.want("PONG", "PING")

	// An ordinary client may take its time: it gets everything.
	big := strings.Repeat("y", 1<<20)
	other.want("OK", "SET", "big", big)
	reader := s.dial()
	for range 20 {
		reader.send("GET", "big")
	}
	for range 20 {
		if v := reader.reply(); v.Str != big {
			t.Fatalf("got %d bytes", len(v.Str))
		}
	}
}

func TestManyNodesOnOneRuntime(t *testing.T) {
	rt, err := NewRuntime(RuntimeOptions{Loops: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		if err := rt.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	const nodes = 500
	before := residentMemory(t)
	began := time.Now()
	var addrs []string
	for i := range nodes {
		n, err := rt.NewNode(Options{Name: strconv.Itoa(i), Managed: true, MaxMemory: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := rt.Listen("127.0.0.1:0", func() *Node { return n }, ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, ln.Addr().String())
	}
	took, grown := time.Since(began), residentMemory(t)-before
	t.Logf("%d nodes listen after %v, %d KiB more resident", nodes, took, grown>>10)
	if grown > 50<<20 {
		t.Errorf("%d idle nodes take %d MiB", nodes, grown>>20)
	}
	for i := range 10 {
		c := (&served{t: t, addr: addrs[i*50]}).dial()
		c.want("OK", "SET", "who", strconv.Itoa(i))
	}
	for i := range 10 {
		c := (&served{t: t, addr: addrs[i*50]}).dial()
		c.want(strconv.Itoa(i), "GET", "who")
		c.want("1", "DBSIZE")
	}
}

func residentMemory(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func TestRouteDecidesPerConnection(t *testing.T) {
	s := serve(t, Options{Name: "first"})
	second, err := s.rt.NewNode(Options{Name: "second"})
	if err != nil {
		t.Fatal(err)
	}
	var target atomic.Pointer[Node]
	ln, err := s.rt.Listen("127.0.0.1:0", target.Load, ListenOptions{ReusePort: true})
	if err != nil {
		t.Fatal(err)
	}
	endpoint := &served{t: t, addr: ln.Addr().String()}
	if _, err := endpoint.dial().r.ReadByte(); err == nil {
		t.Fatal("a connection without a node stays open")
	}
	target.Store(s.node)
	old := endpoint.dial()
	old.want("OK", "SET", "k", "first")
	target.Store(second)
	fresh := endpoint.dial()
	if v := fresh.do("GET", "k"); !v.IsNull() {
		t.Fatalf("got %v from the second node", v)
	}
	old.want("first", "GET", "k")
	s.node.CloseClients()
	if _, err := old.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("after CloseClients: %v", err)
	}
	fresh.want("PONG", "PING")

	if _, err := s.rt.Listen(s.addr, target.Load, ListenOptions{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("port in use: %v", err)
	}
	if l2, err := s.rt.Listen(endpoint.addr, target.Load, ListenOptions{ReusePort: true}); err != nil {
		t.Fatalf("shared address: %v", err)
	} else if err := l2.Close(); err != nil {
		t.Fatal(err)
	}
}

// issue makes a certificate for 127.0.0.1 with a serial number.
func issue(t testing.TB, serial int64) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "node"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func trust(t testing.TB, c tls.Certificate) *tls.Config {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{RootCAs: pool}
}

func TestTLS(t *testing.T) {
	s := serve(t, Options{})
	ctx := context.Background()
	first, second := issue(t, 1), issue(t, 2)
	s.node.SetTLS(&tls.Config{Certificates: []tls.Certificate{first}}, false)

	// Preferred: both on one port.
	plain := s.dial()
	plain.want("OK", "SET", "k", "v")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := trust(t, first)
		config.MinVersion, config.MaxVersion = version, version
		c := s.goRedis(redis.Options{TLSConfig: config})
		if v, err := c.Get(ctx, "k").Result(); v != "v" || err != nil {
			t.Fatalf("TLS %x: %q, %v", version, v, err)
		}
		big := strings.Repeat("b", 3<<20)
		if _, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range 200 {
				p.Set(ctx, "k"+strconv.Itoa(i), i, 0)
			}
			p.Set(ctx, "big", big, 0)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if v, err := c.Get(ctx, "big").Result(); v != big || err != nil {
			t.Fatalf("large value over TLS: %d bytes, %v", len(v), err)
		}
		sub := c.Subscribe(ctx, "ch")
		if _, err := sub.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		plain.want("1", "PUBLISH", "ch", "m")
		if m, err := sub.ReceiveMessage(ctx); err != nil || m.Payload != "m" {
			t.Fatalf("message over TLS: %v, %v", m, err)
		}
		if err := sub.Close(); err != nil {
			t.Fatal(err)
		}
	}

	// The certificate is replaced while connections are open; they stay.
	open := s.goRedis(redis.Options{TLSConfig: trust(t, first), PoolSize: 1})
	if err := open.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	s.node.SetTLS(&tls.Config{Certificates: []tls.Certificate{second}}, true)
	if err := open.Ping(ctx).Err(); err != nil {
		t.Fatalf("connection that was open: %v", err)
	}
	if err := s.goRedis(redis.Options{TLSConfig: trust(t, second)}).Ping(ctx).Err(); err != nil {
		t.Fatalf("new certificate: %v", err)
	}
	if err := s.goRedis(redis.Options{TLSConfig: trust(t, first)}).Ping(ctx).Err(); err == nil {
		t.Fatal("the old certificate is still served")
	}

	// Required: plain connections are refused, those that were open stay.
	refused := s.dial()
	refused.send("PING")
	if b, err := io.ReadAll(refused); strings.Contains(string(b), "PONG") {
		t.Fatalf("plain connection answered %q, %v", b, err)
	}
	plain.want("PONG", "PING")
}

func TestRequestInTheHandshakesLastFlight(t *testing.T) {
	s := serve(t, Options{})
	certificate := issue(t, 1)
	s.node.SetTLS(&tls.Config{Certificates: []tls.Certificate{certificate}}, true)
	config := trust(t, certificate)
	config.ServerName = "127.0.0.1"
	for range 50 {
		raw := s.dial()
		// Finished and the first request leave in one segment, so that they are read together.
		joined := &joiningConn{Conn: raw}
		c := tls.Client(joined, config)
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "PING\r\n"); err != nil {
			t.Fatal(err)
		}
		joined.release()
		answer := make([]byte, 7)
		if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "+PONG\r\n" {
			t.Fatalf("got %q, %v", answer, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// joiningConn holds what is written after the first flight back until release.
type joiningConn struct {
	net.Conn
	flights  int
	held     bytes.Buffer
	released bool
}

func (c *joiningConn) Write(b []byte) (int, error) {
	c.flights++
	if c.flights == 1 || c.released {
		return c.Conn.Write(b)
	}
	return c.held.Write(b)
}

func (c *joiningConn) release() {
	c.released = true
	_, _ = c.Conn.Write(c.held.Bytes()) // the read that follows fails
}

func TestAuth(t *testing.T) {
	s := serve(t, Options{ReplicationUser: "repl", ReplicationPassword: "inner", Managed: true})
	open := s.dial()
	if v := open.do("AUTH", "x"); !strings.HasPrefix(v.Str, "ERR AUTH <password> called without any password") {
		t.Fatalf("got %v", v)
	}
	sum := func(p string) string {
		h := sha256.Sum256([]byte(p))
		return hex.EncodeToString(h[:])
	}
	if err := s.node.SetAuth([]string{sum("one"), sum("two")}); err != nil {
		t.Fatal(err)
	}
	if err := s.node.SetAuth([]string{sum("1"), sum("2"), sum("3")}); err == nil {
		t.Fatal("three passwords were taken")
	}
	if err := s.node.SetAuth([]string{"clear text"}); err == nil || strings.Contains(err.Error(), "clear") {
		t.Fatalf("a password in clear: %v", err)
	}
	open.want("PONG", "PING") // connections that were open stay
	c := s.dial()
	c.want(command.ErrNoAuth, "PING")
	c.want(command.ErrNoAuth, "GET", "k")
	c.want(command.ErrWrongPass, "AUTH", "three")
	c.want(command.ErrWrongPass, "AUTH", "nobody", "one")
	c.want("OK", "AUTH", "two")
	c.want("PONG", "PING")
	c.want("OK", "AUTH", "default", "one")
	if v := c.do("PSYNC", "?", "-1"); !strings.HasPrefix(v.Str, "ERR unknown command 'PSYNC'") {
		t.Fatalf("PSYNC of an ordinary client: %v", v)
	}
	hello := s.dial()
	if v := hello.do("HELLO", "3", "AUTH", "default", "one", "SETNAME", "n"); v.Kind != resp.KindMap || len(v.Elems) != 14 {
		t.Fatalf("HELLO: %v", v)
	}
	long := s.dial()
	if v := long.do(append([]string{"AUTH"}, strings.Fields(strings.Repeat("x ", 10))...)...); v.Str != "ERR Protocol error: unauthenticated multibulk length" {
		t.Fatalf("long command before AUTH: %v", v)
	}
	replica := s.dial()
	replica.want("OK", "AUTH", "repl", "inner")
	replica.want("OK", "REPLCONF", "listening-port", "1234")
}

func TestPauseAndBlocking(t *testing.T) {
	s := serve(t, Options{})
	ctx := context.Background()
	writer, reader, blocked := s.dial(), s.dial(), s.dial()
	changed := make(chan struct{}, 16)
	s.node.OnChange(func() { changed <- struct{}{} })
	if _, err := s.node.Do(ctx, "CLIENT", "PAUSE", "3600000", "WRITE"); err != nil {
		t.Fatal(err)
	}
	<-changed
	if !s.node.Status().WritesPaused {
		t.Fatal("status does not tell that writes are paused")
	}
	writer.send("SET", "k", "v")
	writer.send("GET", "k")
	if v := reader.do("GET", "k"); !v.IsNull() {
		t.Fatalf("a paused write took effect: %v", v)
	}
	if v, err := s.node.Do(ctx, "SET", "admin", "1"); err != nil || v.Text() != "OK" {
		t.Fatalf("in process: %v, %v", v, err)
	}
	if _, err := s.node.Do(ctx, "CLIENT", "UNPAUSE"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"OK", "v"} {
		if v := writer.reply(); v.Text() != want {
			t.Fatalf("after the pause: %v, want %q", v, want)
		}
	}

	blocked.send("BLPOP", "a", "b", "0")
	blocked.send("PING")
	for s.node.server.Clients.Len() < 3 || !strings.Contains(reader.do("INFO", "clients").Str, "blocked_clients:1") {
		continue // the command has not come yet
	}
	writer.want("2", "RPUSH", "b", "1", "2")
	if v := blocked.reply(); len(v.Elems) != 2 || v.Elems[0].Str != "b" || v.Elems[1].Str != "1" {
		t.Fatalf("BLPOP: %v", v)
	}
	if v := blocked.reply(); v.Text() != "PONG" {
		t.Fatalf("after BLPOP: %v", v)
	}
	if v := blocked.do("BLPOP", "empty", "0.01"); !v.IsNull() {
		t.Fatalf("timeout: %v", v)
	}
}

func TestMaxClients(t *testing.T) {
	s := serve(t, Options{Parameters: map[string]string{"maxclients": "2"}})
	a, b := s.dial(), s.dial()
	a.want("PONG", "PING")
	b.want("PONG", "PING")
	c := s.dial()
	if v := c.reply(); v.Str != command.ErrMaxClients {
		t.Fatalf("got %v", v)
	}
	a.want("OK", "QUIT")
	if _, err := a.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatal("QUIT leaves the connection open")
	}
	s.dial().want("PONG", "PING")
}

func TestPublishReachesSubscribersOfEveryLoop(t *testing.T) {
	s := serve(t, Options{})
	const subscribers, messages = 8, 50
	var subs []*rawConn
	for range subscribers {
		c := s.dial()
		c.do("PSUBSCRIBE", "ch.*")
		subs = append(subs, c)
	}
	pub := s.dial()
	for i := range messages {
		if v := pub.do("PUBLISH", "ch.1", strconv.Itoa(i)); v.Int != subscribers {
			t.Fatalf("publish reached %v", v)
		}
	}
	for _, c := range subs {
		for i := range messages {
			v := c.reply()
			if len(v.Elems) != 4 || v.Elems[3].Str != strconv.Itoa(i) {
				t.Fatalf("message %d: %v", i, v)
			}
		}
	}
	subs[0].want("ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", "GET", "k")
	if v := subs[0].do("PING"); len(v.Elems) != 2 || v.Elems[0].Str != "pong" {
		t.Fatalf("PING of a subscriber: %v", v)
	}
	if v := pub.do("PUBSUB", "NUMPAT"); v.Int != 1 {
		t.Fatalf("NUMPAT: %v", v)
	}
}
