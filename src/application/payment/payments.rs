//! The payments of orders.

use std::sync::Arc;
use std::time::Duration;

use crate::application::ordering::Orders;

use super::ports::{PaymentArchive, Provider};

/// The use cases of the payment context.
pub struct Payments {
    pub(super) archive: Arc<dyn PaymentArchive>,
    pub(super) provider: Arc<dyn Provider>,
    pub orders: Arc<Orders>,
    /// Longest time in which a payment may be pending.
    pub(super) patience: Duration,
}

impl Payments {
    /// Payments of these orders through this provider.
    pub fn new(
        archive: Arc<dyn PaymentArchive>,
        provider: Arc<dyn Provider>,
        orders: Arc<Orders>,
        patience: Duration,
    ) -> Self {
        Payments { archive, provider, orders, patience }
    }
}
