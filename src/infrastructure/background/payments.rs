//! Asks the provider what became of payments.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::application::payment::Payments;

use super::log;

/// Pause while nothing is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub async fn reconcile(payments: Arc<Payments>) {
    loop {
        let result = payments.reconcile().await;
        let has_more = matches!(result, Ok(true));
        log(result, "what became of payments could not be found out and is tried again");
        if !has_more {
            sleep(LOOK_EVERY).await;
        }
    }
}
