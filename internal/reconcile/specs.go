package reconcile

import (
	"crypto/sha1" //nolint:gosec // engine node ids are 40 hex digits; nothing is protected by them
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/catalog"
	"github.com/elastane/elastane/internal/fleet"
	"github.com/elastane/elastane/internal/parameters"
	"github.com/elastane/elastane/internal/slots"
)

// specOf is the spec that a placed member's node should have. Its node id and addresses are those of
// the node's present spec, which hold for the life of the node; everything else follows the rows.
func specOf(s *State, shard *Shard, m *Member) *agentv1.NodeSpec {
	here := m.Node.Spec
	settings := settingsOf(s)
	spec := &agentv1.NodeSpec{
		NodeId:              m.Node.ID.String(),
		Desired:             agentv1.DesiredState_DESIRED_STATE_RUNNING,
		Name:                m.CacheClusterID + "/" + cacheNodeID,
		Driver:              here.GetDriver(),
		Engine:              s.Group.Engine,
		EngineVersion:       s.Group.EngineVersion,
		MaxMemoryBytes:      uint64(settings.MaxMemoryBytes), //nolint:gosec // at least 1
		ListenHost:          here.GetListenHost(),
		ListenPort:          here.GetListenPort(),
		AnnounceHost:        here.GetAnnounceHost(),
		AnnouncePort:        here.GetAnnouncePort(),
		Role:                agentv1.Role_ROLE_PRIMARY,
		ShardEpoch:          uint64(shard.ShardEpoch), //nolint:gosec // >= 1 by a CHECK
		TlsMode:             tlsModes[s.Group.TlsMode],
		AuthTokenSha256:     s.Group.AuthTokenSha256,
		ReplicationPassword: s.Group.ReplicationPassword,
		Parameters:          settings.Running(here.GetParameters()),
		EngineNodeId:        engineID(m.Node.ID),
	}
	if s.clusterEnabled() {
		spec.ClusterMapId = s.Group.Uid.String()
	}
	if spec.GetTlsMode() != agentv1.TLSMode_TLS_MODE_OFF {
		spec.CertificateNames = certificateNames(s, m.Node)
	}
	if m.Uid != shard.PrimaryMember {
		spec.Role = agentv1.Role_ROLE_REPLICA
		if primary := shard.member(shard.PrimaryMember); primary != nil && primary.Node != nil {
			spec.Primary = &agentv1.PrimaryAddress{
				NodeId: primary.Node.ID.String(),
				Host:   primary.Node.Spec.GetListenHost(),
				Port:   primary.Node.Spec.GetListenPort(),
			}
		}
	}
	if shard.handover() == handoverPausing {
		spec.WritesPaused = m.Uid == shard.PrimaryMember
		spec.WatchOffset = m.Uid == shard.PrimaryMember || m.Uid == *shard.FailoverTo
	}
	return spec
}

// settingsOf is what the parameter group and the node type make of the nodes' engines.
func settingsOf(s *State) parameters.Settings {
	nodeType, _ := catalog.FindNodeType(s.Group.CacheNodeType)
	version, _ := catalog.FindFullVersion(s.Group.Engine, s.Group.EngineVersion)
	return parameters.For(version.Family, nodeType, s.Parameters)
}

var tlsModes = map[string]agentv1.TLSMode{
	"off":       agentv1.TLSMode_TLS_MODE_OFF,
	"preferred": agentv1.TLSMode_TLS_MODE_PREFERRED,
	"required":  agentv1.TLSMode_TLS_MODE_REQUIRED,
}

