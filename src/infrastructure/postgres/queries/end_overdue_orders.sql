-- Ends overdue orders, oldest first, if the lease is still held. This clock alone may be wrong.
-- $1 work, $2 token, $3 state before, $4 state after, $5 reason, $6 number of orders, $7 time of Redis. Returns a row for each.
WITH lease AS (
    -- Locks the row: a claim by another holder waits until this commits.
    SELECT FROM leases WHERE name = $1 AND token = $2 AND until > clock_timestamp() FOR SHARE
), overdue AS (
    SELECT of_sale.sale, of_sale.ledger_id
    FROM sales
    CROSS JOIN LATERAL (
        SELECT sale, ledger_id, deadline
        FROM orders
        -- A clock that stands still during the statement can be looked up in the index.
        WHERE sale = sales.key AND status = $3 AND deadline <= least(statement_timestamp(), $7)
        ORDER BY deadline LIMIT $6
        FOR UPDATE SKIP LOCKED
    ) AS of_sale
    WHERE closed_at IS NULL AND payment_window IS NOT NULL AND EXISTS (SELECT FROM lease)
    ORDER BY of_sale.deadline LIMIT $6
)
UPDATE orders
SET status = $4, version = version + 1, deadline = NULL, reason = $5, finished_at = clock_timestamp()
FROM overdue
WHERE orders.sale = overdue.sale AND orders.ledger_id = overdue.ledger_id
