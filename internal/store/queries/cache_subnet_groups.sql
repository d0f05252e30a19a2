-- name: CacheSubnetGroupCount :one
SELECT count(*) FROM cache_subnet_groups WHERE account_id = @account_id AND region = @region;

-- CacheSubnetGroupDeleteIfUnused leaves a group alone that a replication group still needs.
-- name: CacheSubnetGroupDeleteIfUnused :execrows
DELETE FROM cache_subnet_groups g
WHERE g.uid = @uid AND NOT EXISTS (SELECT 1 FROM replication_groups r WHERE r.subnet_group_uid = g.uid);

-- name: CacheSubnetGroupDeleteSubnets :exec
DELETE FROM cache_subnet_group_subnets WHERE subnet_group_uid = @subnet_group_uid;

-- name: CacheSubnetGroupGet :one
SELECT * FROM cache_subnet_groups WHERE account_id = @account_id AND region = @region AND name = @name;

-- CacheSubnetGroupGetForShare keeps the group from being deleted until the transaction ends.
-- name: CacheSubnetGroupGetForShare :one
SELECT * FROM cache_subnet_groups WHERE account_id = @account_id AND region = @region AND name = @name FOR SHARE;

-- name: CacheSubnetGroupGetForUpdate :one
SELECT * FROM cache_subnet_groups WHERE account_id = @account_id AND region = @region AND name = @name FOR UPDATE;

-- name: CacheSubnetGroupInsertIfAbsent :execrows
INSERT INTO cache_subnet_groups (uid, account_id, region, name, description, vpc_id, created_at)
VALUES (@uid, @account_id, @region, @name, @description, @vpc_id, @created_at) ON CONFLICT DO NOTHING;

-- name: CacheSubnetGroupInsertSubnets :exec
INSERT INTO cache_subnet_group_subnets (subnet_group_uid, position, account_id, region, subnet_id)
SELECT @subnet_group_uid, position, @account_id, @region, subnet_id
FROM unnest(@subnet_ids::text[]) WITH ORDINALITY AS s (subnet_id, position);

-- name: CacheSubnetGroupListPage :many
SELECT * FROM cache_subnet_groups
WHERE account_id = @account_id AND region = @region AND name > @after
ORDER BY name
LIMIT @page_size;

-- name: CacheSubnetGroupListSubnets :many
SELECT m.subnet_group_uid, s.subnet_id, s.availability_zone
FROM cache_subnet_group_subnets m JOIN subnets s USING (account_id, region, subnet_id)
WHERE m.subnet_group_uid = ANY(@subnet_group_uids::uuid[])
ORDER BY m.subnet_group_uid, m.position;

-- CacheSubnetGroupListZonesInUse names the zones that clusters of the group are, or are to be, placed in.
-- name: CacheSubnetGroupListZonesInUse :many
SELECT DISTINCT coalesce(nullif(c.availability_zone, ''), c.requested_zone)::text AS zone
FROM replication_groups r JOIN cache_clusters c ON c.replication_group_uid = r.uid
WHERE r.subnet_group_uid = @subnet_group_uid;

-- name: CacheSubnetGroupSetDescription :exec
UPDATE cache_subnet_groups SET description = @description WHERE uid = @uid;
