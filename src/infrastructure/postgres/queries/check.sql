-- Violations that the constraints should have prevented. $1 sale.
WITH unit AS (
    SELECT ordinal, unit, user_id, ledger_id, price, stock FROM purchase_units WHERE sale_id = $1
), owner AS (
    SELECT count(*) AS owned FROM unit GROUP BY user_id
), difference AS (
    -- The totals of each purchase less those of its units.
    SELECT ledger_id, sum(units) AS units, sum(total) AS total
    FROM (
        SELECT ledger_id, units, total FROM purchases WHERE sale_id = $1
        UNION ALL
        SELECT ledger_id, -1, -price FROM unit
    ) AS side
    GROUP BY ledger_id
)
SELECT (SELECT count(*) FROM unit) AS "sold!",
       (SELECT count(*) - count(DISTINCT (ordinal, unit)) FROM unit)
           + (SELECT count(*) FROM unit WHERE unit NOT BETWEEN 1 AND stock) AS "oversold!",
       (SELECT count(*) FROM owner WHERE owned > (SELECT user_limit FROM sales WHERE id = $1)) AS "over_limit!",
       (SELECT count(*) FROM difference WHERE units <> 0 OR total <> 0) AS "wrong_totals!"
