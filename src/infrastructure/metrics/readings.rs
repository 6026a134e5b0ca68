//! What is read off the shop and the process when somebody asks, rather than counted.
//!
//! The recorder is made for one answer, so that the series of a sale end when it does.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use metrics::{Label as Pair, Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_process::Collector;
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::application::sale::Shop;
use crate::application::sale::findings::Findings;
use crate::application::sale::last_audit::LastAudit;
use crate::application::sale::live_sale::LiveSale;
use crate::domain::sale::SaleStatus;
use crate::domain::shared::{LedgerId, SaleKind};

const KINDS: [(SaleKind, &str); 2] = [(SaleKind::Hourly, "hourly"), (SaleKind::Special, "special")];
const STATES: [(SaleStatus, &str); 3] =
    [(SaleStatus::Scheduled, "scheduled"), (SaleStatus::Open, "open"), (SaleStatus::Ended, "ended")];

/// The readings of this moment.
pub fn render(shop: &Shop) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        of_process();
        of_shop(shop);
    });
    recorder.handle().render()
}

fn of_process() {
    gauge!("flashsale_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let process = Collector::default();
    process.describe();
    process.collect();
    if let Ok(runtime) = Handle::try_current() {
        of_runtime(&runtime.metrics());
    }
}

fn of_runtime(runtime: &RuntimeMetrics) {
    gauge!("flashsale_tokio_workers").set(runtime.num_workers() as f64);
    gauge!("flashsale_tokio_tasks").set(runtime.num_alive_tasks() as f64);
    gauge!("flashsale_tokio_queue_depth").set(runtime.global_queue_depth() as f64);
    let busy = (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64());
    counter!("flashsale_tokio_busy_seconds_total").absolute(busy.sum::<f64>() as u64);
}

fn of_shop(shop: &Shop) {
    let (sales, now) = (shop.sales.all_live(), shop.clock.now());
    gauge!("flashsale_epoch").set(shop.fence.epoch().map_or(0.0, |epoch| epoch.0 as f64));
    counter!("flashsale_sold_filter_refusals_total").absolute(shop.refusals.filtered());
    let waiting: usize = sales.iter().map(|sale| sale.confirmations.waiting()).sum();
    gauge!("flashsale_purchases_waiting").set(waiting as f64);
    for (kind, kind_word) in KINDS {
        for (state, state_word) in STATES {
            let of_this_sort = sales.iter().map(|sale| sale.sale());
            let of_this_sort =
                of_this_sort.filter(|sale| sale.id.kind() == kind && sale.window.status(now) == state).count();
            gauge!("flashsale_sales", "kind" => kind_word, "state" => state_word).set(of_this_sort as f64);
        }
    }
    sales.iter().for_each(|sale| of_sale(sale, now));
}

fn of_sale(live: &LiveSale, now: DateTime<Utc>) {
    let sale = live.sale();
    let gauges = SaleGauges::new(&sale.id.to_string(), sale.id.kind(), sale.window.status(now));
    gauges.set("flashsale_sale_start_timestamp_seconds", seconds(sale.window.starts_at));
    gauges.set("flashsale_sale_end_timestamp_seconds", seconds(sale.window.ends_at));
    let (remaining, entries) = {
        let projection = live.projection();
        (projection.units(), projection.entries())
    };
    gauges.set("flashsale_sale_units", sale.units.into());
    gauges.set("flashsale_sale_units_sold", sale.units.saturating_sub(remaining).into());
    gauges.set("flashsale_sale_units_remaining", remaining.into());
    of_filter(live, &gauges);
    let confirmations = &live.confirmations;
    gauges.set("flashsale_ledger_entries", entries as f64);
    gauges.set("flashsale_ledger_pending_entries", confirmations.pending() as f64);
    gauges.set("flashsale_ledger_lag_seconds", confirmations.lag().as_secs_f64());
    let persisted = confirmations.persisted();
    if persisted > LedgerId::ZERO && persisted < LedgerId::MAX {
        gauges.set("flashsale_ledger_watermark_timestamp_seconds", seconds(persisted.time()));
    }
    gauges.set("flashsale_attempts_pending", live.attempts_pending.load(Ordering::Relaxed) as f64);
    if let Some(last_audit) = live.last_audit.load_full() {
        of_audit(&last_audit, &gauges);
    }
}

fn of_filter(live: &LiveSale, gauges: &SaleGauges) {
    let filter = live.filter();
    gauges.set("flashsale_sold_filter_items", filter.sold_items().into());
    gauges.set("flashsale_sold_filter_let_through_items", filter.let_through().len() as f64);
    gauges.set("flashsale_sold_filter_size_bytes", filter.size_bytes() as f64);
    gauges.set("flashsale_sold_filter_age_seconds", filter_age(live, filter.as_of()));
}

/// How much older the filter is than the newest entry that this instance has heard of: from the ledger, or from
/// whoever archives it. Nothing is sold before the start of a sale.
fn filter_age(live: &LiveSale, as_of: LedgerId) -> f64 {
    let persisted = Some(live.confirmations.persisted()).filter(|id| *id < LedgerId::MAX);
    let newest = live.projection().as_of().max(persisted.unwrap_or(LedgerId::ZERO));
    let start = live.sale().window.starts_at;
    (seconds(newest.time().max(start)) - seconds(as_of.time().max(start))).max(0.0)
}

fn of_audit(last_audit: &LastAudit, gauges: &SaleGauges) {
    gauges.set("flashsale_audit_timestamp_seconds", seconds(last_audit.at));
    let Some(Findings { sold, lost, oversold, over_limit, drift }) = last_audit.findings else { return };
    gauges.set("flashsale_audit_units_sold", sold as f64);
    for (finding, count) in [("lost", lost), ("oversold", oversold), ("over_limit", over_limit), ("drift", drift)] {
        let labels = gauges.labels.iter().cloned().chain([Pair::from_static_parts("finding", finding)]);
        gauge!("flashsale_audit_findings", labels.collect::<Vec<_>>()).set(count as f64);
    }
}

/// The gauges of one sale.
struct SaleGauges {
    labels: Vec<Pair>,
}

impl SaleGauges {
    fn new(sale: &str, kind: SaleKind, state: SaleStatus) -> Self {
        let kind = KINDS.into_iter().find_map(|(known, word)| (known == kind).then_some(word));
        let state = STATES.into_iter().find_map(|(known, word)| (known == state).then_some(word));
        let labels = [("sale", sale), ("kind", kind.unwrap_or_default()), ("state", state.unwrap_or_default())];
        SaleGauges { labels: labels.map(|(name, value)| Pair::new(name, value.to_owned())).to_vec() }
    }

    fn set(&self, name: &'static str, value: f64) {
        gauge!(name, self.labels.clone()).set(value);
    }
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_micros() as f64 / 1e6
}

fn describe() {
    describe_gauge!("flashsale_build_info", "1, with the version that runs.");
    describe_gauge!("flashsale_tokio_workers", "Threads that run the service.");
    describe_gauge!("flashsale_tokio_tasks", "Tasks that are alive.");
    describe_gauge!("flashsale_tokio_queue_depth", "Tasks that wait for any thread to run them.");
    describe_counter!("flashsale_tokio_busy_seconds_total", Unit::Seconds, "Time that the threads were busy.");
    describe_gauge!("flashsale_epoch", "Epoch that this instance decides in; 0 while it decides nothing.");
    describe_counter!("flashsale_sold_filter_refusals_total", "Requests refused by the sold-item filter alone.");
    describe_gauge!("flashsale_purchases_waiting", "Purchases that are decided and wait for their commit.");
    describe_gauge!("flashsale_sales", "Sales that are not closed, by kind (hourly, special) and state.");
    describe_gauge!("flashsale_sale_start_timestamp_seconds", Unit::Seconds, "When the sale starts.");
    describe_gauge!("flashsale_sale_end_timestamp_seconds", Unit::Seconds, "When the sale ends.");
    describe_gauge!("flashsale_sale_units", "Units on offer.");
    describe_gauge!("flashsale_sale_units_sold", "Units sold, as the ledger says.");
    describe_gauge!("flashsale_sale_units_remaining", "Units that nobody owns.");
    describe_gauge!("flashsale_sold_filter_items", "Items that the sold-item filter refuses.");
    describe_gauge!("flashsale_sold_filter_let_through_items", "Its false positives, which are let through by name.");
    describe_gauge!("flashsale_sold_filter_size_bytes", Unit::Bytes, "Size of the sold-item filter.");
    describe_gauge!(
        "flashsale_sold_filter_age_seconds",
        Unit::Seconds,
        "How much older the sold-item filter is than what is known to be sold; 0 when it is up to date."
    );
    describe_gauge!("flashsale_ledger_entries", "Entries of the ledger.");
    describe_gauge!("flashsale_ledger_pending_entries", "Entries of the ledger that are not in PostgreSQL.");
    describe_gauge!("flashsale_ledger_lag_seconds", Unit::Seconds, "Age of the oldest entry not in PostgreSQL.");
    describe_gauge!(
        "flashsale_ledger_watermark_timestamp_seconds",
        Unit::Seconds,
        "Time of the newest entry that is in PostgreSQL."
    );
    describe_gauge!("flashsale_attempts_pending", "Checkout attempts that are not in PostgreSQL.");
    describe_gauge!(
        "flashsale_audit_timestamp_seconds",
        Unit::Seconds,
        "When the last self-audit ended, or since when this instance makes them."
    );
    describe_gauge!("flashsale_audit_units_sold", "Units that PostgreSQL says are sold, at the last self-audit.");
    describe_gauge!("flashsale_audit_findings", "What the last self-audit found to be wrong: each must be 0.");
}

#[cfg(test)]
mod tests {
    use crate::application::sale::live_sale::sample;
    use crate::domain::shared::Epoch;

    use super::*;

    #[test]
    fn a_filter_that_follows_no_more_ages_by_what_is_archived_meanwhile() {
        let sale = sample(3);
        let at = |seconds: i64| format!("{}-0", sale.sale().window.starts_at.timestamp_millis() + seconds * 1_000);
        assert_eq!(filter_age(&sale, LedgerId::ZERO), 0.0);
        sale.confirmations.advance(Epoch(1), at(30).parse().unwrap(), []);
        assert_eq!(filter_age(&sale, LedgerId::ZERO), 30.0);
        assert_eq!(filter_age(&sale, at(20).parse().unwrap()), 10.0);
        sale.confirmations.close();
        assert_eq!(filter_age(&sale, at(20).parse().unwrap()), 0.0);
    }
}
