-- What should have happened to the orders of a sale, and what should not. $1 sale, $2 seconds ago.
WITH late AS MATERIALIZED (
    SELECT clock_timestamp() - make_interval(secs => $2) AS since
)
SELECT count(*) FILTER (WHERE status IN ('CANCELLED', 'EXPIRED') AND returned_at IS NULL AND finished_at < since)
           AS "unreturned!",
       count(*) FILTER (WHERE deadline < since) AS "overdue!",
       count(*) FILTER (WHERE status = 'PAID' AND EXISTS (
           SELECT FROM released_units AS unit WHERE unit.sale = orders.sale AND unit.ledger_id = orders.ledger_id
       )) AS "paid_and_released!",
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM payments AS payment
           WHERE payment.sale = orders.sale AND payment.ledger_id = orders.ledger_id AND CASE payment.state
               WHEN 'PENDING' THEN look_at < since OR finished_at < since
               WHEN 'REFUNDING' THEN settled_at < since
               WHEN 'SUCCEEDED' THEN status <> 'PAID'
               ELSE false
           END
       ) OR (
           -- The first version of an order is paid only if there is nothing to pay.
           status = 'PAID' AND version > 1 AND NOT EXISTS (
               SELECT FROM payments AS payment
               WHERE payment.sale = orders.sale AND payment.ledger_id = orders.ledger_id AND payment.state = 'SUCCEEDED'
           )
       )) AS "unsettled!"
FROM orders CROSS JOIN late
WHERE sale = (SELECT key FROM sales WHERE id = $1)
