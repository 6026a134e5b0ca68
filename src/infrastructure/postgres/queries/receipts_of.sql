-- A page of the purchases of a user, newest first.
-- $1 user, $2 sale or NULL, $3 and $4 ledger id and sale of the purchase before the page or NULL, $5 length of the page, $6 only orders.
WITH owned AS MATERIALIZED (
    -- The units of a user, released or not, lead to the purchases, which have no index by user.
    SELECT ledger_id, sale
    FROM purchase_units
    WHERE user_id = $1 AND ($2::text IS NULL OR sale = (SELECT key FROM sales WHERE id = $2))
      AND ($3::bigint IS NULL OR ledger_id <= $3)
    UNION
    SELECT ledger_id, sale
    FROM released_units
    WHERE user_id = $1 AND ($2::text IS NULL OR sale = (SELECT key FROM sales WHERE id = $2))
      AND ($3::bigint IS NULL OR ledger_id <= $3)
), page AS MATERIALIZED (
    SELECT ledger_id, sale, id AS sale_id
    FROM owned
    JOIN sales ON key = sale
    WHERE ($3::bigint IS NULL OR (ledger_id, id) < ($3, $4::text)) AND (payment_window IS NOT NULL OR NOT $6)
    ORDER BY ledger_id DESC, id DESC LIMIT $5
)
SELECT page.sale_id, purchase.ledger_id, code, user_id, request_id, missed AS "missed: Json<Vec<CartLine>>", unit_count,
       units AS "units: Json<Vec<SoldUnit>>"
FROM page
JOIN recorded_purchases purchase ON purchase.sale = page.sale AND purchase.ledger_id = page.ledger_id
ORDER BY page.ledger_id DESC, page.sale_id DESC
