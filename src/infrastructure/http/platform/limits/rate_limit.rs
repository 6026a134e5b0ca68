//! Rate limits of users and addresses.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::domain::shared::UserId;

use super::super::problem::Problem;
use super::super::problem_code::ProblemCode;
use super::settings::{HttpSettings, Rate};

/// Most callers that are tracked separately.
const CALLERS_MAX: usize = 200_000;

/// Requests between two removals of callers who have been quiet.
const TIDY_EVERY: usize = 8_192;

/// The rate limits of a listener.
#[derive(Debug)]
pub struct RateLimits {
    users: Option<Limiter>,
    addresses: Option<Limiter>,
}

impl RateLimits {
    /// The limits of these settings.
    pub fn new(settings: &HttpSettings) -> Self {
        let limiter = |rate: Option<Rate>| rate.map(|rate| Limiter::new(rate, CALLERS_MAX));
        RateLimits { users: limiter(settings.user_rate), addresses: limiter(settings.address_rate) }
    }

    /// Counts a request of this user. Fails if there are too many.
    pub fn check_user(&self, user: &UserId) -> Result<(), Problem> {
        self.users.as_ref().map_or(Ok(()), |users| users.check(user))
    }

    /// Counts a request from this address. Fails if there are too many.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Problem> {
        self.addresses.as_ref().map_or(Ok(()), |addresses| addresses.check(network(address)))
    }
}

/// Returns the caller behind an address. In IPv6 this is a /64 network, because a client has a whole one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// One limit for each of many callers. Callers are stored as hashes with a secret key.
struct Limiter {
    quota: Quota,
    callers_max: usize,
    states: ArcSwap<DefaultKeyedRateLimiter<u64>>,
    hasher: RandomState,
    clock: DefaultClock,
    requests: AtomicUsize,
}

impl Limiter {
    fn new(rate: Rate, callers_max: usize) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Limiter {
            quota,
            callers_max,
            states: ArcSwap::from_pointee(DefaultKeyedRateLimiter::keyed(quota)),
            hasher: RandomState::new(),
            clock: DefaultClock::default(),
            requests: AtomicUsize::new(0),
        }
    }

    fn check(&self, caller: impl Hash) -> Result<(), Problem> {
        if self.requests.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.tidy();
        }
        let key = self.hasher.hash_one(caller);
        self.states.load().check_key(&key).map_err(|too_early| {
            Problem::new(ProblemCode::RateLimited, "Wait for `retry_after_seconds`, then send requests less often.")
                .retry_after(too_early.wait_time_from(self.clock.now()))
        })
    }

    /// Forgets callers who have been quiet. If too many remain, all are forgotten: that bounds the memory, and refuses
    /// nobody because of others.
    fn tidy(&self) {
        let states = self.states.load();
        states.retain_recent();
        if states.len() > self.callers_max {
            self.states.store(Arc::new(DefaultKeyedRateLimiter::keyed(self.quota)));
        }
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("quota", &self.quota).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate { per_second: NonZeroU32::new(per_second).unwrap(), burst: NonZeroU32::new(burst).unwrap() }
    }

    #[test]
    fn a_caller_over_the_limit_learns_when_to_try_again() {
        let limiter = Limiter::new(rate(1, 3), CALLERS_MAX);
        assert!((0..3).all(|_| limiter.check("u1").is_ok()));
        let refused = limiter.check("u1").unwrap_err().into_answer();
        assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"1".parse().unwrap()));
        assert!(limiter.check("u2").is_ok());
    }

    #[test]
    fn the_number_of_tracked_callers_is_bounded() {
        let quiet = Limiter::new(rate(1_000_000, 1), CALLERS_MAX);
        (0..TIDY_EVERY * 3).for_each(|caller| assert!(quiet.check(caller).is_ok()));
        assert!(quiet.states.load().len() < TIDY_EVERY * 2, "{}", quiet.states.load().len());

        let crowded = Limiter::new(rate(1, 1), 1_000);
        (0..TIDY_EVERY * 3).for_each(|caller| assert!(crowded.check(caller).is_ok()));
        assert!(crowded.states.load().len() <= TIDY_EVERY);
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let limits = RateLimits::new(&HttpSettings { address_rate: Some(rate(1, 1)), ..HttpSettings::default() });
        let is_allowed = |address: &str| limits.check_address(address.parse().unwrap()).is_ok();
        assert!(is_allowed("2001:db8::1") && !is_allowed("2001:db8::ffff:2") && is_allowed("2001:db8:0:1::1"));
        assert!(is_allowed("192.0.2.1") && !is_allowed("::ffff:192.0.2.1") && is_allowed("192.0.2.2"));
    }

    #[test]
    fn without_a_limit_no_request_is_refused() {
        let limits = RateLimits::new(&HttpSettings::default());
        assert!((0..1_000).all(|_| limits.check_user(&"u1".parse().unwrap()).is_ok()));
    }
}
