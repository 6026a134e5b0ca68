//! Archives the ledger and the checkout attempts of one sale, while this instance holds the lock for it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{sleep, timeout};

use crate::application::sale::Shop;
use crate::application::sale::attempts::AttemptsWriter;
use crate::application::sale::live_sale::LiveSale;
use crate::application::sale::persist::{LedgerWriter, Progress};
use crate::application::sale::ports::{Lock, LockName, PersistError};

use super::{AFTER_ERROR, CHECK_EVERY, LOCK_EVERY, log};

/// Interval between batches of checkout attempts.
const ATTEMPTS_EVERY: Duration = Duration::from_millis(100);

/// Checks in a row that find the fence closed before the lock is given up.
const FENCED_CHECKS: u32 = 2;

pub async fn run(shop: Arc<Shop>, sale: Arc<LiveSale>) {
    loop {
        // Who may not write leaves the lock to others.
        if sale.fence.epoch().is_none() {
            sleep(LOCK_EVERY).await;
            continue;
        }
        match shop.archive.try_lock(LockName::Writer(sale.id())).await {
            Ok(Some(lock)) => {
                let _audited = AuditDuty::begin(&sale, shop.clock.now());
                tokio::select! {
                    () = until_lost(lock) => tracing::warn!(sale = %sale.id(), "lost the lock of the ledger writer"),
                    () = until_fenced(&sale) => tracing::warn!(sale = %sale.id(), "this instance may not write: others may"),
                    () = write_ledger(&shop, &sale) => {}
                    () = write_attempts(&shop, &sale) => {}
                }
            }
            Ok(None) if sale.confirmations.lag() > shop.settings.lag_limit => {
                // The holder of the lock does not write. The cursor makes two writers safe, not the lock.
                tracing::warn!(sale = %sale.id(), "the ledger writer is behind: this instance writes too");
                let _behind = timeout(CHECK_EVERY, write_ledger(&shop, &sale)).await;
            }
            Ok(None) => {}
            Err(error) => log::<(), _>(Err(error), "the lock of the ledger writer could not be taken"),
        }
        sleep(LOCK_EVERY).await;
    }
}

/// The duty to audit a sale: of the instance that writes its ledger, so of one instance.
struct AuditDuty<'a>(&'a LiveSale);

impl<'a> AuditDuty<'a> {
    fn begin(sale: &'a LiveSale, now: DateTime<Utc>) -> Self {
        sale.begin_audits(now);
        AuditDuty(sale)
    }
}

impl Drop for AuditDuty<'_> {
    fn drop(&mut self) {
        self.0.end_audits();
    }
}

async fn until_lost(mut lock: Box<dyn Lock>) {
    while lock.is_held().await {
        sleep(CHECK_EVERY).await;
    }
}

/// Waits until the fence has been closed for longer than a recovery takes: another Redis may decide now.
async fn until_fenced(sale: &LiveSale) {
    let mut closed = 0;
    while closed < FENCED_CHECKS {
        sleep(CHECK_EVERY).await;
        closed = if sale.fence.epoch().is_none() { closed + 1 } else { 0 };
    }
}

async fn write_ledger(shop: &Shop, sale: &LiveSale) {
    let mut writer: Option<LedgerWriter> = None;
    loop {
        if timeout(CHECK_EVERY, sale.arrived.notified()).await.is_err() {
            // A standby that was behind may have become the primary: read again how far PostgreSQL is.
            writer = None;
        }
        // The other purchases of the same group join the batch.
        tokio::task::yield_now().await;
        while let Ok(epoch) = shop.enter(sale) {
            if writer.as_ref().is_none_or(|writer| writer.epoch() != epoch.number()) {
                writer = None;
            }
            let writer = writer.get_or_insert_with(|| LedgerWriter::new(epoch.number()));
            match epoch.check(writer.step(shop, sale).await) {
                Ok(Progress::Idle) => break,
                Ok(Progress::More) | Err(PersistError::CursorMoved) => {}
                Err(error) => {
                    log::<(), _>(Err(error), "the ledger could not be archived and is retried");
                    sleep(AFTER_ERROR).await;
                }
            }
        }
    }
}

async fn write_attempts(shop: &Shop, sale: &LiveSale) {
    let mut writer = AttemptsWriter::default();
    loop {
        match writer.step(shop, sale).await {
            Ok(Progress::Idle) => sleep(ATTEMPTS_EVERY).await,
            Ok(Progress::More) => {}
            Err(error) => {
                log::<(), _>(Err(error), "checkout attempts could not be archived and are retried");
                sleep(AFTER_ERROR).await;
            }
        }
    }
}
