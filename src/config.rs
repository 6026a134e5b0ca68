//! Everything that can be set: a flag and an environment variable each.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hyper::Uri;

use crate::application::sale::Settings;
use crate::domain::shared::limits::{SALE_ITEMS_MAX, USER_UNITS, USER_UNITS_MAX};
use crate::infrastructure::http::{AdminToken, HttpSettings, Rate};
use crate::infrastructure::local;
use crate::startup::StoreUrls;

/// Where the stores are. Where nothing is said, they are those of a running `flashsale local`.
#[derive(Debug, Clone, Args)]
pub struct StoreConfig {
    /// PostgreSQL, where the truth is kept: postgres://user:password@host/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Redis, where purchases are decided: redis://:password@host:6379/
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,

    /// Connections to PostgreSQL for requests
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections: u32,

    #[command(flatten)]
    pub data_dir: DataDirConfig,
}

/// Where `flashsale local` keeps its data.
#[derive(Debug, Clone, Args)]
pub struct DataDirConfig {
    /// Where `flashsale local` keeps its data [default: /var/lib/flashsale as root, else below ~/.local/state]
    #[arg(long, env = "DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Why it is not known where the stores are.
#[derive(Debug, thiserror::Error)]
pub enum NoStores {
    #[error("set DATABASE_URL and REDIS_URL, or start the private stores with `flashsale local`: {0}")]
    NotRunning(local::Error),
    #[error("{0} is set and {1} is not: set both, or neither to use the stores of a running `flashsale local`")]
    Half(&'static str, &'static str),
    #[error(transparent)]
    DataDir(local::Error),
}

impl DataDirConfig {
    /// The directory in effect.
    pub fn path(&self) -> Result<PathBuf, local::Error> {
        self.data_dir.clone().map_or_else(local::default_data_dir, Ok)
    }
}

impl StoreConfig {
    /// The stores in effect. Never one that is named with one that is not: they would not belong together.
    pub fn urls(&self) -> Result<StoreUrls, NoStores> {
        let connections = self.database_connections;
        let (postgres, redis) = match (self.database_url.clone(), self.redis_url.clone()) {
            (Some(postgres), Some(redis)) => (postgres, redis),
            (None, None) => {
                let data_dir = self.data_dir.path().map_err(NoStores::DataDir)?;
                local::running(&data_dir).map_err(NoStores::NotRunning)?
            }
            (Some(_), None) => return Err(NoStores::Half("DATABASE_URL", "REDIS_URL")),
            (None, Some(_)) => return Err(NoStores::Half("REDIS_URL", "DATABASE_URL")),
        };
        Ok(StoreUrls { postgres, redis, connections })
    }

    /// The same for who needs PostgreSQL only.
    pub fn urls_without_redis(&self) -> Result<StoreUrls, NoStores> {
        let redis_url = self.database_url.as_ref().map(|_| self.redis_url.clone().unwrap_or_default());
        StoreConfig { redis_url, ..self.clone() }.urls()
    }
}

/// What is sold when.
#[derive(Debug, Clone, Args)]
pub struct SaleConfig {
    /// Length of a periodic sale, in whole seconds: 1h, 30m, 2s
    #[arg(long, env = "SALE_EVERY", default_value = "1h", value_parser = whole_seconds)]
    pub sale_every: Duration,

    /// How long before its start the next periodic sale is made; at most one period counts
    #[arg(long, env = "SALE_LEAD", default_value = "5m", value_parser = humantime::parse_duration)]
    pub sale_lead: Duration,

    /// Items of a periodic sale
    #[arg(long, env = "SALE_ITEMS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=SALE_ITEMS_MAX as i64))]
    pub sale_items: u32,

    /// Units of one sale that a user may own
    #[arg(long, env = "USER_LIMIT", default_value_t = USER_UNITS, value_parser = clap::value_parser!(u32).range(1..=USER_UNITS_MAX as i64))]
    pub user_limit: u32,

    /// How long a purchase waits to become durable before it is answered 202 "confirming"
    #[arg(long, env = "ACK_TIMEOUT", default_value = "3s", value_parser = positive)]
    pub ack_timeout: Duration,

