//! Ends orders that are overdue, returns the stock of those that ended without payment, and counts all.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::application::ordering::Orders;

use super::{AFTER_ERROR, log};

/// Pause while there is nothing to do.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Interval between counts, which read the orders of all sales that are not closed.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Failures in a row after which another instance may return stock, and the pause for that: longer than the lease.
const FAILURES_MAX: u32 = 8;
const STEP_ASIDE: Duration = Duration::from_secs(7);

pub async fn expire(orders: Arc<Orders>) {
    loop {
        let result = orders.expire().await;
        let pause = match result {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOK_EVERY,
            Err(_) => LOOK_EVERY.max(AFTER_ERROR),
        };
        log(result, "orders that are overdue could not be ended and are retried");
        sleep(pause).await;
    }
}

pub async fn count(orders: Arc<Orders>) {
    loop {
        log(orders.measure().await, "orders could not be counted");
        sleep(COUNT_EVERY).await;
    }
}

pub async fn return_stock(orders: Arc<Orders>) {
    let mut failures = 0_u32;
    loop {
        let result = orders.return_stock().await;
        failures = if result.is_err() { failures + 1 } else { 0 };
        let pause = match result {
            // The ledger writer has to archive the releases before the next orders are seen.
            Ok(true) => AFTER_ERROR,
            // Another instance may reach a Redis that decides.
            Err(_) if failures.is_multiple_of(FAILURES_MAX) => STEP_ASIDE,
            Ok(false) | Err(_) => LOOK_EVERY,
        };
        log(result, "the stock of orders could not be returned and is retried");
        sleep(pause).await;
    }
}
