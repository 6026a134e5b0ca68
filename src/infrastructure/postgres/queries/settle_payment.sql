-- Settles an attempt and changes its order, or nothing. $1 sale, $2 ledger id, $3 attempt, $4 its state before, $5 after,
-- $6 version of the order, NULL if it does not change, $7 its state before, $8 after, $9 reason, $10 note,
-- $11 declined payments to add, $12 event of the provider that told it, or NULL,
-- $13 work and $14 token of the lease; NULL for a request, which has none.
-- Returns whether the lease is held, whether the event was committed before, and whether all of it was written.
WITH held AS MATERIALIZED (
    SELECT $13::text IS NULL OR EXISTS (
        -- Locks the row: a claim by another holder waits until this commits.
        SELECT FROM leases WHERE name = $13 AND token = $14::bigint AND until > clock_timestamp() FOR SHARE
    ) AS is_held
), repeated AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM payment_events WHERE id = $12) AS is_repeated
), "order" AS MATERIALIZED (
    -- Locks the row: of two settlements at once, the second one finds another version.
    SELECT sale, ledger_id
    FROM orders
    WHERE sale = (SELECT key FROM sales WHERE id = $1) AND ledger_id = $2
      AND ($6::integer IS NULL OR (version = $6 AND status = $7))
      AND (SELECT is_held FROM held) AND NOT (SELECT is_repeated FROM repeated)
    FOR UPDATE
), settled AS (
    UPDATE payments SET state = $5, settled_at = clock_timestamp(), look_at = clock_timestamp()
    FROM "order"
    WHERE payments.sale = "order".sale AND payments.ledger_id = "order".ledger_id AND attempt = $3 AND state = $4
    RETURNING payments.sale, payments.ledger_id
), told AS (
    INSERT INTO payment_events (id) SELECT $12 FROM settled WHERE $12 IS NOT NULL
), changed AS (
    UPDATE orders
    SET status = $8, version = version + 1, reason = $9, note = $10, declines = declines + $11,
        deadline = CASE WHEN $8 = 'RESERVED' THEN pay_by END,
        finished_at = CASE WHEN $8 = 'RESERVED' THEN NULL ELSE clock_timestamp() END
    FROM settled
    WHERE orders.sale = settled.sale AND orders.ledger_id = settled.ledger_id AND $6 IS NOT NULL
)
SELECT is_held AS "is_held!", is_repeated AS "is_repeated!", EXISTS (SELECT FROM settled) AS "is_settled!"
FROM held CROSS JOIN repeated
