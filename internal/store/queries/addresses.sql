-- Addresses in use. The caller holds FleetLock while it looks for free ones.

-- name: AddressesUsedBy :many
SELECT * FROM addresses WHERE used_by = ANY (@used_by::uuid[]);

-- name: AddressesTaken :many
SELECT host FROM addresses WHERE host = ANY (@hosts::text[]);

-- name: AddressPortsTaken :many
SELECT port FROM addresses WHERE host = @host ORDER BY port;

-- name: AgentsOf :many
SELECT * FROM agents WHERE agent_id = ANY (@agent_ids::uuid[]) ORDER BY agent_id;

-- name: AddressesInsert :exec
INSERT INTO addresses (host, port, agent_id, used_by)
SELECT unnest(@hosts::text[]), unnest(@ports::integer[]),
       nullif(unnest(@agent_ids::uuid[]), '00000000-0000-0000-0000-000000000000'::uuid),
       unnest(@used_by::uuid[]);

-- name: AddressesFree :exec
DELETE FROM addresses WHERE used_by = ANY (@used_by::uuid[]);

-- name: AddressesCount :one
SELECT count(*) FROM addresses;
