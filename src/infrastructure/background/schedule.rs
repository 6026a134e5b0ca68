//! Creates, activates and closes sales.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::application::sale::Shop;
use crate::application::shared::StoreError;

use super::{AFTER_ERROR, log};

/// Pause while recovery is at work: no sale can be opened before it ends.
const WHILE_FENCED: Duration = Duration::from_millis(20);

pub async fn run(shop: Arc<Shop>) {
    loop {
        match shop.keep_schedule().await {
            Ok(()) => sleep(shop.schedule_pause()).await,
            Err(StoreError::Fenced) => sleep(WHILE_FENCED).await,
            Err(error) => {
                log::<(), _>(Err(error), "the schedule could not be kept and is retried");
                sleep(AFTER_ERROR).await;
            }
        }
    }
}
