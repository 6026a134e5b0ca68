//! Changes that lose against other changes of their order.

use crate::application::shared::StoreError;

/// Attempts to change an order that changes at the same time.
pub const ATTEMPTS: usize = 5;

/// The answer to a change that lost each time.
pub const CONTENDED: StoreError = StoreError::Busy("the order changed at the same time");
