//! Logs.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::LogFormat;

/// Logs to standard error from here on, as text or as one JSON object a line.
pub fn init(filter: &str, format: LogFormat) -> Result<(), ParseError> {
    // A bare level is meant for us; what the libraries say matters when something is wrong.
    let filter = match filter {
        "error" | "warn" | "info" | "debug" | "trace" => format!("warn,flashsale={filter}"),
        filter => filter.to_owned(),
    };
    let filter = EnvFilter::try_new(filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second subscriber in one process, as in tests, is no subscriber.
    let _first = match format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    Ok(())
}