    /// How far PostgreSQL may lag behind before new purchases are refused with 503
    #[arg(long, env = "LAG_LIMIT", default_value = "2s", value_parser = positive)]
    pub lag_limit: Duration,
}

/// How requests are served.
#[derive(Debug, Clone, Args)]
pub struct HttpConfig {
    /// Address that shoppers are served on
    #[arg(long = "listen", env = "LISTEN_ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Address that has /metrics and /admin, and then has them alone
    #[arg(long = "ops-listen", env = "OPS_LISTEN_ADDR")]
    pub ops_listen: Option<SocketAddr>,

    /// Token of the admin interface, which does not exist without one
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub admin_token: Option<String>,

    /// Longest time for one request; more than ACK_TIMEOUT
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "10s", value_parser = positive)]
    pub request_timeout: Duration,

    /// Longest time for requests in flight, and for the ledger, once the service is asked to stop
    #[arg(long, env = "SHUTDOWN_TIMEOUT", default_value = "15s", value_parser = positive)]
    pub shutdown_timeout: Duration,

    /// Connections that are open at once
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000)]
    pub max_connections: usize,

    /// Requests that are worked on at once; more are refused with 503
    #[arg(long, env = "MAX_IN_FLIGHT", default_value_t = 8_000)]
    pub max_in_flight: usize,

    /// Requests a second of one user; 0 is no limit
    #[arg(long, env = "RATE_LIMIT_PER_USER", default_value_t = 0)]
    pub rate_limit_per_user: u32,

    /// Requests a second from one address; 0 is no limit
    #[arg(long, env = "RATE_LIMIT_PER_ADDRESS", default_value_t = 0)]
    pub rate_limit_per_address: u32,
}

/// How the service logs.
#[derive(Debug, Clone, Args)]
pub struct LogConfig {
    /// What is logged: error, warn, info, debug, trace, or a filter such as flashsale=debug
    #[arg(long = "log", env = "LOG", default_value = "info", global = true)]
    pub filter: String,

    /// How it is logged
    #[arg(long = "log-format", env = "LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub format: LogFormat,
}

/// Where traces go.
#[derive(Debug, Clone, Args)]
pub struct TraceConfig {
    /// OpenTelemetry collector that traces are exported to, such as http://127.0.0.1:4318; needs the feature `otlp`
    #[arg(long, env = "OTLP_ENDPOINT", global = true, value_parser = plain_http)]
    pub otlp_endpoint: Option<String>,

    /// Share of the requests that are traced, 0 to 1; whoever sends a `traceparent` decides that himself
    #[arg(long, env = "OTLP_SAMPLE", default_value_t = 0.01, global = true, value_parser = share)]
    pub otlp_sample: f64,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

impl SaleConfig {
    /// As the application has it.
    pub fn settings(&self) -> Settings {
        Settings {
            sale_every: self.sale_every,
            sale_lead: self.sale_lead,
            sale_items: self.sale_items,
            user_limit: self.user_limit,
            ack_timeout: self.ack_timeout,
            lag_limit: self.lag_limit,
        }
    }
}

impl HttpConfig {
    /// As the HTTP interface has it.
    pub fn settings(&self) -> HttpSettings {
        let rate = |per_second: u32| {
            let per_second = NonZeroU32::new(per_second)?;
            Some(Rate { per_second, burst: per_second })
        };
        HttpSettings {
            connections: self.max_connections,
            in_flight: self.max_in_flight,
            request_timeout: self.request_timeout,
            drain_timeout: self.shutdown_timeout,
            user_rate: rate(self.rate_limit_per_user),
            address_rate: rate(self.rate_limit_per_address),
            admin_token: self.admin_token.clone().and_then(AdminToken::new),
            ..HttpSettings::default()
        }
    }
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
        _ => Err("must be such as http://127.0.0.1:4318".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be 0 to 1".to_owned())
}

fn positive(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be more than nothing".to_owned()) } else { Ok(duration) }
}

fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = positive(text)?;
    if duration.subsec_nanos() != 0 {
        return Err("must be whole seconds".to_owned());
    }
    if duration > Duration::from_secs(366 * 86_400) {
        return Err("must be at most a year".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_where_no_password_is_needed() {
        assert!(plain_http("http://127.0.0.1:4318").is_ok() && plain_http("http://collector/").is_ok());
        for text in
            ["http://user:secret@collector", "https://collector", "collector:4318", "http://collector/?key=secret"]
        {
            assert!(plain_http(text).is_err(), "{text}");
        }
    }
}
