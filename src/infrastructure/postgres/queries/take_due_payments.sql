-- Takes payments that are due to be looked at, with their orders, if the lease is still held. They are due again after a
-- pause. $1 work, $2 token, $3 seconds of the pause, $4 number.
WITH lease AS (
    SELECT FROM leases WHERE name = $1 AND token = $2 AND until > clock_timestamp() FOR SHARE
), due AS (
    SELECT sale, ledger_id, attempt
    FROM payments
    WHERE state IN ('PENDING', 'REFUNDING') AND look_at <= statement_timestamp() AND EXISTS (SELECT FROM lease)
    ORDER BY look_at LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE payments
SET look_at = clock_timestamp() + make_interval(secs => $3)
FROM due
JOIN sales ON sales.key = due.sale
JOIN orders ON orders.sale = due.sale AND orders.ledger_id = due.ledger_id
WHERE payments.sale = due.sale AND payments.ledger_id = due.ledger_id AND payments.attempt = due.attempt
RETURNING sales.id AS sale, payments.ledger_id, version, status, pay_by, deadline, reason, note, declines, returned_at,
          payments.attempt, intent, method, amount, currency, state, closing, closing_note,
          extract(epoch FROM clock_timestamp() - closing_since)::float8 AS closing_for
