-- Archives a batch of releases of committed purchases and moves the cursor of the ledger, in one statement.
-- $1 epoch, $2 sale, $3 cursor before, $4 cursor after; releases: $5 ledger ids, $6 ledger ids of their purchases,
-- $7 reasons. Returns the same as persist.sql.
-- A release that finds no unit of its purchase fails the statement.
WITH moved AS (
    UPDATE ledger_cursors SET last_id = $4
    WHERE sale = (SELECT key FROM sales WHERE id = $2) AND last_id = $3 AND epoch = $1
    RETURNING sale
), release AS MATERIALIZED (
    SELECT r.*, moved.sale
    FROM moved
    CROSS JOIN unnest($5::bigint[], $6::bigint[], $7::text[]) AS r (release_id, ledger_id, reason)
), freed AS (
    DELETE FROM purchase_units AS unit
    -- The index of the units begins with the user.
    USING release JOIN purchases AS purchase USING (sale, ledger_id)
    WHERE unit.user_id = purchase.user_id AND unit.sale = purchase.sale AND unit.ledger_id = purchase.ledger_id
    RETURNING unit.*
), kept AS (
    INSERT INTO released_units (ledger_id, release_id, sale, ordinal, unit, slot, user_id, reason)
    SELECT release.ledger_id, release_id, release.sale, ordinal, unit, slot, user_id, reason
    FROM release
    LEFT JOIN freed ON freed.sale = release.sale AND freed.ledger_id = release.ledger_id
), returned AS (
    -- An order that is not final here was final before: a standby that was behind has become the primary.
    UPDATE orders SET
        returned_at = now(),
        finished_at = coalesce(finished_at, now()),
        deadline = NULL,
        status = CASE WHEN deadline IS NULL THEN status ELSE upper(release.reason) END,
        reason = coalesce(orders.reason, CASE release.reason WHEN 'expired' THEN 'RESERVATION_TTL' ELSE 'ADMIN' END)
    FROM release
    WHERE orders.sale = release.sale AND orders.ledger_id = release.ledger_id
)
SELECT EXISTS (SELECT FROM moved) OR EXISTS (
           SELECT FROM ledger_cursors WHERE sale = (SELECT key FROM sales WHERE id = $2) AND epoch = $1
       ) AS "in_epoch!",
       EXISTS (SELECT FROM moved) AS "moved!"
