//! Failures of a store.

/// A failed operation of a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Redis does not hold the state of this epoch. Nothing was done.
    #[error("Redis does not hold the state of the current epoch")]
    Fenced,
    /// A bound is reached, or the store cannot be used at the moment. Nothing was done.
    #[error("{0}")]
    Busy(&'static str),
    /// The store did not answer. The operation may have happened.
    #[error("the store did not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store gave an answer that no version of this service writes. The operation may have happened.
    #[error("the store gave an unreadable answer: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// An unreadable answer, quoted for the log.
    pub fn corrupt(answer: impl std::fmt::Debug) -> Self {
        StoreError::Corrupt(format!("{answer:?}"))
    }
}
