package fleet

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

// ShardWant asks Place for agents for members of one shard (node group).
type ShardWant struct {
	Region      string
	Driver      string // embedded, valkey, redis, memcached
	MemoryBytes int64  // reserved by each member on its agent
	VCPUs       int32  // reserved by each member on its agent
	// Zones has one entry for each member to place: the preferred availability zone, or "" for any.
	Zones []string
	// AllowedZones limits the choice to these zones, such as those of the subnet group; empty: any.
	AllowedZones []string
	// Existing names the agents of the shard's present members; new ones spread away from them.
	Existing []uuid.UUID
}

// Placement is the agent that one member goes to.
type Placement struct {
	AgentID uuid.UUID
	Zone    string // the real zone, such as us-east-1a, also where the agent offers "*a"
	Host    string
}

// NoCapacityError says that no live agent can take a member. Operations answer it with AWS's
// InsufficientCacheClusterCapacity.
type NoCapacityError struct {
	Region      string
	Zone        string // empty: no zone of the region had room
	Driver      string
	MemoryBytes int64
	VCPUs       int32
	Agents      int // live agents that were looked at
}

// Error implements error.
func (e *NoCapacityError) Error() string {
	where := e.Zone
	if where == "" {
		where = e.Region
	}
	return fmt.Sprintf("no capacity in %s for a %s node of %d bytes and %d vCPUs on any of %d live agents",
		where, e.Driver, e.MemoryBytes, e.VCPUs, e.Agents)
}

// Place chooses an agent for each member of each shard, in the order of ShardWant.Zones. Members of a
// shard spread over zones first, then hosts, then agents; among equals the emptier agent wins, then
// the lower agent id, so that the same fleet always gives the same answer. Only agents whose session
// was seen lately are considered. It holds a lock until tx ends, so that two placements do not count
// on the same room; the caller inserts the nodes (InsertNodes) in the same transaction.
//
// The error is a *NoCapacityError if some member fits nowhere; then nothing is placed.
func Place(ctx context.Context, tx pgx.Tx, now time.Time, shards []ShardWant) ([][]Placement, error) {
	if err := store.Q.FleetLock(ctx, tx); err != nil {
		return nil, fmt.Errorf("lock the fleet: %w", err)
	}
	existing := []uuid.UUID{}
	for _, shard := range shards {
		existing = append(existing, shard.Existing...)
	}
	rows, err := store.Q.AgentsForPlacement(ctx, tx, db.AgentsForPlacementParams{
		SeenAfter: now.Add(-seenLately), Existing: existing,
	})
	if err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	agents := make([]candidate, len(rows))
	for i, r := range rows {
		agents[i] = candidate{
			id: r.AgentID, host: r.Host, zone: r.Zone, drivers: r.Drivers, live: r.Live,
			memory: r.MemoryBytes, vcpus: int64(r.Vcpus),
			usedMemory: r.ReservedMemoryBytes, usedVCPUs: r.ReservedVcpus,
		}
	}
	return place(agents, shards)
}

// seenLately is how old an agent's last heartbeat may be for the agent to be given nodes.
const seenLately = 15 * time.Second

// candidate is an agent as placement sees it.
type candidate struct {
	id                    uuid.UUID
	host, zone            string // zone as the agent says it, so possibly "*a"
	drivers               []string
	live                  bool
	memory, vcpus         int64 // what the agent offers, over-commitment included
	usedMemory, usedVCPUs int64
	firsts                int // shards of this call whose first member, the primary, is here
}

// zoneIn returns the zone that the agent offers in a region, or "" if it offers none there.
func (c *candidate) zoneIn(region string) string {
	if letter, every := strings.CutPrefix(c.zone, "*"); every {
		return region + letter
	}
	if len(c.zone) == len(region)+1 && strings.HasPrefix(c.zone, region) {
		return c.zone
	}
	return ""
}

// fits says whether the agent has room for one member of the shard.
func (c *candidate) fits(w *ShardWant) bool {
	return c.usedMemory+w.MemoryBytes <= c.memory && c.usedVCPUs+int64(w.VCPUs) <= c.vcpus
}

// load is the used share of what the agent offers, from 0 to 1.
func (c *candidate) load() float64 {
	var memory, vcpus float64
	if c.memory > 0 {
		memory = float64(c.usedMemory) / float64(c.memory)
	}
	if c.vcpus > 0 {
		vcpus = float64(c.usedVCPUs) / float64(c.vcpus)
	}
	return max(memory, vcpus)
}

// place is the pure heart of Place. It changes agents as it books room on them.
func place(agents []candidate, shards []ShardWant) ([][]Placement, error) {
	result := make([][]Placement, len(shards))
	for i := range shards {
		members, err := placeShard(agents, &shards[i])
		if err != nil {
			return nil, err
		}
		result[i] = members
	}
	return result, nil
}

func placeShard(agents []candidate, want *ShardWant) ([]Placement, error) {
	zones, hosts, taken := map[string]int{}, map[string]int{}, map[uuid.UUID]int{}
	count := func(c *candidate) {
		zones[c.zoneIn(want.Region)]++
		hosts[c.host]++
		taken[c.id]++
	}
	for i := range agents {
		for _, id := range want.Existing {
			if id == agents[i].id {
				count(&agents[i])
			}
		}
	}

	// Members with a preference go first: the others then spread away from them.
	order := make([]int, 0, len(want.Zones))
	for _, preferred := range []bool{true, false} {
		for member, zone := range want.Zones {
			if (zone != "") == preferred {
				order = append(order, member)
			}
		}
	}

	result := make([]Placement, len(want.Zones))
	for _, member := range order {
		first := member == 0 && len(want.Existing) == 0
		better := func(a, b *candidate) bool {
			order := cmp.Or(
				cmp.Compare(zones[a.zoneIn(want.Region)], zones[b.zoneIn(want.Region)]),
				cmp.Compare(hosts[a.host], hosts[b.host]),
				cmp.Compare(taken[a.id], taken[b.id]),
			)
			if order == 0 && first {
				order = cmp.Compare(a.firsts, b.firsts)
			}
			return cmp.Or(order, cmp.Compare(a.load(), b.load()), bytes.Compare(a.id[:], b.id[:])) < 0
		}
		var best *candidate
		live := 0
		for i := range agents {
			c := &agents[i]
			if !c.live {
				continue
			}
			live++
			zone := c.zoneIn(want.Region)
			if zone == "" || want.Zones[member] != "" && want.Zones[member] != zone ||
				len(want.AllowedZones) > 0 && !slices.Contains(want.AllowedZones, zone) ||
				!slices.Contains(c.drivers, want.Driver) || !c.fits(want) {
				continue
			}
			if best == nil || better(c, best) {
				best = c
			}
		}
		if best == nil {
			return nil, &NoCapacityError{
				Region: want.Region, Zone: want.Zones[member], Driver: want.Driver,
				MemoryBytes: want.MemoryBytes, VCPUs: want.VCPUs, Agents: live,
			}
		}
		best.usedMemory += want.MemoryBytes
		best.usedVCPUs += int64(want.VCPUs)
		if first {
			best.firsts++
		}
		count(best)
		result[member] = Placement{AgentID: best.id, Zone: best.zoneIn(want.Region), Host: best.host}
	}
	return result, nil
}
