-- The words of the person who cancels an order whose payment is being cancelled first.
ALTER TABLE payments ADD COLUMN closing_note text;
