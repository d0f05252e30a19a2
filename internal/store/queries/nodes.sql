-- Nodes and cluster maps. Reconcilers write specs; agent sessions write what was observed.

-- name: NodesInsert :exec
INSERT INTO nodes (node_id, agent_id, account_id, region, owner_kind, owner_uid, cache_cluster_id,
                   spec, spec_epoch, reserved_memory_bytes, reserved_vcpus, created_at)
SELECT unnest(@node_ids::uuid[]), unnest(@agent_ids::uuid[]), unnest(@account_ids::text[]),
       unnest(@regions::text[]), unnest(@owner_kinds::text[]), unnest(@owner_uids::uuid[]),
       unnest(@cache_cluster_ids::text[]), unnest(@specs::jsonb[]), 1,
       unnest(@reserved_memory_bytes::bigint[]), unnest(@reserved_vcpus::integer[]),
       unnest(@created_ats::timestamptz[]);

-- name: NodesOfOwner :many
SELECT * FROM nodes WHERE owner_uid = @owner_uid ORDER BY cache_cluster_id, node_id;

-- NodesLock reads nodes for a change of their specs, in the one order that all writers lock in.
-- name: NodesLock :many
SELECT node_id, agent_id, spec, spec_epoch FROM nodes
WHERE node_id = ANY (@node_ids::uuid[]) ORDER BY node_id FOR NO KEY UPDATE;

-- name: NodesSetSpecs :exec
UPDATE nodes SET spec = t.spec, spec_epoch = t.epoch
FROM (SELECT unnest(@node_ids::uuid[]) AS node_id, unnest(@specs::jsonb[]) AS spec,
             unnest(@epochs::bigint[]) AS epoch) t
WHERE nodes.node_id = t.node_id;

-- NodesDelete removes only nodes whose agents confirmed that nothing of them is left.
-- name: NodesDelete :execrows
DELETE FROM nodes
WHERE node_id = ANY (@node_ids::uuid[]) AND observed ->> 'state' = 'NODE_STATE_ABSENT';

-- NodesChanged lists the specs of an agent that it has not been sent at their present epoch.
-- name: NodesChanged :many
SELECT node_id, spec_epoch, spec FROM nodes n
WHERE n.agent_id = @agent_id AND NOT EXISTS (
    SELECT 1 FROM (SELECT unnest(@sent_ids::uuid[]) AS id, unnest(@sent_epochs::bigint[]) AS epoch) s
    WHERE s.id = n.node_id AND s.epoch = n.spec_epoch)
ORDER BY n.node_id;

-- name: NodeSpecOnAgent :one
SELECT spec FROM nodes WHERE node_id = @node_id AND agent_id = @agent_id;

-- NodesObserve stores reported statuses and returns what was there before, for the comparison that
-- decides whether the owner's reconciler has to look. Only rows of this agent, and only while the
-- session is the agent's live one.
-- name: NodesObserve :many
WITH report AS (
    SELECT unnest(@node_ids::uuid[]) AS node_id, unnest(@observed::jsonb[]) AS observed
), old AS (
    SELECT n.node_id, n.observed FROM nodes n JOIN report r ON r.node_id = n.node_id
    WHERE n.agent_id = @agent_id AND EXISTS (
        SELECT 1 FROM agents a WHERE a.agent_id = @agent_id AND a.session_id = @session_id::uuid)
    ORDER BY n.node_id FOR NO KEY UPDATE OF n
)
UPDATE nodes SET observed = report.observed, observed_at = @now::timestamptz
FROM report JOIN old ON old.node_id = report.node_id
WHERE nodes.node_id = report.node_id
RETURNING nodes.node_id, nodes.owner_kind, nodes.owner_uid, old.observed AS previous,
    coalesce((nodes.spec ->> 'watchOffset')::boolean, false)::boolean AS watch_offset;

-- name: ClusterMapLock :one
SELECT spec, epoch FROM cluster_maps WHERE cluster_map_id = @cluster_map_id FOR NO KEY UPDATE;

-- name: ClusterMapPut :exec
INSERT INTO cluster_maps (cluster_map_id, spec, epoch)
VALUES (@cluster_map_id, @spec::jsonb, @epoch)
ON CONFLICT (cluster_map_id) DO UPDATE SET spec = excluded.spec, epoch = excluded.epoch;

-- name: ClusterMapDelete :exec
DELETE FROM cluster_maps WHERE cluster_map_id = @cluster_map_id;

-- name: AgentsOfOwner :many
SELECT DISTINCT agent_id FROM nodes WHERE owner_uid = @owner_uid ORDER BY agent_id;

-- name: ClusterMapsChanged :many
SELECT m.cluster_map_id, m.epoch, m.spec FROM cluster_maps m
WHERE EXISTS (SELECT 1 FROM nodes n WHERE n.owner_uid = m.cluster_map_id AND n.agent_id = @agent_id)
  AND NOT EXISTS (
    SELECT 1 FROM (SELECT unnest(@sent_ids::uuid[]) AS id, unnest(@sent_epochs::bigint[]) AS epoch) s
    WHERE s.id = m.cluster_map_id AND s.epoch = m.epoch)
ORDER BY m.cluster_map_id;
