//! The tokens of a waiting room: tickets and passes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::shared::{SaleId, UserId};

use super::keys::TokenKeys;
use super::token::{TokenError, seal};

const TICKET: &str = "queue-ticket";
const PASS: &str = "queue-pass";

/// The ticket of a user: the number with which the user joined. It has no time in it, so each copy has the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    #[serde(rename = "sub")]
    pub user: UserId,
    pub sale: SaleId,
    pub join_number: u64,
}

/// The permission of a user to buy in a sale, because the place of the user was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    #[serde(rename = "sub")]
    pub user: UserId,
    pub sale: SaleId,
    pub place: u64,
    #[serde(rename = "exp", with = "chrono::serde::ts_seconds")]
    pub expires_at: DateTime<Utc>,
}

impl TokenKeys {
    /// Returns true if one of the keys can sign tickets and passes.
    pub fn can_sign(&self) -> bool {
        self.own_signing().is_some()
    }

    /// Returns the token of a ticket; `None` if the keys can only check.
    pub fn sign_ticket(&self, ticket: &Ticket) -> Option<String> {
        seal(self.own_signing()?, TICKET, ticket)
    }

    /// Returns a ticket that one of the keys has signed.
    pub fn check_ticket(&self, token: &str) -> Result<Ticket, TokenError> {
        self.open(token, |typ| typ == Some(TICKET))
    }

    /// Returns the token of a pass; `None` if the keys can only check.
    pub fn sign_pass(&self, pass: &Pass) -> Option<String> {
        seal(self.own_signing()?, PASS, pass)
    }

    /// Returns a pass that one of the keys has signed, and that is valid at this time.
    pub fn check_pass(&self, token: &str, now: DateTime<Utc>) -> Result<Pass, TokenError> {
        let pass: Pass = self.open(token, |typ| typ == Some(PASS))?;
        if now < pass.expires_at { Ok(pass) } else { Err(TokenError::Expired) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::token::QUEUE_TYPES;
    use super::super::{Claims, TokenError};
    use super::*;

    const KEY: &str = "a:HS256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

    fn keys() -> TokenKeys {
        KEY.parse().unwrap()
    }

    fn ticket() -> Ticket {
        Ticket { user: "ann".parse().unwrap(), sale: "20261120T09".parse().unwrap(), join_number: 7 }
    }

    fn pass(expires_at: DateTime<Utc>) -> Pass {
        Pass { user: "ann".parse().unwrap(), sale: "20261120T09".parse().unwrap(), place: 7, expires_at }
    }

    fn now() -> DateTime<Utc> {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn tickets_and_passes_are_read_as_they_were_signed() {
        let (keys, pass) = (keys(), pass(now() + TimeDelta::seconds(30)));
        let token = keys.sign_ticket(&ticket()).unwrap();
        assert_eq!((keys.check_ticket(&token), keys.sign_ticket(&ticket())), (Ok(ticket()), Some(token)));
        let token = keys.sign_pass(&pass).unwrap();
        assert_eq!(keys.check_pass(&token, now()), Ok(pass.clone()));
        assert_eq!(keys.check_pass(&token, pass.expires_at), Err(TokenError::Expired));
    }

    #[test]
    fn no_token_serves_another_purpose() {
        let keys = keys();
        assert!([TICKET, PASS].iter().all(|typ| typ.starts_with(QUEUE_TYPES)));
        let expires_at = now() + TimeDelta::seconds(30);
        let user = keys.sign(&Claims { user: "ann".parse().unwrap(), expires_at }).unwrap();
        let (ticket, pass) = (keys.sign_ticket(&ticket()).unwrap(), keys.sign_pass(&pass(expires_at)).unwrap());
        for token in [&ticket, &pass] {
            assert_eq!(keys.check(token, now()), Err(TokenError::WrongType));
        }
        for token in [&user, &pass] {
            assert_eq!(keys.check_ticket(token), Err(TokenError::WrongType));
        }
        for token in [&user, &ticket] {
            assert_eq!(keys.check_pass(token, now()), Err(TokenError::WrongType));
        }
    }

    #[test]
    fn an_issuer_of_users_may_keep_the_first_key_to_itself() {
        let public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let keys: TokenKeys = format!("issuer:EdDSA:{public},{KEY}").parse().unwrap();
        let expires_at = now() + TimeDelta::seconds(30);
        assert!(keys.can_sign() && keys.sign(&Claims { user: "ann".parse().unwrap(), expires_at }).is_none());
        assert_eq!(keys.check_ticket(&keys.sign_ticket(&ticket()).unwrap()), Ok(ticket()));
        let checking: TokenKeys = format!("issuer:EdDSA:{public}").parse().unwrap();
        assert!(!checking.can_sign() && checking.sign_ticket(&ticket()).is_none());
    }

    #[test]
    fn keys_are_rotated_by_their_names() {
        let token = keys().sign_ticket(&ticket()).unwrap();
        let rotated: TokenKeys = format!("b:HS256:{}", KEY.rsplit(':').next().unwrap()).parse().unwrap();
        assert_eq!(rotated.check_ticket(&token), Err(TokenError::UnknownKey));
        let both: TokenKeys = format!("b:HS256:{0},a:HS256:{0}", KEY.rsplit(':').next().unwrap()).parse().unwrap();
        assert_eq!(both.check_ticket(&token), Ok(ticket()));
    }
}
