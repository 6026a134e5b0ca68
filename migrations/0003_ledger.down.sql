DROP TABLE dead_letters;
DROP TABLE ledger_cursors;
DROP TABLE epoch;
