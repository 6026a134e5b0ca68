-- The fate of each purchase in a sale with a payment window. Everything else about an order is its purchase. The
-- statement that archives the purchase writes the row.
CREATE TABLE orders (
    ledger_id   bigint      NOT NULL,
    sale        integer     NOT NULL,
    -- Raised by each change, which names the version that it is made to.
    version     integer     NOT NULL DEFAULT 1,
    status      text        NOT NULL
        CHECK (status IN ('RESERVED', 'PAYMENT_PENDING', 'PAID', 'CANCELLED', 'EXPIRED')),
    -- The end of the order by itself, by the clock of PostgreSQL.
    deadline    timestamptz,
    -- The time by which it must be paid.
    pay_by      timestamptz NOT NULL,
    -- Of an end without payment.
    reason      text
        CHECK (reason IN ('USER_CANCEL', 'ADMIN', 'PAYMENT_FAILED', 'RESERVATION_TTL', 'PAYMENT_TTL')),
    finished_at timestamptz,
    -- The time at which the release of its units was archived.
    returned_at timestamptz,
    -- Payments that were declined.
    declines    smallint    NOT NULL DEFAULT 0,
    -- The words of the person who cancelled it.
    note        text,
    PRIMARY KEY (sale, ledger_id),
    CONSTRAINT orders_end_once CHECK ((deadline IS NULL) = (status IN ('PAID', 'CANCELLED', 'EXPIRED'))),
    CONSTRAINT orders_finished_at_the_end CHECK ((finished_at IS NULL) = (deadline IS NOT NULL)),
    CONSTRAINT orders_have_a_reason CHECK ((reason IS NOT NULL) = (status IN ('CANCELLED', 'EXPIRED'))),
    -- No unit is free while its order can still be paid, or has been.
    CONSTRAINT orders_return_after_their_end CHECK (returned_at IS NULL OR status IN ('CANCELLED', 'EXPIRED'))
);

CREATE INDEX orders_open ON orders (sale, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX orders_unreturned ON orders (finished_at)
    WHERE status IN ('CANCELLED', 'EXPIRED') AND returned_at IS NULL;

-- Work that one instance does at a time. Each claim by another holder raises the token, which every write of that work
-- checks: a holder that slept through its time is refused.
CREATE TABLE leases (
    name   text        PRIMARY KEY,
    token  bigint      NOT NULL,
    holder bigint      NOT NULL,
    until  timestamptz NOT NULL
);
