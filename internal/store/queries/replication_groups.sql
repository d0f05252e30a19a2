-- name: ReplicationGroupCountNodes :one
SELECT count(*) FROM cache_clusters WHERE account_id = @account_id AND region = @region;

-- name: ReplicationGroupDelete :exec
DELETE FROM replication_groups WHERE uid = @uid;

-- name: ReplicationGroupGet :one
SELECT * FROM replication_groups
WHERE account_id = @account_id AND region = @region AND replication_group_id = @replication_group_id;

-- name: ReplicationGroupGetForUpdate :one
SELECT * FROM replication_groups
WHERE account_id = @account_id AND region = @region AND replication_group_id = @replication_group_id
FOR UPDATE;

-- name: ReplicationGroupInsertIfAbsent :execrows
INSERT INTO replication_groups (
    uid, account_id, region, replication_group_id, description, status, engine, engine_version,
    cache_node_type, cluster_mode, automatic_failover, multi_az, port, parameter_group_name,
    subnet_group_uid, security_group_ids, tls_mode, at_rest_encryption, kms_key_id, auth_token_sha256,
    auth_token_modified_at, replication_password, snapshot_retention_limit, snapshot_window,
    snapshotting_cluster_id, maintenance_window, notification_topic_arn, auto_minor_version_upgrade, created_at, parameters_pending
) VALUES (
    @uid, @account_id, @region, @replication_group_id, @description, @status, @engine, @engine_version,
    @cache_node_type, @cluster_mode, @automatic_failover, @multi_az, @port, @parameter_group_name,
    @subnet_group_uid, @security_group_ids, @tls_mode, @at_rest_encryption, @kms_key_id, @auth_token_sha256,
    @auth_token_modified_at, @replication_password, @snapshot_retention_limit, @snapshot_window,
    @snapshotting_cluster_id, @maintenance_window, @notification_topic_arn, @auto_minor_version_upgrade, @created_at, @parameters_pending
) ON CONFLICT (account_id, region, replication_group_id) DO NOTHING;

-- ReplicationGroupListPage reads the groups after an id, in the order of their ids.
-- name: ReplicationGroupListPage :many
SELECT * FROM replication_groups
WHERE account_id = @account_id AND region = @region AND replication_group_id > @after
ORDER BY replication_group_id
LIMIT @page_size;

-- ReplicationGroupListUnsteady names the groups that still have work to do.
-- name: ReplicationGroupListUnsteady :many
SELECT uid FROM replication_groups WHERE status NOT IN ('available', 'create-failed')
UNION
SELECT uid FROM replication_groups
WHERE status = 'create-failed' AND EXISTS (SELECT 1 FROM nodes WHERE owner_uid = replication_groups.uid)
UNION
SELECT uid FROM replication_groups WHERE parameters_pending
UNION
SELECT replication_group_uid FROM node_groups WHERE failover_to IS NOT NULL;

-- name: ReplicationGroupLock :one
SELECT * FROM replication_groups WHERE uid = @uid FOR UPDATE;

-- name: ReplicationGroupSetStatus :exec
UPDATE replication_groups SET status = @status, automatic_failover = @automatic_failover WHERE uid = @uid;

-- name: ReplicationGroupSetParametersPending :exec
UPDATE replication_groups SET parameters_pending = @parameters_pending WHERE uid = ANY(@uids::uuid[]);
