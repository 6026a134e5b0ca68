-- A page of the purchases of a user, newest first.
-- $1 user, $2 sale or NULL, $3 and $4 ledger id and sale of the purchase before the page or NULL, $5 length of the page.
WITH page AS (
    -- The units of a user lead to the purchases, which have no index by user.
    SELECT DISTINCT unit.ledger_id, sales.id AS sale_id, unit.sale
    FROM purchase_units unit
    JOIN sales ON sales.key = unit.sale
    WHERE unit.user_id = $1 AND ($2::text IS NULL OR sales.id = $2)
      AND ($3::bigint IS NULL OR (unit.ledger_id, sales.id) < ($3, $4::text))
    ORDER BY unit.ledger_id DESC, sales.id DESC LIMIT $5
)
SELECT page.sale_id, purchase.ledger_id, code, user_id, request_id, missed AS "missed: Json<Vec<CartLine>>", unit_count,
       units AS "units: Json<Vec<SoldUnit>>"
FROM page
JOIN recorded_purchases purchase ON purchase.sale = page.sale AND purchase.ledger_id = page.ledger_id
ORDER BY page.ledger_id DESC, page.sale_id DESC
