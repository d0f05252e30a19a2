-- name: TagDeleteByResources :exec
DELETE FROM tags WHERE resource_uid = ANY(@resource_uids::uuid[]);

-- name: TagDeleteKeys :exec
DELETE FROM tags WHERE resource_uid = ANY(@resource_uids::uuid[]) AND key = ANY(@keys::text[]);

-- name: TagList :many
SELECT * FROM tags WHERE resource_uid = @resource_uid ORDER BY key;

-- TagPutMany gives every resource every tag; a key that is there gets the new value.
-- name: TagPutMany :exec
INSERT INTO tags (resource_uid, key, value)
SELECT r.resource_uid, t.key, t.value
FROM (SELECT unnest(@resource_uids::uuid[]) AS resource_uid) AS r,
    (SELECT unnest(@keys::text[]) AS key, unnest(@tag_values::text[]) AS value) AS t
ON CONFLICT (resource_uid, key) DO UPDATE SET value = excluded.value;
