//! Checks Redis, and restores it after a loss.

use std::sync::Arc;

use tokio::time::{sleep, timeout};

use crate::application::sale::Shop;
use crate::application::sale::recover::Recovered;

use super::metrics::{FENCE_TRIPS, RECOVERIES, RecoveryResult};
use super::{AFTER_ERROR, CHECK_EVERY, log};

pub async fn run(shop: Arc<Shop>) {
    loop {
        if shop.fence.epoch().is_some() {
            match timeout(CHECK_EVERY, shop.fence.tripped()).await {
                Ok(()) => FENCE_TRIPS.increment(1),
                Err(_) => log(shop.check_redis().await, "Redis could not be checked"),
            }
        } else {
            recover(&shop).await;
        }
    }
}

async fn recover(shop: &Shop) {
    match shop.recover().await {
        Ok(Recovered::Intact(epoch)) => {
            RECOVERIES.of(RecoveryResult::Intact).increment(1);
            tracing::info!(epoch = epoch.0, "Redis holds the state of this epoch");
        }
        Ok(Recovered::Restored(epoch)) => {
            RECOVERIES.of(RecoveryResult::Restored).increment(1);
            tracing::info!(epoch = epoch.0, "Redis was restored from PostgreSQL in a new epoch");
        }
        Ok(Recovered::Elsewhere) => sleep(AFTER_ERROR).await,
        Err(error) => {
            RECOVERIES.of(RecoveryResult::Failed).increment(1);
            log::<(), _>(Err(error), "recovery failed and is retried");
            sleep(AFTER_ERROR).await;
        }
    }
}
