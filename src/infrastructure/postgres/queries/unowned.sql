-- The units of a rejected purchase that nobody owns, and its slots that are empty.
-- $1 sale, $2 user, $3 ordinals, $4 units, $5 slots.
SELECT refused.ordinal AS "ordinal!", refused.unit AS "unit!", refused.slot AS "slot!",
       (owned.unit IS NULL AND items.ordinal IS NOT NULL) AS "unit_is_free!",
       filled.slot IS NULL AS "slot_is_empty!"
FROM unnest($3::integer[], $4::integer[], $5::integer[]) AS refused (ordinal, unit, slot)
JOIN sales ON sales.id = $1
LEFT JOIN items ON items.sale = sales.key AND items.ordinal = refused.ordinal AND refused.unit BETWEEN 1 AND items.stock
LEFT JOIN purchase_units owned
    ON owned.sale = sales.key AND owned.ordinal = refused.ordinal AND owned.unit = refused.unit
LEFT JOIN purchase_units filled
    ON filled.sale = sales.key AND filled.user_id = $2 AND filled.slot = refused.slot
