package ops_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/catalog"
)

func (b *bundle) createParameterGroup(name, family string) error {
	_, err := b.api.CreateCacheParameterGroup(b.ctx, &api.CreateCacheParameterGroupInput{
		CacheParameterGroupName: &name, CacheParameterGroupFamily: &family, Description: new("of a test"),
		Tags: []api.Tag{{Key: new("env"), Value: new("test")}},
	})
	return err
}

// nameValues pairs names and values; a name without a value stands at the end.
func nameValues(pairs ...string) []api.ParameterNameValue {
	var list []api.ParameterNameValue
	for pair := range slices.Chunk(pairs, 2) {
		next := api.ParameterNameValue{ParameterName: &pair[0]}
		if len(pair) == 2 {
			next.ParameterValue = &pair[1]
		}
		list = append(list, next)
	}
	return list
}

func (b *bundle) setParameters(group string, pairs ...string) error {
	_, err := b.api.ModifyCacheParameterGroup(b.ctx, &api.ModifyCacheParameterGroupInput{
		CacheParameterGroupName: &group, ParameterNameValues: nameValues(pairs...),
	})
	return err
}

func (b *bundle) resetParameters(group string, all bool, names ...string) error {
	in := &api.ResetCacheParameterGroupInput{CacheParameterGroupName: &group, ResetAllParameters: &all}
	for _, name := range names {
		in.ParameterNameValues = append(in.ParameterNameValues, api.ParameterNameValue{ParameterName: &name})
	}
	_, err := b.api.ResetCacheParameterGroup(b.ctx, in)
	return err
}

func (b *bundle) deleteParameterGroup(name string) error {
	_, err := b.api.DeleteCacheParameterGroup(b.ctx, &api.DeleteCacheParameterGroupInput{CacheParameterGroupName: &name})
	return err
}

