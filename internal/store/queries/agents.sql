-- name: AgentGet :one
SELECT * FROM agents WHERE agent_id = @agent_id;
