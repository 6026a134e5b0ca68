//! The recorder of the process, and every handle that is used on the hot path: looking one up by name and labels
//! takes longer than all else that a metric costs.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label as Pair, counter, describe_counter, describe_gauge, gauge, histogram};
use metrics::{Unit, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::application::sale::ports::RejectionReason;
use crate::infrastructure::postgres::Statement;
use crate::infrastructure::redis::ScriptName;

use super::labels::{AuditResult, Label, Pool, RecoveryResult, StoreErrorKind};

/// Measurements wait in memory until they are sorted into buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// 50 ms is what the goal for purchases is measured against.
const LATENCY_SECONDS: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.064, 0.128, 0.25, 0.5, 1.0, 5.0];
const AUDIT_SECONDS: [f64; 12] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 120.0];
const BATCH_ENTRIES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Handles of the metrics of the stores and of the background.
pub struct Metrics {
    exporter: PrometheusHandle,
    pub redis_scripts: Vec<Histogram>,
    pub redis_errors: Vec<Counter>,
    pub postgres_statements: Vec<Histogram>,
    pub postgres_errors: Vec<Counter>,
    pub postgres_pools: Vec<PoolGauges>,
    pub ledger_batch: Histogram,
    pub fence_trips: Counter,
    pub recoveries: Vec<Counter>,
    /// For a unit sold already, and for a slot filled already.
    pub guard_hits: [Counter; 2],
    pub rejected_entries: Vec<Counter>,
    pub audits: Vec<Counter>,
    pub audit_duration: Histogram,
}

/// The connections of one pool.
pub struct PoolGauges {
    pub idle: Gauge,
    pub in_use: Gauge,
    pub max: Gauge,
}

impl PoolGauges {
    fn of(pool: Pool) -> Self {
        let state = |state| gauge!("flashsale_postgres_pool_connections", "pool" => pool.word(), "state" => state);
        PoolGauges {
            idle: state("idle"),
            in_use: state("in_use"),
            max: gauge!("flashsale_postgres_pool_connections_max", "pool" => pool.word()),
        }
    }
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| {
        let recorder = recorder().unwrap_or_else(|error| unreachable!("the buckets are not empty: {error}"));
        let exporter = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::error!("another recorder of metrics is installed in this process: /metrics stays empty");
        }
        describe();
        keep_up(exporter.clone());
        Metrics::new(exporter)
    })
}

/// What was counted and measured.
pub fn render() -> String {
    metrics().exporter.render()
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&LATENCY_SECONDS)?
        .set_buckets_for_metric(Matcher::Full("flashsale_ledger_batch_entries".into()), &BATCH_ENTRIES)?
        .set_buckets_for_metric(Matcher::Full("flashsale_audit_duration_seconds".into()), &AUDIT_SECONDS)?
        .build_recorder();
    Ok(recorder)
}

/// On a thread of its own, which outlives the runtimes of tests.
fn keep_up(exporter: PrometheusHandle) {
    let sorting = move || {
        loop {
            std::thread::sleep(UPKEEP_EVERY);
            exporter.run_upkeep();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("metrics".into()).spawn(sorting) {
        tracing::error!(%error, "no thread for metrics: they are sorted only when somebody asks for them");
    }
}

impl Metrics {
    fn new(exporter: PrometheusHandle) -> Self {
        Metrics {
            exporter,
            redis_scripts: durations::<ScriptName>("flashsale_redis_script_duration_seconds", "script"),
            redis_errors: by::<StoreErrorKind>("flashsale_redis_errors_total", "kind", &[]),
            postgres_statements: durations::<Statement>("flashsale_postgres_statement_duration_seconds", "statement"),
            postgres_errors: by::<StoreErrorKind>("flashsale_postgres_errors_total", "kind", &[]),
            postgres_pools: Pool::all().into_iter().map(PoolGauges::of).collect(),
            ledger_batch: histogram!("flashsale_ledger_batch_entries"),
            fence_trips: counter!("flashsale_fence_trips_total"),
            recoveries: by::<RecoveryResult>("flashsale_recoveries_total", "result", &[]),
            guard_hits: [RejectionReason::UnitSold, RejectionReason::SlotFilled]
                .map(|guard| counter!("flashsale_guard_hits_total", "guard" => guard.word())),
            rejected_entries: by::<RejectionReason>("flashsale_rejected_entries_total", "reason", &[]),
            audits: by::<AuditResult>("flashsale_audits_total", "result", &[]),
            audit_duration: histogram!("flashsale_audit_duration_seconds"),
        }
    }
}

/// One counter for each value of a label.
fn by<L: Label>(name: &'static str, label: &'static str, more: &[(&'static str, &'static str)]) -> Vec<Counter> {
    let counter = |value: L| {
        let more = more.iter().map(|(name, value)| Pair::from_static_parts(name, value));
        let labels: Vec<Pair> = more.chain([Pair::from_static_parts(label, value.word())]).collect();
        counter!(name, labels)
    };
    L::all().into_iter().map(counter).collect()
}

/// One histogram for each value of a label.
fn durations<L: Label>(name: &'static str, label: &'static str) -> Vec<Histogram> {
    L::all().into_iter().map(|value| histogram!(name, label => value.word())).collect()
}

fn describe() {
    describe_histogram!("flashsale_redis_script_duration_seconds", Unit::Seconds, "Time to run a script, by script.");
    describe_counter!("flashsale_redis_errors_total", "Operations that Redis did not do, by kind of failure.");
    describe_histogram!(
        "flashsale_postgres_statement_duration_seconds",
        Unit::Seconds,
        "Time to run a statement, with the wait for a connection, by statement."
    );
    describe_counter!("flashsale_postgres_errors_total", "Operations that PostgreSQL did not do, by kind of failure.");
    describe_gauge!("flashsale_postgres_pool_connections", "Connections to PostgreSQL, by pool and state.");
    describe_gauge!("flashsale_postgres_pool_connections_max", "How many connections a pool may have.");
    describe_histogram!("flashsale_ledger_batch_entries", "Ledger entries in one batch that was committed.");
    describe_counter!("flashsale_fence_trips_total", "Times that Redis was found to have forgotten.");
    describe_counter!("flashsale_recoveries_total", "Attempts to make sure of Redis, by result.");
    describe_counter!("flashsale_guard_hits_total", "Oversells and passed limits averted by PostgreSQL, by guard.");
    describe_counter!("flashsale_rejected_entries_total", "Ledger entries that PostgreSQL refused, by reason.");
    describe_counter!("flashsale_audits_total", "Self-audits of a live sale, by result.");
    describe_histogram!("flashsale_audit_duration_seconds", Unit::Seconds, "Time that a self-audit took.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_installs_it_again_gets_the_same_recorder() {
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| std::ptr::from_ref(metrics()) as usize)).collect();
        let recorders: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(recorders.iter().all(|recorder| *recorder == recorders[0]));
    }

    #[test]
    fn every_metric_has_a_help_text_and_histograms_have_buckets() {
        metrics().ledger_batch.record(3.0);
        let text = render();
        let named =
            |line: &str| line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
        for name in text.lines().filter_map(named) {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help text");
        }
        assert!(text.contains("flashsale_ledger_batch_entries_bucket{le=\"4\"}"), "{text}");
    }
}
