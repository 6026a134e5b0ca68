//! Ends the payments that were slow: each succeeds two seconds after its confirmation.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::charges::Charges;
use super::intent::{self, Change};
use super::outbox::Kind;
use super::report;

/// Pause between two looks at the slow payments.
const EVERY: Duration = Duration::from_millis(100);

/// Most payments that succeed in one transaction.
const BATCH: i64 = 100;

/// Settles the payments that are due until `shutdown`.
pub async fn run(charges: Charges, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        if let Err(error) = settle(&charges).await {
            tracing::warn!(%error, "slow payments could not be settled: trying again");
        }
    }
}

async fn settle(charges: &Charges) -> sqlx::Result<()> {
    let mut transaction = charges.pool.begin().await?;
    let due = intent::lock_due(&mut transaction, BATCH).await?;
    for intent in &due {
        charges.change(&mut transaction, intent, Change::Succeed, Kind::Succeeded).await?;
    }
    transaction.commit().await?;
    for intent in &due {
        report::note_charge(&charges.pool, &intent.order_id).await;
    }
    Ok(())
}
