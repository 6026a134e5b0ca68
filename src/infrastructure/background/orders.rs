//! Ends orders that are overdue, returns the stock of those that ended without payment, and counts all.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::application::ordering::Orders;

use super::log;

/// Pause after an error, and between checks for a sale that wants payment.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Interval between looks for work while no sale wants payment. A sale that has closed may have left a refund, and one
/// that is not live here yet an order.
const IDLE_LOOK_EVERY: Duration = Duration::from_secs(5);

/// Interval between counts, which read the orders of all sales that are not closed.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Failures in a row after which another instance may return stock, and the pause for that: longer than the lease.
const FAILURES_MAX: u32 = 8;
const STEP_ASIDE: Duration = Duration::from_secs(7);

/// Pauses, and goes on while no sale on this instance wants payment: then it asks PostgreSQL nothing for a while.
pub async fn rest(orders: &Orders, pause: Duration) {
    let looks_again_at = Instant::now() + IDLE_LOOK_EVERY;
    sleep(pause).await;
    while orders.is_idle() && Instant::now() < looks_again_at {
        sleep(LOOK_EVERY).await;
    }
}

pub async fn expire(orders: Arc<Orders>) {
    loop {
        let result = orders.expire().await;
        let pause = *result.as_ref().unwrap_or(&LOOK_EVERY);
        log(result, "orders that are overdue could not be ended and are retried");
        rest(&orders, pause).await;
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
            Ok(pause) => pause,
            // Another instance may reach a Redis that decides.
            Err(_) if failures.is_multiple_of(FAILURES_MAX) => STEP_ASIDE,
            Err(_) => LOOK_EVERY,
        };
        log(result, "the stock of orders could not be returned and is retried");
        rest(&orders, pause).await;
    }
}
