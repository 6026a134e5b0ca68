//! What can be set about serving, and what the contract fixes.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::domain::shared::Invalid;

use super::bearer::AdminToken;

/// Bytes of a request body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a request line and its headers.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How a client is served.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Connections at once. Further ones are told that the service is busy, and closed.
    pub connections: usize,
    /// Requests at once. Further ones are answered 503 without being looked at.
    pub in_flight: usize,
    /// How long a request may take, its body included. Longer than a purchase waits to become durable.
    pub request_timeout: Duration,
    /// How long the head of a request may take, and a body that is on its way.
    pub head_timeout: Duration,
    /// How long a connection may do nothing between requests. Longer than the proxy in front keeps one.
    pub idle_timeout: Duration,
    /// How long requests in flight may take to finish once the service is told to stop.
    pub drain_timeout: Duration,
    /// Requests of one user id.
    pub user_rate: Option<Rate>,
    /// Requests from one address (of one /64 network, in IPv6).
    pub address_rate: Option<Rate>,
    /// What an administrator shows. Without one there is no admin interface.
    pub admin_token: Option<AdminToken>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            connections: 10_000,
            in_flight: 4_096,
            request_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(10),
            user_rate: None,
            address_rate: None,
            admin_token: None,
        }
    }
}

impl HttpSettings {
    /// Whether the settings go together, also with how long a purchase waits to become durable.
    pub fn check(&self, ack_timeout: Duration) -> Result<(), Invalid> {
        if self.request_timeout <= ack_timeout {
            return Err(Invalid::new("the request timeout must be longer than the wait for a durable purchase"));
        }
        if self.connections == 0 || self.in_flight == 0 {
            return Err(Invalid::new("there must be room for at least one connection and one request"));
        }
        if self.head_timeout.is_zero() || self.idle_timeout < self.head_timeout {
            return Err(Invalid::new("the head timeout must not be zero, and the idle timeout not shorter than it"));
        }
        Ok(())
    }
}

/// So many requests a second in the long run, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// What a listener shows. Health is on every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// All of it.
    Everything,
    /// What shoppers need.
    Shopping,
    /// What operators need.
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
