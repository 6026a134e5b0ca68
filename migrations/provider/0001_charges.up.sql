-- The database of `flashsale provider`: a schema of its own, so that it can share a server, and even a database, with
-- anything else.

CREATE TABLE provider.intents (
    id         text        PRIMARY KEY,
    order_id   text        NOT NULL,
    -- In minor units of the currency.
    amount     bigint      NOT NULL CHECK (amount > 0),
    currency   text        NOT NULL,
    status     text        NOT NULL CHECK (status IN
        ('requires_confirmation', 'requires_payment_method', 'processing', 'succeeded', 'canceled')),
    last_error text,
    -- Declined confirmations.
    declines   integer     NOT NULL DEFAULT 0,
    -- Only a charge can be refunded, and only whole.
    refunded   bigint      NOT NULL DEFAULT 0 CHECK (refunded = 0 OR (refunded = amount AND status = 'succeeded')),
    -- The end of `processing`.
    settles_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((settles_at IS NOT NULL) = (status = 'processing'))
);

CREATE INDEX intents_by_order ON provider.intents (order_id, created_at);
CREATE INDEX intents_to_settle ON provider.intents (settles_at) WHERE settles_at IS NOT NULL;

-- The answers by idempotency key. A row is written by the transaction that it answers.
CREATE TABLE provider.answers (
    key        text        PRIMARY KEY,
    -- The request in a form of its own: the same for the same meaning.
    request    text        NOT NULL,
    status     smallint    NOT NULL,
    body       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The faults of deliveries and of pm_flaky are decided from the seed and these numbers.
CREATE SEQUENCE provider.event_numbers;
CREATE SEQUENCE provider.flaky_numbers;

-- The outbox of webhooks. A row is written by the transaction that it tells of.
CREATE TABLE provider.events (
    number    bigint      PRIMARY KEY,
    -- The bytes that are signed and sent.
    body      text        NOT NULL,
    -- Deliveries that an acknowledgement must still follow: 0 after the last one, and for a lost event from the start.
    copies    smallint    NOT NULL CHECK (copies >= 0),
    is_lost   boolean     NOT NULL,
    attempts  integer     NOT NULL DEFAULT 0,
    -- The next attempt; while one is under way, the time at which it is taken for failed.
    due_at    timestamptz NOT NULL
);

CREATE INDEX events_to_deliver ON provider.events (due_at) WHERE copies > 0;
