//! Readings of the shop and the process at each scrape.
//!
//! Each scrape has a recorder of its own, so the series of a sale end when the sale does.

use std::marker::PhantomData;
use std::sync::atomic::Ordering;

use ::metrics::{Counter, Gauge, Label as Pair};
use chrono::{DateTime, Utc};
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_process::Collector;
use strum::VariantArray;
use tokio::runtime::{Handle as Runtime, RuntimeMetrics};

use crate::application::ordering::OrderCounts;
use crate::application::payment::Payments;
use crate::application::payment::ports::CircuitState;
use crate::application::sale::Shop;
use crate::application::sale::findings::Findings;
use crate::application::sale::last_audit::LastAudit;
use crate::application::sale::live_sale::LiveSale;
use crate::domain::ordering::OrderStatus;
use crate::domain::sale::SaleStatus;
use crate::domain::shared::{LedgerId, SaleKind};

use super::declare::{Declared, Handle, metrics};

metrics! {
    /// 1, with the version of the running program.
    static BUILD_INFO: Reading<Gauge> = "flashsale_build_info" by "version";

    /// Worker threads of the service.
    static TOKIO_WORKERS: Reading<Gauge> = "flashsale_tokio_workers";

    /// Tasks that are alive.
    static TOKIO_TASKS: Reading<Gauge> = "flashsale_tokio_tasks";

    /// Tasks that wait for a worker thread.
    static TOKIO_QUEUE_DEPTH: Reading<Gauge> = "flashsale_tokio_queue_depth";

    /// Time that the worker threads were busy.
    static TOKIO_BUSY: Reading<Counter> = "flashsale_tokio_busy_seconds_total";

    /// Oldest epoch of the live sales; 0 while one of them waits for recovery.
    static EPOCH: Reading<Gauge> = "flashsale_epoch";

    /// Difference between the clocks of Redis, PostgreSQL and this host, at least. Beyond 2 s nothing is sold.
    static CLOCK_DIFFERENCE: Reading<Gauge> = "flashsale_clock_difference_seconds";

    /// Live sales that wait for recovery.
    static SALES_FENCED: Reading<Gauge> = "flashsale_sales_fenced";

    /// Times that Redis was found to have lost the state of a sale.
    static FENCE_TRIPS: Reading<Counter> = "flashsale_fence_trips_total";

    /// Requests that the sold-item filter refused without a call to Redis.
    static FILTER_REFUSALS: Reading<Counter> = "flashsale_sold_filter_refusals_total";

    /// Decided purchases that wait for their commit.
    static PURCHASES_WAITING: Reading<Gauge> = "flashsale_purchases_waiting";

    /// Sales that are not closed, by kind (hourly, special) and state.
    static SALES: Reading<Gauge> = "flashsale_sales" by "kind", "state";

    /// Start of the sale.
    static SALE_START: OfSale = "flashsale_sale_start_timestamp_seconds";

    /// End of the sale.
    static SALE_END: OfSale = "flashsale_sale_end_timestamp_seconds";

    /// Units on offer.
    static SALE_UNITS: OfSale = "flashsale_sale_units";

    /// Units sold according to the ledger.
    static SALE_UNITS_SOLD: OfSale = "flashsale_sale_units_sold";

    /// Units that nobody owns.
    static SALE_UNITS_REMAINING: OfSale = "flashsale_sale_units_remaining";

    /// Items that the sold-item filter refuses.
    static FILTER_ITEMS: OfSale = "flashsale_sold_filter_items";

    /// False positives of the sold-item filter, which it lets through.
    static FILTER_LET_THROUGH: OfSale = "flashsale_sold_filter_let_through_items";

    /// Size of the sold-item filter.
    static FILTER_SIZE: OfSale = "flashsale_sold_filter_size_bytes";

    /// Lag of the sold-item filter behind what is known to be sold; 0 if it is up to date.
    static FILTER_AGE: OfSale = "flashsale_sold_filter_age_seconds";

    /// Entries of the ledger.
    static LEDGER_ENTRIES: OfSale = "flashsale_ledger_entries";

    /// Entries of the ledger that are not in PostgreSQL.
    static LEDGER_PENDING: OfSale = "flashsale_ledger_pending_entries";

    /// Age of the oldest entry that is not in PostgreSQL.
    static LEDGER_LAG: OfSale = "flashsale_ledger_lag_seconds";

    /// Time of the newest entry that is in PostgreSQL.
    static LEDGER_WATERMARK: OfSale = "flashsale_ledger_watermark_timestamp_seconds";

    /// Checkout attempts that are not in PostgreSQL.
    static ATTEMPTS_PENDING: OfSale = "flashsale_attempts_pending";

    /// Orders of sales that are not closed, by status. Only the instance that counts them has it.
    static ORDERS: Reading<Gauge> = "flashsale_orders" by "status";

    /// Orders whose deadline passed more than 10 s ago and that have not ended.
    static ORDERS_OVERDUE: Reading<Gauge> = "flashsale_orders_overdue";

    /// Time since the oldest end of an order whose stock is not returned; 0 if there is none.
    static STOCK_RETURN_LAG: Reading<Gauge> = "flashsale_stock_return_lag_seconds";

    /// Payments of orders that had ended, whose money is not given back yet.
    static REFUNDS_PENDING: Reading<Gauge> = "flashsale_refunds_pending";

    /// State of a circuit: 0 closed, 1 half-open, 2 open. Without a payment provider, 0.
    static CIRCUIT_STATE: Reading<Gauge> = "flashsale_circuit_state" by "circuit";

    /// End of the last audit; before the first one, the time since which this instance audits the sale.
    static AUDIT_TIME: OfSale = "flashsale_audit_timestamp_seconds";

    /// Units sold according to PostgreSQL, at the last audit.
    static AUDIT_UNITS_SOLD: OfSale = "flashsale_audit_units_sold";

    /// Violations that the last audit found, by finding; each must be 0.
    static AUDIT_FINDINGS: OfSale = "flashsale_audit_findings" by "finding";
}

