//! Times as the interface writes them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// Writes a time in UTC with three decimal places.
pub fn as_milliseconds<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Writes a time that may be missing in the same way.
pub fn as_milliseconds_if_set<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => as_milliseconds(time, serializer),
        None => serializer.serialize_none(),
    }
}
