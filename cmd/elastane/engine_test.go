package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// startEngine runs `elastane engine` and returns its address; stop ends it as SIGTERM does, and ended yields the exit code.
func startEngine(t *testing.T, args ...string) (addr string, stop func(), ended <-chan int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	out, in := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- runEngine(ctx, append([]string{"--port", "0"}, args...), in, &stderr)
		_ = in.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the engine ended with %d: %s", <-code, &stderr)
	}
	addr = strings.Fields(strings.TrimPrefix(line, "ready to accept connections on "))[0]
	return addr, cancel, code
}

func engineClient(t *testing.T, addr, password string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, Password: password, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestEngineUsageErrors(t *testing.T) {
	for want, args := range map[string][]string{
		"unknown directive 'nonsense'":      {"--nonsense", "1"},
		"maxmemory: argument must be":       {"--maxmemory", "lots"},
		"--port needs a value":              {"--port"},
		"unexpected argument":               {"6379"},
		"only redis is served":              {"--protocol", "memcached"},
		"argument must be 'yes' or 'no'":    {"--cluster-enabled", "maybe"},
		"maxmemory-policy: argument(s) mus": {"--maxmemory-policy=nosuch"},
	} {
		var stderr bytes.Buffer
		if code := runEngine(context.Background(), args, io.Discard, &stderr); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: %s; want %q", args, &stderr, want)
		}
	}
}

func TestEngineKeepsItsDataOverAStop(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	args := []string{"--dir", dir, "--requirepass", "secret", "--maxmemory", "100mb", "--save", "60", "1"}
	addr, stop, ended := startEngine(t, args...)
	c := engineClient(t, addr, "secret")
	if err := c.Set(ctx, "k", "v", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if err := engineClient(t, addr, "wrong").Ping(ctx).Err(); err == nil || !strings.HasPrefix(err.Error(), "WRONGPASS") {
		t.Fatalf("wrong password: %v", err)
	}
	if m, err := c.ConfigGet(ctx, "maxmemory").Result(); err != nil || m["maxmemory"] != "104857600" {
		t.Fatalf("maxmemory %v, %v", m, err)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Fatalf("exit code %d", code)
	}
	addr, stop, ended = startEngine(t, args...)
	c = engineClient(t, addr, "secret")
	if v, err := c.Get(ctx, "k").Result(); v != "v" || err != nil {
		t.Fatalf("after the restart: %q, %v", v, err)
	}
	if ttl, err := c.TTL(ctx, "k").Result(); err != nil || ttl <= 0 || ttl > time.Hour {
		t.Fatalf("time to live %v, %v", ttl, err)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Fatalf("exit code %d", code)
	}
}

func TestEngineReplica(t *testing.T) {
	ctx := context.Background()
	addr, _, _ := startEngine(t)
	host, port, _ := strings.Cut(addr, ":")
	primary := engineClient(t, addr, "")
	if err := primary.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	replicaAddr, _, _ := startEngine(t, "--replicaof", host, port)
	replica := engineClient(t, replicaAddr, "")
	if n, err := primary.Do(ctx, "WAIT", 0, 0).Int(); err != nil {
		t.Fatalf("WAIT: %d, %v", n, err)
	}
	deadline := time.After(20 * time.Second)
	for {
		if v, err := replica.Get(ctx, "k").Result(); err == nil && v == "v" {
			break
		}
		select {
		case <-deadline:
			t.Fatal("the replica has not got the key")
		default:
		}
	}
	if err := replica.Set(ctx, "k", "x", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "READONLY") {
		t.Fatalf("write to the replica: %v", err)
	}
}

func TestEngineShutdownCommand(t *testing.T) {
	addr, _, ended := startEngine(t)
	c := engineClient(t, addr, "")
	if err := c.Do(context.Background(), "SHUTDOWN", "NOSAVE").Err(); err == nil {
		t.Fatal("SHUTDOWN answered")
	}
	select {
	case code := <-ended:
		if code != 0 {
			t.Fatalf("exit code %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still running")
	}
}
