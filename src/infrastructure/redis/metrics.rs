//! The metrics of Redis.

use crate::infrastructure::metrics::{Counter, Histogram, Label, Metric, StoreErrorKind, metrics};

use super::scripts::ScriptName;

impl Label for ScriptName {}

metrics! {
    /// Time to run a script, with the round trip, by script.
    pub static SCRIPT_DURATION: Metric<Histogram, ScriptName> = "flashsale_redis_script_duration_seconds" by "script";

    /// Requests decided in groups, by script. Divided by the calls of the script, the mean size of a group.
    pub static REQUESTS: Metric<Counter, ScriptName> = "flashsale_redis_script_requests_total" by "script";

    /// Failed operations of Redis, by kind of failure.
    pub static ERRORS: Metric<Counter, StoreErrorKind> = "flashsale_redis_errors_total" by "kind";
}
