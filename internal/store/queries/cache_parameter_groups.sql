-- name: CacheParameterGroupCount :one
SELECT count(*) FROM cache_parameter_groups WHERE account_id = @account_id AND region = @region;

-- CacheParameterGroupDeleteIfUnused leaves a group alone that a replication group still uses.
-- name: CacheParameterGroupDeleteIfUnused :execrows
DELETE FROM cache_parameter_groups g
WHERE g.uid = @uid AND NOT EXISTS (
    SELECT 1 FROM replication_groups r
    WHERE r.account_id = g.account_id AND r.region = g.region AND r.parameter_group_name = g.name);

-- name: CacheParameterGroupDeleteValues :exec
DELETE FROM cache_parameter_group_values
WHERE parameter_group_uid = @parameter_group_uid AND name = ANY(@names::text[]);

-- name: CacheParameterGroupGet :one
SELECT * FROM cache_parameter_groups WHERE account_id = @account_id AND region = @region AND name = @name;

-- CacheParameterGroupGetForShare keeps the group from being changed or deleted until the transaction ends.
-- name: CacheParameterGroupGetForShare :one
SELECT * FROM cache_parameter_groups WHERE account_id = @account_id AND region = @region AND name = @name FOR SHARE;

-- name: CacheParameterGroupGetForUpdate :one
SELECT * FROM cache_parameter_groups WHERE account_id = @account_id AND region = @region AND name = @name FOR UPDATE;

-- name: CacheParameterGroupInsertIfAbsent :execrows
INSERT INTO cache_parameter_groups (uid, account_id, region, name, family, description, created_at)
VALUES (@uid, @account_id, @region, @name, @family, @description, @created_at) ON CONFLICT DO NOTHING;

-- name: CacheParameterGroupListPage :many
SELECT * FROM cache_parameter_groups
WHERE account_id = @account_id AND region = @region AND name COLLATE "C" > @after
ORDER BY name COLLATE "C" -- the order of the default groups' names, among which these are listed
LIMIT @page_size;

-- CacheParameterGroupListUsers names the replication groups that use a parameter group.
-- name: CacheParameterGroupListUsers :many
SELECT uid FROM replication_groups
WHERE account_id = @account_id AND region = @region AND parameter_group_name = @parameter_group_name
ORDER BY uid;

-- CacheParameterGroupListValues reads what users have set in groups of one account and region.
-- name: CacheParameterGroupListValues :many
SELECT g.name AS group_name, v.name, v.value
FROM cache_parameter_groups g JOIN cache_parameter_group_values v ON v.parameter_group_uid = g.uid
WHERE g.account_id = @account_id AND g.region = @region AND g.name = ANY(@names::text[]);

-- CacheParameterGroupPutValues sets values; those that are set already are replaced.
-- name: CacheParameterGroupPutValues :exec
INSERT INTO cache_parameter_group_values (parameter_group_uid, name, value)
SELECT @parameter_group_uid, unnest(@names::text[]), unnest(@parameter_values::text[])
ON CONFLICT (parameter_group_uid, name) DO UPDATE SET value = excluded.value;
