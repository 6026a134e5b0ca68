//! The settings: each is a flag and an environment variable.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Args, Command, ValueEnum};

use crate::application::admission::RoomSettings;
use crate::application::sale::Settings;
use crate::domain::sale::PaymentWindow;
use crate::domain::shared::Invalid;
use crate::domain::shared::limits::{ADMIT_MAX, LIVE_SALES_MAX, SALE_ITEMS_MAX, USER_UNITS, USER_UNITS_MAX};
use crate::infrastructure::http::{AdminToken, HttpSettings, Rate, TrustedProxies, TrustedProxy};
use crate::infrastructure::local::{self, ProviderAccess};
use crate::infrastructure::payment::{PaymentSettings, ProviderKey, ProviderUrl, WebhookSecret};
use crate::infrastructure::telemetry::LogFormat;
use crate::infrastructure::tokens::TokenKeys;

pub use crate::infrastructure::telemetry::TraceConfig;

/// The addresses of the stores. The default is the stores of a running `flashsale local`.
#[derive(Debug, Clone, Args)]
pub struct StoreConfig {
    /// PostgreSQL, which stores the durable data: postgres://user:password@host/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Redis, which decides purchases: redis://:password@host:6379/
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,

    #[command(flatten)]
    pub pool: PoolConfig,

    #[command(flatten)]
    pub data_dir: DataDirConfig,
}

/// The pool of connections to PostgreSQL.
#[derive(Debug, Clone, Args)]
pub struct PoolConfig {
    /// Connections to PostgreSQL for requests that read
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections: u32,
}

/// The addresses in effect, and the number of connections.
#[derive(Clone)]
pub struct StoreUrls {
    pub postgres: String,
    pub redis: String,
    /// Connections to PostgreSQL for requests.
    pub connections: u32,
}

/// The data directory of `flashsale local`.
#[derive(Debug, Clone, Args)]
pub struct DataDirConfig {
    /// Data directory of `flashsale local` [default: /var/lib/flashsale as root, otherwise below ~/.local/state]
    #[arg(long, env = "DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Stores whose addresses are not known.
#[derive(Debug, thiserror::Error)]
pub enum NoStores {
    #[error("set DATABASE_URL and REDIS_URL, or start private stores with `flashsale local`: {0}")]
    NotRunning(local::Error),
    #[error("{0} is set and {1} is not: set both, or neither to use the stores of a running `flashsale local`")]
    Half(&'static str, &'static str),
    #[error(transparent)]
    DataDir(local::Error),
}

impl DataDirConfig {
    /// Returns the directory in effect.
    pub fn path(&self) -> Result<PathBuf, local::Error> {
        self.data_dir.clone().map_or_else(local::default_data_dir, Ok)
    }
}

impl StoreConfig {
    /// Returns the addresses in effect. Never combines an address that is set with one of `flashsale local`: the two
    /// stores would not belong together.
    pub fn urls(&self) -> Result<StoreUrls, NoStores> {
        let connections = self.pool.database_connections;
        let (postgres, redis) = match (self.database_url.clone(), self.redis_url.clone()) {
            (Some(postgres), Some(redis)) => (postgres, redis),
            (None, None) => {
                let running = self.running()?;
                (running.postgres, running.redis)
            }
            (Some(_), None) => return Err(NoStores::Half("DATABASE_URL", "REDIS_URL")),
            (None, Some(_)) => return Err(NoStores::Half("REDIS_URL", "DATABASE_URL")),
        };
        Ok(StoreUrls { postgres, redis, connections })
    }

    /// Returns the payment provider of a running `flashsale local`, if the stores in effect are its own.
    pub fn provider(&self) -> Option<ProviderAccess> {
        match self.database_url {
            Some(_) => None,
            None => self.running().ok()?.provider,
        }
    }

    /// Returns the address of PostgreSQL for migrations.
    pub fn owner_url(&self) -> Result<String, NoStores> {
        self.database_url.clone().map_or_else(|| Ok(self.running()?.owner), Ok)
    }

    fn running(&self) -> Result<local::Urls, NoStores> {
        let data_dir = self.data_dir.path().map_err(NoStores::DataDir)?;
        local::running(&data_dir).map_err(NoStores::NotRunning)
    }
}

/// The periodic sales and the rules of purchases.
#[derive(Debug, Clone, Args)]
pub struct SaleConfig {
    /// Length of a periodic sale, in whole seconds: 1h, 30m, 2s
    #[arg(long, env = "SALE_EVERY", default_value = "1h", value_parser = whole_seconds)]
    pub sale_every: Duration,

