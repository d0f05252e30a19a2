package fleet

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// AddressWant asks for an address for one node or endpoint.
type AddressWant struct {
	UsedBy uuid.UUID // node_id or endpoint_id
	// AgentID is the agent that listens there: a node's own agent; for an endpoint the agent that it
	// is pinned to in ports mode, and any agent of the group in loopback mode.
	AgentID uuid.UUID
	Port    int32 // the group's port; in ports mode the agent's range decides instead
}

// Address is where a node or an endpoint listens, and where clients find it.
type Address struct {
	Host        string // what clients are told: announce_host, endpoints.host
	Port        int32
	ClusterHost string // what the thing binds and other agents dial: listen_host, primary.host, targets
	ClusterPort int32
}

// ErrNoAddress means that an agent's port range, or the installation's loopback net, is used up.
var ErrNoAddress = errors.New("no free address")

// AllocateAddresses reserves an address for each want in tx, following the address mode of its agent.
// A want whose UsedBy already has an address gets that one again.
func AllocateAddresses(ctx context.Context, tx pgx.Tx, wants []AddressWant) (map[uuid.UUID]Address, error) {
	return nil, errors.New("fleet: addresses are not connected yet")
}

// FreeAddresses gives back the addresses of nodes or endpoints.
func FreeAddresses(ctx context.Context, tx pgx.Tx, usedBy []uuid.UUID) error {
	return errors.New("fleet: addresses are not connected yet")
}
