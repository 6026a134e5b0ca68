//! A checkout code as somebody presents it.

use super::{CheckoutCode, UserId};

/// A checkout code, and the user who presents it, if that is known. The code of somebody else means nothing to that user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub code: CheckoutCode,
    pub user: Option<UserId>,
}

impl Claim {
    /// Returns true if the code is good for a cart or a purchase of this user.
    pub fn is_of(&self, owner: &UserId) -> bool {
        self.user.as_ref().is_none_or(|user| user == owner)
    }
}

/// The code alone is the proof.
impl From<CheckoutCode> for Claim {
    fn from(code: CheckoutCode) -> Self {
        Claim { code, user: None }
    }
}
