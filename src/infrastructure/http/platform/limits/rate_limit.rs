//! Rate limits of users and addresses, and the headers that describe them
//! (draft-ietf-httpapi-ratelimit-headers-11).

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::shared::{CheckoutCode, UserId};

use super::super::problem::Problem;
use super::super::problem_code::ProblemCode;
use super::settings::{HttpSettings, Rate};

/// Most callers that are tracked separately.
const CALLERS_MAX: usize = 200_000;

/// Requests between two removals of callers who have been quiet.
const TIDY_EVERY: usize = 8_192;

pub const RATE_LIMIT_POLICY: &str = "RateLimit-Policy";
pub const RATE_LIMIT: &str = "RateLimit";

/// The rate limits of a listener.
#[derive(Debug)]
pub struct RateLimits {
    addresses: Option<Limiter>,
    users: Option<Limiter>,
    /// A cart belongs to a user, who is known only after the decision.
    codes: Option<Limiter>,
    /// New guests of an address.
    sessions: Option<Limiter>,
}

/// The limits that a request was counted for, with the requests that are left.
#[derive(Debug, Default)]
pub struct Counted {
    address: OnceLock<u32>,
    user: OnceLock<u32>,
    session: OnceLock<u32>,
}

impl RateLimits {
    /// The limits of these settings.
    pub fn new(settings: &HttpSettings) -> Self {
        let limiter = |rate: Option<Rate>| rate.map(|rate| Limiter::new(rate, CALLERS_MAX));
        RateLimits {
            addresses: limiter(settings.address_rate),
            users: limiter(settings.user_rate),
            codes: limiter(settings.user_rate),
            sessions: limiter(settings.session_rate),
        }
    }

    /// Counts a request from this address, which is found out only if there is a limit. Fails if there are too many.
    pub fn check_address(&self, counted: &Counted, address: impl FnOnce() -> IpAddr) -> Result<(), Problem> {
        self.addresses.as_ref().map_or(Ok(()), |addresses| check(addresses, network(address()), &counted.address))
    }

    /// Counts a request of this user. Fails if there are too many.
    pub fn check_user(&self, counted: &Counted, user: &UserId) -> Result<(), Problem> {
        self.users.as_ref().map_or(Ok(()), |users| check(users, user, &counted.user))
    }

    /// Counts a request with this code, whose user is not known yet. Fails if there are too many.
    ///
    /// A code has a limit of its own, as high as that of a user: nobody without the code can use it up, so requests in the
    /// name of a user cannot keep that user from buying the cart.
    pub fn check_code(&self, counted: &Counted, code: CheckoutCode) -> Result<(), Problem> {
        self.codes.as_ref().map_or(Ok(()), |codes| check(codes, code, &counted.user))
    }

    /// Counts a new guest of this address. Fails if there are too many.
    pub fn check_session(&self, counted: &Counted, address: IpAddr) -> Result<(), Problem> {
        self.sessions.as_ref().map_or(Ok(()), |sessions| check(sessions, network(address), &counted.session))
    }

    /// Counts a request that was served before it was known to be of this user.
    pub fn count_user(&self, user: &UserId) {
        if let Some(users) = &self.users {
            // It was served, so it is not refused any more.
            let _left = users.check(user);
        }
    }

    /// Adds the headers about the limits that a request was counted for.
    pub fn describe(&self, counted: &Counted, headers: &mut HeaderMap) {
        let limits = [
            ("address", &self.addresses, &counted.address),
            ("user", &self.users, &counted.user),
            ("session", &self.sessions, &counted.session),
        ];
        let (mut policies, mut states) = (Vec::new(), Vec::new());
        for (name, limiter, left) in limits {
            if let (Some(limiter), Some(left)) = (limiter, left.get()) {
                policies.push(format!("\"{name}\";{}", limiter.policy));
                states.push(format!("\"{name}\";r={left};t={WINDOW_SECONDS}"));
            }
        }
        for (name, items) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, states)] {
            if let (false, Ok(name), Ok(value)) =
                (items.is_empty(), HeaderName::try_from(name), HeaderValue::try_from(items.join(", ")))
            {
                headers.insert(name, value);
            }
        }
    }
}

/// The time in which the quota grows by at least one request, however low the limit is.
const WINDOW_SECONDS: u32 = 1;

fn check(limiter: &Limiter, caller: impl Hash, left: &OnceLock<u32>) -> Result<(), Problem> {
    let checked = limiter.check(caller);
    left.get_or_init(|| *checked.as_ref().unwrap_or(&0));
    checked.map(|_left| ())
}

/// Returns the caller behind an address. In IPv6 this is a /64 network, because a client has a whole one.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

type States = RateLimiter<u64, DefaultKeyedStateStore<u64>, DefaultClock, StateInformationMiddleware>;

/// One limit for each of many callers. Callers are stored as hashes with a secret key.
struct Limiter {
    quota: Quota,
    /// The parameters of the quota in the header.
    policy: String,
    callers_max: usize,
    states: ArcSwap<States>,
    hasher: RandomState,
    clock: DefaultClock,
    requests: AtomicUsize,
}

