package reconcile

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/slots"
	"github.com/elastane/elastane/internal/store/db"
)

// world is a group in memory: what the executor and the fleet do to the database, done to a State.
type world struct {
	State
	events  []event
	deleted bool
	// primaries remembers which node ever was told to be the primary at which epoch of which shard.
	primaries map[string]uuid.UUID
}

func newWorld(shards, members int, clusterMode string) *world {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &world{primaries: map[string]uuid.UUID{}}
	w.Now, w.Since = now, now
	w.Group = db.ReplicationGroup{
		Uid: uuid.New(), ReplicationGroupID: "g", Status: "creating", Engine: "redis", EngineVersion: "7.0.7",
		CacheNodeType: "cache.t4g.micro", ClusterMode: clusterMode, AutomaticFailover: "enabling", Port: 6379,
		TlsMode: "required", CreatedAt: now,
	}
	shares := slots.Even(shards)
	for i := range shards {
		shard := Shard{NodeGroup: db.NodeGroup{Uid: uuid.New(), NodeGroupID: fmt.Sprintf("%04d", i+1), ShardEpoch: 1}}
		if clusterMode != "disabled" {
			shard.Slots = shares[i]
		}
		for j := range members {
			shard.Members = append(shard.Members, Member{CacheCluster: db.CacheCluster{Uid: uuid.New(), CacheClusterID: fmt.Sprintf("g-%04d-%03d", i+1, j+1)}})
		}
		shard.PrimaryMember = shard.Members[0].Uid
		w.Shards = append(w.Shards, shard)
	}
	return w
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// reconcile does what the executor does: plan and apply until there is nothing to do.
func (w *world) reconcile(t fataler) Outcome {
	t.Helper()
	for range maxPasses {
		if w.deleted {
			return done()
		}
		steps, outcome, err := plan(&w.State)
		if err != nil {
			t.Fatalf("plan: %v", err)
		}
		if len(steps) == 0 {
			return outcome
		}
		for _, next := range steps {
			w.apply(t, next)
		}
		w.check(t)
	}
	t.Fatalf("no rest within %d passes", maxPasses)
	return Outcome{}
}

func (w *world) apply(t fataler, next step) {
	t.Helper()
	switch next := next.(type) {
	case placeMembers:
		w.place()
	case putSpecs:
		for _, spec := range next.specs {
			for _, node := range w.nodes() {
				if node.ID.String() == spec.GetNodeId() {
					epoch := node.Spec.GetEpoch()
					node.Spec = proto.CloneOf(spec)
					node.Spec.Epoch = epoch + 1
				}
			}
		}
	case setTargets:
		for _, want := range next.targets {
			w.target(want)
		}
	case putClusterMap:
		epoch := w.ClusterMap.GetEpoch()
		w.ClusterMap = proto.CloneOf(next.clusterMap)
		w.ClusterMap.Epoch = epoch + 1
	case setPrimary:
		shard := w.shard(next.shard)
		if shard.ShardEpoch != next.fromEpoch {
			t.Fatalf("set primary from epoch %d at %d", next.fromEpoch, shard.ShardEpoch)
		}
		shard.PrimaryMember, shard.ShardEpoch = next.member, shard.ShardEpoch+1
	case endHandover:
		shard := w.shard(next.shard)
		shard.FailoverFrom, shard.FailoverTo, shard.FailoverStartedAt = nil, nil, nil
	case setStatus:
		w.Group.Status, w.Group.AutomaticFailover = next.group, next.automaticFailover
	case recordEvents:
		w.events = append(w.events, next.events...)
	case deleteNodes:
		for i := range w.Shards {
			for j := range w.Shards[i].Members {
				m := &w.Shards[i].Members[j]
				if m.Node != nil && slices.Contains(next.nodes, m.Node.ID) {
					if m.Node.Observed.GetState() != agentv1.NodeState_NODE_STATE_ABSENT {
						t.Fatalf("a node is deleted before its agent has removed it")
					}
					m.Node = nil
				}
			}
		}
	case deleteEndpoints:
		for _, e := range w.Endpoints {
			if slices.Contains(next.endpoints, e.ID) && !e.Gone() {
				t.Fatalf("an endpoint is deleted while an agent may listen for it")
			}
		}
		w.Endpoints = slices.DeleteFunc(w.Endpoints, func(e fleet.Endpoint) bool { return slices.Contains(next.endpoints, e.ID) })
	case deleteGroup:
		if len(w.nodes()) > 0 || len(w.Endpoints) > 0 {
			t.Fatalf("the group is deleted before its %d nodes and %d endpoints", len(w.nodes()), len(w.Endpoints))
		}
		w.deleted = true
	default:
		t.Fatalf("unknown step %T", next)
	}
}

func (w *world) place() {
	host := 1
	for i := range w.Shards {
		for j := range w.Shards[i].Members {
			m := &w.Shards[i].Members[j]
			if m.Node == nil {
				m.Node = &fleet.Node{ID: uuid.New(), Spec: addressed("embedded", fleet.Address{
					Host: fmt.Sprintf("127.1.0.%d", host), Port: 6379, ClusterHost: fmt.Sprintf("127.1.0.%d", host), ClusterPort: 6379,
				})}
			}
			host++
		}
	}
	w.Endpoints = append(w.Endpoints, missingEndpoints(&w.State)...)
	for i := range w.Shards {
		for j := range w.Shards[i].Members {
			m := &w.Shards[i].Members[j]
			m.Node.Spec = specOf(&w.State, &w.Shards[i], m)
			m.Node.Spec.Epoch = 1
		}
	}
}

func (w *world) target(want fleet.EndpointTargets) {
	for i := range w.Endpoints {
		e := &w.Endpoints[i]
		if e.ID != want.EndpointID {
			continue
		}
		if len(e.Listeners) == 0 {
			e.Listeners = []fleet.EndpointListener{{Spec: &agentv1.EndpointSpec{}}}
		}
		spec := &agentv1.EndpointSpec{
			Epoch: e.Listeners[0].Spec.GetEpoch() + 1, Desired: agentv1.DesiredState_DESIRED_STATE_RUNNING, ShardEpoch: want.ShardEpoch,
		}
		for _, id := range want.Targets {
			spec.Targets = append(spec.Targets, &agentv1.EndpointTarget{NodeId: id.String()})
		}
		if len(want.Targets) == 0 {
			spec.Desired = agentv1.DesiredState_DESIRED_STATE_ABSENT
		}
		e.Listeners[0].Spec = spec
	}
}

func (w *world) shard(uid uuid.UUID) *Shard {
	for i := range w.Shards {
		if w.Shards[i].Uid == uid {
			return &w.Shards[i]
		}
	}
	return nil
}

// answer lets a node do what its spec says, and report it.
func (w *world) answer(node *fleet.Node) {
	spec := node.Spec
	node.Observed = &agentv1.NodeStatus{
		SpecEpoch: spec.GetEpoch(), State: agentv1.NodeState_NODE_STATE_RUNNING, Role: spec.GetRole(), ShardEpoch: spec.GetShardEpoch(),
		LinkUp: spec.GetRole() == agentv1.Role_ROLE_REPLICA, WritesPaused: spec.GetWritesPaused(), CertificateReady: true,
		ClusterMapEpoch: w.ClusterMap.GetEpoch(), ReplicationOffset: 7,
	}
	if spec.GetDesired() == agentv1.DesiredState_DESIRED_STATE_ABSENT {
		node.Observed = &agentv1.NodeStatus{SpecEpoch: spec.GetEpoch(), State: agentv1.NodeState_NODE_STATE_ABSENT}
	}
}

func (w *world) answerEndpoint(e *fleet.Endpoint) {
	if len(e.Listeners) == 0 {
		return
	}
	if e.Listeners[0].Spec.GetDesired() == agentv1.DesiredState_DESIRED_STATE_ABSENT {
		e.Listeners = nil
		return
	}
	e.Listeners[0].Observed = &agentv1.EndpointStatus{Epoch: e.Listeners[0].Spec.GetEpoch(), Listening: true}
}

func (w *world) answerAll() {
	for _, node := range w.nodes() {
		w.answer(node)
	}
	for i := range w.Endpoints {
		w.answerEndpoint(&w.Endpoints[i])
	}
}

// settle lets plan and fleet work until both are done.
func (w *world) settle(t fataler) {
	t.Helper()
	for range 20 {
		w.answerAll()
		w.reconcile(t)
	}
	steps, outcome, err := plan(&w.State)
	if !w.deleted && (len(steps) > 0 || err != nil || outcome.kind == outcomeWait) {
		t.Fatalf("not settled: %d steps, %s, %v", len(steps), outcome, err)
	}
}

// check holds what must always be true of the specs.
func (w *world) check(t fataler) {
	t.Helper()
	for i := range w.Shards {
		shard := &w.Shards[i]
		for _, m := range shard.Members {
			if m.Node == nil || m.Node.Spec.GetRole() != agentv1.Role_ROLE_PRIMARY ||
				m.Node.Spec.GetDesired() == agentv1.DesiredState_DESIRED_STATE_ABSENT {
				continue
			}
			key := fmt.Sprintf("%s@%d", shard.NodeGroupID, m.Node.Spec.GetShardEpoch())
			if other, taken := w.primaries[key]; taken && other != m.Node.ID {
				t.Fatalf("shard %s has had two primaries", key)
			}
			w.primaries[key] = m.Node.ID
		}
	}
}

func (w *world) failover(shard, to int) {
	s := &w.Shards[shard]
	if s.FailoverTo != nil || w.Group.Status != "available" || s.Members[to].Uid == s.PrimaryMember {
		return
	}
	from, target, now := s.PrimaryMember, s.Members[to].Uid, w.Now
	s.FailoverFrom, s.FailoverTo, s.FailoverStartedAt = &from, &target, &now
}

func TestCreationPlacesEverythingInOneGo(t *testing.T) {
	for _, test := range []struct {
		shards, members, endpoints int
		mode                       string
	}{
		{1, 1, 2, "disabled"}, {1, 3, 2, "disabled"}, {3, 2, 1, "enabled"}, {1, 2, 3, "compatible"},
	} {
		w := newWorld(test.shards, test.members, test.mode)
		outcome := w.reconcile(t)
		if outcome.kind != outcomeWait || w.Group.Status != "creating" || len(w.Endpoints) != test.endpoints {
			t.Fatalf("%+v: %s, %d endpoints", test, outcome, len(w.Endpoints))
		}
		w.answerAll()
		w.reconcile(t)
		if w.Group.Status != "available" || w.Group.AutomaticFailover != "enabled" {
			t.Errorf("%+v: one answer of the fleet is enough; status %s", test, w.Group.Status)
		}
		for _, node := range w.nodes() {
			if node.Spec.GetEpoch() != 1 {
				t.Errorf("%+v: the first spec did not hold", test)
			}
		}
	}
}

func TestCreationWaitsForEveryPart(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"not running":       func(w *world) { w.nodes()[1].Observed.State = agentv1.NodeState_NODE_STATE_STARTING },
		"nothing reported":  func(w *world) { w.nodes()[1].Observed = nil },
		"older spec":        func(w *world) { w.nodes()[1].Observed.SpecEpoch = 0 },
		"link down":         func(w *world) { w.nodes()[1].Observed.LinkUp = false },
		"other role":        func(w *world) { w.nodes()[1].Observed.Role = agentv1.Role_ROLE_PRIMARY },
		"no certificate":    func(w *world) { w.nodes()[0].Observed.CertificateReady = false },
		"old slot map":      func(w *world) { w.nodes()[0].Observed.ClusterMapEpoch = 0 },
		"endpoint silent":   func(w *world) { w.Endpoints[0].Listeners[0].Observed = nil },
		"endpoint not open": func(w *world) { w.Endpoints[0].Listeners[0].Observed.Listening = false },
	} {
		w := newWorld(2, 2, "enabled")
		w.reconcile(t)
		w.answerAll()
		spoil(w)
		if outcome := w.reconcile(t); outcome.kind != outcomeWait || w.Group.Status != "creating" || len(w.events) > 0 {
			t.Errorf("%s: %s, status %s", name, outcome, w.Group.Status)
		}
	}
}

