package ops

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"

	"github.com/elastane/elastane/api"
	"github.com/elastane/elastane/internal/catalog"
	"github.com/elastane/elastane/internal/slots"
	"github.com/elastane/elastane/internal/store/db"
)

// Limits of replication groups (AWS: Quotas for ElastiCache, and the API reference).
const (
	maxReplicas        = 5
	maxShards          = 90
	maxNodesPerGroup   = 90
	maxNodesPerRegion  = 300
	maxPort            = 65535
	defaultPort        = 6379
	minAuthToken       = 16
	maxAuthToken       = 128
	maxNodeGroupIDSize = 4
)

// wantedGroup is a validated request: the group's row as far as it follows from the request alone,
// and the shards to make.
type wantedGroup struct {
	row            db.ReplicationGroup // uid, subnet group, security groups and password are still open
	subnetGroup    string
	securityGroups []string
	shards         []wantedShard
	tags           []api.Tag
}

type wantedShard struct {
	nodeGroupID string
	slots       string   // empty: cluster mode disabled
	zones       []string // for each member, the primary first; empty: any zone
}

func (w *wantedGroup) nodes() int {
	total := 0
	for _, s := range w.shards {
		total += len(s.zones)
	}
	return total
}

// validateCreateReplicationGroup checks a request by itself; chosen is the parameter group that it names, nil: none.
func validateCreateReplicationGroup(region string, in *api.CreateReplicationGroupInput, chosen *parameterGroup) (*wantedGroup, error) {
	id := strings.ToLower(api.Value(in.ReplicationGroupId))
	if err := checkIdentifier("ReplicationGroupId", id); err != nil {
		return nil, err
	}
	if len(id) > maxReplicationID {
		return nil, api.InvalidParameterValue("Replication Group ID cannot be longer than %d characters.", maxReplicationID)
	}
	if err := checkDescription("ReplicationGroupDescription", api.Value(in.ReplicationGroupDescription)); err != nil {
		return nil, err
	}
	if err := checkUnbuilt(in); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	version, err := validateEngine(in)
	if err != nil {
		return nil, err
	}
	if err := validateNodeType(in, version.Engine); err != nil {
		return nil, err
	}
	parameterGroup, clusterEnabled, err := validateParameterGroup(in, version, chosen)
	if err != nil {
		return nil, err
	}
	shards, err := validateShards(in, clusterEnabled)
	if err != nil {
		return nil, err
	}
	w := &wantedGroup{
		shards: shards, tags: in.Tags, securityGroups: in.SecurityGroupIds,
		subnetGroup: strings.ToLower(api.Value(in.CacheSubnetGroupName)),
		row: db.ReplicationGroup{
			ReplicationGroupID: id, Description: *in.ReplicationGroupDescription, Status: statusCreating,
			Engine: version.Engine, EngineVersion: version.Full, CacheNodeType: *in.CacheNodeType,
			ClusterMode: api.ClusterModeDisabled, ParameterGroupName: parameterGroup,
			AtRestEncryption: version.Engine == catalog.Valkey, AuthTokenSha256: []string{}, KmsKeyID: api.Value(in.KmsKeyId),
			AutoMinorVersionUpgrade: in.AutoMinorVersionUpgrade == nil || *in.AutoMinorVersionUpgrade,
			Port:                    defaultPort,
		},
	}
	if clusterEnabled {
		w.row.ClusterMode = api.ClusterModeEnabled
	}
	if w.subnetGroup == "" {
		w.subnetGroup = defaultSubnetGroup
	}
	for _, check := range []func(*wantedGroup, *api.CreateReplicationGroupInput) error{
		validateQuotas, validateAvailability, validatePort, validateEncryption, validateAuthToken,
	} {
		if err := check(w, in); err != nil {
			return nil, err
		}
	}
	seed := fnv.New32a()
	_, _ = seed.Write([]byte(id)) // never fails
	w.row.MaintenanceWindow, w.row.SnapshotWindow, err = chooseWindows(region,
		api.Value(in.PreferredMaintenanceWindow), api.Value(in.SnapshotWindow), seed.Sum32())
	return w, err
}

