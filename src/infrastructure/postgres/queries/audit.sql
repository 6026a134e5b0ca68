-- What the constraints would have to have missed. $1 sale.
WITH unit AS (
    SELECT u.ordinal, u.unit, u.user_id, u.ledger_id, u.price, items.stock
    FROM purchase_units u
    LEFT JOIN items ON items.sale_id = u.sale_id AND items.ordinal = u.ordinal
    WHERE u.sale_id = $1
), owner AS (
    SELECT count(*) AS owned FROM unit GROUP BY user_id
), purchase AS (
    SELECT p.units, p.total, count(unit.unit) AS sold, coalesce(sum(unit.price), 0) AS price
    FROM purchases p
    LEFT JOIN unit ON unit.ledger_id = p.ledger_id
    WHERE p.sale_id = $1
    GROUP BY p.sale_id, p.ledger_id
)
SELECT (SELECT count(*) FROM unit) AS "sold!",
       (SELECT count(*) - count(DISTINCT (ordinal, unit)) FROM unit)
           + (SELECT count(*) FROM unit WHERE stock IS NULL OR unit NOT BETWEEN 1 AND stock) AS "oversold!",
       (SELECT count(*) FROM owner WHERE owned > (SELECT user_limit FROM sales WHERE id = $1)) AS "over_limit!",
       (SELECT count(*) FROM purchase WHERE units <> sold OR total <> price) AS "wrong_totals!"
