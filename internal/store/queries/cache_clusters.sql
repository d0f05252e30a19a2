-- name: CacheClusterGet :one
SELECT * FROM cache_clusters
WHERE account_id = @account_id AND region = @region AND cache_cluster_id = @cache_cluster_id;

-- name: CacheClusterInsertMany :exec
INSERT INTO cache_clusters (uid, account_id, region, cache_cluster_id, status, replication_group_uid,
    node_group_uid, requested_zone, created_at)
SELECT unnest(@uids::uuid[]), @account_id, @region, unnest(@cache_cluster_ids::text[]), 'creating', @replication_group_uid,
    unnest(@node_group_uids::uuid[]), unnest(@requested_zones::text[]), @created_at;

-- name: CacheClusterListByGroups :many
SELECT * FROM cache_clusters WHERE replication_group_uid = ANY(@replication_group_uids::uuid[])
ORDER BY replication_group_uid, cache_cluster_id;

-- CacheClusterListExisting tells which of the ids are taken.
-- name: CacheClusterListExisting :many
SELECT cache_cluster_id FROM cache_clusters
WHERE account_id = @account_id AND region = @region AND cache_cluster_id = ANY(@cache_cluster_ids::text[]);

-- CacheClusterListPage reads the clusters after an id, in the order of their ids.
-- name: CacheClusterListPage :many
SELECT * FROM cache_clusters
WHERE account_id = @account_id AND region = @region AND cache_cluster_id > @after
ORDER BY cache_cluster_id
LIMIT @page_size;

-- name: CacheClusterSetStatusByGroup :exec
UPDATE cache_clusters SET status = @status WHERE replication_group_uid = @replication_group_uid;

-- name: CacheClusterSetZones :exec
UPDATE cache_clusters c SET availability_zone = placed.zone
FROM (SELECT unnest(@uids::uuid[]) AS uid, unnest(@zones::text[]) AS zone) AS placed
WHERE c.uid = placed.uid;

-- CacheClusterListAddresses gives the address that clients reach each member's node by.
-- name: CacheClusterListAddresses :many
SELECT owner_uid, cache_cluster_id, (spec->>'announceHost')::text AS host, (spec->>'announcePort')::integer AS port,
       created_at
FROM nodes WHERE owner_uid = ANY(@owner_uids::uuid[]);
