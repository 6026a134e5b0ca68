//! Payments: attempts to pay an order through a provider.
//!
//! Each attempt has one intent at the provider, which captures money at most once. What the provider says decides; a
//! provider that says nothing has decided nothing.

mod amount;
mod attempt;
mod names;
mod settlement;

pub use amount::MinorUnits;
pub use attempt::{Attempt, AttemptState, Closing};
pub use names::{EventId, IntentId, PaymentMethod};
pub use settlement::{IntentState, Settlement};
