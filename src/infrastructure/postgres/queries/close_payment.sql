-- Keeps the event for which the intent of a pending payment is being cancelled, unless there is one, if the lease is still
-- held. $1 sale, $2 ledger id, $3 attempt, $4 event, $5 words of the person who cancels,
-- $6 work and $7 token of the lease; NULL for a request, which has none. Returns what is kept, or no row.
UPDATE payments
SET closing = coalesce(closing, $4), closing_since = coalesce(closing_since, clock_timestamp()),
    closing_note = CASE WHEN closing IS NULL THEN $5 ELSE closing_note END,
    look_at = clock_timestamp()
WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2 AND attempt = $3 AND state = 'PENDING'
  AND ($6::text IS NULL OR EXISTS (
      SELECT FROM leases WHERE name = $6 AND token = $7::bigint AND until > clock_timestamp() FOR SHARE
  ))
RETURNING intent, closing AS "event!", closing_note AS note,
          greatest(extract(epoch FROM clock_timestamp() - closing_since), 0)::float8 AS "elapsed!"
