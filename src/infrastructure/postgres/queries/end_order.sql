-- Ends an order that still has this state and version, if the lease is still held.
-- $1 sale, $2 ledger id, $3 version, $4 state before, $5 state after, $6 reason, $7 note,
-- $8 work and $9 token of the lease; NULL for a request, which has none. Returns the order, or no row.
UPDATE orders
SET status = $5, version = version + 1, deadline = NULL, reason = $6, note = $7, finished_at = clock_timestamp()
FROM sales
WHERE sales.id = $1 AND sale = sales.key AND ledger_id = $2 AND version = $3 AND status = $4 AND deadline IS NOT NULL
  AND ($8::text IS NULL OR EXISTS (
      -- Locks the row: a claim by another holder waits until this commits.
      SELECT FROM leases WHERE name = $8 AND token = $9::bigint AND until > clock_timestamp() FOR SHARE
  ))
RETURNING sales.id AS sale, ledger_id, version, status, pay_by, deadline, reason, note, declines, returned_at
