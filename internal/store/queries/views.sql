-- EndpointListByOwners gives the endpoints that clients are told, of many groups at once.
-- name: EndpointListByOwners :many
SELECT owner_uid, node_group_id, kind, host, port FROM endpoints WHERE owner_uid = ANY(@owner_uids::uuid[]);

-- ReplicationGroupListByUIDs reads the groups of members.
-- name: ReplicationGroupListByUIDs :many
SELECT sqlc.embed(replication_groups), cache_subnet_groups.name AS subnet_group_name
FROM replication_groups JOIN cache_subnet_groups ON cache_subnet_groups.uid = replication_groups.subnet_group_uid
WHERE replication_groups.uid = ANY(@uids::uuid[]);

-- AgentCount tells how many agents have ever joined.
-- name: AgentCount :one
SELECT count(*) FROM agents;

-- NodeListParameters gives the parameters that the nodes of groups are told.
-- name: NodeListParameters :many
SELECT owner_uid, cache_cluster_id, coalesce(spec -> 'parameters', '{}')::jsonb AS parameters
FROM nodes WHERE owner_uid = ANY(@owner_uids::uuid[]);
