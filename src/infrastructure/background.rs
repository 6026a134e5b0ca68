//! The loops around the steps of the application: each waits for a signal or a timer, takes a step, and after
//! an error takes it again.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::application::sale::Shop;
use crate::application::sale::attempts::AttemptsWriter;
use crate::application::sale::findings::Findings;
use crate::application::sale::follow::Follower;
use crate::application::sale::live_sale::LiveSale;
use crate::application::sale::persist::{LedgerWriter, Progress};
use crate::application::sale::ports::{Lock, LockName, PersistError};
use crate::application::sale::recover::Recovered;
use crate::application::shared::StoreError;
use crate::domain::shared::SaleId;

use super::metrics::{self, AuditResult, RecoveryResult};
use super::telemetry::Chain;

/// How long after an error the same thing is tried again.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// How often somebody who waits for a lock asks for it.
const LOCK_EVERY: Duration = Duration::from_millis(500);

/// How often Redis is looked at when nothing else happens.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long a purchase may wait before the archive is asked directly.
const CATCH_UP_AFTER: Duration = Duration::from_millis(200);

/// How often attempts are archived.
const ATTEMPTS_EVERY: Duration = Duration::from_millis(100);

/// How long after an audit of a live sale the next one begins. With the time that an audit takes, a difference in a
/// sale of 10,000 is found within ten seconds.
const AUDIT_EVERY: Duration = Duration::from_secs(5);

/// A large sale is last_audit less often, so that audits take no more than this part of the time,
const AUDIT_SHARE: u32 = 20;

/// but never less often than this.
const AUDIT_REST_MAX: Duration = Duration::from_secs(20);

/// How often refused checkouts are archived.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);

/// Starts everything that goes on without being asked, until `stop`.
pub fn start(shop: &Arc<Shop>, stop: &CancellationToken) -> TaskTracker {
    let tasks = TaskTracker::new();
    let spawn = |task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        let stop = stop.clone();
        tasks.spawn(async move { stop.run_until_cancelled(task).await });
    };
    spawn(Box::pin(keep_recovered(shop.clone())));
    spawn(Box::pin(keep_schedule(shop.clone())));
    spawn(Box::pin(follow_watermarks(shop.clone())));
    spawn(Box::pin(catch_up(shop.clone())));
    spawn(Box::pin(count_attempts(shop.clone())));
    spawn(Box::pin(archive_refusals(shop.clone())));
    tasks.spawn(tend_sales(shop.clone(), stop.clone()));
    tasks.close();
    tasks
}

async fn keep_recovered(shop: Arc<Shop>) {
    loop {
        if shop.fence.epoch().is_some() {
            match timeout(CHECK_EVERY, shop.fence.tripped()).await {
                Ok(()) => metrics::fence_tripped(),
                Err(_) => log(shop.check_redis().await, "Redis could not be checked"),
            }
            continue;
        }
        match shop.recover().await {
            Ok(Recovered::Intact(epoch)) => {
                metrics::recovery(RecoveryResult::Intact);
                tracing::info!(epoch = epoch.0, "Redis holds the state of this epoch");
            }
            Ok(Recovered::Restored(epoch)) => {
                metrics::recovery(RecoveryResult::Restored);
                tracing::info!(epoch = epoch.0, "Redis holds what PostgreSQL says, in a new epoch");
            }
            Ok(Recovered::Elsewhere) => sleep(AFTER_ERROR).await,
            Err(error) => {
                metrics::recovery(RecoveryResult::Failed);
                log::<(), _>(Err(error), "recovery failed and will be tried again");
                sleep(AFTER_ERROR).await;
            }
        }
    }
}

async fn keep_schedule(shop: Arc<Shop>) {
    loop {
        match shop.keep_schedule().await {
            Ok(()) => sleep(shop.schedule_pause()).await,
            // Nothing can be opened until Redis is known to be right.
            Err(StoreError::Fenced) => sleep(Duration::from_millis(20)).await,
            Err(error) => {
                log::<(), _>(Err(error), "the schedule could not be kept and will be tried again");
                sleep(AFTER_ERROR).await;
            }
        }
    }
}

async fn follow_watermarks(shop: Arc<Shop>) {
    loop {
        if let Ok(mut news) = shop.store.subscribe().await {
            while let Ok(watermark) = news.next().await {
                log(shop.apply_watermark(watermark).await, "the archive could not be asked how far it is");
            }
        }
        sleep(AFTER_ERROR).await;
    }
}

async fn catch_up(shop: Arc<Shop>) {
    loop {
        sleep(CATCH_UP_AFTER).await;
        for sale in shop.sales.all_live() {
            if sale.confirmations.lag() >= CATCH_UP_AFTER {
                log(shop.catch_up(&sale).await, "the archive could not be asked how far it is");
            }
        }
    }
}

async fn count_attempts(shop: Arc<Shop>) {
    loop {
        sleep(CHECK_EVERY).await;
        for sale in shop.sales.all_live() {
            log(shop.count_attempts(&sale).await, "the checkout attempts that wait could not be counted");
        }
    }
}

async fn archive_refusals(shop: Arc<Shop>) {
    loop {
        sleep(REFUSALS_EVERY).await;
        log(shop.archive_refusals().await, "the counts of refused checkouts could not be archived yet");
    }
}

