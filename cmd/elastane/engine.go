package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/elastane/elastane/engine"
	"github.com/elastane/elastane/engine/command"
)

// engineStopTimeout bounds the orderly stop.
const engineStopTimeout = 10 * time.Second

// engineCommand is only here for the help text: Main gives the arguments to runEngine.
type engineCommand struct {
	Directives []string `arg:"" optional:"" help:"--port, --bind, --dir, --tls-port, --replicaof, --maxmemory, …"`
}

// engineFlags is the command line of `elastane engine`: its own options, and directives of the engine.
type engineFlags struct {
	bind, port, tlsPort string
	certFile, keyFile   string
	primary             string // host port
	options             engine.Options
}

// runEngine runs one engine node until ctx ends or SHUTDOWN is sent, and returns the exit code: 0 stopped as asked,
// 2 bad usage, 1 anything else.
func runEngine(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags, err := parseEngineFlags(args)
	if err != nil {
		fmt.Fprintf(stderr, "elastane engine: %v\n", err)
		return 2
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	if err := serveEngine(ctx, flags, logger, stdout); err != nil {
		fmt.Fprintf(stderr, "elastane engine: %v\n", err)
		return 1
	}
	return 0
}

// parseEngineFlags reads --name value pairs. A directive with several values may have them as several words
// (--replicaof 127.0.0.1 6379).
func parseEngineFlags(args []string) (engineFlags, error) {
	f := engineFlags{bind: "127.0.0.1", port: "6379", options: engine.Options{Name: "engine", Parameters: map[string]string{}}}
	for len(args) > 0 {
		name, isFlag := strings.CutPrefix(args[0], "--")
		if !isFlag || name == "" {
			return f, fmt.Errorf("unexpected argument %q: options are --name value", args[0])
		}
		args = args[1:]
		var words []string
		if before, value, found := strings.Cut(name, "="); found {
			name, words = before, []string{value}
		}
		for len(args) > 0 && !strings.HasPrefix(args[0], "--") {
			words = append(words, args[0])
			args = args[1:]
		}
		name = strings.ToLower(name)
		if len(words) == 0 {
			return f, fmt.Errorf("--%s needs a value", name)
		}
		if err := f.set(name, strings.Join(words, " ")); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *engineFlags) set(name, value string) error {
	o := &f.options
	switch name {
	case "bind":
		f.bind = value
	case "port":
		f.port = value
	case "tls-port":
		f.tlsPort = value
	case "tls-cert-file":
		f.certFile = value
	case "tls-key-file":
		f.keyFile = value
	case "dir":
		o.Dir = value
	case "engine":
		o.Engine = value
	case "engine-version":
		o.Version = value
	case "protocol":
		if value != "redis" {
			return fmt.Errorf("--protocol %s: only redis is served", value)
		}
	case "replicaof", "slaveof":
		f.primary = value
	case "masteruser", "primaryuser":
		o.ReplicationUser = value
	case "masterauth", "primaryauth":
		o.ReplicationPassword = value
	case "cluster-enabled":
		switch value {
		case "yes", "no":
			o.ClusterEnabled = value == "yes"
		default:
			return fmt.Errorf("--%s: argument must be 'yes' or 'no'", name)
		}
	case "databases":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Errorf("--%s: argument must be a positive number", name)
		}
		o.Databases = n
	case "save":
		if value == `""` {
			value = ""
		}
		o.Parameters[name] = value
		if value != "" {
			o.SnapshotInterval = time.Second
		}
	default:
		if err := command.CheckDirective(name, value); err != nil {
			return err
		}
		o.Parameters[name] = value
	}
	return nil
}

func serveEngine(ctx context.Context, f engineFlags, logger *slog.Logger, stdout io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.options.Dir == "" {
		if f.options.SnapshotInterval != 0 {
			f.options.Dir = "."
		}
	} else if _, given := f.options.Parameters["save"]; !given {
		f.options.SnapshotInterval = time.Second
	}
	f.options.Parameters["port"] = f.port
	f.options.Parameters["bind"] = f.bind
	if n, err := strconv.Atoi(f.port); err == nil && f.options.AnnouncePort == 0 {
		f.options.AnnouncePort = n // what a replica tells its primary
	}
	f.options.Shutdown = func(bool) error {
		cancel()
		return nil
	}
	rt, err := engine.NewRuntime(engine.RuntimeOptions{Logger: logger})
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineStopTimeout)
		defer cancel()
		err = errors.Join(err, rt.Close(stop))
	}()
	node, err := rt.NewNode(f.options)
	if err != nil {
		return err
	}
	addresses, err := f.listen(rt, node)
	if err != nil {
		return err
	}
	if f.primary != "" {
		host, port, ok := strings.Cut(f.primary, " ")
		if !ok {
			return fmt.Errorf("--replicaof needs a host and a port")
		}
		if _, err := node.Do(ctx, "REPLICAOF", host, strings.TrimSpace(port)); err != nil {
			return fmt.Errorf("--replicaof: %w", err)
		}
	}
	fmt.Fprintf(stdout, "ready to accept connections on %s (pid %d)\n", strings.Join(addresses, ", "), os.Getpid())
	<-ctx.Done()
	return nil
}

// listen opens the plain and the TLS port. Both may be the same: then the first byte of a connection decides.
func (f *engineFlags) listen(rt *engine.Runtime, node *engine.Node) ([]string, error) {
	if f.tlsPort != "" && f.tlsPort != "0" {
		if f.certFile == "" || f.keyFile == "" {
			return nil, errors.New("--tls-port needs --tls-cert-file and --tls-key-file")
		}
		if f.port != "0" && f.port != f.tlsPort {
			return nil, errors.New("--tls-port must be the same as --port (both protocols on it), or --port 0 (TLS only)")
		}
		if _, err := tls.LoadX509KeyPair(f.certFile, f.keyFile); err != nil {
			return nil, err
		}
		node.SetTLS(&tls.Config{
			MinVersion: tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile) // read again, so that it can be replaced
				return &pair, err
			},
		}, f.port == "0")
		f.port = f.tlsPort
	}
	var addresses []string
	for _, host := range strings.Fields(f.bind) {
		host = strings.TrimPrefix(host, "-")
		if host == "*" {
			host = ""
		}
		l, err := rt.Listen(net.JoinHostPort(host, f.port), func() *engine.Node { return node }, engine.ListenOptions{})
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
