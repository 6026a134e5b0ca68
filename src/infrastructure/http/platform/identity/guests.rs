//! Guests: identities for shoppers without an account.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::header::HeaderValue;

use crate::domain::shared::UserId;

/// Life of the identity of a guest. One that is used is prolonged when half of it is over.
pub const SESSION_LIFE: Duration = Duration::from_secs(7 * 86_400);

/// The beginning of the user ids of guests. Only a guest is prolonged: the life of an account is not for this service to
/// decide.
const GUEST: &str = "guest-";

/// The identity of a visitor.
#[derive(Debug)]
pub struct Session {
    pub user: UserId,
    pub expires_at: DateTime<Utc>,
    /// The header `Set-Cookie` for an identity that is new or prolonged.
    pub cookie: Option<HeaderValue>,
}

/// Returns a new guest, whose id nobody can guess.
pub fn new_guest() -> UserId {
    let id = format!("{GUEST}{:032x}", rand::random::<u128>());
    id.parse().unwrap_or_else(|_| unreachable!("hexadecimal digits are a user id"))
}

/// Returns true if the user is a guest.
pub fn is_guest(user: &UserId) -> bool {
    user.as_str().starts_with(GUEST)
}

/// Returns true if less than half of the life of a guest is left.
pub fn is_half_over(expires_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (expires_at - now).to_std().unwrap_or_default() < SESSION_LIFE / 2
}
