DROP TABLE rejected_entries;
DROP TABLE ledger_cursors;
DROP TABLE epoch;