    /// Time from the creation of a periodic sale to its start; at most one period counts
    #[arg(long, env = "SALE_LEAD", default_value = "5m", value_parser = humantime::parse_duration)]
    pub sale_lead: Duration,

    /// Items of a periodic sale
    #[arg(long, env = "SALE_ITEMS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=SALE_ITEMS_MAX as i64))]
    pub sale_items: u32,

    /// Units of one sale that a user may own
    #[arg(long, env = "USER_LIMIT", default_value_t = USER_UNITS, value_parser = clap::value_parser!(u32).range(1..=USER_UNITS_MAX as i64))]
    pub user_limit: u32,

    /// Time in which a purchase of a periodic or new sale must be paid: 10m; without it nothing is to be paid
    #[arg(long, env = "PAYMENT_WINDOW", value_parser = payment_window)]
    pub payment_window: Option<PaymentWindow>,

    /// Waiting room of a periodic or new sale: off, or on (only users whose place was called may buy; needs TOKEN_KEYS)
    #[arg(long, env = "WAITING_ROOM", value_enum, default_value = "off", num_args = 0..=1, default_missing_value = "on")]
    pub waiting_room: WaitingRoom,

    #[command(flatten)]
    pub admission: AdmissionConfig,

    /// Time for which a cart is kept after its last checkout; within twice this time it is forgotten
    #[arg(long, env = "CART_IDLE", default_value = "15m", value_parser = positive)]
    pub cart_idle: Duration,

    /// Longest wait of a purchase to become durable before it is answered 202 "confirming"
    #[arg(long, env = "ACK_TIMEOUT", default_value = "3s", value_parser = positive)]
    pub ack_timeout: Duration,

    /// Largest lag of PostgreSQL; beyond it new purchases are refused with 503
    #[arg(long, env = "LAG_LIMIT", default_value = "2s", value_parser = positive)]
    pub lag_limit: Duration,
}

/// The setting of a waiting room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WaitingRoom {
    /// Everybody may buy.
    Off,
    /// Users whose place was called may buy.
    On,
}

/// The admission from waiting rooms.
#[derive(Debug, Clone, Args)]
pub struct AdmissionConfig {
    /// Places that a new waiting room calls in a second at most
    #[arg(long, env = "ADMIT_RATE", default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=ADMIT_MAX as i64))]
    pub admit_rate: u32,

    /// Passes of a new waiting room that may be out at once
    #[arg(long, env = "ADMIT_ACTIVE", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(0..=ADMIT_MAX as i64))]
    pub admit_active: u32,

    /// Time for which a pass is valid
    #[arg(long, env = "ADMIT_FOR", default_value = "5m", value_parser = whole_seconds)]
    pub admit_for: Duration,
}

/// Fewest characters of an admin token: it must not be guessed.
const ADMIN_TOKEN_CHARS_MIN: usize = 16;

/// The HTTP server.
#[derive(Debug, Clone, Args)]
pub struct HttpConfig {
    /// Address for shoppers
    #[arg(long = "listen", env = "LISTEN_ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Address for /metrics and /admin; if set, they exist only there
    #[arg(long = "ops-listen", env = "OPS_LISTEN_ADDR")]
    pub ops_listen: Option<SocketAddr>,

    /// Token of the admin interface, which does not exist without one; at least 16 characters
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_parser = AdminTokenParser)]
    pub admin_token: Option<String>,

    /// Longest time for one request; must be longer than ACK_TIMEOUT
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "10s", value_parser = positive)]
    pub request_timeout: Duration,

    /// Longest time at shutdown for the requests in flight, and again for the ledger
    #[arg(long, env = "SHUTDOWN_TIMEOUT", default_value = "15s", value_parser = positive)]
    pub shutdown_timeout: Duration,

    /// Open connections of a listener; lowered at the start if the limit of open files is too low
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000)]
    pub max_connections: usize,

    /// Open connections from one address; 0 means no limit
    #[arg(long, env = "MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 0)]
    pub max_connections_per_address: usize,

    /// Streams of events of a listener, besides its connections; lowered at the start if the limit of open files is too low
    #[arg(long, env = "MAX_STREAMS", default_value_t = 10_000)]
    pub max_streams: usize,

    /// Requests of a class (purchase, checkout, queue, payment, read, admin, webhook) that are processed at the same time; more are refused with 503
    #[arg(long, env = "MAX_IN_FLIGHT", default_value_t = 10_000)]
    pub max_in_flight: usize,

    /// Requests per second of one user; 0 means no limit
    #[arg(long, env = "RATE_LIMIT_PER_USER", default_value_t = 0)]
    pub rate_limit_per_user: u32,

    /// Requests per second from one address; 0 means no limit
    #[arg(long, env = "RATE_LIMIT_PER_ADDRESS", default_value_t = 0)]
    pub rate_limit_per_address: u32,

    /// Addresses or networks of the proxies whose X-Forwarded-For tells the address of a client: 10.0.0.7,10.1.0.0/16
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<TrustedProxy>,

    #[command(flatten)]
    pub users: UserConfig,
}

