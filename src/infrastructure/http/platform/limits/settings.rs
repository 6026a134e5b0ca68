//! The settings of a listener, and the limits that the contract fixes.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::domain::shared::Invalid;

use crate::infrastructure::payment::WebhookSecret;
use crate::infrastructure::tokens::TokenKeys;

use super::super::bearer::AdminToken;
use super::proxies::TrustedProxies;

/// Most bytes of a request body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Most headers of a request: the default of hyper for HTTP/1.
pub const HEADERS_MAX: usize = 100;

/// Most bytes of a request line and its headers.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The settings of a listener.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Most open connections. Further ones are answered 503 and closed.
    pub connections: usize,
    /// The same for one address; for IPv6, for one /64 network. Trusted proxies have no such limit.
    pub connections_per_address: Option<NonZeroUsize>,
    /// Most streams, which are counted apart from connections. Further ones are answered 503.
    pub streams: usize,
    /// Most requests of one [`Class`](super::super::policy::Class) in flight. Further ones are answered 503 at once.
    pub in_flight: usize,
    /// Longest time for a request, its body included. It must exceed the wait of a purchase for its commit.
    pub request_timeout: Duration,
    /// Longest time for the head of a request to arrive, and for its body.
    pub head_timeout: Duration,
    /// Longest pause between two requests of a connection. It should exceed the one of a proxy in front.
    pub idle_timeout: Duration,
    /// Pause between two requests of an HTTP/1 connection after which it gives its buffers back: 16 KiB, which hyper keeps
    /// however long a connection is idle.
    pub buffers_kept: Duration,
    /// Longest time in which the reader of a stream takes nothing.
    pub unread_timeout: Duration,
    /// Longest time for requests in flight to finish after the service was asked to stop.
    pub drain_timeout: Duration,
    /// Limit for one user id.
    pub user_rate: Option<Rate>,
    /// Limit for one address; for IPv6, for one /64 network.
    pub address_rate: Option<Rate>,
    /// Limit for new guests of one address; for IPv6, of one /64 network.
    pub session_rate: Option<Rate>,
    /// The proxies that tell the addresses of their clients.
    pub trusted_proxies: TrustedProxies,
    /// The token of the administrators. Without one there is no admin interface.
    pub admin_token: Option<AdminToken>,
    /// The secret of the payment provider, if there is one.
    pub webhook_secret: Option<WebhookSecret>,
    /// The keys of tokens. Without them, requests name their users.
    pub token_keys: Option<TokenKeys>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            connections: 10_000,
            connections_per_address: None,
            streams: 10_000,
            in_flight: 4_096,
            request_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            buffers_kept: Duration::from_secs(1),
            unread_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            user_rate: None,
            address_rate: None,
            session_rate: None,
            trusted_proxies: TrustedProxies::default(),
            admin_token: None,
            webhook_secret: None,
            token_keys: None,
        }
    }
}

impl HttpSettings {
    /// The same with the secret of the payment provider.
    pub fn told_with(self, webhook_secret: Option<WebhookSecret>) -> Self {
        HttpSettings { webhook_secret, ..self }
    }

    /// Fails if the settings contradict each other, or the longest wait of a purchase for its commit.
    pub fn check(&self, ack_timeout: Duration) -> Result<(), Invalid> {
        if self.request_timeout <= ack_timeout {
            return Err(Invalid::new("the request timeout must be longer than the acknowledgement timeout"));
        }
        if self.connections == 0 || self.in_flight == 0 {
            return Err(Invalid::new("at least one connection and one request in flight must be allowed"));
        }
        if self.head_timeout.is_zero() || self.idle_timeout < self.head_timeout {
            return Err(Invalid::new("the head timeout must not be zero, and the idle timeout must not be shorter"));
        }
        Ok(())
    }
}

/// A rate limit: requests per second in the long run, and requests at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// The part of the interface that a listener offers. Every listener offers health and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Every endpoint.
    Everything,
    /// The endpoints for shoppers.
    Shopping,
    /// The endpoints for operators.
    Operations,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_must_outlast_the_wait_for_a_durable_purchase() {
        let settings = HttpSettings::default();
        assert!(settings.check(Duration::from_secs(3)).is_ok());
        assert!(settings.check(settings.request_timeout).is_err());
        assert!(HttpSettings { in_flight: 0, ..settings }.check(Duration::ZERO).is_err());
    }
}
