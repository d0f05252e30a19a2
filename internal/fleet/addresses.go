package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
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

// loopbackHosts is how many hosts 127.<octet>.x.y has: x from 0 to 255, y from 1 to 254. Host 0,
// 127.<octet>.0.1, is the one whose claim port says that the octet is in use.
const loopbackHosts = 256 * 254

func loopbackHost(octet int32, n int) string {
	return fmt.Sprintf("127.%d.%d.%d", octet, n/254, n%254+1)
}

// AllocateAddresses reserves an address for each want in tx, following the address mode of its agent.
// A want whose UsedBy already has an address gets that one again. Addresses are given out in rotation,
// so that a freed one is not at once somebody else's. It holds the fleet's lock until tx ends.
// The error wraps ErrNoAddress if there are not enough left.
func AllocateAddresses(ctx context.Context, tx pgx.Tx, wants []AddressWant) (map[uuid.UUID]Address, error) {
	if err := store.Q.FleetLock(ctx, tx); err != nil {
		return nil, fmt.Errorf("lock the fleet: %w", err)
	}
	agentIDs, usedBy := []uuid.UUID{}, []uuid.UUID{}
	for _, w := range wants {
		agentIDs, usedBy = append(agentIDs, w.AgentID), append(usedBy, w.UsedBy)
	}
	rows, err := store.Q.AgentsOf(ctx, tx, agentIDs)
	if err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	agents := map[uuid.UUID]db.Agent{}
	for _, a := range rows {
		agents[a.AgentID] = a
	}
	held, err := store.Q.AddressesUsedBy(ctx, tx, usedBy)
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}

	result := map[uuid.UUID]Address{}
	for _, h := range held {
		result[h.UsedBy] = Address{Host: h.Host, Port: h.Port, ClusterHost: h.Host, ClusterPort: h.Port}
		if h.AgentID != nil {
			owner, err := store.Q.AgentGet(ctx, tx, *h.AgentID)
			if err != nil {
				return nil, fmt.Errorf("read agent %s: %w", *h.AgentID, err)
			}
			result[h.UsedBy] = Address{Host: h.Host, Port: h.Port, ClusterHost: owner.ClusterHost, ClusterPort: h.Port}
		}
	}
	loopback := []AddressWant{}
	ports := map[uuid.UUID][]AddressWant{} // by agent
	for _, w := range wants {
		agent, known := agents[w.AgentID]
		if !known {
			return nil, fmt.Errorf("address for %s: no agent %s", w.UsedBy, w.AgentID)
		}
		if _, has := result[w.UsedBy]; has {
			continue
		}
		switch agent.AddressMode {
		case modeLoopback:
			loopback = append(loopback, w)
		case modePorts:
			ports[w.AgentID] = append(ports[w.AgentID], w)
		default:
			return nil, fmt.Errorf("address for %s: agent %s has address mode %q, which is not supported", w.UsedBy, w.AgentID, agent.AddressMode)
		}
	}
	insert := db.AddressesInsertParams{}
	if err := allocateLoopback(ctx, tx, loopback, result, &insert); err != nil {
		return nil, err
	}
	for _, agent := range rows { // in the order of agent ids
		if err := allocatePorts(ctx, tx, agent, ports[agent.AgentID], result, &insert); err != nil {
			return nil, err
		}
	}
	if err := store.Q.AddressesInsert(ctx, tx, insert); err != nil {
		return nil, fmt.Errorf("reserve addresses: %w", err)
	}
	return result, nil
}

// Address modes as in agents.address_mode.
const (
	modeLoopback = "loopback"
	modePorts    = "ports"
	modeDNS      = "dns"
)

