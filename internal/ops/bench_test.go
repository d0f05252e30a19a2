package ops_test

import (
	"testing"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/clock"
	"github.com/elastane/elastane/internal/ops"
	"github.com/elastane/elastane/internal/reconcile"
	"github.com/elastane/elastane/internal/store"
	"github.com/elastane/elastane/internal/store/storetest"
	"github.com/elastane/elastane/internal/store/storetest/fakefleet"
)

// BenchmarkDescribe reads one available group of three nodes.
func BenchmarkDescribe(b *testing.B) {
	s := storetest.New(b)
	fleet := fakefleet.New(b, s, plenty, "*a", "*b", "*c")
	ctx := callerContext(b.Context(), "000000000000", "us-east-1")
	handlers := ops.New(ops.Deps{Store: s, OpenNetwork: true})
	reconciler := reconcile.New(reconcile.Options{Store: s, Clock: clock.Real})
	in := production()
	in.CacheSubnetGroupName = nil
	if _, err := handlers.CreateReplicationGroup(ctx, in); err != nil {
		b.Fatal(err)
	}
	group, err := store.Q.ReplicationGroupListUnsteady(ctx, s.Pool())
	if err != nil {
		b.Fatal(err)
	}
	for range 2 {
		if _, err := reconciler.Reconcile(ctx, store.OwnerReplicationGroup, group[0]); err != nil {
			b.Fatal(err)
		}
		fleet.Answer()
	}
	for b.Loop() {
		if _, err := handlers.DescribeReplicationGroups(ctx, &api.DescribeReplicationGroupsInput{ReplicationGroupId: new("my-redis")}); err != nil {
			b.Fatal(err)
		}
	}
}
