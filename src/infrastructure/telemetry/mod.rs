//! Logs, and the export of traces.
//!
//! Spans and events of single requests have the level `debug`. At the default level each costs one atomic read.

mod chain;
mod json;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "without_otlp.rs"]
mod otlp;
mod settings;

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry};

use json::OneObject;

pub use chain::Chain;
pub use otlp::{Traces, TracesError, began};
pub use settings::{LogFormat, TraceConfig};

/// Starts to log to standard error, as text or as one JSON object a line, and to export traces if `traces` is given.
/// The log filter does not affect the traces.
pub fn init(filter: &str, format: LogFormat, traces: Option<&Traces>) -> Result<(), ParseError> {
    // A bare level applies to this program. The libraries log warnings and errors.
    let filter = match filter {
        "error" | "warn" | "info" | "debug" | "trace" => format!("warn,flashsale={filter}"),
        filter => filter.to_owned(),
    };
    let filter = EnvFilter::try_new(filter)?;
    let lines = fmt::layer::<Registry>().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.fmt_fields(JsonFields::new()).event_format(OneObject).boxed(),
    };
    let logs = tracing_subscriber::registry().with(lines.with_filter(filter));
    // Not `try_init`, which also takes the records of the `log` crate. This program writes none, but sqlx asks whether
    // a record is enabled, and after such a question a layer with its own filter misses the next event
    // (tokio-rs/tracing#2519). A second subscriber in one process, as in tests, is ignored.
    let _first = tracing::subscriber::set_global_default(logs.with(traces.map(Traces::layer)));
    Ok(())
}
