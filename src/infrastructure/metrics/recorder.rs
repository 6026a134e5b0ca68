//! The recorder of the process.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// 50 ms is a bucket because the latency objective of purchases uses it.
const LATENCY_SECONDS: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.05, 0.064, 0.128, 0.25, 0.5, 1.0, 5.0];
const AUDIT_SECONDS: [f64; 12] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 120.0];
const ENTRIES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Makes the recorder of this process, once. Returns its exporter.
pub fn install() -> &'static PrometheusHandle {
    static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();
    EXPORTER.get_or_init(|| {
        let recorder = recorder().unwrap_or_else(|error| unreachable!("the buckets are not empty: {error}"));
        let exporter = recorder.handle();
        if ::metrics::set_global_recorder(recorder).is_err() {
            tracing::error!("this process already has another metrics recorder: /metrics stays empty");
        }
        exporter
    })
}

/// Returns the counted and measured metrics as text.
pub fn render() -> String {
    install().render()
}

/// Sorts the measurements that have been recorded since the last call into their buckets. Until then they take memory.
pub fn run_upkeep() {
    install().run_upkeep();
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&LATENCY_SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_entries".into()), &ENTRIES)?
        .set_buckets_for_metric(Matcher::Prefix("flashsale_audit_".into()), &AUDIT_SECONDS)?
        .build_recorder();
    Ok(recorder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_get_the_same_recorder() {
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| std::ptr::from_ref(install()) as usize)).collect();
        let recorders: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(recorders.iter().all(|recorder| *recorder == recorders[0]));
    }

    #[test]
    fn every_metric_has_a_help_text() {
        super::super::install();
        let text = render();
        let name = |line: &str| line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
        for name in text.lines().filter_map(name) {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help text");
        }
    }
}
