-- Takes the pass of a place that was called, or notes that its owner wants a new one.
-- $1 sale, $2 place, $3 seconds. Returns its end, and if it is valid.
UPDATE passes
SET expires_at = CASE WHEN is_claimed OR expires_at <= at THEN expires_at ELSE at + make_interval(secs => $3) END,
    is_claimed = is_claimed OR expires_at > at,
    is_wanted = expires_at <= at
FROM (SELECT clock_timestamp() AS at) AS moment
WHERE sale = (SELECT key FROM sales WHERE id = $1) AND place = $2
RETURNING expires_at, expires_at > at AS "is_valid!"