/// A metric that is read at each scrape.
struct Reading<H> {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    of: PhantomData<fn(H)>,
}

impl<H> Reading<H> {
    const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Reading { name, help, labels, of: PhantomData }
    }

    fn pairs(&self, words: &[&'static str]) -> impl Iterator<Item = Pair> {
        self.labels.iter().zip(words).map(|(label, word)| Pair::from_static_parts(label, word))
    }
}

impl<H: Handle> Declared for Reading<H> {
    fn register(&self) {
        H::describe(self.name, self.help.trim());
    }
}

impl Reading<Gauge> {
    fn set(&self, value: f64) {
        self.set_with(&[], value);
    }

    fn set_with(&self, words: &[&'static str], value: f64) {
        Gauge::series(self.name, self.pairs(words).collect()).set(value);
    }
}

impl Reading<Counter> {
    fn set(&self, count: u64) {
        Counter::series(self.name, Vec::new()).absolute(count);
    }
}

/// A reading of one sale. The labels of the sale come before its own.
struct OfSale(Reading<Gauge>);

impl OfSale {
    const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        OfSale(Reading::new(name, help, labels))
    }

    fn set(&self, sale: &SaleLabels, value: f64) {
        self.set_with(sale, &[], value);
    }

    fn set_with(&self, sale: &SaleLabels, words: &[&'static str], value: f64) {
        let pairs = sale.0.iter().cloned().chain(self.0.pairs(words));
        Gauge::series(self.0.name, pairs.collect()).set(value);
    }
}

impl Declared for OfSale {
    fn register(&self) {
        self.0.register();
    }
}

/// The labels of one sale: `sale`, `kind` and `state`.
struct SaleLabels([Pair; 3]);

impl SaleLabels {
    fn of(sale: String, kind: SaleKind, state: SaleStatus) -> Self {
        let [kind, state] = [("kind", kind_word(kind)), ("state", state_word(state))]
            .map(|(label, word)| Pair::from_static_parts(label, word));
        SaleLabels([Pair::new("sale", sale), kind, state])
    }
}

const KINDS: [SaleKind; 2] = [SaleKind::Hourly, SaleKind::Special];
const STATES: [SaleStatus; 3] = [SaleStatus::Scheduled, SaleStatus::Open, SaleStatus::Ended];

fn kind_word(kind: SaleKind) -> &'static str {
    match kind {
        SaleKind::Hourly => "hourly",
        SaleKind::Special => "special",
    }
}

