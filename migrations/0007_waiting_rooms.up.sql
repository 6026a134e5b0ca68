-- The service refuses checkouts and purchases of such a sale to users whose place was not called.
ALTER TABLE sales ADD COLUMN waiting_room boolean NOT NULL DEFAULT false;

-- The state of a waiting room. Every statement that gives numbers or calls places locks the row first.
CREATE TABLE waiting_rooms (
    sale       integer PRIMARY KEY,
    -- All places follow from it. Its hash is public from the start, the secret itself after the draw.
    secret     bytea   NOT NULL CHECK (length(secret) = 32),
    -- Users who have joined. They have the numbers 1 to this one.
    entrants   bigint  NOT NULL DEFAULT 0 CHECK (entrants >= 0),
    -- Users who had joined when the sale started. Their places are drawn; NULL before.
    drawn      bigint  CHECK (drawn <= entrants),
    -- Places that were called: 1 to this one.
    called     bigint  NOT NULL DEFAULT 0 CHECK (called BETWEEN 0 AND entrants),
    -- Places that may be called in a second.
    rate       integer NOT NULL CHECK (rate >= 0),
    -- Passes that may be out at once.
    active_max integer NOT NULL CHECK (active_max >= 0),
    is_paused  boolean NOT NULL DEFAULT false,
    -- The words of the operator for all who wait.
    message    text,
    -- The time up to which the rate is used.
    called_at  timestamptz,
    CONSTRAINT waiting_rooms_call_after_the_draw CHECK (called = 0 OR drawn IS NOT NULL)
);

-- Without a foreign key, like all rows that come in a rush.
CREATE TABLE queue_entries (
    sale        integer          NOT NULL,
    join_number bigint           NOT NULL CHECK (join_number > 0),
    user_id     text COLLATE "C" NOT NULL,
    joined_at   timestamptz      NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sale, user_id),
    UNIQUE (sale, join_number)
);

-- One for each place that was called.
CREATE TABLE passes (
    sale        integer     NOT NULL,
    place       bigint      NOT NULL CHECK (place > 0),
    expires_at  timestamptz NOT NULL,
    -- Its owner has taken it.
    is_claimed  boolean     NOT NULL DEFAULT false,
    -- Its owner has bought with it.
    is_used     boolean     NOT NULL DEFAULT false,
    -- It has expired, and its owner waits for a new one.
    is_wanted   boolean     NOT NULL DEFAULT false,
    extensions  smallint    NOT NULL DEFAULT 0,
    PRIMARY KEY (sale, place)
);

CREATE INDEX passes_out ON passes (sale, expires_at) WHERE NOT is_used;
CREATE INDEX passes_wanted ON passes (sale, place) WHERE is_wanted;
