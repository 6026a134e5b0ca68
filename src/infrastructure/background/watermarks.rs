//! Applies the watermarks that other instances announce.

use std::sync::Arc;

use tokio::time::sleep;

use crate::application::sale::Shop;
use crate::application::shared::StoreError;

use super::{AFTER_ERROR, log};

pub async fn run(shop: Arc<Shop>) {
    loop {
        log(follow(&shop).await, "the watermarks could not be followed and are retried");
        sleep(AFTER_ERROR).await;
    }
}

/// Applies watermarks until the subscription fails.
async fn follow(shop: &Shop) -> Result<(), StoreError> {
    let mut watermarks = shop.store.subscribe().await?;
    loop {
        let watermark = watermarks.next().await?;
        log(shop.apply_watermark(watermark).await, "the progress of the archive could not be read");
    }
}
