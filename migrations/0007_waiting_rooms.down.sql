DROP TABLE passes;
DROP TABLE queue_entries;
DROP TABLE waiting_rooms;
ALTER TABLE sales DROP COLUMN waiting_room;
