-- Raised by each recovery. What was decided in an older epoch is not written any more.
CREATE TABLE epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number   bigint  NOT NULL CHECK (number >= 0)
);

INSERT INTO epoch (number) VALUES (0);

-- How far the ledger of each sale is archived: the id of the last entry.
CREATE TABLE ledger_cursors (
    sale_id    text        PRIMARY KEY REFERENCES sales ON DELETE CASCADE,
    last_id    bigint      NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Ledger entries that these tables refused.
CREATE TABLE dead_letters (
    sale_id     text        NOT NULL REFERENCES sales ON DELETE CASCADE,
    ledger_id   bigint      NOT NULL,
    rejection   text        NOT NULL CHECK (rejection IN ('unit_sold', 'slot_filled', 'invalid')),
    reason      text        NOT NULL,
    entry       text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- When its units were made free again in Redis.
    released_at timestamptz,
    PRIMARY KEY (sale_id, ledger_id)
);