func TestHandoverMovesOnlyWhenCaughtUp(t *testing.T) {
	for name, spoil := range map[string]func(primary, replica *agentv1.NodeStatus){
		"not paused":            func(p, _ *agentv1.NodeStatus) { p.WritesPaused = false },
		"paused by older spec":  func(p, _ *agentv1.NodeStatus) { p.SpecEpoch-- },
		"replica of older spec": func(_, r *agentv1.NodeStatus) { r.SpecEpoch-- },
		"replica behind":        func(_, r *agentv1.NodeStatus) { r.ReplicationOffset = 6 },
		"link down":             func(_, r *agentv1.NodeStatus) { r.LinkUp = false },
		"other history":         func(_, r *agentv1.NodeStatus) { r.ReplicationId = "other" },
		"replica stopped":       func(_, r *agentv1.NodeStatus) { r.State = agentv1.NodeState_NODE_STATE_FAILED },
		"older shard epoch":     func(_, r *agentv1.NodeStatus) { r.ShardEpoch-- },
	} {
		w := newWorld(1, 2, "disabled")
		w.reconcile(t)
		w.settle(t)
		w.failover(0, 1)
		w.reconcile(t)
		w.answerAll()
		nodes := w.nodes()
		spoil(nodes[0].Observed, nodes[1].Observed)
		if outcome := w.reconcile(t); outcome.kind != outcomeWait || outcome.after > handoverTimeout || w.Shards[0].ShardEpoch != 1 {
			t.Errorf("%s: %s at epoch %d", name, outcome, w.Shards[0].ShardEpoch)
		}
		w.Now = w.Now.Add(handoverTimeout)
		w.reconcile(t)
		if w.Shards[0].FailoverTo != nil || nodes[0].Spec.GetWritesPaused() {
			t.Errorf("%s: writes stay paused", name)
		}
	}
}

