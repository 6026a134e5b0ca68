DROP TABLE provider.events;
DROP SEQUENCE provider.flaky_numbers;
DROP SEQUENCE provider.event_numbers;
DROP TABLE provider.answers;
DROP TABLE provider.intents;
