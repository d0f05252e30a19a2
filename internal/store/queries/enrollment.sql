-- The installation's certificate authority, join tokens, and the agents that used them.

-- name: InstallationGet :one
SELECT * FROM installation;

-- name: InstallationLock :one
SELECT * FROM installation FOR UPDATE;

-- The certificate authority is made once; whoever comes second reads the first one's.
-- name: InstallationSetCA :execrows
UPDATE installation SET ca_certificate = @ca_certificate, ca_private_key = @ca_private_key
WHERE ca_certificate IS NULL;

-- name: InstallationSetLoopbackOctet :exec
UPDATE installation SET loopback_octet = @loopback_octet, next_address = 1;

-- name: InstallationSetNextAddress :exec
UPDATE installation SET next_address = @next_address;

-- name: JoinTokenInsert :exec
INSERT INTO join_tokens (token_sha256, created_at, expires_at)
VALUES (@token_sha256, @now, @expires_at);

-- name: JoinTokenUse :execrows
UPDATE join_tokens SET used_at = @now::timestamptz, used_by = @agent_id::uuid
WHERE token_sha256 = @token_sha256 AND used_at IS NULL AND expires_at > @now::timestamptz;

-- name: JoinTokenGet :one
SELECT * FROM join_tokens WHERE token_sha256 = @token_sha256;

-- AgentEnroll admits a new agent, or one that comes back with a new token while nobody is using its
-- identity; it changes nothing if the agent of that id was heard since seen_after.
-- name: AgentEnroll :execrows
INSERT INTO agents (agent_id, enrolled_at) VALUES (@agent_id, @now)
ON CONFLICT (agent_id) DO UPDATE SET enrolled_at = excluded.enrolled_at
WHERE NOT agents.connected OR agents.last_seen_at < @seen_after::timestamptz;
