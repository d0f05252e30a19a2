-- Endpoints: the addresses of a group, and what each agent that listens for one is told.

-- name: EndpointsInsert :exec
INSERT INTO endpoints (endpoint_id, owner_kind, owner_uid, node_group_id, kind, host, port)
SELECT unnest(@endpoint_ids::uuid[]), unnest(@owner_kinds::text[]), unnest(@owner_uids::uuid[]),
       unnest(@node_group_ids::text[]), unnest(@kinds::text[]), unnest(@hosts::text[]),
       unnest(@ports::integer[]);

-- name: EndpointsOfOwner :many
SELECT * FROM endpoints WHERE owner_uid = @owner_uid ORDER BY node_group_id, kind;

-- name: EndpointSpecsOfOwner :many
SELECT s.* FROM endpoint_specs s JOIN endpoints e ON e.endpoint_id = s.endpoint_id
WHERE e.owner_uid = @owner_uid ORDER BY s.endpoint_id, s.agent_id;

-- EndpointsForTargets reads endpoints for a change of their targets. agent_id is the agent that the
-- address belongs to in ports mode; NULL in loopback mode, where any agent may listen.
-- name: EndpointsForTargets :many
SELECT e.endpoint_id, e.kind, e.host, e.port, ad.agent_id, coalesce(ag.cluster_host, '')::text AS cluster_host
FROM endpoints e
LEFT JOIN addresses ad ON ad.used_by = e.endpoint_id
LEFT JOIN agents ag ON ag.agent_id = ad.agent_id
WHERE e.endpoint_id = ANY (@endpoint_ids::uuid[])
ORDER BY e.endpoint_id FOR NO KEY UPDATE OF e;

-- name: NodeAddresses :many
SELECT node_id, agent_id, spec FROM nodes WHERE node_id = ANY (@node_ids::uuid[]) ORDER BY node_id;

-- name: EndpointSpecsLock :many
SELECT * FROM endpoint_specs WHERE endpoint_id = ANY (@endpoint_ids::uuid[])
ORDER BY endpoint_id, agent_id FOR NO KEY UPDATE;

-- name: EndpointSpecsPut :exec
INSERT INTO endpoint_specs (endpoint_id, agent_id, spec, epoch)
SELECT unnest(@endpoint_ids::uuid[]), unnest(@agent_ids::uuid[]), unnest(@specs::jsonb[]),
       unnest(@epochs::bigint[])
ON CONFLICT (endpoint_id, agent_id) DO UPDATE SET spec = excluded.spec, epoch = excluded.epoch;

-- EndpointsDelete leaves endpoints that some agent may still be listening for.
-- name: EndpointsDelete :execrows
DELETE FROM endpoints e WHERE e.endpoint_id = ANY (@endpoint_ids::uuid[])
  AND NOT EXISTS (SELECT 1 FROM endpoint_specs s WHERE s.endpoint_id = e.endpoint_id);

-- name: EndpointSpecsChanged :many
SELECT s.endpoint_id, s.epoch, s.spec FROM endpoint_specs s
WHERE s.agent_id = @agent_id AND NOT EXISTS (
    SELECT 1 FROM (SELECT unnest(@sent_ids::uuid[]) AS id, unnest(@sent_epochs::bigint[]) AS epoch) t
    WHERE t.id = s.endpoint_id AND t.epoch = s.epoch)
ORDER BY s.endpoint_id;

-- name: EndpointSpecsObserve :many
WITH report AS (
    SELECT unnest(@endpoint_ids::uuid[]) AS endpoint_id, unnest(@observed::jsonb[]) AS observed
), old AS (
    SELECT s.endpoint_id, s.observed FROM endpoint_specs s JOIN report r ON r.endpoint_id = s.endpoint_id
    WHERE s.agent_id = @agent_id AND EXISTS (
        SELECT 1 FROM agents a WHERE a.agent_id = @agent_id AND a.session_id = @session_id::uuid)
    ORDER BY s.endpoint_id FOR NO KEY UPDATE OF s
)
UPDATE endpoint_specs SET observed = report.observed
FROM report JOIN old ON old.endpoint_id = report.endpoint_id
JOIN endpoints e ON e.endpoint_id = report.endpoint_id
WHERE endpoint_specs.endpoint_id = report.endpoint_id AND endpoint_specs.agent_id = @agent_id
RETURNING endpoint_specs.endpoint_id, e.owner_kind, e.owner_uid, old.observed AS previous;

-- EndpointSpecsDeleteGone drops an agent's part in endpoints that it confirmed to have closed.
-- name: EndpointSpecsDeleteGone :exec
DELETE FROM endpoint_specs
WHERE agent_id = @agent_id AND endpoint_id = ANY (@endpoint_ids::uuid[])
  AND spec ->> 'desired' = 'DESIRED_STATE_ABSENT'
  AND coalesce((observed ->> 'epoch')::bigint, 0) >= epoch
  AND NOT coalesce((observed ->> 'listening')::boolean, false);