func TestHandoverEndsWhenAllHaveFollowed(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"new primary":   func(w *world) { w.nodes()[1].Observed.ShardEpoch = 1 },
		"old primary":   func(w *world) { w.nodes()[0].Observed.LinkUp = false },
		"other replica": func(w *world) { w.nodes()[2].Observed.SpecEpoch-- },
		"endpoint":      func(w *world) { w.Endpoints[0].Listeners[0].Observed.Epoch-- },
	} {
		w := newWorld(1, 3, "disabled")
		w.reconcile(t)
		w.settle(t)
		events := len(w.events)
		w.failover(0, 1)
		w.reconcile(t)
		w.answerAll()
		w.reconcile(t)
		if w.Shards[0].ShardEpoch != 2 || w.Shards[0].FailoverTo == nil {
			t.Fatalf("%s: the role has not moved", name)
		}
		w.answerAll()
		spoil(w)
		if outcome := w.reconcile(t); outcome.kind != outcomeWait || len(w.events) != events {
			t.Errorf("%s: %s with %d events", name, outcome, len(w.events)-events)
		}
		w.settle(t)
		if w.Shards[0].FailoverTo != nil || len(w.events) != events+4 {
			t.Errorf("%s: the hand-over does not end", name)
		}
	}
}

func TestSpecsDependOnTheRowsOnly(t *testing.T) {
	w := newWorld(3, 3, "enabled")
	w.reconcile(t)
	before, err := clusterMapOf(&w.State)
	if err != nil {
		t.Fatal(err)
	}
	w.answerAll()
	after, err := clusterMapOf(&w.State)
	if err != nil || !proto.Equal(before, after) {
		t.Errorf("the slot map changed with what was observed: %v, %v, %v", before, after, err)
	}
	for _, shard := range before.GetShards() {
		if len(shard.GetShardId()) != 40 || shard.GetNodes()[0].GetRole() != agentv1.Role_ROLE_PRIMARY || len(shard.GetNodes()) != 3 {
			t.Errorf("shard %v", shard)
		}
	}
}