// set lists what a group sets, as name=value.
func (b *bundle) set(group string) string {
	b.t.Helper()
	out, err := b.api.DescribeCacheParameters(b.ctx, &api.DescribeCacheParametersInput{CacheParameterGroupName: &group, Source: new("user")})
	if err != nil {
		b.t.Fatal(err)
	}
	var set []string
	for _, p := range out.Parameters {
		set = append(set, *p.ParameterName+"="+api.Value(p.ParameterValue))
	}
	return strings.Join(set, " ")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCacheParameterGroups(t *testing.T) {
	b := setup(t)
	must(t, b.createParameterGroup("My-Params", "redis7"))
	wantError(t, b.createParameterGroup("my-params", "redis7"), "CacheParameterGroupAlreadyExists", "Parameter group my-params already exists")
	wantError(t, b.createParameterGroup("other", "redis9"), "InvalidParameterValue", "CacheParameterGroupFamily redis9 is not a valid parameter group family.")
	wantError(t, b.createParameterGroup("default.mine", "redis7"), "InvalidParameterValue", "The parameter CacheParameterGroupName is not a valid identifier. "+
		"Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.")
	wantError(t, b.createParameterGroup("", "redis7"), "InvalidParameterValue", "The parameter CacheParameterGroupName must be provided and must not be blank.")
	wantError(t, b.createParameterGroup(strings.Repeat("a", 256), "redis7"), "InvalidParameterValue", "")
	must(t, b.createParameterGroup(strings.Repeat("a", 255), "redis7"))

	one := func(name string) (*api.DescribeCacheParameterGroupsOutput, error) {
		return b.api.DescribeCacheParameterGroups(b.ctx, &api.DescribeCacheParameterGroupsInput{CacheParameterGroupName: &name})
	}
	out, err := one("MY-params")
	must(t, err)
	checkGolden(t, "parameter-group", out)
	out, err = one("default.redis7.cluster.on")
	must(t, err)
	checkGolden(t, "parameter-group-default", out)
	for _, name := range []string{"nobody", "default.redis9", "default.memcached1.6.cluster.on"} {
		_, err = one(name)
		wantError(t, err, "CacheParameterGroupNotFound", "CacheParameterGroup "+name+" not found.")
	}

	// The default groups of all families are listed among one's own, page by page.
	var names []string
	in := &api.DescribeCacheParameterGroupsInput{MaxRecords: new(int32(20))}
	for {
		out, err := b.api.DescribeCacheParameterGroups(b.ctx, in)
		must(t, err)
		for _, g := range out.CacheParameterGroups {
			names = append(names, *g.CacheParameterGroupName)
		}
		if in.Marker = out.Marker; in.Marker == nil {
			break
		}
		if len(out.CacheParameterGroups) != 20 {
			t.Errorf("a page of %d", len(out.CacheParameterGroups))
		}
	}
	if want := len(catalog.Families()) + 8 + 2; len(names) != want || !slices.IsSorted(names) || !slices.Contains(names, "my-params") || len(slices.Compact(names)) != want {
		t.Errorf("groups: %v, want %d", names, want)
	}

	arn := "arn:aws:elasticache:us-east-1:000000000000:parametergroup:"
	tags, err := b.api.ListTagsForResource(b.ctx, &api.ListTagsForResourceInput{ResourceName: new(arn + "my-params")})
	if err != nil || formatTags(tags.TagList) != "env=test" {
		t.Errorf("%+v, %v", tags, err)
	}
	_, err = b.api.ListTagsForResource(b.ctx, &api.ListTagsForResourceInput{ResourceName: new(arn + "default.redis7")})
	wantError(t, err, "InvalidParameterValue", "")

	wantError(t, b.deleteParameterGroup("default.redis7"), "InvalidParameterValue", "The parameter CacheParameterGroupName is not a valid identifier. "+
		"Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.")
	wantError(t, b.deleteParameterGroup("nobody"), "CacheParameterGroupNotFound", "CacheParameterGroupnot found: nobody")
	must(t, b.deleteParameterGroup("My-Params"))
	_, err = one("my-params")
	wantError(t, err, "CacheParameterGroupNotFound", "")
	if got := b.fleet.Count("tags"); got != 1 { // that of the group with the long name
		t.Errorf("%d tags are left", got)
	}
}

func TestCacheParameterGroupQuota(t *testing.T) {
	b := setup(t)
	if _, err := b.store.Pool().Exec(t.Context(), `
		INSERT INTO cache_parameter_groups (uid, account_id, region, name, family, description, created_at)
		SELECT gen_random_uuid(), '000000000000', 'us-east-1', 'g' || n, 'redis7', 'd', now() FROM generate_series(1, 299) AS n`); err != nil {
		t.Fatal(err)
	}
	must(t, b.createParameterGroup("the-300th", "redis7"))
	wantError(t, b.createParameterGroup("the-301st", "redis7"), "CacheParameterGroupQuotaExceeded", "")
}

func TestCacheParameters(t *testing.T) {
	b := setup(t)
	must(t, b.createParameterGroup("mine", "redis7"))
	if got := b.set("mine"); got != "" {
		t.Errorf("a new group sets %q", got)
	}
	must(t, b.setParameters("mine", "maxmemory-policy", "allkeys-lru", "databases", "4"))
	must(t, b.setParameters("Mine", "timeout", "20", "maxmemory-policy", "noeviction"))
	if got := b.set("mine"); got != "databases=4 maxmemory-policy=noeviction timeout=20" {
		t.Errorf("it sets %q", got)
	}

	many := func(n int) []string {
		var pairs []string
		for _, p := range catalog.Parameters("redis7") {
			if p.Modifiable == catalog.ModifiableAlways && p.Default != "" && len(pairs) < 2*n {
				pairs = append(pairs, p.Name, p.Default)
			}
		}
		return pairs
	}
	for _, test := range []struct {
		err           error
		code, message string
	}{
		{b.setParameters("nobody", "timeout", "20"), "CacheParameterGroupNotFound", "CacheParameterGroup not found: nobody"},
		{b.setParameters("default.redis7", "timeout", "20"), "InvalidParameterValue", "The parameter group default.redis7 is a default group and cannot be modified."},
		{b.resetParameters("default.redis7", true), "InvalidParameterValue", "The parameter group default.redis7 is a default group and cannot be modified."},
		{b.setParameters("", "timeout", "20"), "InvalidParameterValue", ""},
		{b.setParameters("mine"), "InvalidParameterValue", ""},
		{b.setParameters("mine", many(21)...), "InvalidParameterCombination", "Cannot modify more than 20 parameters in a single request"},
		{b.setParameters("mine", "timeout", "20", "timeout", "30"), "InvalidParameterValue", ""},
		{b.setParameters("mine", "", "20"), "InvalidParameterValue", ""},
		{b.setParameters("mine", "reserved-memory", "1"), "InvalidParameterValue", "Parameter reserved-memory doesn't exist"},
		{b.setParameters("mine", "activerehashing", "no"), "InvalidParameterValue", "Parameter activerehashing doesn't exist"}, // hidden
		{b.setParameters("mine", "appendonly", "yes"), "InvalidParameterValue", "The parameter appendonly cannot be modified."},
		{b.setParameters("mine", "maxmemory", "1"), "InvalidParameterValue", "The parameter maxmemory cannot be modified."},
		{b.setParameters("mine", "hash-max-listpack-value", "1", "timeout", "19"), "InvalidParameterValue", `Value "19" for parameter timeout is not valid: the allowed values are 0,20-.`},
		{b.setParameters("mine", "timeout"), "InvalidParameterValue", ""},
		{b.resetParameters("mine", false), "InvalidParameterValue", ""},
		{b.resetParameters("mine", true, "timeout"), "InvalidParameterCombination", ""},
		{b.resetParameters("mine", false, "no-such"), "InvalidParameterValue", "Parameter no-such doesn't exist"},
	} {
		wantError(t, test.err, test.code, test.message)
	}
	if got := b.set("mine"); got != "databases=4 maxmemory-policy=noeviction timeout=20" {
		t.Errorf("refused calls made it %q", got)
	}
	must(t, b.setParameters("mine", many(20)...))
	must(t, b.resetParameters("mine", false, many(20)[0], "timeout", "lfu-log-factor"))
	if got := b.set("mine"); strings.Contains(got, "timeout") || strings.Contains(got, many(20)[0]+"=") || !strings.Contains(got, "databases=4") {
		t.Errorf("after a reset of three: %q", got)
	}
	must(t, b.resetParameters("mine", true))
	if got := b.set("mine"); got != "" {
		t.Errorf("after a reset of all: %q", got)
	}

	must(t, b.createParameterGroup("old", "redis4.0"))
	must(t, b.setParameters("old", "reserved-memory-percent", "10"))
	wantError(t, b.setParameters("old", "reserved-memory", "1000"), "InvalidParameterCombination", "")

	describe := func(group, source string) error {
		_, err := b.api.DescribeCacheParameters(b.ctx, &api.DescribeCacheParametersInput{CacheParameterGroupName: &group, Source: &source})
		return err
	}
	wantError(t, describe("nobody", ""), "CacheParameterGroupNotFound", "CacheParameterGroup nobody not found.")
	wantError(t, describe("mine", "nowhere"), "InvalidParameterValue", "")
	must(t, describe("mine", "engine-default"))

	var names []string
	in := &api.DescribeEngineDefaultParametersInput{CacheParameterGroupFamily: new("redis5.0"), MaxRecords: new(int32(20))}
	for {
		out, err := b.api.DescribeEngineDefaultParameters(b.ctx, in)
		must(t, err)
		for _, p := range out.EngineDefaults.Parameters {
			names = append(names, *p.ParameterName)
		}
		for _, p := range out.EngineDefaults.CacheNodeTypeSpecificParameters {
			names = append(names, *p.ParameterName)
		}
		if in.Marker = out.EngineDefaults.Marker; in.Marker == nil {
			break
		}
	}
	if len(names) != 60 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != 60 {
		t.Errorf("%d parameters of redis5.0: %v", len(names), names)
	}
	_, err := b.api.DescribeEngineDefaultParameters(b.ctx, &api.DescribeEngineDefaultParametersInput{CacheParameterGroupFamily: new("redis9")})
	wantError(t, err, "InvalidParameterValue", "CacheParameterGroupFamily redis9 is not a valid parameter group family.")

	out, err := b.api.DescribeCacheParameters(b.ctx, &api.DescribeCacheParametersInput{CacheParameterGroupName: new("default.redis7.cluster.on")})
	must(t, err)
	for i := range out.CacheNodeTypeSpecificParameters { // three node types stand for all
		values := &out.CacheNodeTypeSpecificParameters[i].CacheNodeTypeSpecificValues
		*values = slices.DeleteFunc(*values, func(v api.CacheNodeTypeSpecificValue) bool { return !strings.Contains(*v.CacheNodeType, "cache.t4g") })
	}
	for i := range out.Parameters { // the list of all commands
		if *out.Parameters[i].ParameterName == "rename-commands" {
			out.Parameters[i].AllowedValues = nil
		}
	}
	checkGolden(t, "parameters", out)
}

// parametersOf collects a directive's value on every node, without repetitions.
func (b *bundle) parametersOf(directive string) []string {
	var values []string
	for _, spec := range b.fleet.Specs() {
		values = append(values, spec.GetParameters()[directive])
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// applyStatuses collects the ParameterApplyStatus of all clusters with the nodes to reboot.
func (b *bundle) applyStatuses() string {
	b.t.Helper()
	out, err := b.api.DescribeCacheClusters(b.ctx, &api.DescribeCacheClustersInput{ShowCacheNodeInfo: new(true)})
	must(b.t, err)
	var all []string
	for _, c := range out.CacheClusters {
		g := c.CacheParameterGroup
		all = append(all, fmt.Sprint(*g.CacheParameterGroupName, " ", *g.ParameterApplyStatus, " ", g.CacheNodeIdsToReboot))
		if len(c.CacheNodes) == 1 && *c.CacheNodes[0].ParameterGroupStatus != *g.ParameterApplyStatus {
			b.t.Errorf("the node is %s, the cluster %s", *c.CacheNodes[0].ParameterGroupStatus, *g.ParameterApplyStatus)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

func TestParametersReachTheNodes(t *testing.T) {
	b := setup(t)
	must(t, b.createParameterGroup("mine", "redis7"))
	must(t, b.setParameters("mine", "maxmemory-policy", "allkeys-lru"))
	in := small("g")
	in.EngineVersion, in.NumCacheClusters, in.CacheParameterGroupName = new("7.0"), new(int32(3)), new("Mine")
	b.mustCreate(in)
	b.mustCreate(small("bystander"))
	b.settle()
	wantError(t, b.deleteParameterGroup("mine"), "InvalidCacheParameterGroupState",
		"One or more cache clusters are still members of this parameter group mine, so the group cannot be deleted.")
	if got := b.parametersOf("maxmemory-policy"); !slices.Equal(got, []string{"allkeys-lru", "volatile-lru"}) {
		t.Errorf("maxmemory-policy of the nodes: %v", got)
	}
	if got := b.applyStatuses(); got != "default.redis7 in-sync [], mine in-sync []" {
		t.Error(got)
	}
	wantError(t, b.setParameters("mine", "databases", "4"), "InvalidParameterValue", "The parameter databases cannot be modified while cache clusters use the parameter group.")

	must(t, b.setParameters("mine", "maxmemory-policy", "noeviction", "reserved-memory-percent", "0", "client-output-buffer-limit-pubsub-soft-seconds", "7"))
	if got := b.applyStatuses(); got != "default.redis7 in-sync [], mine applying []" {
		t.Error(got)
	}
	b.reconcile()
	if got := b.applyStatuses(); got != "default.redis7 in-sync [], mine applying []" {
		t.Error(got)
	}
	b.settle()
	if got := b.applyStatuses(); got != "default.redis7 in-sync [], mine in-sync []" {
		t.Error(got)
	}
	if got := b.parametersOf("maxmemory-policy"); !slices.Equal(got, []string{"noeviction", "volatile-lru"}) {
		t.Errorf("maxmemory-policy of the nodes: %v", got)
	}
	for _, spec := range b.fleet.Specs() {
		mine := strings.HasPrefix(spec.GetName(), "g-")
		if epoch := spec.GetEpoch(); mine && epoch != 2 || !mine && epoch != 1 {
			t.Errorf("%s came to its spec in %d steps", spec.GetName(), epoch)
		}
		if mine && (spec.GetMaxMemoryBytes() != 536870912 || !strings.HasSuffix(spec.GetParameters()["client-output-buffer-limit"], "pubsub 33554432 8388608 7")) {
			t.Errorf("spec: %v", spec)
		}
	}
	messages := b.messages()
	for _, want := range []string{
		"mine: Cache parameter group mine created", "mine: Updated parameter maxmemory-policy to allkeys-lru",
		"mine: Updated parameter maxmemory-policy to noeviction", "g-003: Updated parameter maxmemory-policy to noeviction",
		"g-001: Updated to use a CacheParameterGroup mine",
	} {
		if !slices.Contains(messages, want) {
			t.Errorf("no event %q in %q", want, messages)
		}
	}
	if slices.ContainsFunc(messages, func(m string) bool { return strings.HasPrefix(m, "bystander") && strings.Contains(m, "arameter") }) {
		t.Errorf("the bystander's events: %q", messages)
	}

	must(t, b.resetParameters("mine", true))
	b.settle()
	if got := b.parametersOf("maxmemory-policy"); !slices.Equal(got, []string{"volatile-lru"}) {
		t.Errorf("maxmemory-policy after the reset: %v", got)
	}
	if _, err := b.api.DeleteReplicationGroup(b.ctx, &api.DeleteReplicationGroupInput{ReplicationGroupId: new("g")}); err != nil {
		t.Fatal(err)
	}
	wantError(t, b.deleteParameterGroup("mine"), "InvalidCacheParameterGroupState", "")
	b.settle()
	must(t, b.deleteParameterGroup("mine"))
}

// A parameter that nodes take in only at their start waits for it.
func TestParametersThatNeedAReboot(t *testing.T) {
	b := setup(t)
	must(t, b.createParameterGroup("mine", "redis7"))
	must(t, b.setParameters("mine", "databases", "4"))
	in := small("g")
	in.CacheParameterGroupName = new("mine")
	b.mustCreate(in)
	b.settle()
	if got := b.parametersOf("databases"); !slices.Equal(got, []string{"4"}) {
		t.Errorf("databases of a new node: %v", got)
	}
	// The API lets no attached group change it; what was set by an older program may differ all the same.
	if _, err := b.store.Pool().Exec(t.Context(), "UPDATE cache_parameter_group_values SET value = '5' WHERE name = 'databases'"); err != nil {
		t.Fatal(err)
	}
	must(t, b.setParameters("mine", "timeout", "30"))
	b.settle()
	if got := b.applyStatuses(); got != "mine pending-reboot [0001]" {
		t.Error(got)
	}
	if got := b.parametersOf("databases"); !slices.Equal(got, []string{"4"}) {
		t.Errorf("databases of a running node: %v", got)
	}
	if got := b.parametersOf("timeout"); !slices.Equal(got, []string{"30"}) {
		t.Errorf("timeout of a running node: %v", got)
	}
	must(t, b.resetParameters("mine", true)) // leaves alone what cannot be modified now
	if got := b.set("mine"); got != "databases=5" {
		t.Errorf("after a reset of all: %q", got)
	}
}

func TestParameterGroupChoosesClusterMode(t *testing.T) {
	b := setup(t)
	must(t, b.createParameterGroup("sharded", "redis7"))
	must(t, b.setParameters("sharded", "cluster-enabled", "yes"))
	must(t, b.createParameterGroup("older", "redis6.x"))
	create := func(change func(*api.CreateReplicationGroupInput)) error {
		in := small("g")
		change(in)
		_, err := b.api.CreateReplicationGroup(b.ctx, in)
		return err
	}
	wantError(t, create(func(in *api.CreateReplicationGroupInput) { in.CacheParameterGroupName = new("older") }),
		"InvalidParameterCombination", "Expected a parameter group of family redis7 but found one of family redis6.x")
	wantError(t, create(func(in *api.CreateReplicationGroupInput) {
		in.CacheParameterGroupName, in.NumCacheClusters = new("sharded"), new(int32(1))
	}), "InvalidParameterCombination", "Cluster mode should be disabled in parameter group, but found it is enabled.")
	must(t, create(func(in *api.CreateReplicationGroupInput) { in.CacheParameterGroupName = new("sharded") }))
	b.settle()
	if g := b.group("g"); !*g.ClusterEnabled || g.ConfigurationEndpoint == nil {
		t.Errorf("not a cluster: %+v", g)
	}
	wantError(t, b.setParameters("sharded", "cluster-enabled", "no"), "InvalidParameterValue", "")
}

// A control plane that is killed between a change and its effect leaves it to the next one.
func TestSweepPicksUpAChangeOfParameters(t *testing.T) {
	b := setup(t)
	must(t, b.createParameterGroup("mine", "redis7"))
	in := small("g")
	in.CacheParameterGroupName = new("mine")
	b.mustCreate(in)
	b.settle()
	must(t, b.setParameters("mine", "timeout", "30"))
	if _, err := b.store.Pool().Exec(t.Context(), "DELETE FROM river_job"); err != nil {
		t.Fatal(err)
	}
	b.settle()
	if got := b.parametersOf("timeout"); !slices.Equal(got, []string{"30"}) {
		t.Errorf("timeout: %v", got)
	}
	if owners := b.unsteady(); len(owners) != 0 {
		t.Errorf("still unsteady: %v", owners)
	}
}

// Clients that change, use and delete the same group at once get ElastiCache's errors and no others,
// and what is left agrees: no group is used that is gone.
func TestParameterGroupsUnderConcurrency(t *testing.T) {
	b := setup(t)
	defer b.startWorker()()
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for round := range 10 {
				var err error
				switch (client + round) % 4 {
				case 0:
					err = b.createParameterGroup("shared", "redis7")
				case 1:
					err = b.setParameters("shared", "timeout", fmt.Sprint(20+client))
				case 2:
					in := small(fmt.Sprintf("g-%d-%d", client, round))
					in.CacheParameterGroupName = new("shared")
					_, err = b.api.CreateReplicationGroup(b.ctx, in)
				case 3:
					err = b.deleteParameterGroup("shared")
				}
				var known *api.Error
				if err != nil && (!errors.As(err, &known) || known.Status >= 500) {
					t.Errorf("client %d, round %d: %v", client, round, err)
				}
			}
		})
	}
	clients.Wait()
	var orphans int
	err := b.store.Pool().QueryRow(t.Context(), `SELECT count(*) FROM replication_groups r WHERE parameter_group_name = 'shared'
		AND NOT EXISTS (SELECT 1 FROM cache_parameter_groups g WHERE g.name = r.parameter_group_name)`).Scan(&orphans)
	if err != nil || orphans != 0 {
		t.Errorf("%d groups use a parameter group that is gone, %v", orphans, err)
	}
}
