DROP TABLE attempt_cursors;
DROP TABLE refused_attempts;
DROP TABLE checkout_attempts;
