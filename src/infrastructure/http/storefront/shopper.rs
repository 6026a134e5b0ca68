//! The shopper behind a browser.

use crate::domain::shared::UserId;

/// Returns true if nobody can guess this user id: that of a guest. Without signed tokens, a cookie proves no more than that
/// its sender knows the id.
pub fn is_secret(user: &UserId) -> bool {
    user.as_str().strip_prefix("guest-").is_some_and(|digits| digits.len() == 32)
}
