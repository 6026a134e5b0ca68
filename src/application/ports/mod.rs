//! What the use cases need of the outside world. The doc comments are the contracts.

mod archive;
mod ledger;
mod stock;

pub use archive::*;
pub use ledger::*;
pub use stock::*;

/// Why a store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Redis does not hold the state of this epoch. Nothing was done.
    #[error("Redis does not hold the state of the current epoch")]
    Fenced,
    /// A bound is reached. Nothing was done.
    #[error("{0}")]
    Busy(&'static str),
    /// No answer. Whether the operation happened is not known.
    #[error("the store did not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An answer that no version of this service gives. Whether the operation happened is not known.
    #[error("the store answered something unreadable: {0}")]
    Corrupt(String),
}

/// An operation that was refused by the rules, or could not be decided.
#[derive(Debug)]
pub enum Declined<Refusal> {
    Refused(Refusal),
    Failed(StoreError),
}

impl<Refusal> From<StoreError> for Declined<Refusal> {
    fn from(error: StoreError) -> Self {
        Declined::Failed(error)
    }
}
