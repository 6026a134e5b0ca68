-- Archives a batch of the ledger and moves its cursor, in one statement and therefore in one transaction.
-- $1 epoch, $2 sale, $3 cursor before, $4 cursor after,
-- purchases: $5 ledger ids, $6 codes, $7 users, $8 requests, $9 numbers of units, $10 missed,
-- units: $11 ledger ids, $12 users, $13 ordinals, $14 units, $15 slots.
-- Returns whether the ledger is in this epoch and whether the cursor was at $3. Unless both are true, nothing is written.
-- A row that breaks a constraint fails the statement: no ON CONFLICT may hide a violation.
WITH moved AS (
    -- Locks the row: a recovery that begins an epoch of this sale waits until this commits.
    UPDATE ledger_cursors SET last_id = $4
    FROM sales
    WHERE sales.id = $2 AND ledger_cursors.sale = sales.key AND last_id = $3 AND epoch = $1
    RETURNING sale, items, least_stock, least_price, user_limit, payment_window
), bought AS (
    INSERT INTO purchases (sale, ledger_id, code, user_id, request_id, units, missed)
    SELECT moved.sale, p.*
    FROM moved
    CROSS JOIN unnest($5::bigint[], $6::bytea[], $7::text[], $8::text[], $9::smallint[], $10::jsonb[]) AS p
), unit AS (
    INSERT INTO purchase_units (sale, ledger_id, user_id, ordinal, unit, slot)
    SELECT moved.sale, u.ledger_id, u.user_id,
           -- NULL, which the table rejects, if the sale has no such item, unit or slot.
           CASE WHEN u.ordinal BETWEEN 1 AND moved.items THEN u.ordinal END,
           CASE WHEN u.unit BETWEEN 1 AND moved.least_stock THEN u.unit
                WHEN u.unit BETWEEN 1 AND (
                    SELECT stock FROM items WHERE items.sale = moved.sale AND items.ordinal = u.ordinal
                ) THEN u.unit
           END,
           CASE WHEN u.slot BETWEEN 1 AND moved.user_limit THEN u.slot END
    FROM moved
    CROSS JOIN unnest($11::bigint[], $12::text[], $13::integer[], $14::integer[], $15::smallint[])
        AS u (ledger_id, user_id, ordinal, unit, slot)
), costly AS (
    SELECT DISTINCT u.ledger_id
    FROM moved
    CROSS JOIN unnest($11::bigint[], $13::integer[]) AS u (ledger_id, ordinal)
    WHERE moved.payment_window IS NOT NULL AND moved.least_price = 0
      AND (SELECT price FROM items WHERE items.sale = moved.sale AND items.ordinal = u.ordinal) > 0
), ordered AS (
    -- An order that costs nothing is paid.
    INSERT INTO orders (sale, ledger_id, status, pay_by, deadline, finished_at)
    SELECT moved.sale, p.ledger_id, CASE WHEN is_costly THEN 'RESERVED' ELSE 'PAID' END,
           pay_by, CASE WHEN is_costly THEN pay_by END, CASE WHEN NOT is_costly THEN now() END
    FROM moved
    CROSS JOIN unnest($5::bigint[]) AS p (ledger_id)
    CROSS JOIN LATERAL (
        SELECT moved.least_price > 0 OR p.ledger_id IN (SELECT ledger_id FROM costly) AS is_costly,
               to_timestamp((p.ledger_id >> 20) / 1000.0) + make_interval(secs => moved.payment_window) AS pay_by
    ) AS terms
    WHERE moved.payment_window IS NOT NULL
)
SELECT EXISTS (SELECT FROM moved) OR EXISTS (
           SELECT FROM ledger_cursors WHERE sale = (SELECT key FROM sales WHERE id = $2) AND epoch = $1
       ) AS "in_epoch!",
       EXISTS (SELECT FROM moved) AS "moved!"
