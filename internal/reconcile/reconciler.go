package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/clock"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/db"
)

const (
	// maxPasses bounds how often one run plans. Each pass takes the resource a stage further, and
	// there are only a few stages; more means that a plan undoes what another does.
	maxPasses = 10
	// agentsGrace is how long after the start of a control plane a lack of capacity is not final:
	// agents that it knows may still be on their way back.
	agentsGrace = 30 * time.Second
	// capacityRetry is how soon a lack of capacity is looked at again within that time.
	capacityRetry = 200 * time.Millisecond
)

// Options configure a Reconciler. Store is needed; every other zero value has a default.
type Options struct {
	Store  *store.Store
	Clock  clock.Clock
	Logger *slog.Logger
	Driver string // that runs new nodes; default embedded
}

// Reconciler applies plans. It holds nothing about the resources between two runs.
type Reconciler struct {
	options   Options
	startedAt time.Time
}

// New returns a Reconciler; its Reconcile is what store.Worker calls.
func New(options Options) *Reconciler {
	if options.Clock == nil {
		options.Clock = clock.Real
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Driver == "" {
		options.Driver = "embedded"
	}
	return &Reconciler{options: options, startedAt: options.Clock.Now()}
}

// Reconcile takes one owner as far as it goes now, in one transaction. again > 0 asks for another
// run after that time; reports of the agents bring runs by themselves.
func (r *Reconciler) Reconcile(ctx context.Context, ownerKind string, ownerUID uuid.UUID) (again time.Duration, err error) {
	if ownerKind != store.OwnerReplicationGroup {
		return 0, fmt.Errorf("no reconciler for owners of kind %q", ownerKind)
	}
	var outcome Outcome
	err = r.options.Store.Tx(ctx, func(tx pgx.Tx) error {
		outcome, err = r.run(ctx, tx, ownerUID)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reconcile replication group %s: %w", ownerUID, err)
	}
	r.options.Logger.Debug("reconciled", "owner_kind", ownerKind, "owner_uid", ownerUID, "outcome", outcome.String())
	return outcome.after, nil
}

func (r *Reconciler) run(ctx context.Context, tx pgx.Tx, uid uuid.UUID) (Outcome, error) {
	group, err := store.Q.ReplicationGroupLock(ctx, tx, uid)
	if errors.Is(err, store.ErrNotFound) {
		return done(), nil
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("lock: %w", err)
	}
	for range maxPasses {
		state, err := load(ctx, tx, group, r.options.Clock.Now(), r.startedAt)
		if err != nil {
			return Outcome{}, err
		}
		steps, outcome, err := plan(state)
		if err != nil {
			return Outcome{}, fmt.Errorf("plan: %w", err)
		}
		if len(steps) == 0 {
			return outcome, nil
		}
		for _, next := range steps {
			stop, err := r.apply(ctx, tx, state, next)
			if err != nil {
				return Outcome{}, fmt.Errorf("%T: %w", next, err)
			}
			if stop != nil {
				return *stop, nil
			}
		}
		if group, err = store.Q.ReplicationGroupLock(ctx, tx, uid); errors.Is(err, store.ErrNotFound) {
			return done(), nil // the last step deleted it
		} else if err != nil {
			return Outcome{}, fmt.Errorf("read again: %w", err)
		}
	}
	return Outcome{}, fmt.Errorf("the plan does not come to rest within %d passes", maxPasses)
}

// apply carries out one step. A non-nil outcome ends the run.
func (r *Reconciler) apply(ctx context.Context, tx pgx.Tx, s *State, next step) (*Outcome, error) {
	switch next := next.(type) {
	case placeMembers:
		return r.place(ctx, tx, s)
	case putSpecs:
		return nil, fleet.PutNodeSpecs(ctx, tx, next.specs)
	case setTargets:
		return nil, fleet.SetEndpointTargets(ctx, tx, next.targets)
	case putClusterMap:
		_, err := fleet.PutClusterMap(ctx, tx, next.clusterMap)
		return nil, err
	case setPrimary:
		changed, err := store.Q.NodeGroupSetPrimaryIfEpoch(ctx, tx, db.NodeGroupSetPrimaryIfEpochParams{
			Uid: next.shard, PrimaryMember: next.member, ShardEpoch: next.fromEpoch,
		})
		if err == nil && changed != 1 {
			err = fmt.Errorf("shard %s is no longer at epoch %d", next.shard, next.fromEpoch)
		}
		return nil, err
	case endHandover:
		return nil, store.Q.NodeGroupUnsetFailover(ctx, tx, next.shard)
	case endParameterChange:
		return nil, store.Q.ReplicationGroupSetParametersPending(ctx, tx, db.ReplicationGroupSetParametersPendingParams{
			Uids: []uuid.UUID{s.Group.Uid}, ParametersPending: false,
		})
	case setStatus:
		err := store.Q.ReplicationGroupSetStatus(ctx, tx, db.ReplicationGroupSetStatusParams{
			Uid: s.Group.Uid, Status: next.group, AutomaticFailover: next.automaticFailover,
		})
		if err != nil {
			return nil, err
		}
		return nil, store.Q.CacheClusterSetStatusByGroup(ctx, tx, db.CacheClusterSetStatusByGroupParams{
			ReplicationGroupUid: s.Group.Uid, Status: next.members,
		})
	case recordEvents:
		return nil, r.record(ctx, tx, s, next.events)
	case deleteNodes:
		return nil, fleet.DeleteNodes(ctx, tx, next.nodes)
	case deleteEndpoints:
		return nil, fleet.DeleteEndpoints(ctx, tx, next.endpoints)
	case deleteGroup:
		return nil, deleteRows(ctx, tx, s)
	default:
		return nil, errors.New("no executor for the step")
	}
}

// place carries out placeMembers: agents, addresses and first specs for all members at once, roles
// and primary addresses included, so that nobody waits for anybody else's start.
func (r *Reconciler) place(ctx context.Context, tx pgx.Tx, s *State) (*Outcome, error) {
	now := r.options.Clock.Now()
	newcomers, wants := placementWants(s, r.options.Driver)
	placements, err := fleet.Place(ctx, tx, now, wants)
	var lack *fleet.NoCapacityError
	if errors.As(err, &lack) {
		return r.refusePlacement(ctx, tx, s, lack)
	}
	if err != nil {
		return nil, err
	}

	addresses := make([]fleet.AddressWant, 0, len(newcomers)+2)
	zones := db.CacheClusterSetZonesParams{}
	for i := range wants {
		for j, placement := range placements[i] {
			m := newcomers[i][j]
			m.Node = &fleet.Node{
				ID: uuid.New(), AgentID: placement.AgentID, AccountID: s.Group.AccountID, Region: s.Group.Region,
				OwnerKind: store.OwnerReplicationGroup, OwnerUID: s.Group.Uid, CacheClusterID: m.CacheClusterID,
				ReservedMemoryBytes: wants[i].MemoryBytes, ReservedVCPUs: wants[i].VCPUs, CreatedAt: now,
			}
			addresses = append(addresses, fleet.AddressWant{UsedBy: m.Node.ID, AgentID: placement.AgentID, Port: s.Group.Port})
			zones.Uids, zones.Zones = append(zones.Uids, m.Uid), append(zones.Zones, placement.Zone)
		}
	}
	missing := missingEndpoints(s)
	for _, e := range missing {
		addresses = append(addresses, fleet.AddressWant{UsedBy: e.ID, AgentID: s.nodes()[0].AgentID, Port: s.Group.Port})
	}
	given, err := fleet.AllocateAddresses(ctx, tx, addresses)
	if errors.Is(err, fleet.ErrNoAddress) {
		return r.fail(ctx, tx, s, "there is no free address")
	}
	if err != nil {
		return nil, err
	}
	for i := range missing {
		missing[i].Host, missing[i].Port = given[missing[i].ID].Host, given[missing[i].ID].Port
	}
	s.Endpoints = append(s.Endpoints, missing...)

	var nodes []fleet.Node
	for _, shard := range newcomers {
		for _, m := range shard {
			m.Node.Spec = addressed(r.options.Driver, given[m.Node.ID])
		}
	}
	for i := range s.Shards {
		for j := range s.Shards[i].Members {
			m := &s.Shards[i].Members[j]
			m.Node.Spec = specOf(s, &s.Shards[i], m)
			if _, isNew := given[m.Node.ID]; isNew {
				nodes = append(nodes, *m.Node)
			}
		}
	}
	if err := fleet.InsertNodes(ctx, tx, nodes); err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		if err := fleet.InsertEndpoints(ctx, tx, missing); err != nil {
			return nil, err
		}
	}
	return nil, store.Q.CacheClusterSetZones(ctx, tx, zones)
}

// addressed is the part of a new node's spec that does not follow from the rows.
func addressed(driver string, a fleet.Address) *agentv1.NodeSpec {
	return &agentv1.NodeSpec{
		Driver:       driver,
		ListenHost:   a.ClusterHost,
		ListenPort:   uint32(a.ClusterPort), //nolint:gosec // a port
		AnnounceHost: a.Host,
		AnnouncePort: uint32(a.Port), //nolint:gosec // a port
	}
}

// refusePlacement gives up the creation for want of capacity, or waits a moment while agents that
// the database knows may still be reconnecting to a control plane that has just started.
func (r *Reconciler) refusePlacement(ctx context.Context, tx pgx.Tx, s *State, lack *fleet.NoCapacityError) (*Outcome, error) {
	if r.options.Clock.Now().Sub(r.startedAt) < agentsGrace {
		enrolled, err := store.Q.AgentCount(ctx, tx)
		if err != nil {
			return nil, fmt.Errorf("count agents: %w", err)
		}
		if lack.Agents == 0 || int64(lack.Agents) < enrolled {
			outcome := wait(capacityRetry, "%d of %d agents are connected: %v", lack.Agents, enrolled, lack)
			return &outcome, nil
		}
	}
	r.options.Logger.Warn("no capacity", "replication_group", s.Group.ReplicationGroupID, "error", lack)
	return r.fail(ctx, tx, s, fmt.Sprintf("InsufficientCacheClusterCapacity: there is no capacity for cache node type %s",
		s.Group.CacheNodeType))
}

// fail ends a creation that cannot succeed.
func (r *Reconciler) fail(ctx context.Context, tx pgx.Tx, s *State, why string) (*Outcome, error) {
	for _, next := range []step{
		setStatus{group: "create-failed", automaticFailover: s.Group.AutomaticFailover, members: "deleting"},
		recordEvents{eventsCreateFailed(s, why)},
	} {
		if _, err := r.apply(ctx, tx, s, next); err != nil {
			return nil, err
		}
	}
	outcome := terminal(why)
	return &outcome, nil
}

func (r *Reconciler) record(ctx context.Context, tx pgx.Tx, s *State, events []event) error {
	p := db.EventInsertManyParams{AccountID: s.Group.AccountID, Region: s.Group.Region, OccurredAt: r.options.Clock.Now()}
	for _, e := range events {
		p.SourceTypes = append(p.SourceTypes, e.sourceType)
		p.SourceIdentifiers = append(p.SourceIdentifiers, e.source)
		p.Messages = append(p.Messages, e.message)
	}
	return store.Q.EventInsertMany(ctx, tx, p)
}

func deleteRows(ctx context.Context, tx pgx.Tx, s *State) error {
	owners := []uuid.UUID{s.Group.Uid}
	for _, m := range s.members() {
		owners = append(owners, m.Uid)
	}
	if err := store.Q.TagDeleteByResources(ctx, tx, owners); err != nil {
		return fmt.Errorf("delete tags: %w", err)
	}
	if err := fleet.DeleteClusterMap(ctx, tx, s.Group.Uid); err != nil {
		return err
	}
	return store.Q.ReplicationGroupDelete(ctx, tx, s.Group.Uid)
}
