//! Checks what Redis holds of each sale, and restores what it has lost.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;

use crate::application::sale::Shop;
use crate::application::sale::recover::Recovered;

use super::metrics::{RECOVERIES, RecoveryResult};
use super::{AFTER_ERROR, CHECK_EVERY, log};

pub async fn run(shop: Arc<Shop>) {
    let mut checked = Instant::now();
    loop {
        let pause = if shop.needs_recovery() { AFTER_ERROR } else { CHECK_EVERY };
        let _raised = timeout(pause, shop.alarm.raised()).await;
        if shop.needs_recovery() {
            recover(&shop).await;
        }
        if checked.elapsed() >= CHECK_EVERY {
            log(shop.check_redis().await, "Redis could not be checked");
            checked = Instant::now();
        }
    }
}

async fn recover(shop: &Shop) {
    match shop.recover().await {
        Ok(Recovered::Intact) => {
            RECOVERIES.of(RecoveryResult::Intact).increment(1);
            tracing::info!("Redis holds the state of every sale");
        }
        Ok(Recovered::Restored(epoch)) => {
            RECOVERIES.of(RecoveryResult::Restored).increment(1);
            tracing::info!(epoch = epoch.0, "sales that Redis had lost were restored from PostgreSQL in a new epoch");
        }
        Ok(Recovered::Elsewhere) => {}
        Err(error) => {
            RECOVERIES.of(RecoveryResult::Failed).increment(1);
            log::<(), _>(Err(error), "recovery failed and is retried");
        }
    }
}
