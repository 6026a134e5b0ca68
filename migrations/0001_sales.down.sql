DROP TABLE items;
DROP TABLE sales;
DROP EXTENSION btree_gist;
