//! Counts the checkout attempts that are not archived.

use std::sync::Arc;

use tokio::time::sleep;

use crate::application::sale::Shop;

use super::{CHECK_EVERY, log};

pub async fn run(shop: Arc<Shop>) {
    loop {
        sleep(CHECK_EVERY).await;
        for sale in shop.sales.all_live() {
            log(shop.count_attempts(&sale).await, "the unarchived checkout attempts could not be counted");
        }
    }
}
