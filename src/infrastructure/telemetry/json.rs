//! Log lines as flat JSON objects: `request_id` and `ledger_id` are top-level fields of every line about a request.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats an event as one JSON object with its fields and those of all spans around it. The innermost field wins.
pub struct OneObject;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    target: &'a str,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl<S, N> FormatEvent<S, N> for OneObject
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(|spans| spans.from_root()) {
            if let Some(of_span) = span.extensions().get::<FormattedFields<N>>() {
                fields.extend(object(&of_span.fields));
            }
        }
        let mut of_event = String::new();
        context.format_fields(Writer::new(&mut of_event), event)?;
        fields.extend(object(&of_event));
        // These are for OpenTelemetry only.
        fields.retain(|name, _| !name.starts_with("otel."));
        let line = Line {
            timestamp: Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true),
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            fields,
        };
        writeln!(to, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}
