package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/elastane/elastane/engine/command"
	"github.com/elastane/elastane/engine/resp"
)

// Node is one server: its commands' side, what makes its data durable, and its TLS.
type Node struct {
	rt         *Runtime
	options    Options
	server     *command.Server
	durability *durability
	tls        atomic.Pointer[tlsSettings]

	changeFunc    atomic.Pointer[func()]
	changePending atomic.Bool
	shutdownFunc  func(save bool) error

	mu     sync.Mutex
	users  int // sessions, calls of Do and ticks that use the server
	closed bool
	idle   chan struct{} // closed when users is 0 after close
	ended  chan struct{} // closed when close is done
	err    error         // of close
}

type tlsSettings struct {
	config   *tls.Config
	required bool
}

func (rt *Runtime) newNode(o Options) (*Node, error) {
	if o.Engine == "" {
		o.Engine = "valkey"
	}
	if o.Version == "" {
		o.Version = "8.0.0"
	}
	if o.Engine != "valkey" && o.Engine != "redis" {
		return nil, fmt.Errorf("engine: unknown engine %q", o.Engine)
	}
	n := &Node{rt: rt, options: o, idle: make(chan struct{}), ended: make(chan struct{}), shutdownFunc: o.Shutdown}
	n.server = command.NewServer(command.ServerOptions{
		Table: table(), Engine: o.Engine, Version: o.Version, NodeID: o.EngineNodeID, Managed: o.Managed,
		Databases: o.Databases, Clock: rt.clock, Logger: rt.logger.With("node", o.Name),
	})
	if err := n.configure(); err != nil {
		n.server.Space.Close()
		return nil, err
	}
	n.server.Host = n
	d, err := newDurability(context.Background(), n.server, o)
	if err != nil {
		n.server.Space.Close()
		return nil, fmt.Errorf("engine: node %s: %w", o.Name, err)
	}
	n.durability = d
	rt.mu.Lock()
	closed := rt.closed
	if !closed {
		rt.nodes = append(slices.Clone(rt.nodes), n) // a tick may be using the old one
	}
	rt.mu.Unlock()
	if closed {
		return nil, errors.Join(ErrClosed, n.close(context.Background()))
	}
	return n, nil
}

// configure sets the directives that the options stand for, and then the parameters.
func (n *Node) configure() error {
	o, config := &n.options, n.server.Config
	n.server.Auth.SetReplicationUser(o.ReplicationUser, o.ReplicationPassword)
	fixed := [][2]string{
		{"databases", strconv.Itoa(n.server.Databases)}, {"dir", o.Dir}, {"maxmemory", strconv.FormatInt(o.MaxMemory, 10)},
	}
	if o.MaxMemoryPolicy != "" {
		fixed = append(fixed, [2]string{"maxmemory-policy", o.MaxMemoryPolicy})
	}
	if o.ClusterEnabled {
		fixed = append(fixed, [2]string{"cluster-enabled", "yes"})
	}
	if o.Managed {
		fixed = append(fixed, [2]string{"maxclients", "65000"})
	}
	for _, d := range fixed {
		if err := config.Set(d[0], d[1]); err != nil {
			return fmt.Errorf("engine: node %s: %w", o.Name, err)
		}
	}
	for name, value := range o.Parameters {
		err := config.Set(name, value)
		// A parameter group has parameters of mechanisms that are not built; a configuration of one's own should not.
		if errors.As(err, new(command.UnknownDirectiveError)) && o.Managed {
			n.server.Logger.Debug("parameter has no effect", "parameter", name)
			continue
		}
		if err != nil {
			return fmt.Errorf("engine: node %s: %w", o.Name, err)
		}
	}
	if err := n.server.LoadUsers(); err != nil {
		return fmt.Errorf("engine: node %s: %w", o.Name, err)
	}
	return nil
}

// enter says that the server is about to be used; it reports false if the node is closed. leave must follow.
func (n *Node) enter() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.users++
	return true
}

func (n *Node) leave() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.users--
	if n.closed && n.users == 0 {
		close(n.idle)
	}
}

