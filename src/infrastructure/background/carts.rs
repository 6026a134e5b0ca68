//! Forgets idle carts.

use std::sync::Arc;

use tokio::time::sleep;

use crate::application::sale::Shop;

use super::{CHECK_EVERY, log};

pub async fn run(shop: Arc<Shop>) {
    loop {
        sleep(CHECK_EVERY).await;
        for sale in shop.sales.all_live() {
            log(shop.forget_idle_carts(&sale).await, "the idle carts could not be forgotten");
        }
    }
}
