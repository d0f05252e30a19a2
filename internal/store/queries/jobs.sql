-- Jobs are River's; this is the one thing that it leaves to chance.

-- JobNotify wakes the workers when the transaction commits. River's own client notifies too, but only
-- for the first of several inserts within a moment; if that one's transaction commits before the
-- others', the others would wait for the next poll. Equal notifications of a transaction are sent once.
-- name: JobNotify :exec
SELECT pg_notify(current_schema() || '.river_insert', '{"queue": "default"}');
