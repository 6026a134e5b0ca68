//! The payments of orders.

use std::sync::Arc;
use std::time::Duration;

use crate::application::ordering::{OrderView, Orders};
use crate::application::shared::StoreError;
use crate::domain::payment::Attempt;
use crate::domain::shared::Claim;

use super::ports::{CircuitState, PaymentArchive, Provider};

/// The use cases of the payment context.
pub struct Payments {
    /// For requests: a flood of them takes nothing from the work that needs `work`.
    pub(super) archive: Arc<dyn PaymentArchive>,
    /// For background tasks.
    pub(super) work: Arc<dyn PaymentArchive>,
    pub(super) provider: Arc<dyn Provider>,
    pub orders: Arc<Orders>,
    pub(super) times: PaymentTimes,
}

/// The times of payments.
#[derive(Debug, Clone, Copy)]
pub struct PaymentTimes {
    /// Longest time in which a payment may be pending.
    pub patience: Duration,
    /// Time after which the provider is asked what became of a payment.
    pub ask_after: Duration,
    /// Time for which the provider may be silent or undecided about a payment that is to be cancelled. Then the order ends
    /// without it, and money that comes later is given back.
    pub silence: Duration,
}

impl Payments {
    /// Payments of these orders through this provider.
    pub fn new(
        archive: Arc<dyn PaymentArchive>,
        work: Arc<dyn PaymentArchive>,
        provider: Arc<dyn Provider>,
        orders: Arc<Orders>,
        times: PaymentTimes,
    ) -> Self {
        Payments { archive, work, provider, orders, times }
    }

    /// Returns the order of a checkout code, and the latest attempt to pay it.
    pub async fn by_code(&self, claim: impl Into<Claim>) -> Result<Option<(OrderView, Option<Attempt>)>, StoreError> {
        let Some(view) = self.orders.by_code(claim).await? else { return Ok(None) };
        Ok(Some(match self.archive.latest(view.order.id).await? {
            // Both are of the same moment.
            Some((order, attempt)) => (OrderView { order, ..view }, Some(attempt)),
            None => (view, None),
        }))
    }

    /// Returns the state of the circuit to the provider; `None` without a provider.
    pub fn circuit(&self) -> Option<CircuitState> {
        self.provider.circuit()
    }
}
