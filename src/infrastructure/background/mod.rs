//! The background tasks: one file for each, and their supervisor.
//!
//! A task is a loop around a step of the application: it waits for a signal or a timer and takes the step. Errors of
//! the stores are logged, those that repeat once in a while, and the step is retried. A task that panics or returns is restarted by its supervisor.

mod attempts;
mod auditor;
mod carts;
mod catch_up;
mod follower;
mod log;
pub mod metrics;
mod orders;
mod payments;
mod pools;
mod recovery;
mod refusals;
mod sales;
mod schedule;
mod stock_feed;
mod supervisor;
mod task_name;
mod upkeep;
mod watermarks;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::application::payment::Payments;
use crate::application::sale::Shop;

use super::postgres::PgArchive;

use log::log;

pub use supervisor::Supervisor;
pub use task_name::TaskName;

/// Pause before a step is retried after an error.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Interval between checks of something that seldom changes.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Interval between attempts to take a lock.
const LOCK_EVERY: Duration = Duration::from_millis(500);

/// Starts all background tasks. They run until `stop`.
pub fn start(
    shop: &Arc<Shop>,
    payments: &Arc<Payments>,
    archive: Arc<PgArchive>,
    stop: CancellationToken,
) -> Supervisor {
    let supervisor = Supervisor::new(shop.tasks.clone(), stop);
    start_with(shop, &supervisor, TaskName::Recovery, recovery::run);
    start_with(shop, &supervisor, TaskName::Schedule, schedule::run);
    start_with(shop, &supervisor, TaskName::Watermarks, watermarks::run);
    start_with(shop, &supervisor, TaskName::CatchUp, catch_up::run);
    start_with(shop, &supervisor, TaskName::Attempts, attempts::run);
    start_with(shop, &supervisor, TaskName::Refusals, refusals::run);
    start_with(shop, &supervisor, TaskName::Carts, carts::run);
    let (its_shop, inner) = (shop.clone(), supervisor.clone());
    supervisor.start(TaskName::Sales, move || sales::run(its_shop.clone(), inner.clone()));
    start_with(shop, &supervisor, TaskName::Auditor, auditor::run);
    let orders = &payments.orders;
    start_with(orders, &supervisor, TaskName::Expiry, orders::expire);
    start_with(orders, &supervisor, TaskName::StockReturn, orders::return_stock);
    start_with(payments, &supervisor, TaskName::Reconciliation, payments::reconcile);
    start_with(orders, &supervisor, TaskName::OrderCounts, orders::count);
    supervisor.start(TaskName::Pools, move || pools::run(archive.clone()));
    let inner = supervisor.clone();
    supervisor.start(TaskName::Metrics, move || upkeep::run(inner.clone()));
    supervisor
}

fn start_with<S: Send + Sync + 'static, T>(
    subject: &Arc<S>,
    supervisor: &Supervisor,
    name: TaskName,
    run: impl Fn(Arc<S>) -> T + Send + Sync + 'static,
) where
    T: Future<Output = ()> + Send + 'static,
{
    let subject = subject.clone();
    supervisor.start(name, move || run(subject.clone()));
}
