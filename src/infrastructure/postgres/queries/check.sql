-- Violations that the constraints should have prevented. $1 sale.
WITH sale AS MATERIALIZED (
    SELECT key, user_limit FROM sales WHERE id = $1
), unit AS MATERIALIZED (
    SELECT ordinal, unit, user_id, ledger_id FROM purchase_units WHERE sale = (SELECT key FROM sale)
), item AS (
    SELECT ordinal, stock FROM items WHERE sale = (SELECT key FROM sale)
), owner AS (
    SELECT count(*) AS owned FROM unit GROUP BY user_id
), difference AS (
    -- The number of units of each purchase less its units, released or not.
    SELECT sum(units) AS units
    FROM (
        SELECT ledger_id, units FROM purchases WHERE sale = (SELECT key FROM sale)
        UNION ALL
        SELECT ledger_id, -1 FROM unit
        UNION ALL
        SELECT ledger_id, -1 FROM released_units WHERE sale = (SELECT key FROM sale)
    ) AS side
    GROUP BY ledger_id
)
SELECT (SELECT count(*) FROM unit) AS "sold!",
       (SELECT count(*) FROM unit) - (SELECT count(*) FROM (SELECT FROM unit GROUP BY ordinal, unit) AS sold)
           + (SELECT count(*) FROM unit LEFT JOIN item USING (ordinal) WHERE unit BETWEEN 1 AND stock IS NOT TRUE)
           AS "oversold!",
       (SELECT count(*) FROM owner WHERE owned > (SELECT user_limit FROM sale)) AS "over_limit!",
       (SELECT count(*) FROM difference WHERE units <> 0) AS "wrong_totals!"
