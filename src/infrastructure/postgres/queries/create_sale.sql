-- Creates a sale without its items, and its cursors, or nothing if its id or the period is taken.
-- $1 id, $2 hourly, $3 starts_at, $4 ends_at, $5 user_limit, $6 currency, $7 items, $8 units,
-- $9 least stock, $10 payment window, $11 least price. Returns its key.
WITH created AS (
    INSERT INTO sales (id, hourly, starts_at, ends_at, user_limit, currency, items, units, least_stock, payment_window,
                       least_price)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT DO NOTHING
    RETURNING key
), ledger_cursor AS (
    INSERT INTO ledger_cursors (sale, epoch) SELECT key, number FROM created CROSS JOIN epoch
), attempt_cursor AS (
    INSERT INTO attempt_cursors (sale) SELECT key FROM created
)
SELECT key FROM created
