//! The log of accepted checkouts.

use async_trait::async_trait;

use crate::application::shared::StoreError;
use crate::domain::sale::CartLine;
use crate::domain::shared::{CheckoutCode, LedgerId, SaleId, UserId};

/// An accepted checkout that waits for the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub id: LedgerId,
    pub code: CheckoutCode,
    pub user: UserId,
    pub lines: Vec<CartLine>,
}

/// Attempts read from the log.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    /// The attempts that could be read.
    pub readable: Vec<Attempt>,
    /// The id of the last one, readable or not; `None` if there is none.
    pub last: Option<LedgerId>,
    /// The number of attempts, readable or not.
    pub count: usize,
    /// The log may hold more after these.
    pub more: bool,
}

/// Reads and trims the log of accepted checkouts.
#[async_trait]
pub trait AttemptLog: Send + Sync {
    /// Reads up to `max` attempts after `after`, in order.
    async fn read_attempts(&self, sale: SaleId, after: LedgerId, max: usize) -> Result<Attempts, StoreError>;

    /// Counts the attempts in the log.
    async fn count_attempts(&self, sale: SaleId) -> Result<usize, StoreError>;

    /// Removes attempts up to and including `archived`.
    async fn trim_attempts(&self, sale: SaleId, archived: LedgerId) -> Result<(), StoreError>;
}
