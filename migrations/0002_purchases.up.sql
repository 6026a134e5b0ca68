-- The tables of a purchase have no foreign keys: one statement writes a batch to both, moves the cursor of the sale,
-- and checks units and slots against the items and the sale. Every byte and every index costs each purchase, so nothing
-- stands here that follows from another column, and the columns are in an order that needs no padding.

CREATE TABLE purchases (
    -- The Redis Stream id: milliseconds * 2^20 + sequence. The milliseconds are the time of the purchase.
    ledger_id  bigint           NOT NULL,
    sale       integer          NOT NULL,
    -- Number of its rows in purchase_units when it was written.
    units      smallint         NOT NULL,
    -- The 16 random bytes of the checkout code.
    code       bytea            NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    -- The request id of a purchase without a cart.
    request_id text COLLATE "C",
    -- The lines that a partial purchase did not get: [{"ordinal":42,"quantity":1}].
    missed     jsonb,
    PRIMARY KEY (sale, ledger_id),
    CONSTRAINT purchases_one_per_code UNIQUE (sale, code)
);

CREATE UNIQUE INDEX purchases_one_per_request ON purchases (sale, user_id, request_id) WHERE request_id IS NOT NULL;

-- The last word on what is sold, whatever Redis says: no unit twice, no user over the limit. The statement that writes a
-- row sets the ordinal, unit or slot to NULL if the sale has no such item, unit or slot.
CREATE TABLE purchase_units (
    ledger_id bigint           NOT NULL,
    sale      integer          NOT NULL,
    ordinal   integer          NOT NULL,
    unit      integer          NOT NULL,
    slot      smallint         NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    PRIMARY KEY (sale, ordinal, unit),
    -- Led by the user, so that it also finds the units of a purchase and the purchases of a user.
    CONSTRAINT purchase_units_one_per_slot UNIQUE (user_id, sale, slot)
);

-- The units that a committed purchase gave back. One statement moves them here from purchase_units, so each is in one of
-- the two tables, and a purchase is released once.
CREATE TABLE released_units (
    ledger_id  bigint           NOT NULL,
    -- The ledger id of the release.
    release_id bigint           NOT NULL,
    sale       integer          NOT NULL,
    -- NULL, which the table rejects, for the release of a purchase that owns nothing.
    ordinal    integer          NOT NULL,
    unit       integer          NOT NULL,
    slot       smallint         NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    reason     text             NOT NULL CHECK (reason IN ('void', 'cancelled', 'expired')),
    -- The words of the operator who voided the purchase.
    note       text,
    PRIMARY KEY (sale, ledger_id, slot)
);

CREATE INDEX released_units_by_release ON released_units (sale, release_id);
CREATE INDEX released_units_by_user ON released_units (user_id, sale);

-- A purchase as the ledger records it, released or not. Slots are filled in the order of the cart. A purchase that lost
-- units shows: unit_count is the number that it was written with.
CREATE VIEW recorded_purchases AS
SELECT sale, ledger_id, code, user_id, request_id, missed, units AS unit_count,
       (SELECT json_agg(json_build_object('ordinal', ordinal, 'unit', unit, 'slot', slot) ORDER BY slot)
        FROM (
            SELECT ordinal, unit, slot
            FROM purchase_units
            WHERE user_id = purchases.user_id AND sale = purchases.sale AND ledger_id = purchases.ledger_id
            UNION ALL
            SELECT ordinal, unit, slot
            FROM released_units
            WHERE sale = purchases.sale AND ledger_id = purchases.ledger_id
        ) AS bought) AS units
FROM purchases;