// certificateNames are the names that clients and replicas may reach a node by: its own addresses and
// those of the group's endpoints, which any member may come to stand behind.
func certificateNames(s *State, node *fleet.Node) []string {
	names := []string{node.Spec.GetListenHost(), node.Spec.GetAnnounceHost()}
	for _, e := range s.Endpoints {
		names = append(names, e.Host)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// absentSpec is the spec that ends a node: the same, but to be stopped and removed.
func absentSpec(node *fleet.Node) *agentv1.NodeSpec {
	return &agentv1.NodeSpec{
		NodeId:       node.ID.String(),
		Desired:      agentv1.DesiredState_DESIRED_STATE_ABSENT,
		Name:         node.Spec.GetName(),
		Driver:       node.Spec.GetDriver(),
		ListenHost:   node.Spec.GetListenHost(),
		ListenPort:   node.Spec.GetListenPort(),
		AnnounceHost: node.Spec.GetAnnounceHost(),
		AnnouncePort: node.Spec.GetAnnouncePort(),
	}
}

// targetsOf says where an endpoint should lead to: the primary endpoint to the primary, the reader
// endpoint to the replicas (to the primary if it is alone), the configuration endpoint to every node.
func targetsOf(s *State, e *fleet.Endpoint) fleet.EndpointTargets {
	want := fleet.EndpointTargets{EndpointID: e.ID}
	for i := range s.Shards {
		shard := &s.Shards[i]
		if e.NodeGroupID != "" && e.NodeGroupID != shard.NodeGroupID {
			continue
		}
		for _, m := range shard.Members {
			primary := m.Uid == shard.PrimaryMember
			if m.Node == nil ||
				e.Kind == agentv1.EndpointKind_ENDPOINT_KIND_PRIMARY && !primary ||
				e.Kind == agentv1.EndpointKind_ENDPOINT_KIND_READER && primary && len(shard.Members) > 1 {
				continue
			}
			want.Targets = append(want.Targets, m.Node.ID)
		}
		if e.Kind == agentv1.EndpointKind_ENDPOINT_KIND_PRIMARY {
			want.ShardEpoch = uint64(shard.ShardEpoch) //nolint:gosec // >= 1 by a CHECK
		}
	}
	return want
}

// hasTargets says whether what the agents are told about an endpoint is already this.
func hasTargets(e *fleet.Endpoint, want fleet.EndpointTargets) bool {
	told := map[string]bool{}
	for _, l := range e.Listeners {
		if l.Spec.GetDesired() != agentv1.DesiredState_DESIRED_STATE_RUNNING {
			continue
		}
		if want.ShardEpoch != 0 && l.Spec.GetShardEpoch() != want.ShardEpoch {
			return false
		}
		for _, target := range l.Spec.GetTargets() {
			told[target.GetNodeId()] = true
		}
	}
	if len(told) != len(want.Targets) {
		return false
	}
	for _, id := range want.Targets {
		if !told[id.String()] {
			return false
		}
	}
	return true
}

// clusterMapOf is the slot map of a placed cluster-mode-enabled group.
func clusterMapOf(s *State) (*agentv1.ClusterMap, error) {
	m := &agentv1.ClusterMap{ClusterMapId: s.Group.Uid.String()}
	for i := range s.Shards {
		shard := &s.Shards[i]
		ranges, err := slots.Parse(shard.Slots)
		if err != nil {
			return nil, fmt.Errorf("node group %s: %w", shard.NodeGroupID, err)
		}
		entry := &agentv1.ClusterShard{ShardId: engineID(shard.Uid)}
		for _, r := range ranges {
			entry.Slots = append(entry.Slots, &agentv1.SlotRange{Start: uint32(r.Start), End: uint32(r.End)}) //nolint:gosec // 0-16383
		}
		for _, member := range shard.Members {
			node := &agentv1.ClusterNode{
				EngineNodeId: engineID(member.Node.ID),
				Host:         member.Node.Spec.GetAnnounceHost(),
				Port:         member.Node.Spec.GetAnnouncePort(),
				Tls:          s.Group.TlsMode != "off",
				Role:         agentv1.Role_ROLE_REPLICA,
				ShardEpoch:   uint64(shard.ShardEpoch), //nolint:gosec // >= 1 by a CHECK
			}
			if ip, err := netip.ParseAddr(node.GetHost()); err == nil {
				node.Ip = ip.String()
			}
			if member.Uid == shard.PrimaryMember {
				node.Role = agentv1.Role_ROLE_PRIMARY
				entry.Nodes = slices.Insert(entry.GetNodes(), 0, node)
			} else {
				entry.Nodes = append(entry.GetNodes(), node)
			}
		}
		m.Shards = append(m.Shards, entry)
	}
	return m, nil
}

// engineID makes the 40 hex digits by which an engine knows a node or a shard from our own id of it.
func engineID(id uuid.UUID) string {
	sum := sha1.Sum(id[:]) //nolint:gosec // an identifier, see the import
	return hex.EncodeToString(sum[:])
}