impl Limiter {
    fn new(rate: Rate, callers_max: usize) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Limiter {
            quota,
            policy: format!("q={};w={}", rate.burst, rate.burst.get().div_ceil(rate.per_second.get())),
            callers_max,
            states: ArcSwap::from_pointee(new_states(quota)),
            hasher: RandomState::new(),
            clock: DefaultClock::default(),
            requests: AtomicUsize::new(0),
        }
    }

    /// Counts a request, and returns how many more may follow at once. Fails if there are too many.
    fn check(&self, caller: impl Hash) -> Result<u32, Problem> {
        if self.requests.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.tidy();
        }
        let key = self.hasher.hash_one(caller);
        match self.states.load().check_key(&key) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(too_early) => {
                let detail = "Wait for `retry_after_seconds`, then send requests less often.";
                let pause = too_early.wait_time_from(self.clock.now());
                Err(Problem::new(ProblemCode::RateLimited, detail).retry_after(pause))
            }
        }
    }

    /// Forgets callers who have been quiet. If too many remain, all are forgotten: that bounds the memory, and refuses
    /// nobody because of others.
    fn tidy(&self) {
        let states = self.states.load();
        states.retain_recent();
        if states.len() > self.callers_max {
            self.states.store(Arc::new(new_states(self.quota)));
        }
    }
}

fn new_states(quota: Quota) -> States {
    RateLimiter::keyed(quota).with_middleware()
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
    fn millions_of_invented_callers_take_bounded_memory() {
        const CALLERS: usize = 2_000_000;
        let quiet = Limiter::new(rate(1_000_000, 1), CALLERS_MAX);
        (0..CALLERS).for_each(|caller| assert!(quiet.check(caller).is_ok()));
        assert!(quiet.states.load().len() < TIDY_EVERY * 2, "{}", quiet.states.load().len());

        // None of them is quiet for long enough.
        let callers_max = 20_000;
        let crowded = Limiter::new(rate(1, 1_000), callers_max);
        for caller in 0..CALLERS {
            assert!(crowded.check(caller).is_ok());
            assert!(caller % 10_000 > 0 || crowded.states.load().len() <= callers_max + TIDY_EVERY);
        }
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let limits = RateLimits::new(&HttpSettings { address_rate: Some(rate(1, 1)), ..HttpSettings::default() });
        let is_allowed = |address: &str| limits.check_address(&Counted::default(), || address.parse().unwrap()).is_ok();
        assert!(is_allowed("2001:db8::1") && !is_allowed("2001:db8::ffff:2") && is_allowed("2001:db8:0:1::1"));
        assert!(is_allowed("192.0.2.1") && !is_allowed("::ffff:192.0.2.1") && is_allowed("192.0.2.2"));
    }

    fn headers(limits: &RateLimits, counted: &Counted) -> [Option<String>; 2] {
        let mut headers = HeaderMap::new();
        limits.describe(counted, &mut headers);
        [RATE_LIMIT_POLICY, RATE_LIMIT].map(|name| Some(headers.get(name)?.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_headers_name_the_limits_that_a_request_was_counted_for() {
        let settings =
            HttpSettings { address_rate: Some(rate(2, 100)), user_rate: Some(rate(2, 2)), ..Default::default() };
        let limits = RateLimits::new(&settings);
        let counted = Counted::default();
        assert_eq!(headers(&limits, &counted), [None, None]);
        limits.check_address(&counted, || IpAddr::from([192, 0, 2, 1])).unwrap();
        let expected = [r#""address";q=100;w=50"#, r#""address";r=99;t=1"#].map(|text| Some(text.to_owned()));
        assert_eq!(headers(&limits, &counted), expected);
        limits.check_user(&counted, &"u1".parse().unwrap()).unwrap();
        let [policy, state] = headers(&limits, &counted).map(Option::unwrap);
        assert_eq!(policy, r#""address";q=100;w=50, "user";q=2;w=1"#);
        assert_eq!(state, r#""address";r=99;t=1, "user";r=1;t=1"#);
    }

    #[test]
    fn a_code_has_a_limit_of_its_own_and_counts_for_its_user_afterwards() {
        let limits = RateLimits::new(&HttpSettings { user_rate: Some(rate(1, 3)), ..Default::default() });
        let (user, code): (UserId, _) = ("u1".parse().unwrap(), CheckoutCode::new("20261120T09".parse().unwrap(), 7));
        let of_user = || limits.check_user(&Counted::default(), &user).is_ok();
        let of_code = || limits.check_code(&Counted::default(), code).is_ok();
        assert!(of_user());
        limits.count_user(&user);
        assert_eq!([of_user(), of_user()], [true, false]);
        assert_eq!([of_code(), of_code(), of_code(), of_code()], [true, true, true, false]);
        limits.count_user(&user);
    }

    #[test]
    fn without_a_limit_no_request_is_refused_or_has_headers() {
        let (limits, counted) = (RateLimits::new(&HttpSettings::default()), Counted::default());
        assert!((0..1_000).all(|_| limits.check_user(&counted, &"u1".parse().unwrap()).is_ok()));
        assert_eq!(headers(&limits, &counted), [None, None]);
    }
}
