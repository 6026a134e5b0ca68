CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE sales (
    id         text        PRIMARY KEY,
    -- Created by the schedule, one per period; an administrator creates the others.
    hourly     boolean     NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    user_limit integer     NOT NULL CHECK (user_limit BETWEEN 1 AND 100),
    currency   text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    items      integer     NOT NULL CHECK (items BETWEEN 1 AND 99999),
    units      integer     NOT NULL CHECK (units BETWEEN items AND 1000000),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Set once the sale has ended and all of it is in these tables.
    closed_at  timestamptz,
    CONSTRAINT sales_end_after_start CHECK (ends_at >= starts_at),
    -- For any number of instances with any settings.
    CONSTRAINT sales_one_hourly_at_a_time EXCLUDE USING gist (tstzrange(starts_at, ends_at) WITH &&) WHERE (hourly)
);

CREATE INDEX sales_not_closed ON sales (starts_at) WHERE closed_at IS NULL;
CREATE INDEX sales_by_start ON sales (starts_at);

CREATE TABLE items (
    sale_id   text          NOT NULL REFERENCES sales ON DELETE CASCADE,
    ordinal   integer       NOT NULL CHECK (ordinal BETWEEN 1 AND 99999),
    name      text          NOT NULL CHECK (name <> ''),
    image_url text          NOT NULL,
    price     numeric(14,2) NOT NULL CHECK (price >= 0),
    stock     integer       NOT NULL CHECK (stock BETWEEN 1 AND 100000),
    PRIMARY KEY (sale_id, ordinal)
);
