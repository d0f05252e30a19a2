-- name: EventDeleteBefore :exec
DELETE FROM events WHERE occurred_at < @before;

-- name: EventInsertMany :exec
INSERT INTO events (account_id, region, source_type, source_identifier, message, occurred_at)
SELECT @account_id, @region, unnest(@source_types::text[]), unnest(@source_identifiers::text[]), unnest(@messages::text[]),
    @occurred_at;

-- EventListPage reads the newest events first. (before_at, before_id) is the last one of the page before.
-- name: EventListPage :many
SELECT * FROM events
WHERE account_id = @account_id AND region = @region
    AND occurred_at >= @start_at AND occurred_at <= @end_at
    AND (@source_type::text = '' OR source_type = @source_type)
    AND (@source_identifier::text = '' OR source_identifier = @source_identifier)
    AND (occurred_at, event_id) < (@before_at::timestamptz, @before_id::bigint)
ORDER BY occurred_at DESC, event_id DESC
LIMIT @page_size;

-- name: EventCountByMessage :one
SELECT count(*) FROM events
WHERE account_id = @account_id AND region = @region AND source_type = @source_type
    AND occurred_at >= @since AND starts_with(message, @prefix::text);
