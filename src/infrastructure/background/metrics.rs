//! The metrics of the background tasks.

use strum::{IntoStaticStr, VariantArray};

use crate::infrastructure::metrics::{Counter, Gauge, Histogram, Label, Metric, metrics};

use super::task_name::TaskName;

metrics! {
    /// Attempts to recover, by result.
    pub static RECOVERIES: Metric<Counter, RecoveryResult> = "flashsale_recoveries_total" by "result";

    /// Audits of a live sale, by result.
    pub static AUDITS: Metric<Counter, AuditResult> = "flashsale_audits_total" by "result";

    /// Duration of an audit.
    pub static AUDIT_DURATION: Metric<Histogram> = "flashsale_audit_duration_seconds";

    /// Time that Redis spent on an audit, at most.
    pub static AUDIT_REDIS_TIME: Metric<Histogram> = "flashsale_audit_redis_seconds";

    /// Differences that audits could not decide, because too many purchases waited for PostgreSQL.
    pub static AUDIT_SKIPPED: Metric<Counter> = "flashsale_audit_skipped_total";

    /// Sales that were rebuilt because an audit found that Redis differed from PostgreSQL.
    pub static REPAIRS: Metric<Counter> = "flashsale_repairs_total";

    /// Users who have joined the waiting rooms of live sales.
    pub static QUEUE_JOINED: Metric<Gauge> = "flashsale_queue_joined";

    /// Places that the waiting rooms of live sales have called.
    pub static QUEUE_CALLED: Metric<Gauge> = "flashsale_queue_called";

    /// Passes that are out, neither used nor expired.
    pub static QUEUE_PASSES: Metric<Gauge> = "flashsale_queue_passes";

    /// Background tasks that ended unexpectedly and were restarted, by task.
    pub static TASK_RESTARTS: Metric<Counter, TaskName> = "flashsale_task_restarts_total" by "task";
}

impl Label for RecoveryResult {}
impl Label for AuditResult {}

/// The result of an attempt to recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RecoveryResult {
    Intact,
    Restored,
    Failed,
}

/// The result of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum AuditResult {
    Sound,
    Unsound,
    /// A store did not answer, or was being restored.
    Failed,
}
