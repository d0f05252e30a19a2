-- The API's resources. Every row belongs to one account and one region. The operations write desired
-- state here; the reconcilers move the statuses and write the fleet's tables.

-- The network inventory that subnet groups and security groups are resolved against. A default VPC
-- with three subnets and a security group is made the first time an account uses a region.
CREATE TABLE vpcs (
    account_id text NOT NULL,
    region     text NOT NULL,
    vpc_id     text NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    cidr_block text NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, region, vpc_id)
);
CREATE UNIQUE INDEX vpcs_one_default ON vpcs (account_id, region) WHERE is_default;

CREATE TABLE subnets (
    account_id        text NOT NULL,
    region            text NOT NULL,
    subnet_id         text NOT NULL,
    vpc_id            text NOT NULL,
    availability_zone text NOT NULL,
    cidr_block        text NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, region, subnet_id),
    FOREIGN KEY (account_id, region, vpc_id) REFERENCES vpcs
);

CREATE TABLE security_groups (
    account_id        text NOT NULL,
    region            text NOT NULL,
    security_group_id text NOT NULL,
    vpc_id            text NOT NULL,
    name              text NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, region, security_group_id),
    FOREIGN KEY (account_id, region, vpc_id) REFERENCES vpcs
);

CREATE TABLE cache_subnet_groups (
    uid         uuid PRIMARY KEY,
    account_id  text NOT NULL,
    region      text NOT NULL,
    name        text NOT NULL,                 -- lower case
    description text NOT NULL,
    vpc_id      text NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (account_id, region, name),
    FOREIGN KEY (account_id, region, vpc_id) REFERENCES vpcs
);

CREATE TABLE cache_subnet_group_subnets (
    subnet_group_uid uuid NOT NULL REFERENCES cache_subnet_groups ON DELETE CASCADE,
    position         integer NOT NULL,         -- order of the request
    account_id       text NOT NULL,
    region           text NOT NULL,
    subnet_id        text NOT NULL,
    PRIMARY KEY (subnet_group_uid, subnet_id),
    FOREIGN KEY (account_id, region, subnet_id) REFERENCES subnets
);

CREATE TABLE replication_groups (
    uid                        uuid PRIMARY KEY,
    account_id                 text NOT NULL,
    region                     text NOT NULL,
    replication_group_id       text NOT NULL,  -- lower case
    description                text NOT NULL,
    status                     text NOT NULL CHECK (status IN
        ('creating', 'available', 'modifying', 'deleting', 'create-failed', 'snapshotting')),
    engine                     text NOT NULL CHECK (engine IN ('redis', 'valkey')),
    engine_version             text NOT NULL,  -- full, such as 7.0.7
    cache_node_type            text NOT NULL,
    cluster_mode               text NOT NULL CHECK (cluster_mode IN ('disabled', 'compatible', 'enabled')),
    automatic_failover         text NOT NULL CHECK (automatic_failover IN
        ('disabled', 'enabled', 'enabling', 'disabling')),
    multi_az                   boolean NOT NULL,
    port                       integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    parameter_group_name       text NOT NULL,
    subnet_group_uid           uuid NOT NULL REFERENCES cache_subnet_groups,
    security_group_ids         text[] NOT NULL,
    tls_mode                   text NOT NULL CHECK (tls_mode IN ('off', 'preferred', 'required')),
    at_rest_encryption         boolean NOT NULL,
    kms_key_id                 text NOT NULL DEFAULT '',
    auth_token_sha256          text[] NOT NULL DEFAULT '{}', -- lower-case hex; the token itself is never stored
    auth_token_modified_at     timestamptz,
    replication_password       text NOT NULL,  -- of the internal replication user; never described
    snapshot_retention_limit   integer NOT NULL DEFAULT 0 CHECK (snapshot_retention_limit BETWEEN 0 AND 35),
    snapshot_window            text NOT NULL,
    snapshotting_cluster_id    text NOT NULL DEFAULT '',
    maintenance_window         text NOT NULL,
    notification_topic_arn     text NOT NULL DEFAULT '',
    auto_minor_version_upgrade boolean NOT NULL,
    created_at                 timestamptz NOT NULL,
    UNIQUE (account_id, region, replication_group_id)
);
CREATE INDEX replication_groups_subnet_group ON replication_groups (subnet_group_uid);
-- The sweep looks for groups that still have work.
CREATE INDEX replication_groups_unsteady ON replication_groups (uid) WHERE status NOT IN ('available', 'create-failed');

-- A shard. primary_member and shard_epoch are the desired primary: at one epoch a shard has one.
CREATE TABLE node_groups (
    uid                   uuid PRIMARY KEY,
    replication_group_uid uuid NOT NULL REFERENCES replication_groups ON DELETE CASCADE,
    node_group_id         text NOT NULL CHECK (node_group_id ~ '^[0-9]{1,4}$'),
    slots                 text NOT NULL DEFAULT '', -- 0-5460 or 0-10,20-30; empty: cluster mode disabled
    shard_epoch           bigint NOT NULL CHECK (shard_epoch >= 1),
    primary_member        uuid NOT NULL,            -- cache_clusters.uid
    -- A planned hand-over under way: writes pause on failover_from until failover_to has caught up.
    -- Set by the operation, cleared by the reconciler.
    failover_from         uuid,
    failover_to           uuid,
    failover_started_at   timestamptz,
    UNIQUE (replication_group_uid, node_group_id),
    CHECK ((failover_from IS NULL) = (failover_to IS NULL) AND (failover_to IS NULL) = (failover_started_at IS NULL))
);
CREATE INDEX node_groups_failing_over ON node_groups (replication_group_uid) WHERE failover_to IS NOT NULL;

-- A member of a replication group (later stand-alone clusters too). Its node is nodes.cache_cluster_id.
CREATE TABLE cache_clusters (
    uid                   uuid PRIMARY KEY,
    account_id            text NOT NULL,
    region                text NOT NULL,
    cache_cluster_id      text NOT NULL,       -- lower case
    status                text NOT NULL CHECK (status IN
        ('creating', 'available', 'modifying', 'deleting', 'incompatible-network',
         'rebooting cluster nodes', 'restore-failed', 'snapshotting')),
    replication_group_uid uuid NOT NULL REFERENCES replication_groups ON DELETE CASCADE,
    node_group_uid        uuid NOT NULL REFERENCES node_groups ON DELETE CASCADE,
    requested_zone        text NOT NULL DEFAULT '', -- PreferredAvailabilityZone of the request
    availability_zone     text NOT NULL DEFAULT '', -- where it was placed
    created_at            timestamptz NOT NULL,
    UNIQUE (account_id, region, cache_cluster_id)
);
CREATE INDEX cache_clusters_replication_group ON cache_clusters (replication_group_uid);

CREATE TABLE events (
    event_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id        text NOT NULL,
    region            text NOT NULL,
    source_type       text NOT NULL CHECK (source_type IN
        ('cache-cluster', 'cache-parameter-group', 'cache-security-group', 'cache-subnet-group',
         'replication-group', 'serverless-cache', 'serverless-cache-snapshot', 'user', 'user-group')),
    source_identifier text NOT NULL,
    message           text NOT NULL,
    occurred_at       timestamptz NOT NULL
);
CREATE INDEX events_by_time ON events (account_id, region, occurred_at DESC, event_id DESC);
CREATE INDEX events_retention ON events (occurred_at);

CREATE TABLE tags (
    resource_uid uuid NOT NULL,                -- replication_groups, cache_clusters or cache_subnet_groups
    key          text NOT NULL,
    value        text NOT NULL,
    PRIMARY KEY (resource_uid, key)
);
