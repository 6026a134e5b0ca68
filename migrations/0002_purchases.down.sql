DROP VIEW recorded_purchases;
DROP TABLE released_units;
DROP TABLE purchase_units;
DROP TABLE purchases;
