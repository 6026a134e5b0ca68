-- The checkouts that changed a cart.
CREATE TABLE checkout_attempts (
    sale_id      text        NOT NULL,
    -- The Redis Stream id: milliseconds * 2^20 + sequence.
    attempt_id   bigint      NOT NULL,
    code         text        NOT NULL,
    user_id      text        NOT NULL,
    -- [{"ordinal":42,"quantity":1}]
    lines        jsonb       NOT NULL,
    attempted_at timestamptz NOT NULL
);

-- Counts of refused checkouts: in a rush there are too many to store one by one.
CREATE TABLE refused_attempts (
    sale_id text        NOT NULL,
    second  timestamptz NOT NULL,
    reason  text        NOT NULL,
    count   bigint      NOT NULL CHECK (count > 0),
    PRIMARY KEY (sale_id, second, reason)
);

-- The progress of archiving the attempts of each sale: the id of the last archived one. Separate from the cursor of the
-- ledger, so that purchases never wait for attempts.
CREATE TABLE attempt_cursors (
    sale_id    text        PRIMARY KEY REFERENCES sales ON DELETE CASCADE,
    last_id    bigint      NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
