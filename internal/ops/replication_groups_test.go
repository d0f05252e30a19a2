package ops_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	agentv1 "github.com/elastane/elastane/api/agent/v1"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/reconcile"
	"github.com/elastane/elastane/internal/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// checkGolden compares the JSON form of an answer, times left out, with testdata/<name>.json.
func checkGolden(t *testing.T, name string, answer any) {
	t.Helper()
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]+"`).ReplaceAll(append(text, '\n'), []byte(`"TIME"`))
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != string(want) {
		t.Errorf("%s differs from what it was:\n%s", path, text)
	}
}

func TestLifeOfTheProductionExample(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	created := b.mustCreate(production())
	checkGolden(t, "production-created", created)
	b.settle()
	checkGolden(t, "production-available", b.group("my-redis"))

	clusters, err := b.api.DescribeCacheClusters(b.ctx, &api.DescribeCacheClustersInput{ShowCacheNodeInfo: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "production-clusters", clusters)
	want := []string{
		"my-redis-001: Added cache node 0001 in availability zone us-east-1a", "my-redis-001: Cache cluster created",
		"my-redis-002: Added cache node 0001 in availability zone us-east-1b", "my-redis-002: Cache cluster created",
		"my-redis-003: Added cache node 0001 in availability zone us-east-1c", "my-redis-003: Cache cluster created",
		"my-redis: Replication group my-redis created",
		"my-redis: Automatic failover has been turned on for replication group my-redis",
	}
	got := b.messages()
	if !slices.Equal(got, want) {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	deleted, err := b.api.DeleteReplicationGroup(b.ctx, &api.DeleteReplicationGroupInput{ReplicationGroupId: new("my-redis")})
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "production-deleting", deleted.ReplicationGroup)
	if status := *b.group("my-redis").Status; status != "deleting" {
		t.Errorf("status %s", status)
	}
	b.settle()
	_, err = b.api.DescribeReplicationGroups(b.ctx, &api.DescribeReplicationGroupsInput{ReplicationGroupId: new("my-redis")})
	wantError(t, err, "ReplicationGroupNotFoundFault", "Replication group my-redis not found.")
	b.wantNothingLeft()
	_, err = b.api.DeleteCacheSubnetGroup(b.ctx, &api.DeleteCacheSubnetGroupInput{CacheSubnetGroupName: new("my-cache-subnets")})
	if err != nil {
		t.Errorf("the subnet group is free again: %v", err)
	}
}

func (b *bundle) wantNothingLeft() {
	b.t.Helper()
	for _, table := range []string{"replication_groups", "node_groups", "cache_clusters", "nodes", "endpoints", "endpoint_specs", "addresses", "cluster_maps", "tags"} {
		if n := b.fleet.Count(table); n != 0 {
			b.t.Errorf("%d rows left in %s", n, table)
		}
	}
}

func TestSpecsOfTheProductionExample(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	in := production()
	in.AuthToken = new(api.NewSecret("a-token-of-sixteen"))
	b.mustCreate(in)
	b.settle()
	endpoints := map[string]bool{}
	group := b.group("my-redis")
	endpoints[*group.NodeGroups[0].PrimaryEndpoint.Address] = true
	endpoints[*group.NodeGroups[0].ReaderEndpoint.Address] = true
	agents, passwords := map[string]bool{}, map[string]bool{}
	primaries := 0
	for _, spec := range b.fleet.Specs() {
		if spec.GetEpoch() != 1 {
			t.Errorf("%s came to its spec in %d steps", spec.GetName(), spec.GetEpoch())
		}
		if spec.GetRole() == agentv1.Role_ROLE_PRIMARY {
			primaries++
		} else if spec.GetPrimary().GetHost() == "" {
			t.Errorf("%s does not know its primary", spec.GetName())
		}
		if spec.GetMaxMemoryBytes() != 10527885772 || spec.GetEngineVersion() != "7.0.7" || spec.GetTlsMode() != agentv1.TLSMode_TLS_MODE_REQUIRED {
			t.Errorf("spec: %v", spec)
		}
		if len(spec.GetAuthTokenSha256()) != 1 || strings.Contains(spec.String(), "a-token") {
			t.Errorf("the token is stored as its hash only: %v", spec)
		}
		for name := range endpoints {
			if !slices.Contains(spec.GetCertificateNames(), name) {
				t.Errorf("certificate of %s lacks %s: %v", spec.GetName(), name, spec.GetCertificateNames())
			}
		}
		agents[spec.GetListenHost()] = true
		passwords[spec.GetReplicationPassword()] = true
	}
	if primaries != 1 || len(agents) != 3 || len(passwords) != 1 || passwords[""] {
		t.Errorf("%d primaries, %d addresses, %d passwords", primaries, len(agents), len(passwords))
	}
}

func TestClusterModeEnabled(t *testing.T) {
	b := setup(t)
	in := small("sharded")
	in.NumNodeGroups, in.ReplicasPerNodeGroup = new(int32(3)), new(int32(1))
	in.AutomaticFailoverEnabled = new(true)
	created := b.mustCreate(in)
	if *created.AutomaticFailover != "enabled" || len(created.MemberClusters) != 6 {
		t.Errorf("created: %+v", created)
	}
	b.settle()
	checkGolden(t, "cluster-available", b.group("sharded"))
	for _, spec := range b.fleet.Specs() {
		if spec.GetClusterMapId() == "" || len(spec.GetEngineNodeId()) != 40 {
			t.Errorf("spec: %v", spec)
		}
	}
	if _, err := b.api.DeleteReplicationGroup(b.ctx, &api.DeleteReplicationGroupInput{ReplicationGroupId: new("sharded")}); err != nil {
		t.Fatal(err)
	}
	b.settle()
	b.wantNothingLeft()
}

func TestNodeGroupConfiguration(t *testing.T) {
	b := setup(t)
	in := small("custom")
	in.CacheParameterGroupName = new("default.redis7.cluster.on")
	in.NodeGroupConfiguration = []api.NodeGroupConfiguration{
		{NodeGroupId: new("7"), Slots: new("0-99,200-16383"), ReplicaCount: new(int32(1)), PrimaryAvailabilityZone: new("us-east-1c"), ReplicaAvailabilityZones: []string{"us-east-1a"}},
		{Slots: new("100-199"), ReplicaCount: new(int32(0)), PrimaryAvailabilityZone: new("us-east-1b")},
	}
	b.mustCreate(in)
	b.settle()
	g := b.group("custom")
	if *g.Status != "available" || !*g.ClusterEnabled || g.ConfigurationEndpoint == nil || len(g.NodeGroups) != 2 {
		t.Fatalf("group: %+v", g)
	}
	second, first := g.NodeGroups[0], g.NodeGroups[1] // by id: 0002, 0007
	if *first.NodeGroupId != "0007" || *first.Slots != "0-99,200-16383" || *second.Slots != "100-199" ||
		*first.NodeGroupMembers[0].PreferredAvailabilityZone != "us-east-1c" ||
		*first.NodeGroupMembers[1].PreferredAvailabilityZone != "us-east-1a" ||
		*second.NodeGroupMembers[0].PreferredAvailabilityZone != "us-east-1b" || len(second.NodeGroupMembers) != 1 {
		t.Errorf("node groups: %+v", g.NodeGroups)
	}
	if !slices.Equal(g.MemberClusters, []string{"custom-0002-001", "custom-0007-001", "custom-0007-002"}) {
		t.Errorf("members: %v", g.MemberClusters)
	}
}

func TestDefaultsOfValkey(t *testing.T) {
	b := setup(t)
	in := small("one")
	in.Engine = new("valkey")
	b.mustCreate(in)
	b.settle()
	g := b.group("one")
	if !*g.AtRestEncryptionEnabled || *g.TransitEncryptionEnabled || g.TransitEncryptionMode != nil || *g.AutomaticFailover != "disabled" ||
		len(g.MemberClusters) != 1 || g.NodeGroups[0].ReaderEndpoint == nil || g.ConfigurationEndpoint != nil || *g.ClusterEnabled {
		t.Errorf("group: %+v", g)
	}
}

func TestFailoverHandsOver(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	b.mustCreate(production())
	b.settle()
	before := b.group("my-redis").NodeGroups[0]
	events := len(b.messages())

	// The replicas lag behind until the test lets them catch up.
	caughtUp := false
	b.fleet.Offset = 100
	b.fleet.Change = func(spec *agentv1.NodeSpec, status *agentv1.NodeStatus) bool {
		if !caughtUp && spec.GetRole() == agentv1.Role_ROLE_REPLICA {
			status.ReplicationOffset = 90
		}
		return true
	}
	b.fleet.Answer()
	out, err := b.api.TestFailover(b.ctx, &api.TestFailoverInput{ReplicationGroupId: new("MY-redis"), NodeGroupId: new("0001")})
	if err != nil {
		t.Fatal(err)
	}
	if *out.ReplicationGroup.Status != "available" {
		t.Errorf("status %s", *out.ReplicationGroup.Status)
	}
	_, err = b.api.TestFailover(b.ctx, &api.TestFailoverInput{ReplicationGroupId: new("my-redis"), NodeGroupId: new("0001")})
	wantError(t, err, "InvalidReplicationGroupState", "")

	b.settle()
	paused, watched := 0, 0
	for _, spec := range b.fleet.Specs() {
		if spec.GetWritesPaused() {
			paused++
		}
		if spec.GetWatchOffset() {
			watched++
		}
		if spec.GetShardEpoch() != 1 {
			t.Error("the role moved before the replica had caught up")
		}
	}
	if paused != 1 || watched != 2 {
		t.Errorf("%d paused, %d watched", paused, watched)
	}

	caughtUp = true
	b.settle()
	after := b.group("my-redis").NodeGroups[0]
	if *after.PrimaryEndpoint.Address != *before.PrimaryEndpoint.Address || *after.ReaderEndpoint.Address != *before.ReaderEndpoint.Address {
		t.Error("the endpoints do not stay")
	}
	roles := func(g api.NodeGroup) (roles []string) {
		for _, m := range g.NodeGroupMembers {
			roles = append(roles, *m.CurrentRole)
		}
		return roles
	}
	if got := roles(after); !slices.Equal(got, []string{"replica", "primary", "replica"}) {
		t.Errorf("roles %v, were %v", got, roles(before))
	}
	for _, spec := range b.fleet.Specs() {
		if spec.GetShardEpoch() != 2 || spec.GetWritesPaused() || spec.GetWatchOffset() {
			t.Errorf("spec after the hand-over: %v", spec)
		}
	}
	want := []string{
		"my-redis: Test Failover API called for node group 0001",
		"my-redis-001: Failover from primary node my-redis-001 to replica node my-redis-002 completed",
		"my-redis: Failover from primary node my-redis-001 to replica node my-redis-002 completed",
		"my-redis-001: Recovering cache nodes 0001",
		"my-redis-001: Finished recovery for cache nodes 0001",
	}
	if got := b.messages()[events:]; !slices.Equal(got, want) {
		t.Errorf("events %q", got)
	}
	if len(b.unsteady()) != 0 {
		t.Error("the group is not steady")
	}
}

func TestFailoverIsGivenUp(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	b.mustCreate(production())
	b.settle()
	b.fleet.Change = func(spec *agentv1.NodeSpec, status *agentv1.NodeStatus) bool {
		if spec.GetRole() == agentv1.Role_ROLE_PRIMARY {
			status.ReplicationOffset = 1000
		}
		return true
	}
	if _, err := b.api.TestFailover(b.ctx, &api.TestFailoverInput{ReplicationGroupId: new("my-redis"), NodeGroupId: new("0001")}); err != nil {
		t.Fatal(err)
	}
	b.settle()
	again, err := b.reconciler.Reconcile(t.Context(), store.OwnerReplicationGroup, b.unsteady()[0])
	if err != nil || again <= 0 || again > 5*time.Second {
		t.Fatalf("the next look is in %s, %v", again, err)
	}
	b.clock.Advance(again)
	b.settle()
	for _, spec := range b.fleet.Specs() {
		if spec.GetWritesPaused() || spec.GetShardEpoch() != 1 {
			t.Errorf("spec: %v", spec)
		}
	}
	got := b.messages()
	if last := got[len(got)-1]; !strings.Contains(last, "given up") {
		t.Errorf("last event %q", last)
	}
	if len(b.unsteady()) != 0 {
		t.Error("the group is not steady")
	}
}

func TestFailoverRefused(t *testing.T) {
	b := setup(t)
	failover := func(id, nodeGroup string) error {
		_, err := b.api.TestFailover(b.ctx, &api.TestFailoverInput{ReplicationGroupId: &id, NodeGroupId: &nodeGroup})
		return err
	}
	wantError(t, failover("nobody", "0001"), "ReplicationGroupNotFoundFault", "Replication group nobody not found.")
	b.mustCreate(small("single"))
	wantError(t, failover("single", "0001"), "InvalidReplicationGroupState", "Replication group must be in available state to modify.")
	b.settle()
	wantError(t, failover("single", "0001"), "TestFailoverNotAvailableFault", "")
	wantError(t, failover("single", "0002"), "NodeGroupNotFoundFault", "")

	b.createSubnetGroup()
	b.mustCreate(production())
	b.settle()
	b.fleet.Change = func(_ *agentv1.NodeSpec, status *agentv1.NodeStatus) bool { status.LinkUp = false; return true }
	b.fleet.Answer()
	wantError(t, failover("my-redis", "0001"), "TestFailoverNotAvailableFault", "")
}

func TestKillBetweenAnyTwoSteps(t *testing.T) {
	// Each reconcile commits or not as a whole. Running it again without the fleet's answer, and the
	// fleet's answer without a run, must lead to the same end.
	b := setup(t)
	b.createSubnetGroup()
	b.mustCreate(production())
	for range 3 {
		b.reconcile()
	}
	if nodes := b.fleet.Count("nodes"); nodes != 3 {
		t.Fatalf("%d nodes after three runs", nodes)
	}
	if endpoints := b.fleet.Count("endpoints"); endpoints != 2 {
		t.Fatalf("%d endpoints after three runs", endpoints)
	}
	b.settle()
	if status := *b.group("my-redis").Status; status != "available" {
		t.Fatalf("status %s", status)
	}
	events := len(b.messages())
	b.settle()
	if len(b.messages()) != events {
		t.Error("a run on a steady group wrote events")
	}
	if _, err := b.api.DeleteReplicationGroup(b.ctx, &api.DeleteReplicationGroupInput{ReplicationGroupId: new("my-redis")}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.reconcile()
	}
	b.settle()
	b.wantNothingLeft()
}

func TestNoCapacity(t *testing.T) {
	b := setupFleet(t, 1<<30, "*a")
	b.createSubnetGroup()
	in := small("big")
	in.CacheNodeType = new("cache.r6g.large")
	b.mustCreate(in)
	b.settle()
	if status := *b.group("big").Status; status != "create-failed" {
		t.Fatalf("status %s", status)
	}
	if got := b.messages(); !strings.Contains(got[len(got)-1], "InsufficientCacheClusterCapacity") {
		t.Errorf("events %q", got)
	}
	if b.fleet.Count("nodes")+b.fleet.Count("addresses")+b.fleet.Count("endpoints") != 0 {
		t.Error("something was left behind")
	}
	if _, err := b.api.DeleteReplicationGroup(b.ctx, &api.DeleteReplicationGroupInput{ReplicationGroupId: new("big")}); err != nil {
		t.Fatal(err)
	}
	b.settle()
	b.wantNothingLeft()
}

func TestAgentsThatReconnectAreWaitedFor(t *testing.T) {
	b := setup(t)
	b.createSubnetGroup()
	b.fleet.SetConnected(false)
	b.mustCreate(production())
	b.settle()
	if status := *b.group("my-redis").Status; status != "creating" {
		t.Fatalf("status %s", status)
	}
	b.fleet.SetConnected(true)
	b.settle()
	if status := *b.group("my-redis").Status; status != "available" {
		t.Fatalf("status %s", status)
	}
}

func TestNoAgents(t *testing.T) {
	b := setupFleet(t, plenty)
	b.mustCreate(small("lonely"))
	b.settle()
	if status := *b.group("lonely").Status; status != "creating" {
		t.Fatalf("agents may still join; status %s", status)
	}
	b.clock.Advance(31 * time.Second)
	b.settle()
	if status := *b.group("lonely").Status; status != "create-failed" {
		t.Fatalf("status %s", status)
	}
}

func TestNodeThatCannotStart(t *testing.T) {
	b := setup(t)
	b.fleet.Change = func(spec *agentv1.NodeSpec, status *agentv1.NodeStatus) bool {
		if spec.GetDesired() == agentv1.DesiredState_DESIRED_STATE_RUNNING {
			status.State, status.Error = agentv1.NodeState_NODE_STATE_FAILED, "address already in use"
		}
		return true
	}
	b.mustCreate(small("stuck"))
	b.settle()
	if status := *b.group("stuck").Status; status != "creating" {
		t.Fatalf("the agents may still succeed; status %s", status)
	}
	b.clock.Advance(31 * time.Second)
	b.reconciler = reconcile.New(reconcile.Options{Store: b.store, Clock: b.clock})
	b.settle()
	if status := *b.group("stuck").Status; status != "creating" {
		t.Fatalf("a control plane that has just started gives the agents their time; status %s", status)
	}
	b.clock.Advance(31 * time.Second)
	b.settle()
	if status := *b.group("stuck").Status; status != "create-failed" {
		t.Fatalf("status %s", status)
	}
	if got := b.messages(); !strings.Contains(got[len(got)-1], "address already in use") {
		t.Errorf("events %q", got)
	}
	if n := b.fleet.Count("nodes") + b.fleet.Count("addresses"); n != 0 {
		t.Errorf("%d nodes and addresses left", n)
	}
}

func TestAccountsAndRegionsAreApart(t *testing.T) {
	b := setup(t)
	b.mustCreate(small("mine"))
	for _, other := range [][2]string{{"111111111111", "us-east-1"}, {"000000000000", "eu-west-1"}} {
		ctx := callerContext(t.Context(), other[0], other[1])
		_, err := b.api.DescribeReplicationGroups(ctx, &api.DescribeReplicationGroupsInput{ReplicationGroupId: new("mine")})
		wantError(t, err, "ReplicationGroupNotFoundFault", "")
		out, err := b.api.CreateReplicationGroup(ctx, small("mine"))
		if err != nil {
			t.Fatalf("the name is free elsewhere: %v", err)
		}
		if want := "arn:aws:elasticache:" + other[1] + ":" + other[0] + ":replicationgroup:mine"; *out.ReplicationGroup.ARN != want {
			t.Errorf("ARN %s", *out.ReplicationGroup.ARN)
		}
	}
	b.settle()
}