func allocateLoopback(ctx context.Context, tx pgx.Tx, wants []AddressWant, result map[uuid.UUID]Address, insert *db.AddressesInsertParams) error {
	if len(wants) == 0 {
		return nil
	}
	installation, err := store.Q.InstallationLock(ctx, tx)
	if err != nil {
		return fmt.Errorf("read the installation: %w", err)
	}
	if installation.LoopbackOctet == 0 {
		installation.LoopbackOctet = randomOctet()
		if err := store.Q.InstallationSetLoopbackOctet(ctx, tx, installation.LoopbackOctet); err != nil {
			return fmt.Errorf("choose the loopback net: %w", err)
		}
		installation.NextAddress = 1
	}
	// Look at a window of hosts at a time; all but always the first window is free.
	next, looked := int(installation.NextAddress), 0
	for len(wants) > 0 {
		if looked >= loopbackHosts {
			return fmt.Errorf("%w in 127.%d.0.0/16", ErrNoAddress, installation.LoopbackOctet)
		}
		window := min(len(wants)+256, loopbackHosts-looked)
		hosts := make([]string, 0, window)
		for range window {
			if next >= loopbackHosts {
				next = 0
			}
			hosts = append(hosts, loopbackHost(installation.LoopbackOctet, next))
			next++
		}
		taken, err := store.Q.AddressesTaken(ctx, tx, hosts)
		if err != nil {
			return fmt.Errorf("read addresses: %w", err)
		}
		taken = append(taken, loopbackHost(installation.LoopbackOctet, 0))
		for i, host := range hosts {
			if slices.Contains(taken, host) {
				continue
			}
			w := wants[0]
			wants = wants[1:]
			result[w.UsedBy] = Address{Host: host, Port: w.Port, ClusterHost: host, ClusterPort: w.Port}
			insert.Hosts, insert.Ports = append(insert.Hosts, host), append(insert.Ports, w.Port)
			insert.AgentIds, insert.UsedBy = append(insert.AgentIds, uuid.Nil), append(insert.UsedBy, w.UsedBy)
			if len(wants) == 0 {
				next -= len(hosts) - 1 - i
				break
			}
		}
		looked += window
	}
	if next < 1 {
		next += loopbackHosts
	}
	if err := store.Q.InstallationSetNextAddress(ctx, tx, int32(next)); err != nil {
		return fmt.Errorf("advance the loopback net: %w", err)
	}
	return nil
}

func allocatePorts(ctx context.Context, tx pgx.Tx, agent db.Agent, wants []AddressWant, result map[uuid.UUID]Address, insert *db.AddressesInsertParams) error {
	if len(wants) == 0 {
		return nil
	}
	taken, err := store.Q.AddressPortsTaken(ctx, tx, agent.AdvertiseHost)
	if err != nil {
		return fmt.Errorf("read addresses: %w", err)
	}
	for port := agent.PortMin; port <= agent.PortMax && len(wants) > 0; port++ {
		if _, used := slices.BinarySearch(taken, port); used {
			continue
		}
		w := wants[0]
		wants = wants[1:]
		result[w.UsedBy] = Address{Host: agent.AdvertiseHost, Port: port, ClusterHost: agent.ClusterHost, ClusterPort: port}
		insert.Hosts, insert.Ports = append(insert.Hosts, agent.AdvertiseHost), append(insert.Ports, port)
		insert.AgentIds, insert.UsedBy = append(insert.AgentIds, agent.AgentID), append(insert.UsedBy, w.UsedBy)
	}
	if len(wants) > 0 {
		return fmt.Errorf("%w in ports %d to %d of agent %s on %s", ErrNoAddress, agent.PortMin, agent.PortMax, agent.AgentID, agent.AdvertiseHost)
	}
	return nil
}

// FreeAddresses gives back the addresses of nodes or endpoints. DeleteNodes and DeleteEndpoints do it
// for what they delete.
func FreeAddresses(ctx context.Context, tx pgx.Tx, usedBy []uuid.UUID) error {
	if err := store.Q.AddressesFree(ctx, tx, usedBy); err != nil {
		return fmt.Errorf("free addresses: %w", err)
	}
	return nil
}
