-- The two tables of a purchase have no foreign keys: one statement writes a batch to both, moves the cursor of the sale,
-- and takes price, stock and limit from the items and the sale.

CREATE TABLE purchases (
    sale_id      text          NOT NULL,
    -- The Redis Stream id: milliseconds * 2^20 + sequence.
    ledger_id    bigint        NOT NULL,
    code         text          NOT NULL,
    user_id      text          NOT NULL,
    -- The request id of a purchase without a cart.
    request_id   text,
    units        integer       NOT NULL CHECK (units > 0),
    total        numeric(14,2) NOT NULL CHECK (total >= 0),
    -- The lines that a partial purchase did not get: [{"ordinal":42,"quantity":1}].
    missed       jsonb         NOT NULL,
    purchased_at timestamptz   NOT NULL,
    PRIMARY KEY (sale_id, ledger_id),
    CONSTRAINT purchases_one_per_code UNIQUE (sale_id, code)
);

CREATE UNIQUE INDEX purchases_one_per_request ON purchases (sale_id, user_id, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX purchases_by_user ON purchases (user_id, ledger_id);

-- The last word on what is sold, whatever Redis says: no unit twice, none that does not exist, no user over the limit.
CREATE TABLE purchase_units (
    sale_id    text          NOT NULL,
    ordinal    integer       NOT NULL,
    unit       integer       NOT NULL,
    user_id    text          NOT NULL,
    slot       integer       NOT NULL,
    ledger_id  bigint        NOT NULL,
    price      numeric(14,2) NOT NULL,
    stock      integer       NOT NULL,
    user_limit integer       NOT NULL,
    PRIMARY KEY (sale_id, ordinal, unit),
    CONSTRAINT purchase_units_one_per_slot UNIQUE (sale_id, user_id, slot),
    CONSTRAINT purchase_units_in_stock CHECK (unit BETWEEN 1 AND stock),
    CONSTRAINT purchase_units_in_limit CHECK (slot BETWEEN 1 AND user_limit)
);

CREATE INDEX purchase_units_by_purchase ON purchase_units (sale_id, ledger_id);

-- A purchase as the ledger records it. Slots are filled in the order of the cart. A purchase that lost units shows:
-- unit_count is the number that it was written with.
CREATE VIEW recorded_purchases AS
SELECT p.sale_id, p.ledger_id, p.code, p.user_id, p.request_id, p.missed, p.purchased_at, p.units AS unit_count,
       array_agg(u.ordinal ORDER BY u.slot) FILTER (WHERE u.slot IS NOT NULL) AS ordinals,
       array_agg(u.unit ORDER BY u.slot) FILTER (WHERE u.slot IS NOT NULL) AS units,
       array_agg(u.slot ORDER BY u.slot) FILTER (WHERE u.slot IS NOT NULL) AS slots
FROM purchases p
LEFT JOIN purchase_units u ON u.sale_id = p.sale_id AND u.ledger_id = p.ledger_id
GROUP BY p.sale_id, p.ledger_id;
