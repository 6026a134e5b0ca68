-- Begins an epoch of these sales, newer than every other. $1 an epoch that it must exceed, $2 sales. Returns its number.
WITH raised AS (
    UPDATE epoch SET number = greatest(number, $1) + 1 RETURNING number
), moved AS (
    -- Waits for the batches that are being written.
    UPDATE ledger_cursors SET epoch = number, is_restoring = true
    FROM raised, sales
    WHERE sales.id = ANY($2) AND ledger_cursors.sale = sales.key
)
SELECT number FROM raised
