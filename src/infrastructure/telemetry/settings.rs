//! The settings of logs and traces.

use clap::Args;
use hyper::Uri;

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// The export of traces.
#[derive(Debug, Clone, Args)]
pub struct TraceConfig {
    /// OpenTelemetry collector for traces, such as http://127.0.0.1:4318; needs a build with the feature `otlp`
    #[arg(long, env = "OTLP_ENDPOINT", global = true, value_parser = plain_http)]
    pub otlp_endpoint: Option<String>,

    /// Share of the requests that are traced, 0 to 1; a request with a `traceparent` header follows that header instead
    #[arg(long, env = "OTLP_SAMPLE", default_value_t = 0.01, global = true, value_parser = share)]
    pub otlp_sample: f64,
}

fn plain_http(text: &str) -> Result<String, String> {
    let is_plain = |url: &Uri| {
        url.scheme_str() == Some("http")
            && url.host().is_some()
            && url.query().is_none()
            && !url.authority().is_some_and(|authority| authority.as_str().contains('@'))
    };
    match text.parse::<Uri>() {
        Ok(url) if is_plain(&url) => Ok(text.to_owned()),
        _ => Err("must be an http URL without a user, such as http://127.0.0.1:4318".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_is_a_plain_url_without_a_password() {
        assert!(plain_http("http://127.0.0.1:4318").is_ok() && plain_http("http://collector/").is_ok());
        for text in
            ["http://user:secret@collector", "https://collector", "collector:4318", "http://collector/?key=secret"]
        {
            assert!(plain_http(text).is_err(), "{text}");
        }
    }
}
