-- What should have happened to the orders of a sale, and what should not. $1 sale, $2 seconds ago.
WITH late AS MATERIALIZED (
    SELECT clock_timestamp() - make_interval(secs => $2) AS since
)
SELECT count(*) FILTER (WHERE status IN ('CANCELLED', 'EXPIRED') AND returned_at IS NULL AND finished_at < since)
           AS "unreturned!",
       count(*) FILTER (WHERE deadline < since) AS "overdue!",
       count(*) FILTER (WHERE status = 'PAID' AND EXISTS (
           SELECT FROM released_units AS unit WHERE unit.sale = orders.sale AND unit.ledger_id = orders.ledger_id
       )) AS "paid_and_released!"
FROM orders CROSS JOIN late
WHERE sale = (SELECT key FROM sales WHERE id = $1)
