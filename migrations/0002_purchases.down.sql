DROP VIEW recorded_purchases;
DROP TABLE purchase_units;
DROP TABLE purchases;
