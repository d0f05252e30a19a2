package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/elastane/elastane/engine/resp"
)

var errNotBuilt = errors.New("engine: not built yet")

// Runtime owns the event loops that nodes share.
type Runtime struct{}

// Listener is a listening address.
type Listener struct{ addr net.Addr }

// Node is one server.
type Node struct{}

func newRuntime(RuntimeOptions) (*Runtime, error) { return nil, errNotBuilt }

func (rt *Runtime) close(context.Context) error { return errNotBuilt }

func (rt *Runtime) listen(string, func() *Node, ListenOptions) (*Listener, error) {
	return nil, errNotBuilt
}

func (l *Listener) close() error { return errNotBuilt }

func (rt *Runtime) newNode(Options) (*Node, error) { return nil, errNotBuilt }
func (n *Node) setTLS(*tls.Config, bool)           {}
func (n *Node) setAuth([]string) error { return errNotBuilt }

func (n *Node) do(context.Context, []string) (resp.Value, error) { return resp.Value{}, errNotBuilt }

func (n *Node) status() Status              { return Status{} }
func (n *Node) onChange(func())             {}
func (n *Node) closeClients()               {}
func (n *Node) close(context.Context) error { return errNotBuilt }
