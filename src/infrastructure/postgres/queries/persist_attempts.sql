-- Archives a batch of checkout attempts and moves their cursor.
-- $1 sale, $2 cursor before, $3 cursor after, $4 ids, $5 codes, $6 users, $7 lines, $8 times.
-- Returns whether the cursor was at $2; if not, nothing is written.
WITH moved AS (
    UPDATE attempt_cursors SET last_id = $3, updated_at = now()
    WHERE sale_id = $1 AND last_id = $2
    RETURNING sale_id
), attempted AS (
    INSERT INTO checkout_attempts (sale_id, attempt_id, code, user_id, lines, attempted_at)
    SELECT moved.sale_id, a.*
    FROM moved
    CROSS JOIN unnest($4::bigint[], $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[]) AS a
)
SELECT EXISTS (SELECT FROM moved) AS "moved!"