func (n *Node) setTLS(config *tls.Config, required bool) {
	if config == nil {
		n.tls.Store(nil)
		return
	}
	config = config.Clone()
	if config.MinVersion == 0 {
		config.MinVersion = tls.VersionTLS12
	}
	config.DynamicRecordSizingDisabled = true // a turn's replies go out at once: full records cost least
	n.tls.Store(&tlsSettings{config: config, required: required})
}

func (n *Node) setAuth(sha256hex []string) error { return n.server.Auth.SetPasswords(sha256hex) }

func (n *Node) setUsers(users []User) error {
	list := make([]command.UserRules, len(users))
	for i, u := range users {
		list[i] = command.UserRules{Name: u.Name, Rules: u.Rules}
	}
	return n.server.SetUsers(list)
}

func (n *Node) do(ctx context.Context, args []string) (resp.Value, error) {
	if err := ctx.Err(); err != nil {
		return resp.Value{}, err
	}
	if len(args) == 0 {
		return resp.Value{}, errors.New("engine: no command")
	}
	if !n.enter() {
		return resp.Value{}, ErrClosed
	}
	defer n.leave()
	var request resp.Writer
	request.CommandStrings(args...)
	w := n.rt.workers.Get().(*command.Worker)
	defer n.rt.workers.Put(w)
	w.Reply.Buf = nil
	client := n.server.NewClient(nil)
	client.Proto = 3
	w.Run(n.server, client, request.Buf)
	if len(w.Reply.Buf) == 0 {
		return resp.Value{}, nil // SHUTDOWN
	}
	v, _, err := resp.ParseReply(w.Reply.Buf)
	if err != nil {
		return resp.Value{}, fmt.Errorf("engine: reply of %s: %w", args[0], err)
	}
	return v, v.Err()
}

func (n *Node) status() Status {
	s := Status{UsedMemory: n.server.Space.UsedMemory(), Clients: n.server.Clients.Len()}
	for db := range n.server.Databases {
		keys, _ := n.server.Space.Keys(db)
		s.Keys += int64(keys)
	}
	n.durability.fill(&s)
	return s
}

func (n *Node) onChange(f func()) {
	if f == nil {
		n.changeFunc.Store(nil)
		return
	}
	n.changeFunc.Store(&f)
}

func (n *Node) closeClients() { n.server.CloseClients() }

func (n *Node) close(ctx context.Context) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		select {
		case <-n.ended:
			return n.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	n.closed = true
	if n.users == 0 {
		close(n.idle)
	}
	n.mu.Unlock()
	defer close(n.ended)
	n.rt.mu.Lock()
	n.rt.nodes = slices.DeleteFunc(slices.Clone(n.rt.nodes), func(other *Node) bool { return other == n })
	n.rt.mu.Unlock()
	for _, c := range n.server.Clients.List() {
		c.Conn.Close()
	}
	select {
	case <-n.idle:
	case <-ctx.Done():
		n.err = fmt.Errorf("engine: node %s: clients did not end: %w", n.options.Name, ctx.Err())
		return n.err
	}
	n.err = n.durability.close(ctx)
	if n.err == nil {
		n.server.Space.Close()
	}
	return n.err
}

// The rest is command.Host.

// Shutdown is part of command.Host.
func (n *Node) Shutdown(save bool) error {
	if n.shutdownFunc == nil {
		return errors.New("Errors trying to SHUTDOWN. Check logs.") //nolint:staticcheck // Valkey's text
	}
	return n.shutdownFunc(save)
}

// Port is part of command.Host.
func (n *Node) Port() int {
	if n.options.AnnouncePort != 0 {
		return n.options.AnnouncePort
	}
	return int(n.server.Config.Int("port"))
}

// TLS is part of command.Host.
func (n *Node) TLS() bool { return n.tls.Load() != nil }

// Changed is part of command.Host.
func (n *Node) Changed() {
	if n.changePending.Swap(true) {
		return
	}
	n.rt.changedMu.Lock()
	n.rt.changed = append(n.rt.changed, n)
	n.rt.changedMu.Unlock()
	select {
	case n.rt.wake <- struct{}{}:
	default: // the goroutine has been woken and has not looked yet
	}
}

// Applied is part of command.Host.
func (n *Node) Applied(string) {}
