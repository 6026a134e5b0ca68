-- Every checkout that changed a cart.
CREATE TABLE checkout_attempts (
    sale_id      text        NOT NULL,
    -- The Redis Stream id: milliseconds * 2^20 + sequence.
    attempt_id   bigint      NOT NULL,
    code         text        NOT NULL,
    user_id      text        NOT NULL,
    -- [{"ordinal":42,"quantity":1}]
    lines        jsonb       NOT NULL,
    attempted_at timestamptz NOT NULL,
    PRIMARY KEY (sale_id, attempt_id)
);

-- Checkouts that were refused: they come in floods, so they are counted.
CREATE TABLE refused_attempts (
    sale_id text        NOT NULL,
    second  timestamptz NOT NULL,
    reason  text        NOT NULL,
    count   bigint      NOT NULL CHECK (count > 0),
    PRIMARY KEY (sale_id, second, reason)
);

-- How far the attempts of each sale are archived: the id of the last one. Apart from the cursor of the ledger, so
-- that purchases never wait for attempts.
CREATE TABLE attempt_cursors (
    sale_id    text        PRIMARY KEY REFERENCES sales ON DELETE CASCADE,
    last_id    bigint      NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
