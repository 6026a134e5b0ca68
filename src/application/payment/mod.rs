//! Use cases of the payment context: paying an order, cancelling a payment, and finding out what became of one.
//!
//! A payment that times out is unknown, never declined. Whatever the provider is asked, it is asked with a key that makes
//! a repetition the same request, so money is captured at most once for an attempt and given back at most once.

mod close;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
mod pay;
mod payments;
pub mod ports;
mod reconcile;
mod settle;

pub use close::Cancellation;
pub use pay::{Paid, PayError};
pub use payments::{PaymentTimes, Payments};
