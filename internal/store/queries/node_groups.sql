-- name: NodeGroupInsertMany :exec
INSERT INTO node_groups (uid, replication_group_uid, node_group_id, slots, shard_epoch, primary_member)
SELECT unnest(@uids::uuid[]), @replication_group_uid, unnest(@node_group_ids::text[]), unnest(@slots::text[]),
       1, unnest(@primary_members::uuid[]);

-- name: NodeGroupListByGroups :many
SELECT * FROM node_groups WHERE replication_group_uid = ANY(@replication_group_uids::uuid[])
ORDER BY replication_group_uid, node_group_id;

-- NodeGroupSetFailover begins a planned hand-over.
-- name: NodeGroupSetFailover :exec
UPDATE node_groups SET failover_from = @failover_from, failover_to = @failover_to, failover_started_at = @failover_started_at
WHERE uid = @uid;

-- NodeGroupSetPrimaryIfEpoch moves the role to another member, at the next epoch only.
-- name: NodeGroupSetPrimaryIfEpoch :execrows
UPDATE node_groups SET primary_member = @primary_member, shard_epoch = shard_epoch + 1
WHERE uid = @uid AND shard_epoch = @shard_epoch;

-- name: NodeGroupUnsetFailover :exec
UPDATE node_groups SET failover_from = NULL, failover_to = NULL, failover_started_at = NULL WHERE uid = @uid;

-- NodeListReplicasInSync names the members of a shard that follow its primary, the most advanced first.
-- name: NodeListReplicasInSync :many
SELECT c.uid FROM node_groups g
JOIN cache_clusters c ON c.node_group_uid = g.uid AND c.uid <> g.primary_member
JOIN nodes n ON n.owner_uid = g.replication_group_uid AND n.cache_cluster_id = c.cache_cluster_id
WHERE g.uid = @uid AND n.observed->>'state' = 'NODE_STATE_RUNNING' AND (n.observed->>'linkUp')::boolean
ORDER BY coalesce((n.observed->>'replicationOffset')::numeric, 0) DESC, c.cache_cluster_id;
