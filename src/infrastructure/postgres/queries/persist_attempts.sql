-- Archives a batch of checkout attempts and moves their cursor.
-- $1 sale, $2 cursor before, $3 cursor after, $4 ids, $5 codes, $6 users, $7 lines.
-- Returns whether the cursor was at $2; if not, nothing is written.
WITH moved AS (
    UPDATE attempt_cursors SET last_id = $3
    WHERE sale = (SELECT key FROM sales WHERE id = $1) AND last_id = $2
    RETURNING sale
), attempted AS (
    INSERT INTO checkout_attempts (sale, attempt_id, code, user_id, lines)
    SELECT moved.sale, a.*
    FROM moved
    CROSS JOIN unnest($4::bigint[], $5::bytea[], $6::text[], $7::text[]) AS a
)
SELECT EXISTS (SELECT FROM moved) AS "moved!"