/// The users.
#[derive(Debug, Clone, Args)]
pub struct UserConfig {
    /// Proof of the user of a request: off (requests name their users) or signed (tokens do, checked with TOKEN_KEYS)
    #[arg(long, env = "AUTH", value_enum, default_value = "off")]
    pub auth: Auth,

    /// Keys of the tokens of users and waiting rooms, the first of which signs: kid:HS256:secret,kid:EdDSA:key, with secrets and keys in base64url
    #[arg(long, env = "TOKEN_KEYS", hide_env_values = true, required_if_eq("auth", "signed"), value_parser = TokenKeysParser)]
    pub token_keys: Option<TokenKeys>,

    /// New guests per second from one address; 0 means no limit
    #[arg(long, env = "SESSIONS_PER_ADDRESS", default_value_t = 10)]
    pub sessions_per_address: u32,
}

/// The proof of the user of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// None: requests name their users.
    Off,
    /// A signed token names the user.
    Signed,
}

/// The payments of orders.
#[derive(Debug, Clone, Args)]
pub struct PaymentConfig {
    /// Payment provider: https://host; without it orders cannot be paid
    #[arg(long, env = "PAYMENT_PROVIDER_URL", requires_all = ["payment_provider_key", "payment_webhook_secret"])]
    pub payment_provider_url: Option<ProviderUrl>,

    /// Key of this service at the payment provider
    #[arg(long, env = "PAYMENT_PROVIDER_KEY", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub payment_provider_key: Option<String>,

    /// Secret with which the payment provider signs its events; while it is changed, both: old,new
    #[arg(long, env = "PAYMENT_WEBHOOK_SECRET", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub payment_webhook_secret: Option<String>,

    /// Longest time in which a payment may be pending
    #[arg(long, env = "PAYMENT_TTL", default_value = "10m", value_parser = positive)]
    pub payment_ttl: Duration,
}

impl PaymentConfig {
    /// Pays through this provider, unless another one is set.
    pub fn pay_through(&mut self, provider: ProviderAccess) -> Result<(), Invalid> {
        if self.payment_provider_url.is_none() {
            self.payment_provider_url = Some(provider.url.parse()?);
            self.payment_provider_key = Some(provider.key);
            self.payment_webhook_secret = Some(provider.webhook_secret);
        }
        Ok(())
    }

    /// Returns the settings of payments.
    pub fn settings(&self) -> PaymentSettings {
        let key = self.payment_provider_key.clone().and_then(ProviderKey::new);
        PaymentSettings {
            provider: self.payment_provider_url.clone().zip(key),
            webhook_secret: self.payment_webhook_secret.clone().and_then(WebhookSecret::new),
            patience: self.payment_ttl,
            ..PaymentSettings::NONE
        }
    }
}

/// The logs.
#[derive(Debug, Clone, Args)]
pub struct LogConfig {
    /// Log level (error, warn, info, debug, trace) or a filter such as flashsale=debug
    #[arg(long = "log", env = "LOG", default_value = "info", global = true)]
    pub filter: String,

    /// Format of the log lines
    #[arg(long = "log-format", env = "LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub format: LogFormat,
}

/// Periods for which the orders of a periodic sale may wait for their payment: until then it is live, besides the current
/// sale and the next one.
const PAYMENT_PERIODS_MAX: u32 = LIVE_SALES_MAX as u32 - 2;

