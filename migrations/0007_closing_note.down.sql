ALTER TABLE payments DROP COLUMN closing_note;
