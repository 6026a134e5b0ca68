//! Archives the counts of refused checkouts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::application::sale::Shop;

use super::log;

/// Interval between writes.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);

pub async fn run(shop: Arc<Shop>) {
    loop {
        sleep(REFUSALS_EVERY).await;
        log(shop.archive_refusals().await, "the counts of refused checkouts could not be archived and are kept");
    }
}
