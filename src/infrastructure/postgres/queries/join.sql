-- Gives users their numbers in a waiting room, whose row this transaction has locked.
-- $1 key of the sale, $2 users, each once. Returns the number of each user, old or new.
WITH wanted AS (
    SELECT user_id, place FROM unnest($2::text[]) WITH ORDINALITY AS wanted (user_id, place)
), known AS (
    SELECT entry.user_id, entry.join_number
    FROM wanted JOIN queue_entries AS entry ON entry.sale = $1 AND entry.user_id = wanted.user_id
), joined AS (
    INSERT INTO queue_entries (sale, user_id, join_number)
    SELECT $1, user_id, entrants + row_number() OVER (ORDER BY place)
    FROM wanted CROSS JOIN waiting_rooms
    WHERE sale = $1 AND NOT EXISTS (SELECT FROM known WHERE known.user_id = wanted.user_id)
    RETURNING user_id, join_number
), raised AS (
    UPDATE waiting_rooms SET entrants = entrants + (SELECT count(*) FROM joined)
    WHERE sale = $1 AND EXISTS (SELECT FROM joined)
)
SELECT user_id AS "user_id!", join_number AS "join_number!" FROM known
UNION ALL
SELECT user_id, join_number FROM joined