/// Runs the tasks of each live sale for as long as it is live.
async fn tend_sales(shop: Arc<Shop>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let mut tended: HashMap<SaleId, CancellationToken> = HashMap::new();
    while !stop.is_cancelled() {
        let live = shop.sales.all_live();
        tended.retain(|id, stop_sale| {
            let is_live = live.iter().any(|sale| sale.id() == *id);
            if !is_live {
                stop_sale.cancel();
            }
            is_live
        });
        for sale in live {
            tended.entry(sale.id()).or_insert_with(|| {
                let stop_sale = stop.child_token();
                let (follower, writer) = (follow(shop.clone(), sale.clone()), write(shop.clone(), sale, tasks.clone()));
                let stopped = stop_sale.clone();
                tasks.spawn(async move { stopped.run_until_cancelled(async { tokio::join!(follower, writer) }).await });
                stop_sale
            });
        }
        let _woken = stop.run_until_cancelled(timeout(LOCK_EVERY, shop.sale_added.notified())).await;
    }
    tasks.close();
    tasks.wait().await;
}

async fn follow(shop: Arc<Shop>, sale: Arc<LiveSale>) {
    let mut follower = Follower::default();
    loop {
        let Ok(mut reader) = shop.store.follow(sale.id()).await else {
            sleep(AFTER_ERROR).await;
            continue;
        };
        let result = loop {
            let Some(epoch) = shop.fence.epoch() else {
                sleep(Duration::from_millis(10)).await;
                continue;
            };
            if let Err(error) = follower.step(epoch, &sale, reader.as_mut()).await {
                break error;
            }
        };
        log::<(), _>(Err(result), "the ledger could not be followed and will be tried again");
        sleep(AFTER_ERROR).await;
    }
}

/// Writes the logs of a sale to the archive whenever this instance holds the lock for it.
async fn write(shop: Arc<Shop>, sale: Arc<LiveSale>, tasks: TaskTracker) {
    loop {
        match shop.archive.try_lock(LockName::Writer(sale.id())).await {
            Ok(Some(lock)) => {
                let lost = CancellationToken::new();
                let _lost = lost.clone().drop_guard();
                start_auditing(shop.clone(), sale.clone(), lost, &tasks);
                tokio::select! {
                    () = until_lost(lock) => tracing::warn!(sale = %sale.id(), "lost the lock of the ledger writer"),
                    () = write_ledger(&shop, &sale) => {}
                    () = write_attempts(&shop, &sale) => {}
                }
            }
            Ok(None) if sale.confirmations.lag() > shop.settings.lag_limit => {
                // Whoever holds the lock does not write. The cursor, not the lock, makes writing safe.
                tracing::warn!(sale = %sale.id(), "the ledger writer is behind: helping it out");
                let _behind = timeout(CHECK_EVERY, write_ledger(&shop, &sale)).await;
            }
            Ok(None) => {}
            Err(error) => log::<(), _>(Err(error), "the lock of the ledger writer could not be asked for"),
        }
        sleep(LOCK_EVERY).await;
    }
}

async fn until_lost(mut lock: Box<dyn Lock>) {
    while lock.is_held().await {
        sleep(CHECK_EVERY).await;
    }
}

async fn write_ledger(shop: &Shop, sale: &LiveSale) {
    let mut writer: Option<LedgerWriter> = None;
    loop {
        let _woken = timeout(CHECK_EVERY, sale.arrived.notified()).await;
        while let Some(epoch) = shop.fence.epoch() {
            if writer.as_ref().is_none_or(|writer| writer.epoch() != epoch) {
                writer = None;
            }
            let writer = writer.get_or_insert_with(|| LedgerWriter::new(epoch));
            match writer.step(shop, sale).await {
                Ok(Progress::Idle) => break,
                Ok(Progress::More) | Err(PersistError::CursorMoved) => {}
                Err(PersistError::EpochPassed) => {
                    shop.fence.trip(epoch);
                    break;
                }
                Err(error) => {
                    log::<(), _>(Err(error), "the ledger could not be archived and will be tried again");
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
                log::<(), _>(Err(error), "checkout attempts could not be archived and will be tried again");
                sleep(AFTER_ERROR).await;
            }
        }
    }
}

/// Audits a sale on a thread of its own: comparing it takes longer than those who serve requests may be held up.
/// The service waits for it when it stops, since nothing can sleep on a runtime that is shut down.
fn start_auditing(shop: Arc<Shop>, sale: Arc<LiveSale>, stop: CancellationToken, tasks: &TaskTracker) {
    let runtime = Handle::current();
    tasks.spawn_blocking(move || runtime.block_on(stop.run_until_cancelled(audit(shop, sale))));
}

/// Audits a sale for as long as this instance writes its ledger: so each sale is last_audit by one.
async fn audit(shop: Arc<Shop>, sale: Arc<LiveSale>) {
    sale.begin_audits(shop.clock.now());
    let mut known = Findings::default();
    loop {
        sleep(AUDIT_EVERY).await;
        let begun = Instant::now();
        let result = match shop.audit(&sale).await {
            Ok(Some(findings)) => {
                if !findings.is_sound() && findings.faults() != known.faults() {
                    tracing::error!(sale = %sale.id(), %findings, "Redis and PostgreSQL, or both and the rules, differ");
                }
                known = findings;
                if findings.is_sound() { AuditResult::Sound } else { AuditResult::Unsound }
            }
            Ok(None) => AuditResult::Failed,
            Err(error) => {
                log::<(), _>(Err(error), "a sale could not be last_audit and will be again");
                AuditResult::Failed
            }
        };
        let took = begun.elapsed();
        metrics::audit(result, took);
        sleep((took * AUDIT_SHARE).min(AUDIT_REST_MAX).saturating_sub(AUDIT_EVERY)).await;
    }
}

/// Says once what went wrong, with all its causes.
fn log<T, E: std::error::Error>(result: Result<T, E>, what: &str) {
    if let Err(error) = result {
        tracing::warn!(causes = %Chain(&error), "{what}");
    }
}
