package ops_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/clock"
	"github.com/elastane/elastane/internal/ops"
	"github.com/elastane/elastane/internal/reconcile"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/storetest"
	"github.com/elastane/elastane/internal/store/storetest/fakefleet"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// bundle is a control plane on a real database, with a fake fleet of three agents, one in each zone.
type bundle struct {
	t          *testing.T
	ctx        context.Context
	store      *store.Store
	clock      *clock.Fake
	fleet      *fakefleet.Fleet
	api        *api.Handlers
	reconciler *reconcile.Reconciler
}

const plenty = 1 << 42 // bytes of memory of an agent

func setup(t *testing.T) *bundle { return setupFleet(t, plenty, "*a", "*b", "*c") }

func setupFleet(t *testing.T, memoryBytes int64, zones ...string) *bundle {
	t.Helper()
	s := storetest.New(t)
	// The fake clock stands where Postgres's own is: agents' heartbeats are compared with it.
	fake := clock.NewFake(time.Now().UTC().Truncate(time.Second))
	return &bundle{
		t: t, store: s, clock: fake,
		ctx:        callerContext(t.Context(), "000000000000", "us-east-1"),
		fleet:      fakefleet.New(t, s, memoryBytes, zones...),
		api:        ops.New(ops.Deps{Store: s, Clock: fake, OpenNetwork: true}),
		reconciler: reconcile.New(reconcile.Options{Store: s, Clock: fake}),
	}
}

func callerContext(ctx context.Context, account, region string) context.Context {
	return api.WithCaller(ctx, api.Caller{Account: account, Region: region, Partition: "aws"})
}

// settle runs the reconcilers of unsteady owners and the fleet until nothing changes any more.
func (b *bundle) settle() {
	b.t.Helper()
	for range 50 {
		b.reconcile()
		if !b.fleet.Answer() {
			b.reconcile()
			if !b.fleet.Answer() {
				return
			}
		}
	}
	b.t.Fatal("control plane and fleet do not come to rest")
}

// reconcile runs each unsteady owner once.
func (b *bundle) reconcile() {
	b.t.Helper()
	for _, uid := range b.unsteady() {
		if _, err := b.reconciler.Reconcile(b.t.Context(), store.OwnerReplicationGroup, uid); err != nil {
			b.t.Fatalf("reconcile: %v", err)
		}
	}
}

func (b *bundle) unsteady() []uuid.UUID {
	b.t.Helper()
	owners, err := store.Q.ReplicationGroupListUnsteady(b.t.Context(), b.store.Pool())
	if err != nil {
		b.t.Fatal(err)
	}
	return owners
}

// group describes one group.
func (b *bundle) group(id string) api.ReplicationGroup {
	b.t.Helper()
	out, err := b.api.DescribeReplicationGroups(b.ctx, &api.DescribeReplicationGroupsInput{ReplicationGroupId: &id})
	if err != nil {
		b.t.Fatalf("describe %s: %v", id, err)
	}
	return out.ReplicationGroups[0]
}

func (b *bundle) mustCreate(in *api.CreateReplicationGroupInput) *api.ReplicationGroup {
	b.t.Helper()
	out, err := b.api.CreateReplicationGroup(b.ctx, in)
	if err != nil {
		b.t.Fatalf("create: %v", err)
	}
	return out.ReplicationGroup
}

// messages returns the events' messages, the oldest first, each behind its source.
func (b *bundle) messages() []string {
	b.t.Helper()
	out, err := b.api.DescribeEvents(b.ctx, &api.DescribeEventsInput{})
	if err != nil {
		b.t.Fatal(err)
	}
	var messages []string
	for _, e := range slices.Backward(out.Events) {
		messages = append(messages, *e.SourceIdentifier+": "+*e.Message)
	}
	return messages
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) {
		t.Errorf("got error %v, want %s", err, code)
		return
	}
	if e.Code != code || message != "" && e.Message != message {
		t.Errorf("got %s %q\nwant %s %q", e.Code, e.Message, code, message)
	}
	status := 400
	if slices.Contains([]string{"ReplicationGroupNotFoundFault", "NodeGroupNotFoundFault", "CacheClusterNotFound", "TagNotFound", "CacheParameterGroupNotFound", "UserNotFound"}, code) {
		status = 404
	}
	if e.Status != status {
		t.Errorf("%s: HTTP status %d, want %d", code, e.Status, status)
	}
}

// production is the request of the README.
func production() *api.CreateReplicationGroupInput {
	return &api.CreateReplicationGroupInput{
		ReplicationGroupId:          new("My-Redis"),
		ReplicationGroupDescription: new("Production cache"),
		Engine:                      new("redis"),
		EngineVersion:               new("7.0"),
		CacheNodeType:               new("cache.r6g.large"),
		NumCacheClusters:            new(int32(3)),
		AutomaticFailoverEnabled:    new(true),
		MultiAZEnabled:              new(true),
		AtRestEncryptionEnabled:     new(true),
		TransitEncryptionEnabled:    new(true),
		CacheSubnetGroupName:        new("my-cache-subnets"),
		SecurityGroupIds:            []string{"sg-redis"},
		Tags:                        []api.Tag{{Key: new("env"), Value: new("prod")}},
	}
}

func (b *bundle) createSubnetGroup() {
	b.t.Helper()
	_, err := b.api.CreateCacheSubnetGroup(b.ctx, &api.CreateCacheSubnetGroupInput{
		CacheSubnetGroupName: new("my-cache-subnets"), CacheSubnetGroupDescription: new("Three zones"),
		SubnetIds: []string{"subnet-0000000a", "subnet-0000000b", "subnet-0000000c"},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// small is the least request: one node.
func small(id string) *api.CreateReplicationGroupInput {
	return &api.CreateReplicationGroupInput{
		ReplicationGroupId: &id, ReplicationGroupDescription: new("test"), CacheNodeType: new("cache.t4g.micro"),
	}
}
