-- The checkouts that changed a cart. The cursor makes each of them one row; nothing looks one up, so there is no index.
CREATE TABLE checkout_attempts (
    -- The Redis Stream id: milliseconds * 2^20 + sequence. The milliseconds are the time of the attempt.
    attempt_id bigint  NOT NULL,
    sale       integer NOT NULL,
    -- The 16 random bytes of the checkout code.
    code       bytea   NOT NULL,
    user_id    text    NOT NULL,
    -- Item and quantity of each line: 42:1,43:2.
    lines      text    NOT NULL
);

-- Counts of refused checkouts: in a rush there are too many to store one by one.
CREATE TABLE refused_attempts (
    sale    integer     NOT NULL,
    second  timestamptz NOT NULL,
    reason  text        NOT NULL,
    count   bigint      NOT NULL CHECK (count > 0),
    PRIMARY KEY (sale, second, reason)
);

-- The progress of archiving the attempts of each sale: the id of the last archived one. Separate from the cursor of the
-- ledger, so that purchases never wait for attempts.
CREATE TABLE attempt_cursors (
    sale    integer PRIMARY KEY REFERENCES sales ON DELETE CASCADE,
    last_id bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
