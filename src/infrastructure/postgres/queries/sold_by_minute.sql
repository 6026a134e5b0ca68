-- The units of a sale by the minute since the Unix epoch in which they were sold or came back. $1 is the id of the sale.
WITH moved AS (
    SELECT ledger_id AS at, units::bigint AS units
    FROM purchases
    WHERE sale = (SELECT key FROM sales WHERE id = $1)
    UNION ALL
    SELECT release_id, -1
    FROM released_units
    WHERE sale = (SELECT key FROM sales WHERE id = $1)
)
SELECT (at >> 20) / 60000 AS "minute!", sum(units)::bigint AS "units!"
FROM moved
GROUP BY 1
ORDER BY 1