// TestAnyOrderOfEvents lets runs, reports, hand-overs, faults and time come in any order: a shard never
// has two primaries at one epoch, and in the end everything is as desired.
func TestAnyOrderOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom([]string{"disabled", "enabled"}).Draw(t, "mode")
		shards := 1
		if mode == "enabled" {
			shards = rapid.IntRange(1, 3).Draw(t, "shards")
		}
		members := rapid.IntRange(1, 4).Draw(t, "members")
		w := newWorld(shards, members, mode)
		t.Repeat(map[string]func(*rapid.T){
			"reconcile": func(t *rapid.T) { w.reconcile(t) },
			"report": func(t *rapid.T) {
				if nodes := w.nodes(); len(nodes) > 0 {
					w.answer(rapid.SampledFrom(nodes).Draw(t, "node"))
				}
			},
			"lag": func(t *rapid.T) {
				if nodes := w.nodes(); len(nodes) > 0 {
					node := rapid.SampledFrom(nodes).Draw(t, "node")
					w.answer(node)
					node.Observed.ReplicationOffset = rapid.Uint64Range(0, 6).Draw(t, "offset")
				}
			},
			"fail": func(t *rapid.T) {
				if nodes := w.nodes(); len(nodes) > 0 {
					node := rapid.SampledFrom(nodes).Draw(t, "node")
					node.Observed = &agentv1.NodeStatus{SpecEpoch: node.Spec.GetEpoch(), State: agentv1.NodeState_NODE_STATE_FAILED, Error: "x"}
				}
			},
			"endpoint": func(t *rapid.T) {
				if len(w.Endpoints) > 0 {
					w.answerEndpoint(&w.Endpoints[rapid.IntRange(0, len(w.Endpoints)-1).Draw(t, "endpoint")])
				}
			},
			"failover": func(t *rapid.T) {
				w.failover(rapid.IntRange(0, shards-1).Draw(t, "shard"), rapid.IntRange(0, members-1).Draw(t, "to"))
			},
			"time": func(t *rapid.T) {
				w.Now = w.Now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) { w.check(t) },
		})
		w.settle(t)
		switch w.Group.Status {
		case "available":
			for i := range w.Shards {
				if w.Shards[i].FailoverTo != nil {
					t.Fatalf("a hand-over never ends")
				}
			}
		case "create-failed":
			if len(w.nodes())+len(w.Endpoints) > 0 {
				t.Fatalf("a failed group keeps nodes or endpoints")
			}
		default:
			t.Fatalf("status %s", w.Group.Status)
		}
		w.Group.Status = "deleting"
		w.settle(t)
		if !w.deleted {
			t.Fatalf("the group is not deleted")
		}
	})
}
