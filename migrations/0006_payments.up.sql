-- Attempts to pay an order. Each has one intent at the payment provider.
CREATE TABLE payments (
    ledger_id     bigint      NOT NULL,
    sale          integer     NOT NULL,
    attempt       smallint    NOT NULL CHECK (attempt > 0),
    state         text        NOT NULL DEFAULT 'PENDING'
        CHECK (state IN ('PENDING', 'SUCCEEDED', 'DECLINED', 'CANCELLED', 'REFUNDING', 'REFUNDED')),
    -- The name of the intent, once it is known.
    intent        text COLLATE "C" UNIQUE,
    method        text        NOT NULL,
    -- In minor units of the currency.
    amount        bigint      NOT NULL CHECK (amount > 0),
    -- The event of the order that waits until the intent is cancelled, and the time since which.
    closing       text,
    closing_since timestamptz,
    -- The words of the person who cancels it.
    closing_note  text,
    -- The time at which to ask the provider what became of it.
    look_at       timestamptz NOT NULL,
    begun_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at    timestamptz,
    PRIMARY KEY (sale, ledger_id, attempt),
    CONSTRAINT payments_close_since CHECK ((closing IS NULL) = (closing_since IS NULL))
);

CREATE INDEX payments_unsettled ON payments (look_at) WHERE state IN ('PENDING', 'REFUNDING');

-- An order is paid once, and one payment is under way at a time.
CREATE UNIQUE INDEX payments_succeed_once ON payments (sale, ledger_id) WHERE state IN ('PENDING', 'SUCCEEDED');

-- Events that the provider told. Each counts once.
CREATE TABLE payment_events (
    id         text COLLATE "C" PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
