//! What the tests stand on: a Redis and a database of its own for each test.

pub mod stores;
