// Package fakefleet stands in for the agents in tests of the control plane: it answers desired specs
// with the statuses that agents would report, straight into the database, and runs no engine.
package fakefleet

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/elastane/elastane/api/agent/v1"
	"github.com/elastane/elastane/internal/store"
)

// Fleet is a set of agents that do at once what they are told.
type Fleet struct {
	t     testing.TB
	store *store.Store

	// Change, if set, alters a node's status before it is reported; false keeps the node silent.
	Change func(*agentv1.NodeSpec, *agentv1.NodeStatus) bool
	// Offset is the replication offset that every node reports.
	Offset uint64
}

// New enrols a connected agent for each zone (a leading * offers it in every region), with room for
// memoryBytes each. Their ids are always the same, so that placement is too.
func New(t testing.TB, s *store.Store, memoryBytes int64, zones ...string) *Fleet {
	t.Helper()
	f := &Fleet{t: t, store: s}
	f.exec("UPDATE installation SET loopback_octet = 77")
	for i, zone := range zones {
		f.exec(`INSERT INTO agents (agent_id, host, zone, vcpus, memory_bytes, drivers, enrolled_at, last_seen_at, connected)
			VALUES ($1, $2, $2, 4096, $3, '{embedded}', now(), now() + interval '1 year', true)`, uuid.UUID{15: byte(i + 1)}, zone, memoryBytes)
	}
	return f
}

// SetConnected connects or disconnects all agents.
func (f *Fleet) SetConnected(connected bool) {
	f.t.Helper()
	f.exec("UPDATE agents SET connected = $1", connected)
}

// Answer lets every agent carry out its specs, and says whether anything that it reports is news.
func (f *Fleet) Answer() bool {
	f.t.Helper()
	news := false
	err := f.store.Tx(f.t.Context(), func(tx pgx.Tx) error {
		news = f.answerNodes(tx)
		news = f.answerEndpoints(tx) || news
		return nil
	})
	if err != nil {
		f.t.Fatalf("fake fleet: %v", err)
	}
	return news
}

// Specs returns the desired specs of all nodes, by node id.
func (f *Fleet) Specs() map[string]*agentv1.NodeSpec {
	f.t.Helper()
	specs := map[string]*agentv1.NodeSpec{}
	for _, row := range f.rows(f.store.Pool(), "SELECT node_id::text, spec, NULL::jsonb FROM nodes") {
		spec := &agentv1.NodeSpec{}
		f.decode(row.spec, spec)
		specs[row.id] = spec
	}
	return specs
}

// Count returns the number of rows of a table.
func (f *Fleet) Count(table string) int {
	f.t.Helper()
	var n int
	if err := f.store.Pool().QueryRow(f.t.Context(), "SELECT count(*) FROM "+pgx.Identifier{table}.Sanitize()).Scan(&n); err != nil {
		f.t.Fatalf("fake fleet: count %s: %v", table, err)
	}
	return n
}

func (f *Fleet) answerNodes(tx pgx.Tx) (news bool) {
	maps := map[string]uint64{}
	for _, row := range f.rows(tx, "SELECT cluster_map_id::text, spec, NULL::jsonb FROM cluster_maps") {
		m := &agentv1.ClusterMap{}
		f.decode(row.spec, m)
		maps[row.id] = m.GetEpoch()
	}
	for _, row := range f.rows(tx, "SELECT node_id::text, spec, observed FROM nodes ORDER BY node_id") {
		spec := &agentv1.NodeSpec{}
		f.decode(row.spec, spec)
		status := &agentv1.NodeStatus{
			NodeId: spec.GetNodeId(), SpecEpoch: spec.GetEpoch(), State: agentv1.NodeState_NODE_STATE_RUNNING,
			Role: spec.GetRole(), ShardEpoch: spec.GetShardEpoch(), WritesPaused: spec.GetWritesPaused(),
			LinkUp: spec.GetRole() == agentv1.Role_ROLE_REPLICA, ReplicationOffset: f.Offset, ReplicationId: "fake",
			ClusterMapEpoch: maps[spec.GetClusterMapId()], CertificateReady: spec.GetTlsMode() != agentv1.TLSMode_TLS_MODE_OFF,
		}
		if spec.GetDesired() == agentv1.DesiredState_DESIRED_STATE_ABSENT {
			status = &agentv1.NodeStatus{NodeId: spec.GetNodeId(), SpecEpoch: spec.GetEpoch(), State: agentv1.NodeState_NODE_STATE_ABSENT}
		}
		if f.Change != nil && !f.Change(spec, status) {
			continue
		}
		old := &agentv1.NodeStatus{}
		if row.observed != nil {
			f.decode(row.observed, old)
		}
		if proto.Equal(old, status) {
			continue
		}
		news = true
		f.execOn(tx, "UPDATE nodes SET observed = $2, observed_at = now() WHERE node_id = $1", row.id, f.encode(status))
	}
	return news
}

func (f *Fleet) answerEndpoints(tx pgx.Tx) (news bool) {
	const query = "SELECT endpoint_id::text || ' ' || agent_id::text, spec, observed FROM endpoint_specs ORDER BY 1"
	for _, row := range f.rows(tx, query) {
		spec := &agentv1.EndpointSpec{}
		f.decode(row.spec, spec)
		if spec.GetDesired() == agentv1.DesiredState_DESIRED_STATE_ABSENT {
			f.execOn(tx, "DELETE FROM endpoint_specs WHERE endpoint_id::text || ' ' || agent_id::text = $1", row.id)
			news = true
			continue
		}
		status := &agentv1.EndpointStatus{EndpointId: spec.GetEndpointId(), Epoch: spec.GetEpoch(), Listening: true}
		old := &agentv1.EndpointStatus{}
		if row.observed != nil {
			f.decode(row.observed, old)
		}
		if proto.Equal(old, status) {
			continue
		}
		news = true
		f.execOn(tx, "UPDATE endpoint_specs SET observed = $2 WHERE endpoint_id::text || ' ' || agent_id::text = $1", row.id, f.encode(status))
	}
	return news
}

type thing struct {
	id             string
	spec, observed []byte
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func (f *Fleet) rows(db querier, query string) []thing {
	f.t.Helper()
	rows, err := db.Query(f.t.Context(), query)
	if err != nil {
		f.t.Fatalf("fake fleet: %v", err)
	}
	things, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (thing, error) {
		var t thing
		err := row.Scan(&t.id, &t.spec, &t.observed)
		return t, err
	})
	if err != nil {
		f.t.Fatalf("fake fleet: %v", err)
	}
	return things
}

func (f *Fleet) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.store.Pool().Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("fake fleet: %v", err)
	}
}

func (f *Fleet) execOn(tx pgx.Tx, sql string, args ...any) {
	f.t.Helper()
	if _, err := tx.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("fake fleet: %v", err)
	}
}

func (f *Fleet) decode(data []byte, m proto.Message) {
	f.t.Helper()
	if err := protojson.Unmarshal(data, m); err != nil {
		f.t.Fatalf("fake fleet: %v", err)
	}
}

func (f *Fleet) encode(m proto.Message) []byte {
	f.t.Helper()
	data, err := protojson.Marshal(m)
	if err != nil {
		f.t.Fatalf("fake fleet: %v", err)
	}
	return data
}
