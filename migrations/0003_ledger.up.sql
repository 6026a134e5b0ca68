-- The newest epoch. Raised by each recovery.
CREATE TABLE epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number   bigint  NOT NULL CHECK (number >= 0)
);

INSERT INTO epoch (number) VALUES (0);

-- The progress of archiving each ledger.
CREATE TABLE ledger_cursors (
    sale         integer PRIMARY KEY REFERENCES sales ON DELETE CASCADE,
    -- The id of the last archived entry.
    last_id      bigint  NOT NULL DEFAULT 0,
    -- The epoch of the sale. Nothing that was decided in an older one is written.
    epoch        bigint  NOT NULL,
    -- A recovery of this epoch has begun, and not ended.
    is_restoring boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- Ledger entries that these tables rejected.
CREATE TABLE rejected_entries (
    sale        integer     NOT NULL REFERENCES sales ON DELETE CASCADE,
    ledger_id   bigint      NOT NULL,
    reason      text        NOT NULL CHECK (reason IN ('unit_sold', 'slot_filled', 'invalid')),
    -- The message of PostgreSQL.
    message     text        NOT NULL,
    entry       text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- The time at which its units became free again in Redis.
    released_at timestamptz,
    PRIMARY KEY (sale, ledger_id)
);
