// Package fake is a driver whose nodes keep no data and behave as a script says. It shows what the
// agent did to each node, and lets tests play what a node would do by itself.
package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/agent/driver"
)

// Script says how the driver's nodes behave. The zero value is a node that does all it is asked at once.
type Script struct {
	StartErrors  []error          // of the first, second, … Start; then it succeeds
	ListenErrors []error          // likewise for Node.Listen
	DoErrors     map[string]error // by the first word of the command, always
	NoHandOver   bool             // Listen of endpoints returns driver.ErrNoHandOver
}

// Driver is the fake driver. Its name is "fake".
type Driver struct {
	mu      sync.Mutex
	script  Script
	nodes   map[string]*Node // by name, the latest
	starts  map[string]int
	changed chan struct{} // closed and replaced at each change of anything
}

// New makes a driver that follows a script.
func New(script Script) *Driver {
	return &Driver{script: script, nodes: map[string]*Node{}, starts: map[string]int{}, changed: make(chan struct{})}
}

// SetScript changes what happens from now on.
func (d *Driver) SetScript(s Script) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.script = s
}

// Name implements driver.Driver.
func (d *Driver) Name() string { return "fake" }

// dataFile stands for the data of a node: it is there from the first start until the agent removes it.
const dataFile = "data"

// Start implements driver.Driver.
func (d *Driver) Start(_ context.Context, o driver.Options) (driver.Node, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.notify()
	d.starts[o.Name]++
	if err := next(&d.script.StartErrors); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(o.Dir, dataFile), []byte(o.Name), 0o600); err != nil {
		return nil, err
	}
	n := &Node{
		driver: d, Options: o, config: o.Config, events: make(chan struct{}, 1),
		status: driver.Status{Role: agentv1.Role_ROLE_PRIMARY, ReplicationID: "fake"},
	}
	n.applyMap()
	d.nodes[o.Name] = n
	return n, nil
}

// Listen implements driver.Driver. A connection is answered with the name of the node that it was
// given to, and closed.
func (d *Driver) Listen(addr string, route func() driver.Node) (io.Closer, error) {
	d.mu.Lock()
	refuse := d.script.NoHandOver
	d.mu.Unlock()
	if refuse {
		return nil, driver.ErrNoHandOver
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &listener{ln: ln}
	l.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			if n, ok := route().(*Node); ok {
				_, _ = io.WriteString(c, n.Options.Name)
			}
			_ = c.Close()
		}
	})
	return l, nil
}

type listener struct {
	ln net.Listener
	wg sync.WaitGroup
}

func (l *listener) Close() error {
	err := l.ln.Close()
	l.wg.Wait()
	return err
}

// next takes the first of a list of errors.
func next(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

// notify wakes Await; d.mu is held.
func (d *Driver) notify() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// Await blocks until ok holds of the running node of that name (nil: none runs) or ctx ends.
func (d *Driver) Await(ctx context.Context, name string, ok func(n *Node) bool) error {
	for {
		d.mu.Lock()
		n, changed := d.nodes[name], d.changed
		d.mu.Unlock()
		if ok(n) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s: %w", name, ctx.Err())
		case <-changed:
		}
	}
}

// Node returns the running node of a name, or nil.
func (d *Driver) Node(name string) *Node {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.nodes[name]
}

// Starts counts how often a node was started, successfully or not.
func (d *Driver) Starts(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.starts[name]
}

// Node is one fake node. The driver's lock guards it.
type Node struct {
	driver    *Driver
	Options   driver.Options
	config    driver.Config
	status    driver.Status
	events    chan struct{}
	commands  []string
	primary   string
	listening bool
	dropped   int
	closed    bool
}

// Set changes what the node says of itself, as if it happened by itself.
func (n *Node) Set(change func(*driver.Status)) {
	n.driver.mu.Lock()
	defer n.driver.mu.Unlock()
	change(&n.status)
	n.event()
}

// event tells the agent and Await; the lock is held.
func (n *Node) event() {
	select {
	case n.events <- struct{}{}:
	default:
	}
	n.driver.notify()
}

// Configure implements driver.Node.
func (n *Node) Configure(_ context.Context, c driver.Config) error {
	n.driver.mu.Lock()
	defer n.driver.mu.Unlock()
	n.config = c
	n.applyMap()
	n.driver.notify()
	return nil
}

func (n *Node) applyMap() {
	if n.config.ClusterMap != nil {
		n.status.ClusterMapEpoch = n.config.ClusterMap.GetEpoch()
	}
}

// Listen implements driver.Node. No port is opened.
func (n *Node) Listen(context.Context) error {
	n.driver.mu.Lock()
	defer n.driver.mu.Unlock()
	if err := next(&n.driver.script.ListenErrors); err != nil {
		return err
	}
	n.listening = true
	n.driver.notify()
	return nil
}

// Do implements driver.Node for the commands that the agent uses.
func (n *Node) Do(_ context.Context, args ...string) error {
	n.driver.mu.Lock()
	defer n.driver.mu.Unlock()
	if n.closed {
		return errors.New("the node is closed")
	}
	if err := n.driver.script.DoErrors[args[0]]; err != nil {
		return err
	}
	command := strings.Join(args, " ")
	n.commands = append(n.commands, command)
	switch {
	case command == "REPLICAOF NO ONE":
		n.status.Role, n.status.LinkUp, n.primary = agentv1.Role_ROLE_PRIMARY, false, ""
	case args[0] == "REPLICAOF":
		n.status.Role, n.status.LinkUp, n.primary = agentv1.Role_ROLE_REPLICA, true, net.JoinHostPort(args[1], args[2])
	case strings.HasPrefix(command, "CLIENT PAUSE"):
		n.status.WritesPaused = true
	case command == "CLIENT UNPAUSE":
		n.status.WritesPaused = false
	default:
		return fmt.Errorf("unknown command %q", command)
	}
	n.event()
	return nil
}

// Status implements driver.Node.
func (n *Node) Status() driver.Status {
	n.driver.mu.Lock()
	defer n.driver.mu.Unlock()
	return n.status
}

// Events implements driver.Node.
func (n *Node) Events() <-chan struct{} { return n.events }

// CloseClients implements driver.Node.
func (n *Node) CloseClients() {
	n.driver.mu.Lock()
	defer n.driver.mu.Unlock()
	n.dropped++
	n.driver.notify()
}

// Close implements driver.Node.
func (n *Node) Close(context.Context) error {
	n.driver.mu.Lock()
	defer n.driver.mu.Unlock()
	n.closed, n.listening = true, false
	if n.driver.nodes[n.Options.Name] == n {
		delete(n.driver.nodes, n.Options.Name)
	}
	n.driver.notify()
	return nil
}

// Seen is what a test looks at.
type Seen struct {
	Config    driver.Config
	Status    driver.Status
	Commands  []string
	Primary   string // host:port, of a replica
	Listening bool
	Dropped   int // how often clients were dropped
}

// Seen returns the node's present state.
func (n *Node) Seen() Seen {
	if n == nil {
		return Seen{}
	}
	n.driver.mu.Lock()
	defer n.driver.mu.Unlock()
	return Seen{
		Config: n.config, Status: n.status, Commands: slices.Clone(n.commands), Primary: n.primary,
		Listening: n.listening, Dropped: n.dropped,
	}
}
