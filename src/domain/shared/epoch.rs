//! The epoch of the state of Redis.

use std::fmt;

/// The recovery that the state of Redis comes from. PostgreSQL keeps the number; each recovery raises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub i64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
