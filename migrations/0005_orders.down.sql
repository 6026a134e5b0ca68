DROP TABLE leases;
DROP TABLE orders;
