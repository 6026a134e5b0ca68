//! Creates, activates and closes sales.

use std::sync::Arc;

use tokio::time::sleep;

use crate::application::sale::Shop;
use crate::application::shared::StoreError;

use super::{AFTER_ERROR, log};

pub async fn run(shop: Arc<Shop>) {
    loop {
        match shop.keep_schedule().await {
            // A sale that waits for recovery is moved on later.
            Ok(()) | Err(StoreError::Fenced) => sleep(shop.schedule_pause()).await,
            Err(error) => {
                log::<(), _>(Err(error), "the schedule could not be kept and is retried");
                sleep(AFTER_ERROR).await;
            }
        }
    }
}
