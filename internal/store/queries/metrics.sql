-- name: MetricsCount :many
-- What /metrics shows of the database. All three tables are small, but for jobs, which are counted
-- only while they wait or run.
SELECT 'job'::text AS thing, state::text AS state, count(*) AS count
FROM river_job
WHERE state IN ('available', 'running', 'retryable', 'scheduled')
GROUP BY state
UNION ALL
SELECT 'agent', connected::text, count(*)
FROM agents
GROUP BY connected
UNION ALL
SELECT 'node', coalesce(observed ->> 'state', 'NODE_STATE_UNSPECIFIED'), count(*)
FROM nodes
GROUP BY 2;
