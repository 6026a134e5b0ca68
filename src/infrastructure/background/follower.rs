//! Follows the ledger of one sale.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::application::sale::Shop;
use crate::application::sale::follow::Follower;
use crate::application::sale::live_sale::LiveSale;

use super::{AFTER_ERROR, log};

/// Pause while recovery is at work.
const WHILE_FENCED: Duration = Duration::from_millis(10);

pub async fn run(shop: Arc<Shop>, sale: Arc<LiveSale>) {
    let mut follower = Follower::default();
    loop {
        let mut reader = match shop.store.follow(sale.id()).await {
            Ok(reader) => reader,
            Err(error) => {
                log::<(), _>(Err(error), "the ledger could not be opened and is retried");
                sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let result = loop {
            let Some(epoch) = sale.fence.epoch() else {
                sleep(WHILE_FENCED).await;
                continue;
            };
            if let Err(error) = follower.step(epoch, &sale, reader.as_mut()).await {
                break error;
            }
        };
        log::<(), _>(Err(result), "the ledger could not be followed and is retried");
        sleep(AFTER_ERROR).await;
    }
}
