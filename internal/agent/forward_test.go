package agent

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
)

// The end of one direction is passed on while the other goes on: a client may close its side and
// still read the answers.
func TestForwarderKeepsHalfClosedConnections(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // the test is over
	log := slog.New(slog.DiscardHandler)
	f, err := forward(ctx, log, "127.0.0.1:0", func() string { return server.Addr().String() })
	if err != nil {
		t.Fatal(err)
	}
	var dialer net.Dialer
	client, err := dialer.DialContext(ctx, "tcp", f.(*forwarder).ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // the test is over
	if _, err := client.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := client.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	question, err := io.ReadAll(c)
	if err != nil || string(question) != "question" {
		t.Fatalf("the node got %q, error %v", question, err)
	}
	if _, err := c.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(client)
	if err != nil || string(answer) != "answer" {
		t.Fatalf("the client got %q, error %v", answer, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// Without a target, and when the forwarder closes, clients are let go.
func TestForwarderLetsGo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // the test is over
	log := slog.New(slog.DiscardHandler)
	for name, target := range map[string]string{"no target": "", "idle": server.Addr().String()} {
		f, err := forward(ctx, log, "127.0.0.1:0", func() string { return target })
		if err != nil {
			t.Fatal(err)
		}
		client, err := net.Dial("tcp", f.(*forwarder).ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if target != "" {
			c, err := server.Accept() // the connection is through
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close() //nolint:errcheck // the test is over
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := io.ReadAll(client); err != nil {
			t.Logf("%s: reset: %v", name, err) // an end by reset is an end
		}
		if target == "" {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}