// checkUnbuilt refuses parameters whose behaviour does not exist yet: to ignore them would give the
// caller another group than the one asked for.
func checkUnbuilt(in *api.CreateReplicationGroupInput) error {
	if len(in.CacheSecurityGroupNames) > 0 {
		return api.InvalidParameterValue("Use of cache security groups is not permitted in this API version for your account.")
	}
	given := map[string]bool{
		"GlobalReplicationGroupId":    api.Value(in.GlobalReplicationGroupId) != "",
		"PrimaryClusterId":            api.Value(in.PrimaryClusterId) != "",
		"SnapshotArns":                len(in.SnapshotArns) > 0,
		"SnapshotName":                api.Value(in.SnapshotName) != "",
		"ServerlessCacheSnapshotName": api.Value(in.ServerlessCacheSnapshotName) != "",
		"SnapshotRetentionLimit":      api.Value(in.SnapshotRetentionLimit) != 0,
		"NotificationTopicArn":        api.Value(in.NotificationTopicArn) != "",
		"UserGroupIds":                len(in.UserGroupIds) > 0,
		"LogDeliveryConfigurations":   len(in.LogDeliveryConfigurations) > 0,
		"DataTieringEnabled":          api.Value(in.DataTieringEnabled),
		"NetworkType":                 in.NetworkType != nil && *in.NetworkType != api.NetworkTypeIpv4,
		"IpDiscovery":                 in.IpDiscovery != nil && *in.IpDiscovery != api.IpDiscoveryIpv4,
		"ClusterMode compatible":      api.Value(in.ClusterMode) == api.ClusterModeCompatible,
	}
	for _, c := range in.NodeGroupConfiguration {
		if api.Value(c.PrimaryOutpostArn) != "" || len(c.ReplicaOutpostArns) > 0 {
			given["NodeGroupConfiguration with Outposts"] = true
		}
	}
	var names []string
	for name, is := range given {
		if is {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return notBuilt(names)
}

func notBuilt(names []string) error {
	return api.InvalidParameterCombination("Not supported by this version of Elastane yet: %s.", strings.Join(names, ", "))
}

func validateEngine(in *api.CreateReplicationGroupInput) (catalog.EngineVersion, error) {
	engine := strings.ToLower(api.Value(in.Engine))
	switch engine {
	case "":
		engine = catalog.Redis
	case catalog.Redis, catalog.Valkey:
	default:
		return catalog.EngineVersion{}, api.InvalidParameterValue("Invalid value %s for Engine. Replication groups support redis and valkey.", engine)
	}
	version, err := catalog.FindEngineVersion(engine, api.Value(in.EngineVersion))
	var patch *catalog.PatchVersionError
	switch {
	case errors.As(err, &patch):
		return version, api.InvalidParameterValue("%s", err.Error())
	case err != nil:
		return version, api.InvalidParameterCombination("%s", err.Error())
	}
	return version, nil
}

func validateNodeType(in *api.CreateReplicationGroupInput, engine string) error {
	name := api.Value(in.CacheNodeType)
	if name == "" {
		return api.InvalidParameterValue("The parameter CacheNodeType must be provided and must not be null.")
	}
	nodeType, known := catalog.FindNodeType(name)
	switch {
	case !known || !nodeType.NewClusters:
		return api.InvalidParameterValue("Invalid Cache Node Type: %s.", name)
	case nodeType.DataTiering:
		return api.InvalidParameterCombination("When using the %s node type, you must enable data tiering.", name)
	case nodeType.MaxMemory(engine) == 0:
		return api.InvalidParameterCombination("The cache node type %s is not offered for engine %s.", name, engine)
	}
	return nil
}

// validateParameterGroup settles the parameter group and, with it, whether the group is a cluster:
// several node groups, a parameter group with cluster mode on, or ClusterMode enabled make it one.
func validateParameterGroup(in *api.CreateReplicationGroupInput, version catalog.EngineVersion, chosen *parameterGroup) (name string, clusterEnabled bool, err error) {
	clusterEnabled = api.Value(in.NumNodeGroups) > 1 || len(in.NodeGroupConfiguration) > 1 ||
		api.Value(in.ClusterMode) == api.ClusterModeEnabled
	if chosen == nil {
		if clusterEnabled && api.Value(in.ClusterMode) == api.ClusterModeDisabled {
			return "", false, api.InvalidParameterCombination("A replication group with cluster mode disabled has one node group.")
		}
		return version.DefaultParameterGroup(clusterEnabled), clusterEnabled, nil
	}
	on := chosen.clusterEnabled()
	switch {
	case chosen.family != version.Family:
		return "", false, api.InvalidParameterCombination("Expected a parameter group of family %s but found one of family %s", version.Family, chosen.family)
	case on && (api.Value(in.ClusterMode) == api.ClusterModeDisabled || in.NumCacheClusters != nil && !clusterEnabled):
		return "", false, api.InvalidParameterCombination("Cluster mode should be disabled in parameter group, but found it is enabled.")
	case !on && clusterEnabled:
		return "", false, api.InvalidParameterCombination("Cluster mode should be enabled in parameter group, but found it is disabled.")
	}
	return chosen.name, on, nil
}

// validateShards works out the shards and the zones of their members from the three ways to ask for
// them: NumCacheClusters, NumNodeGroups with ReplicasPerNodeGroup, NodeGroupConfiguration.
func validateShards(in *api.CreateReplicationGroupInput, clusterEnabled bool) ([]wantedShard, error) {
	if in.NumCacheClusters != nil && (in.NumNodeGroups != nil || in.ReplicasPerNodeGroup != nil || len(in.NodeGroupConfiguration) > 0) {
		return nil, api.InvalidParameterCombination("NumCacheClusters cannot be used together with NumNodeGroups, ReplicasPerNodeGroup or NodeGroupConfiguration.")
	}
	count := 1
	if in.NumNodeGroups != nil {
		count = int(*in.NumNodeGroups)
	} else if len(in.NodeGroupConfiguration) > 0 {
		count = len(in.NodeGroupConfiguration)
	}
	if count < 1 {
		return nil, api.InvalidParameterValue("The number of node groups must be at least 1.")
	}
	if count > maxShards {
		return nil, api.NodeGroupsPerReplicationGroupQuotaExceeded("A replication group can have at most %d node groups.", maxShards)
	}
	if len(in.PreferredCacheClusterAZs) > 0 && count > 1 {
		return nil, api.InvalidParameterCombination("PreferredCacheClusterAZs can only be specified for one node group.")
	}
	if len(in.NodeGroupConfiguration) > 0 {
		return validateNodeGroups(in, count, clusterEnabled)
	}
	replicas := int(api.Value(in.ReplicasPerNodeGroup))
	if in.NumCacheClusters != nil {
		replicas = int(*in.NumCacheClusters) - 1
	}
	zones, err := memberZones(replicas, in.PreferredCacheClusterAZs)
	if err != nil {
		return nil, err
	}
	shards := make([]wantedShard, count)
	for i := range shards {
		shards[i] = wantedShard{nodeGroupID: nodeGroupID(i), zones: zones}
	}
	if clusterEnabled {
		for i, share := range slots.Even(count) {
			shards[i].slots = share
		}
	}
	return shards, nil
}

func nodeGroupID(i int) string { return fmt.Sprintf("%04d", i+1) }

// memberZones gives each member its preferred zone, or none.
func memberZones(replicas int, preferred []string) ([]string, error) {
	if replicas < 0 || replicas > maxReplicas {
		return nil, api.InvalidParameterValue("The number of replicas per node group must be within 0 and %d.", maxReplicas)
	}
	if len(preferred) == 0 {
		return make([]string, replicas+1), nil
	}
	if len(preferred) != replicas+1 {
		return nil, api.InvalidParameterValue("When specifying preferred availability zones, the number of cache clusters must be specified " +
			"and must match the number of preferred availability zones.")
	}
	return preferred, nil
}

var digits = regexp.MustCompile(`^[0-9]{1,4}$`)

func validateNodeGroups(in *api.CreateReplicationGroupInput, count int, clusterEnabled bool) ([]wantedShard, error) {
	if len(in.NodeGroupConfiguration) != count {
		return nil, api.InvalidParameterCombination("NodeGroupConfiguration must have one entry for each of the %d node groups.", count)
	}
	if len(in.PreferredCacheClusterAZs) > 0 {
		return nil, api.InvalidParameterCombination("PreferredCacheClusterAZs cannot be used together with NodeGroupConfiguration.")
	}
	shards := make([]wantedShard, count)
	var given [][]slots.Range
	seen := map[string]bool{}
	for i, c := range in.NodeGroupConfiguration {
		id := nodeGroupID(i)
		if api.Value(c.NodeGroupId) != "" {
			if !digits.MatchString(*c.NodeGroupId) {
				return nil, api.InvalidParameterValue("The following node group ids are invalid: [%s]", *c.NodeGroupId)
			}
			id = strings.Repeat("0", maxNodeGroupIDSize-len(*c.NodeGroupId)) + *c.NodeGroupId
		}
		if seen[id] {
			return nil, api.InvalidParameterValue("The node group id %s is given twice.", id)
		}
		seen[id] = true
		zones, err := nodeGroupZones(in, c)
		if err != nil {
			return nil, err
		}
		shards[i] = wantedShard{nodeGroupID: id, zones: zones}
		if api.Value(c.Slots) != "" {
			ranges, err := slots.Parse(*c.Slots)
			if err != nil {
				return nil, api.InvalidParameterValue("The slots %s of node group %s are not valid.", *c.Slots, id)
			}
			given = append(given, ranges)
			shards[i].slots = slots.Format(ranges)
		}
	}
	switch {
	case !clusterEnabled && len(given) > 0:
		return nil, api.InvalidParameterCombination("Slots can only be specified with cluster mode enabled.")
	case !clusterEnabled:
		return shards, nil
	case len(given) == 0:
		for i, share := range slots.Even(count) {
			shards[i].slots = share
		}
		return shards, nil
	case len(given) != count:
		return nil, api.InvalidParameterCombination("Slots must be specified for all node groups or for none.")
	}
	if err := slots.Cover(given); err != nil {
		return nil, api.InvalidParameterValue("The slots of the node groups must cover 0-%d exactly once: %s.", slots.Count-1, err.Error())
	}
	return shards, nil
}

// nodeGroupZones works out the members of one NodeGroupConfiguration entry.
func nodeGroupZones(in *api.CreateReplicationGroupInput, c api.NodeGroupConfiguration) ([]string, error) {
	replicas := len(c.ReplicaAvailabilityZones)
	switch {
	case c.ReplicaCount != nil:
		replicas = int(*c.ReplicaCount)
	case in.ReplicasPerNodeGroup != nil:
		replicas = int(*in.ReplicasPerNodeGroup)
	}
	if len(c.ReplicaAvailabilityZones) == 0 {
		zones, err := memberZones(replicas, nil)
		if err == nil {
			zones[0] = api.Value(c.PrimaryAvailabilityZone)
		}
		return zones, err
	}
	return memberZones(replicas, append([]string{api.Value(c.PrimaryAvailabilityZone)}, c.ReplicaAvailabilityZones...))
}

func validateQuotas(w *wantedGroup, _ *api.CreateReplicationGroupInput) error {
	if nodes := w.nodes(); nodes > maxNodesPerGroup {
		return api.NodeQuotaForClusterExceeded("Cluster node quota exceeded. Each cluster can have at most %d nodes in this region.", maxNodesPerGroup)
	}
	return nil
}

// validateAvailability settles automatic failover and Multi-AZ. A cluster always fails over.
func validateAvailability(w *wantedGroup, in *api.CreateReplicationGroupInput) error {
	failover, fewest := api.Value(in.AutomaticFailoverEnabled), maxReplicas+1
	for _, s := range w.shards {
		fewest = min(fewest, len(s.zones))
	}
	if w.row.ClusterMode != api.ClusterModeDisabled {
		if in.AutomaticFailoverEnabled != nil && !failover {
			return api.InvalidParameterValue("Redis with cluster mode enabled cannot be created with auto failover turned off.")
		}
		failover = true
	} else if failover && fewest < 2 {
		return api.InvalidParameterCombination("When using automatic failover, there must be at least 2 cache clusters in the replication group.")
	}
	w.row.MultiAz = api.Value(in.MultiAZEnabled)
	switch {
	case w.row.MultiAz && !failover:
		return api.InvalidParameterCombination("Automatic failover must be enabled to use Multi-AZ.")
	case w.row.MultiAz && fewest < 2:
		return api.InvalidParameterValue("Must have at least 1 replica for Multi-AZ enabled Replication Group")
	}
	switch {
	case !failover:
		w.row.AutomaticFailover = api.AutomaticFailoverStatusDisabled
	case w.row.ClusterMode == api.ClusterModeDisabled:
		w.row.AutomaticFailover = api.AutomaticFailoverStatusEnabling
	default:
		w.row.AutomaticFailover = api.AutomaticFailoverStatusEnabled
	}
	return nil
}

func validatePort(w *wantedGroup, in *api.CreateReplicationGroupInput) error {
	if in.Port == nil {
		return nil
	}
	if *in.Port < 1 || *in.Port > maxPort {
		return api.InvalidParameterValue("Invalid value %d for Port. Must be between 1 and %d.", *in.Port, maxPort)
	}
	w.row.Port = *in.Port
	return nil
}

func validateEncryption(w *wantedGroup, in *api.CreateReplicationGroupInput) error {
	if in.AtRestEncryptionEnabled != nil {
		w.row.AtRestEncryption = *in.AtRestEncryptionEnabled
	}
	if w.row.KmsKeyID != "" && !w.row.AtRestEncryption {
		return api.InvalidParameterCombination("A KMS key can only be specified when encryption-at-rest is enabled.")
	}
	mode := api.Value(in.TransitEncryptionMode)
	if !api.Value(in.TransitEncryptionEnabled) {
		if mode != "" {
			return api.InvalidParameterCombination("To modify transit encryption mode, set encryption-in-transit as enabled.")
		}
		w.row.TlsMode = tlsOff
		return nil
	}
	w.row.TlsMode = mode
	if mode == "" {
		w.row.TlsMode = api.TransitEncryptionModeRequired
	}
	return nil
}

// tlsOff is stored where the API shows no TransitEncryptionMode.
const tlsOff = "off"

func validateAuthToken(w *wantedGroup, in *api.CreateReplicationGroupInput) error {
	if in.AuthToken == nil {
		return nil
	}
	token := in.AuthToken.Reveal()
	if w.row.TlsMode == tlsOff {
		return api.InvalidParameterValue("The AUTH token is only supported when encryption-in-transit is enabled")
	}
	if len(token) < minAuthToken || len(token) > maxAuthToken || strings.ContainsFunc(token, notInAuthToken) {
		return api.InvalidParameterValue("Invalid AuthToken provided.")
	}
	sum := sha256.Sum256([]byte(token))
	w.row.AuthTokenSha256 = []string{hex.EncodeToString(sum[:])}
	return nil
}

// notInAuthToken: letters, digits and the specials ! & # $ ^ < > - are allowed.
func notInAuthToken(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("!&#$^<>-", r)
}

// validateZones checks the preferred zones against those of the subnet group.
func validateZones(w *wantedGroup, zones []string) error {
	for _, s := range w.shards {
		for _, zone := range s.zones {
			if zone != "" && !slices.Contains(zones, zone) {
				return api.InvalidParameterValue("The availability zone %s is not one of the cache subnet group %s: [%s].",
					zone, w.subnetGroup, strings.Join(zones, ", "))
			}
		}
	}
	return nil
}

// validateTestFailover finds the shard to fail over, and checks that this is possible now.
func validateTestFailover(g group, nodeGroup string) (*shard, error) {
	if g.row.Status != statusAvailable {
		return nil, api.InvalidReplicationGroupState("Replication group must be in available state to modify.")
	}
	var found *shard
	for i := range g.shards {
		if g.shards[i].row.FailoverTo != nil {
			return nil, api.InvalidReplicationGroupState("A failover of node group %s is in progress.", g.shards[i].row.NodeGroupID)
		}
		if g.shards[i].row.NodeGroupID == nodeGroup {
			found = &g.shards[i]
		}
	}
	switch {
	case found == nil:
		return nil, api.NodeGroupNotFoundFault("Node group %s not found.", nodeGroup)
	case g.row.AutomaticFailover != api.AutomaticFailoverStatusEnabled:
		return nil, api.TestFailoverNotAvailableFault("Automatic failover must be enabled for replication group %s.", g.row.ReplicationGroupID)
	case len(found.members) < 2:
		return nil, api.TestFailoverNotAvailableFault("Node group %s has no replica.", nodeGroup)
	}
	return found, nil
}

func validateDeleteReplicationGroup(in *api.DeleteReplicationGroupInput) error {
	var names []string
	if api.Value(in.FinalSnapshotIdentifier) != "" {
		names = append(names, "FinalSnapshotIdentifier")
	}
	if api.Value(in.RetainPrimaryCluster) {
		names = append(names, "RetainPrimaryCluster")
	}
	if len(names) > 0 {
		return notBuilt(names)
	}
	return nil
}