fn state_word(state: SaleStatus) -> &'static str {
    match state {
        SaleStatus::Scheduled => "scheduled",
        SaleStatus::Open => "open",
        SaleStatus::Ended => "ended",
    }
}

/// Returns the present readings as text.
pub fn render(payments: &Payments) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    ::metrics::with_local_recorder(&recorder, || {
        register();
        of_process();
        of_shop(&payments.orders.shop);
        CIRCUIT_STATE.set_with(&["payment_provider"], circuit_number(payments.circuit()));
        if let Some(counts) = payments.orders.counts.load_full() {
            of_orders(&counts);
        }
    });
    recorder.handle().render()
}

fn circuit_number(circuit: Option<CircuitState>) -> f64 {
    match circuit {
        None | Some(CircuitState::Closed) => 0.0,
        Some(CircuitState::HalfOpen) => 1.0,
        Some(CircuitState::Open) => 2.0,
    }
}

fn of_process() {
    BUILD_INFO.set_with(&[env!("CARGO_PKG_VERSION")], 1.0);
    let process = Collector::default();
    process.describe();
    process.collect();
    if let Ok(runtime) = Runtime::try_current() {
        of_runtime(&runtime.metrics());
    }
}

fn of_runtime(runtime: &RuntimeMetrics) {
    TOKIO_WORKERS.set(runtime.num_workers() as f64);
    TOKIO_TASKS.set(runtime.num_alive_tasks() as f64);
    TOKIO_QUEUE_DEPTH.set(runtime.global_queue_depth() as f64);
    let busy = (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64());
    TOKIO_BUSY.set(busy.sum::<f64>() as u64);
}

fn of_shop(shop: &Shop) {
    let (sales, now) = (shop.sales.all_live(), shop.clock.now());
    let epochs = sales.iter().map(|sale| sale.fence.epoch().map_or(0, |epoch| epoch.0));
    EPOCH.set(epochs.min().unwrap_or(0) as f64);
    FENCE_TRIPS.set(shop.alarm.closed());
    SALES_FENCED.set(sales.iter().filter(|sale| sale.fence.epoch().is_none()).count() as f64);
    CLOCK_DIFFERENCE.set(shop.clock.difference().as_seconds_f64());
    FILTER_REFUSALS.set(shop.refusals.filtered());
    let waiting: usize = sales.iter().map(|sale| sale.confirmations.waiting()).sum();
    PURCHASES_WAITING.set(waiting as f64);
    for kind in KINDS {
        for state in STATES {
            let is_counted = |live: &&std::sync::Arc<LiveSale>| {
                let sale = live.sale();
                sale.id.kind() == kind && sale.window.status(now) == state
            };
            SALES.set_with(&[kind_word(kind), state_word(state)], sales.iter().filter(is_counted).count() as f64);
        }
    }
    sales.iter().for_each(|sale| of_sale(sale, now));
}

fn of_orders(counts: &OrderCounts) {
    for status in OrderStatus::VARIANTS {
        let orders = counts.by_status.get(status).copied().unwrap_or_default();
        ORDERS.set_with(&[status.into()], orders as f64);
    }
    ORDERS_OVERDUE.set(counts.overdue as f64);
    STOCK_RETURN_LAG.set(counts.return_lag.as_secs_f64());
    REFUNDS_PENDING.set(counts.refunds_pending as f64);
}

