-- Moves a waiting room on, whose row this transaction has locked: no other one calls places or gives numbers meanwhile.
-- $1 key of the sale, $2 the sale has started, $3 places may be called, $4 units left, $5 places whose passes were used,
-- $6 seconds of a pass until it is taken, $7 seconds for which a pass still counts after its end: a statement that takes or
-- prolongs it may be under way. Returns the state.
--
-- Invariants: at most least(active_max, units left) passes are out when a place is called, and between any two times at most
-- rate * (seconds between them + 1) places are called.
WITH moment AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), used AS (
    UPDATE passes SET is_used = true WHERE sale = $1 AND place = ANY ($5::bigint[]) AND NOT is_used
), room AS MATERIALIZED (
    SELECT waiting_rooms.*, at,
           coalesce(drawn, CASE WHEN $2 AND at >= starts_at THEN entrants END) AS drawn_now,
           -- Unused calls of more than a second are lost.
           greatest(coalesce(called_at, at), at - interval '1 second') AS rated_from
    FROM waiting_rooms JOIN sales ON key = sale CROSS JOIN moment
    WHERE sale = $1
), counted AS MATERIALIZED (
    SELECT count(*) FILTER (WHERE expires_at > at - make_interval(secs => $7)) AS held,
           count(*) FILTER (WHERE expires_at > at) AS valid
    FROM passes CROSS JOIN moment
    WHERE sale = $1 AND NOT is_used AND place <> ALL ($5::bigint[]) AND expires_at > at - make_interval(secs => $7)
), free AS MATERIALIZED (
    SELECT CASE WHEN $3 AND NOT is_paused AND drawn_now IS NOT NULL
                THEN greatest(least(active_max, $4::bigint) - held, 0) ELSE 0 END AS passes
    FROM room CROSS JOIN counted
), again AS (
    -- A turn that was missed comes first. One that was taken comes again after all who have not had theirs.
    UPDATE passes
    SET expires_at = at + make_interval(secs => $6), is_claimed = false, is_used = false, is_wanted = false
    FROM moment
    WHERE sale = $1 AND place IN (
        SELECT place FROM passes AS missed
        WHERE missed.sale = $1 AND is_wanted AND expires_at <= at - make_interval(secs => $7)
          AND (NOT is_claimed OR (SELECT called = entrants FROM room))
        ORDER BY place LIMIT (SELECT passes FROM free)
    )
    RETURNING place
), further AS MATERIALIZED (
    SELECT greatest(least(
               (SELECT passes FROM free) - (SELECT count(*) FROM again),
               entrants - called,
               floor(rate * extract(epoch FROM at - rated_from))
           ), 0)::bigint AS places
    FROM room
), new AS (
    INSERT INTO passes (sale, place, expires_at)
    SELECT $1, generate_series(called + 1, called + places), at + make_interval(secs => $6)
    FROM room CROSS JOIN further
    RETURNING place
), moved AS (
    UPDATE waiting_rooms
    SET drawn = drawn_now, called = waiting_rooms.called + places,
        called_at = CASE WHEN room.rate > 0 THEN rated_from + make_interval(secs => places::float8 / room.rate)
                         ELSE rated_from END
    FROM room CROSS JOIN further
    WHERE waiting_rooms.sale = room.sale AND drawn_now IS NOT NULL
      AND (places > 0 OR room.drawn IS NULL)
)
SELECT secret, entrants, drawn_now AS drawn, called + places AS "called!", rate, active_max, is_paused, message,
       valid + (SELECT count(*) FROM new) + (SELECT count(*) FROM again) AS "passes!", at AS "now!"
FROM room CROSS JOIN further CROSS JOIN counted
