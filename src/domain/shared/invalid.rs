//! A value from outside that breaks a rule.

use std::borrow::Cow;

/// A value from outside that breaks a rule. The message is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(Cow<'static, str>);

impl Invalid {
    /// An error with this message. A message with a limit in it is built from [`limits`](super::limits).
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Invalid(message.into())
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.0
    }
}