impl SaleConfig {
    /// Returns the settings of the application. Fails if too many periodic sales would be live at once.
    pub fn settings(&self) -> Result<Settings, Invalid> {
        let window = self.payment_window.map_or(0, PaymentWindow::seconds);
        if Duration::from_secs(window.into()) > self.sale_every * PAYMENT_PERIODS_MAX {
            return Err(Invalid::new(format!(
                "PAYMENT_WINDOW must be at most {PAYMENT_PERIODS_MAX} times SALE_EVERY: a sale stays live until its orders are \
                 paid or have ended, and at most {LIVE_SALES_MAX} sales may be live"
            )));
        }
        Ok(Settings {
            sale_every: self.sale_every,
            sale_lead: self.sale_lead,
            sale_items: self.sale_items,
            user_limit: self.user_limit,
            payment_window: self.payment_window,
            waiting_room: self.has_waiting_room(),
            ack_timeout: self.ack_timeout,
            cart_idle: self.cart_idle,
            lag_limit: self.lag_limit,
        })
    }

    /// Returns true if periodic and new sales have a waiting room.
    pub fn has_waiting_room(&self) -> bool {
        self.waiting_room == WaitingRoom::On
    }

    /// Returns the settings of waiting rooms. Fails if they need a key that is missing.
    pub fn rooms(&self, users: &UserConfig) -> Result<RoomSettings, Invalid> {
        if self.has_waiting_room() && !users.token_keys.as_ref().is_some_and(TokenKeys::can_sign) {
            return Err(Invalid::new(
                "WAITING_ROOM=on needs TOKEN_KEYS with a key that can sign: set TOKEN_KEYS=a:HS256:<secret>, with 32 \
                 random bytes in base64url as the secret, the same on every instance",
            ));
        }
        let AdmissionConfig { admit_rate, admit_active, admit_for } = self.admission;
        Ok(RoomSettings { rate: admit_rate, active_max: admit_active, pass_life: admit_for })
    }
}

impl HttpConfig {
    /// Returns the settings of the HTTP interface.
    pub fn settings(&self) -> HttpSettings {
        let rate = |per_second: u32| {
            let per_second = NonZeroU32::new(per_second)?;
            Some(Rate { per_second, burst: per_second })
        };
        HttpSettings {
            connections: self.max_connections,
            connections_per_address: NonZeroUsize::new(self.max_connections_per_address),
            streams: self.max_streams,
            in_flight: self.max_in_flight,
            request_timeout: self.request_timeout,
            drain_timeout: self.shutdown_timeout,
            user_rate: rate(self.rate_limit_per_user),
            address_rate: rate(self.rate_limit_per_address),
            trusted_proxies: TrustedProxies::new(self.trusted_proxies.clone()),
            admin_token: self.admin_token.clone().and_then(AdminToken::new),
            session_rate: rate(self.users.sessions_per_address),
            token_keys: self.users.token_keys.clone().filter(|_| self.users.auth == Auth::Signed),
            room_keys: self.users.token_keys.clone().filter(TokenKeys::can_sign),
            ..HttpSettings::default()
        }
    }
}

/// Refuses a token that can be guessed. Unlike those of clap, its error does not contain the value.
#[derive(Debug, Clone)]
struct AdminTokenParser;

impl TypedValueParser for AdminTokenParser {
    type Value = String;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        let token = value.to_str().filter(|token| token.chars().count() >= ADMIN_TOKEN_CHARS_MIN);
        token.map(str::to_owned).ok_or_else(|| {
            let message = format!(
                "ADMIN_TOKEN has fewer than {ADMIN_TOKEN_CHARS_MIN} characters: set the output of \
                 `openssl rand -hex 32`, or unset it for no admin interface\n"
            );
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

/// Reads the keys of tokens. Unlike those of clap, its error does not contain the value.
#[derive(Debug, Clone)]
struct TokenKeysParser;

impl TypedValueParser for TokenKeysParser {
    type Value = TokenKeys;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<TokenKeys, clap::Error> {
        value.to_str().unwrap_or_default().parse().map_err(|error| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("TOKEN_KEYS: {error}\n")).with_cmd(command)
        })
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be greater than zero".to_owned()) } else { Ok(duration) }
}

fn payment_window(text: &str) -> Result<PaymentWindow, String> {
    let seconds = u32::try_from(whole_seconds(text)?.as_secs()).map_err(|error| error.to_string())?;
    PaymentWindow::try_from(seconds).map_err(|error| error.to_string())
}

/// Reads a duration of whole seconds, of a year at most.
pub fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = positive(text)?;
    if duration.subsec_nanos() != 0 {
        return Err("must be whole seconds".to_owned());
    }
    if duration > Duration::from_secs(366 * 86_400) {
        return Err("must be at most a year".to_owned());
    }
    Ok(duration)
}
