//! Reads the progress of the archive when no watermark arrives.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::application::sale::Shop;

use super::log;

/// Age of an unconfirmed purchase at which the archive is asked directly.
const CATCH_UP_AFTER: Duration = Duration::from_millis(200);

pub async fn run(shop: Arc<Shop>) {
    loop {
        sleep(CATCH_UP_AFTER).await;
        for sale in shop.sales.all_live() {
            if sale.confirmations.lag() >= CATCH_UP_AFTER {
                log(shop.catch_up(&sale).await, "the progress of the archive could not be read");
            }
        }
    }
}
