-- Files one rejected ledger entry, and moves the cursor past it.
-- $1 epoch, $2 sale, $3 cursor before, $4 ledger id, $5 reason, $6 message, $7 entry.
-- Returns the same as persist.sql.
WITH fence AS MATERIALIZED (
    SELECT number FROM epoch WHERE number = $1 FOR SHARE
), moved AS (
    UPDATE ledger_cursors SET last_id = $4
    WHERE sale = (SELECT key FROM sales WHERE id = $2) AND last_id = $3 AND EXISTS (SELECT FROM fence)
    RETURNING sale
), filed AS (
    INSERT INTO rejected_entries (sale, ledger_id, reason, message, entry)
    SELECT sale, $4, $5, $6, $7 FROM moved
)
SELECT EXISTS (SELECT FROM fence) AS "in_epoch!", EXISTS (SELECT FROM moved) AS "moved!"
