-- Claims work, or extends the claim of the same holder. $1 work, $2 holder, $3 seconds.
-- Returns the token, or no row while another holder has it. A claim that had run out gets a new token.
INSERT INTO leases (name, token, holder, until)
VALUES ($1, 1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (name) DO UPDATE SET
    token = leases.token + CASE WHEN leases.until > clock_timestamp() THEN 0 ELSE 1 END,
    holder = EXCLUDED.holder,
    until = EXCLUDED.until
WHERE leases.holder = EXCLUDED.holder OR leases.until <= clock_timestamp()
RETURNING token
