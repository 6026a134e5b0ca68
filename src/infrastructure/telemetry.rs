//! Logs, and traces where they are exported.
//!
//! Spans and events of single requests are of level `debug`: at the default level each costs one look at an atomic.

mod chain;
mod json;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "telemetry/without_otlp.rs"]
mod otlp;

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry};

use crate::config::LogFormat;

use json::OneObject;

pub use chain::Chain;
pub use otlp::{Traces, TracesError, began};

/// Logs to standard error from here on, as text or as one JSON object a line, and exports traces if there are any.
/// What is logged and what is traced do not depend on each other.
pub fn init(filter: &str, format: LogFormat, traces: Option<&Traces>) -> Result<(), ParseError> {
    // A bare level is meant for us; what the libraries say matters when something is wrong.
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
    // Not `try_init`, which takes in the records of the `log` crate, too. Nothing here writes any, but sqlx asks
    // whether it should, and after such a question a layer with a filter of its own misses the next event
    // (tokio-rs/tracing#2519). A second subscriber in one process, as in tests, is no subscriber.
    let _first = tracing::subscriber::set_global_default(logs.with(traces.map(Traces::layer)));
    Ok(())
}
