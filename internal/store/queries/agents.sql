-- Agents: who they are, what they offer, and when they were last heard.

-- name: AgentGet :one
SELECT * FROM agents WHERE agent_id = @agent_id;

-- AgentHello records what an agent says of itself and makes this session its live one.
-- name: AgentHello :execrows
UPDATE agents
SET host = @host, zone = @zone, version = @version, vcpus = @vcpus, memory_bytes = @memory_bytes,
    drivers = @drivers, address_mode = @address_mode, advertise_host = @advertise_host,
    cluster_host = @cluster_host, port_min = @port_min, port_max = @port_max,
    last_seen_at = @now::timestamptz, connected = true, session_id = @session_id::uuid
WHERE agent_id = @agent_id;

-- AgentTouch changes nothing once a newer session has taken over, which tells the older one to end.
-- name: AgentTouch :execrows
UPDATE agents SET last_seen_at = @now::timestamptz
WHERE agent_id = @agent_id AND session_id = @session_id::uuid;

-- name: AgentDisconnect :execrows
UPDATE agents SET connected = false
WHERE agent_id = @agent_id AND session_id = @session_id::uuid;

-- AgentsForPlacement lists live agents with what is reserved on them, and besides them those that
-- hold members already.
-- name: AgentsForPlacement :many
SELECT a.agent_id, a.host, a.zone, a.vcpus, a.memory_bytes, a.drivers,
       coalesce(a.connected AND a.last_seen_at >= @seen_after::timestamptz, false)::boolean AS live,
       coalesce(r.memory_bytes, 0)::bigint AS reserved_memory_bytes,
       coalesce(r.vcpus, 0)::bigint AS reserved_vcpus
FROM agents a
LEFT JOIN (
    SELECT agent_id, sum(reserved_memory_bytes) AS memory_bytes, sum(reserved_vcpus) AS vcpus
    FROM nodes GROUP BY agent_id
) r ON r.agent_id = a.agent_id
WHERE (a.connected AND a.last_seen_at >= @seen_after::timestamptz) OR a.agent_id = ANY (@existing::uuid[])
ORDER BY a.agent_id;

-- FleetLock lets one transaction at a time give out room and addresses.
-- name: FleetLock :exec
SELECT pg_advisory_xact_lock(hashtextextended('elastane.fleet', 0));

-- AgentsNotify wakes the sessions of agents whose specs this transaction changes.
-- name: AgentsNotify :exec
SELECT pg_notify('agent_specs', t.agent_id::text)
FROM (SELECT DISTINCT unnest(@agent_ids::uuid[]) AS agent_id) t;
