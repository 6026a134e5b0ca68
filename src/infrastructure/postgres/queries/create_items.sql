-- Creates items of a sale.
-- $1 sale, $2 ordinals, $3 names, $4 image_urls, $5 prices, $6 stocks.
INSERT INTO items (sale, ordinal, name, image_url, price, stock)
SELECT $1::integer, item.*
FROM unnest($2::integer[], $3::text[], $4::text[], $5::numeric[], $6::integer[]) AS item
