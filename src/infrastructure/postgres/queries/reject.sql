-- Files one rejected ledger entry, and moves the cursor past it.
-- $1 epoch, $2 sale, $3 cursor before, $4 ledger id, $5 reason, $6 message, $7 entry.
-- Returns the same as persist.sql.
WITH moved AS (
    UPDATE ledger_cursors SET last_id = $4
    WHERE sale = (SELECT key FROM sales WHERE id = $2) AND last_id = $3 AND epoch = $1
    RETURNING sale
), filed AS (
    INSERT INTO rejected_entries (sale, ledger_id, reason, message, entry)
    SELECT sale, $4, $5, $6, $7 FROM moved
)
SELECT EXISTS (SELECT FROM moved) OR EXISTS (
           SELECT FROM ledger_cursors WHERE sale = (SELECT key FROM sales WHERE id = $2) AND epoch = $1
       ) AS "in_epoch!",
       EXISTS (SELECT FROM moved) AS "moved!"
