CREATE EXTENSION IF NOT EXISTS btree_gist;

-- Text compares by its bytes, as in the service: that is faster, and every database sorts it alike.
CREATE TABLE sales (
    -- Stands for the sale in the other tables.
    key         integer          GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          text COLLATE "C" NOT NULL UNIQUE,
    -- Created by the schedule, one per period; an administrator creates the others.
    hourly      boolean          NOT NULL,
    starts_at   timestamptz      NOT NULL,
    ends_at     timestamptz      NOT NULL,
    user_limit  integer          NOT NULL CHECK (user_limit BETWEEN 1 AND 100),
    -- Seconds from a purchase until its order must be paid; NULL if the sale wants no payment.
    payment_window integer       CHECK (payment_window BETWEEN 1 AND 86400),
    currency    text             NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- The items have the ordinals 1 to this number.
    items       integer          NOT NULL CHECK (items BETWEEN 1 AND 1000000),
    units       integer          NOT NULL CHECK (units BETWEEN items AND 1000000),
    -- Every item has at least this stock, so units up to it exist without a look at the item.
    least_stock integer          NOT NULL DEFAULT 1 CHECK (least_stock BETWEEN 1 AND units),
    -- No item costs less, so an order costs something without a look at its items if this does.
    least_price numeric(14,2)    NOT NULL DEFAULT 0 CHECK (least_price >= 0),
    created_at  timestamptz      NOT NULL DEFAULT now(),
    -- Set once the sale has ended and all of it is in these tables.
    closed_at   timestamptz,
    CONSTRAINT sales_end_after_start CHECK (ends_at >= starts_at),
    -- For any number of instances with any settings.
    CONSTRAINT sales_one_hourly_at_a_time EXCLUDE USING gist (tstzrange(starts_at, ends_at) WITH &&) WHERE (hourly)
);

CREATE INDEX sales_not_closed ON sales (starts_at) WHERE closed_at IS NULL;
CREATE INDEX sales_by_start ON sales (starts_at);

-- Without a foreign key, whose trigger would cost more than the row: one transaction writes a sale and its items.
CREATE TABLE items (
    sale      integer       NOT NULL,
    ordinal   integer       NOT NULL CHECK (ordinal BETWEEN 1 AND 1000000),
    stock     integer       NOT NULL CHECK (stock BETWEEN 1 AND 100000),
    price     numeric(14,2) NOT NULL CHECK (price >= 0),
    name      text          NOT NULL CHECK (name <> ''),
    image_url text          NOT NULL,
    PRIMARY KEY (sale, ordinal)
);
