-- Takes an advisory lock for the session. $1 name, $2 idle_session_timeout of the session if it has the lock.
-- One statement: a session that has the lock never lacks the timeout.
SELECT CASE
    WHEN pg_try_advisory_lock(hashtextextended($1, 0)) THEN set_config('idle_session_timeout', $2, false) IS NOT NULL
    ELSE false
END AS "locked!"
