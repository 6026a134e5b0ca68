-- Archives a batch of the ledger and moves its cursor, in one statement and therefore in one transaction.
-- $1 epoch, $2 sale, $3 cursor before, $4 cursor after,
-- purchases: $5 ledger ids, $6 codes, $7 users, $8 requests, $9 units, $10 totals, $11 missed, $12 times,
-- units: $13 ledger ids, $14 users, $15 ordinals, $16 units, $17 slots.
-- Returns whether the epoch is current and whether the cursor was at $3. Unless both are true, nothing is written.
-- A row that breaks a constraint fails the statement: no ON CONFLICT may hide a violation.
WITH fence AS MATERIALIZED (
    -- Excludes recovery until this commits.
    SELECT number FROM epoch WHERE number = $1 FOR SHARE
), moved AS (
    UPDATE ledger_cursors SET last_id = $4, updated_at = now()
    WHERE sale_id = $2 AND last_id = $3 AND EXISTS (SELECT FROM fence)
    RETURNING sale_id
), bought AS (
    INSERT INTO purchases
        (sale_id, ledger_id, code, user_id, request_id, units, total, missed, purchased_at)
    SELECT moved.sale_id, p.*
    FROM moved
    CROSS JOIN unnest($5::bigint[], $6::text[], $7::text[], $8::text[], $9::integer[], $10::numeric[], $11::jsonb[],
                      $12::timestamptz[]) AS p
), unit AS (
    INSERT INTO purchase_units (sale_id, ledger_id, user_id, ordinal, unit, slot, price, stock, user_limit)
    SELECT moved.sale_id, u.ledger_id, u.user_id, u.ordinal, u.unit, u.slot, items.price, items.stock, sales.user_limit
    FROM moved
    CROSS JOIN unnest($13::bigint[], $14::text[], $15::integer[], $16::integer[], $17::integer[])
        AS u (ledger_id, user_id, ordinal, unit, slot)
    -- An unknown item has no price, which the table rejects.
    LEFT JOIN items ON items.sale_id = $2 AND items.ordinal = u.ordinal
    LEFT JOIN sales ON sales.id = $2
)
SELECT EXISTS (SELECT FROM fence) AS "in_epoch!", EXISTS (SELECT FROM moved) AS "moved!"