fn of_sale(live: &LiveSale, now: DateTime<Utc>) {
    let sale = live.sale();
    let labels = &SaleLabels::of(sale.id.to_string(), sale.id.kind(), sale.window.status(now));
    SALE_START.set(labels, seconds(sale.window.starts_at));
    SALE_END.set(labels, seconds(sale.window.ends_at));
    let (remaining, entries) = {
        let projection = live.projection();
        (projection.units(), projection.entries())
    };
    SALE_UNITS.set(labels, sale.units.into());
    SALE_UNITS_SOLD.set(labels, sale.units.saturating_sub(remaining).into());
    SALE_UNITS_REMAINING.set(labels, remaining.into());
    of_filter(live, labels);
    let confirmations = &live.confirmations;
    LEDGER_ENTRIES.set(labels, entries as f64);
    LEDGER_PENDING.set(labels, confirmations.pending() as f64);
    LEDGER_LAG.set(labels, confirmations.lag().as_secs_f64());
    let persisted = confirmations.persisted();
    if persisted > LedgerId::ZERO && persisted < LedgerId::MAX {
        LEDGER_WATERMARK.set(labels, seconds(persisted.time()));
    }
    ATTEMPTS_PENDING.set(labels, live.attempts_pending.load(Ordering::Relaxed) as f64);
    if let Some(last_audit) = live.last_audit.load_full() {
        of_audit(&last_audit, labels);
    }
}

fn of_filter(live: &LiveSale, labels: &SaleLabels) {
    let filter = live.filter();
    FILTER_ITEMS.set(labels, filter.sold_items().into());
    FILTER_LET_THROUGH.set(labels, filter.let_through().len() as f64);
    FILTER_SIZE.set(labels, filter.size_bytes() as f64);
    FILTER_AGE.set(labels, filter_age(live, filter.as_of()));
}

/// Returns how much older the filter is than the newest entry that this instance knows, from the ledger or from the
/// instance that archives it. Nothing is sold before the start of a sale.
fn filter_age(live: &LiveSale, as_of: LedgerId) -> f64 {
    let persisted = Some(live.confirmations.persisted()).filter(|id| *id < LedgerId::MAX);
    let newest = live.projection().as_of().max(persisted.unwrap_or(LedgerId::ZERO));
    let start = live.sale().window.starts_at;
    (seconds(newest.time().max(start)) - seconds(as_of.time().max(start))).max(0.0)
}

fn of_audit(last_audit: &LastAudit, labels: &SaleLabels) {
    AUDIT_TIME.set(labels, seconds(last_audit.at));
    let Some(Findings { sold, lost, oversold, over_limit, drift }) = last_audit.findings else { return };
    AUDIT_UNITS_SOLD.set(labels, sold as f64);
    for (finding, count) in [("lost", lost), ("oversold", oversold), ("over_limit", over_limit), ("drift", drift)] {
        AUDIT_FINDINGS.set_with(labels, &[finding], count as f64);
    }
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use crate::application::sale::live_sale::sample;
    use crate::domain::shared::Epoch;

    use super::*;

    #[test]
    fn a_filter_that_no_longer_follows_gets_older_with_each_archived_entry() {
        let sale = sample(3);
        let at = |seconds: i64| format!("{}-0", sale.sale().window.starts_at.timestamp_millis() + seconds * 1_000);
        assert_eq!(filter_age(&sale, LedgerId::ZERO), 0.0);
        sale.confirmations.advance(Epoch(1), at(30).parse().unwrap(), [], []);
        assert_eq!(filter_age(&sale, LedgerId::ZERO), 30.0);
        assert_eq!(filter_age(&sale, at(20).parse().unwrap()), 10.0);
        sale.confirmations.close();
        assert_eq!(filter_age(&sale, at(20).parse().unwrap()), 0.0);
    }
}
