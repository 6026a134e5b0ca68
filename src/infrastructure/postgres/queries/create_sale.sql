-- Creates a sale with all its items and its cursors, or nothing if its id or the period is taken.
-- $1 id, $2 hourly, $3 starts_at, $4 ends_at, $5 user_limit, $6 currency, $7 names, $8 image_urls, $9 prices,
-- $10 stocks. Returns whether it was created.
WITH created AS (
    INSERT INTO sales (id, hourly, starts_at, ends_at, user_limit, currency, items, units)
    VALUES ($1, $2, $3, $4, $5, $6, cardinality($7::text[]), (SELECT sum(stock) FROM unnest($10::integer[]) AS stock))
    ON CONFLICT DO NOTHING
    RETURNING id
), stocked AS (
    INSERT INTO items (sale_id, ordinal, name, image_url, price, stock)
    SELECT created.id, item.ordinal, item.name, item.image_url, item.price, item.stock
    FROM created
    CROSS JOIN unnest($7::text[], $8::text[], $9::numeric[], $10::integer[])
        WITH ORDINALITY AS item (name, image_url, price, stock, ordinal)
), ledger_cursor AS (
    INSERT INTO ledger_cursors (sale_id) SELECT id FROM created
), attempt_cursor AS (
    INSERT INTO attempt_cursors (sale_id) SELECT id FROM created
)
SELECT EXISTS (SELECT FROM created) AS "created!"
