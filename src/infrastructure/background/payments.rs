//! Asks the provider what became of payments.

use std::sync::Arc;
use std::time::Duration;

use crate::application::payment::Payments;

use super::log;
use super::orders::rest;

/// Pause after an error.
const AFTER_ERROR: Duration = Duration::from_millis(500);

pub async fn reconcile(payments: Arc<Payments>) {
    loop {
        let result = payments.reconcile().await;
        let pause = *result.as_ref().unwrap_or(&AFTER_ERROR);
        log(result, "what became of payments could not be found out and is tried again");
        rest(&payments.orders, pause).await;
    }
}
