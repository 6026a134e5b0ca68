//! The payments of orders.

use std::sync::Arc;
use std::time::Duration;

use crate::application::ordering::Orders;

use super::ports::{CircuitState, PaymentArchive, Provider};

/// The use cases of the payment context.
pub struct Payments {
    pub(super) archive: Arc<dyn PaymentArchive>,
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
    /// Time for which the provider may be silent about a payment that is to be cancelled. Then the order ends without it,
    /// and money that comes later is given back.
    pub silence: Duration,
}

impl Payments {
    /// Payments of these orders through this provider.
    pub fn new(
        archive: Arc<dyn PaymentArchive>,
        provider: Arc<dyn Provider>,
        orders: Arc<Orders>,
        times: PaymentTimes,
    ) -> Self {
        Payments { archive, provider, orders, times }
    }

    /// Returns the state of the circuit to the provider; `None` without a provider.
    pub fn circuit(&self) -> Option<CircuitState> {
        self.provider.circuit()
    }
}
