-- Begins a payment of a reserved order that is not overdue.
-- $1 sale, $2 ledger id, $3 version, $4 seconds in which it may be pending, $5 method, $6 amount,
-- $7 seconds after which to ask what became of it. Returns the number of the attempt, or no row.
WITH pending AS (
    UPDATE orders
    SET status = 'PAYMENT_PENDING', version = version + 1,
        deadline = clock_timestamp() + make_interval(secs => $4)
    FROM sales
    WHERE sales.id = $1 AND sale = sales.key AND ledger_id = $2 AND version = $3 AND status = 'RESERVED'
      AND deadline > clock_timestamp()
    RETURNING sale, ledger_id
)
INSERT INTO payments (sale, ledger_id, attempt, method, amount, look_at)
SELECT sale, ledger_id,
       1 + (SELECT count(*) FROM payments WHERE payments.sale = pending.sale AND payments.ledger_id = pending.ledger_id),
       $5, $6, clock_timestamp() + make_interval(secs => least($4, $7))
FROM pending
RETURNING attempt
