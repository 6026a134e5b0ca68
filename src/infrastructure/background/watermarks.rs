//! Applies the watermarks that other instances announce.

use std::sync::Arc;

use tokio::time::sleep;

use crate::application::sale::Shop;

use super::{AFTER_ERROR, log};

pub async fn run(shop: Arc<Shop>) {
    loop {
        // A Redis that does not answer is logged by recovery.
        if let Ok(mut watermarks) = shop.store.subscribe().await {
            while let Ok(watermark) = watermarks.next().await {
                log(shop.apply_watermark(watermark).await, "the progress of the archive could not be read");
            }
        }
        sleep(AFTER_ERROR).await;
    }
}
