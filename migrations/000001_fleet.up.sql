-- The fleet: what should run where, and what was seen. One writer per column family:
-- the reconcilers write desired state, the agent sessions write observed state.

CREATE TABLE installation (
    only_row        boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- Loopback mode hands out 127.<loopback_octet>.x.y; next_address counts up within it.
    loopback_octet  integer NOT NULL DEFAULT 0 CHECK (loopback_octet BETWEEN 0 AND 254),
    next_address    integer NOT NULL DEFAULT 1 CHECK (next_address >= 1),
    ca_certificate  bytea,
    ca_private_key  bytea
);
INSERT INTO installation DEFAULT VALUES;

CREATE TABLE join_tokens (
    token_sha256 bytea PRIMARY KEY,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    used_by      uuid
);

CREATE TABLE agents (
    agent_id       uuid PRIMARY KEY,
    host           text NOT NULL DEFAULT '',
    zone           text NOT NULL DEFAULT '',       -- us-east-1a, or *a for zone a of every region
    version        text NOT NULL DEFAULT '',
    vcpus          integer NOT NULL DEFAULT 0,
    memory_bytes   bigint NOT NULL DEFAULT 0,
    drivers        text[] NOT NULL DEFAULT '{}',
    address_mode   text NOT NULL DEFAULT 'loopback' CHECK (address_mode IN ('loopback', 'ports', 'dns')),
    advertise_host text NOT NULL DEFAULT '',
    cluster_host   text NOT NULL DEFAULT '',
    port_min       integer NOT NULL DEFAULT 0,
    port_max       integer NOT NULL DEFAULT 0,
    enrolled_at    timestamptz NOT NULL,
    last_seen_at   timestamptz,
    connected      boolean NOT NULL DEFAULT false,
    session_id     uuid                             -- of the live session; a newer one replaces it
);

-- A node is one engine on one agent: member <cache_cluster_id> / <cache_node_id> of the API.
CREATE TABLE nodes (
    node_id        uuid PRIMARY KEY,
    agent_id       uuid NOT NULL REFERENCES agents,
    account_id     text NOT NULL,
    region         text NOT NULL,
    owner_kind     text NOT NULL CHECK (owner_kind IN ('replication-group', 'cache-cluster')),
    owner_uid      uuid NOT NULL,                   -- replication_groups.uid, later cache clusters too
    cache_cluster_id text NOT NULL,
    spec           jsonb NOT NULL,                  -- protojson of agent.v1.NodeSpec
    spec_epoch     bigint NOT NULL CHECK (spec_epoch >= 1),
    reserved_memory_bytes bigint NOT NULL DEFAULT 0, -- counted against the agent's capacity
    reserved_vcpus integer NOT NULL DEFAULT 0,
    observed       jsonb,                           -- protojson of agent.v1.NodeStatus
    observed_at    timestamptz,
    created_at     timestamptz NOT NULL
);
CREATE INDEX nodes_agent ON nodes (agent_id);
CREATE INDEX nodes_owner ON nodes (owner_uid);

CREATE TABLE endpoints (
    endpoint_id uuid PRIMARY KEY,
    owner_kind  text NOT NULL CHECK (owner_kind IN ('replication-group', 'cache-cluster')),
    owner_uid   uuid NOT NULL,
    node_group_id text NOT NULL DEFAULT '',         -- empty for the configuration endpoint
    kind        text NOT NULL CHECK (kind IN ('primary', 'reader', 'configuration')),
    host        text NOT NULL,                      -- what clients are told
    port        integer NOT NULL,
    UNIQUE (owner_uid, node_group_id, kind)
);

-- Which agents listen for an endpoint, and what each of them is told.
CREATE TABLE endpoint_specs (
    endpoint_id    uuid NOT NULL REFERENCES endpoints ON DELETE CASCADE,
    agent_id       uuid NOT NULL REFERENCES agents,
    spec           jsonb NOT NULL,                  -- protojson of agent.v1.EndpointSpec
    epoch          bigint NOT NULL CHECK (epoch >= 1),
    observed       jsonb,                           -- protojson of agent.v1.EndpointStatus
    PRIMARY KEY (endpoint_id, agent_id)
);
CREATE INDEX endpoint_specs_agent ON endpoint_specs (agent_id);

CREATE TABLE cluster_maps (
    cluster_map_id uuid PRIMARY KEY,                -- replication_groups.uid
    spec           jsonb NOT NULL,                  -- protojson of agent.v1.ClusterMap
    epoch          bigint NOT NULL CHECK (epoch >= 1)
);

-- Addresses in use. Loopback: host is 127.x.y.z and port the group's. Ports: host is the agent's.
CREATE TABLE addresses (
    host       text NOT NULL,
    port       integer NOT NULL,
    agent_id   uuid REFERENCES agents,              -- NULL in loopback mode
    used_by    uuid NOT NULL,                       -- node_id or endpoint_id
    PRIMARY KEY (host, port)
);
CREATE INDEX addresses_used_by ON addresses (used_by);
