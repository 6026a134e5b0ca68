//! Errors with their causes.

use std::error::Error;
use std::fmt;

/// Displays an error with its chain of sources.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        std::iter::successors(self.0.source(), |error| (*error).source()).try_for_each(|error| write!(f, ": {error}"))
    }
}
