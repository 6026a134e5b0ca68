DROP VIEW purchase_records;
DROP TABLE purchase_units;
DROP TABLE purchases;
