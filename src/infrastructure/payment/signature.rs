//! The signature of events from the provider.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Longest time, in seconds, between the signature and its arrival, in both directions.
const TOLERANCE: i64 = 300;

/// The secret that the provider shares with this service, or several while it is changed. They are never printed.
#[derive(Clone)]
pub struct WebhookSecret(Vec<String>);

/// A signature that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("must be t=<seconds>,v1=<hexadecimal digits>")]
    Unreadable,
    #[error("is too old, or from the future")]
    Late,
    #[error("does not match the body")]
    Wrong,
}

impl WebhookSecret {
    /// A secret, or several with commas between them; `None` for an empty text, which is none.
    pub fn new(text: String) -> Option<Self> {
        let secrets: Vec<String> = text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        (!secrets.is_empty()).then_some(WebhookSecret(secrets))
    }

    /// Checks the header `Payment-Signature` of these bytes at this time, in seconds since the Unix epoch. The time that
    /// it takes reveals nothing about the right signature.
    pub fn check(&self, header: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
        let (time, mac) =
            header.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).ok_or(SignatureError::Unreadable)?;
        let seconds: i64 = time.parse().map_err(|_| SignatureError::Unreadable)?;
        let mac = bytes_of(mac).ok_or(SignatureError::Unreadable)?;
        if !self.0.iter().any(|secret| signed(secret, time, body).verify_slice(&mac).is_ok()) {
            return Err(SignatureError::Wrong);
        }
        if now.abs_diff(seconds) > TOLERANCE as u64 { Err(SignatureError::Late) } else { Ok(()) }
    }
}

fn signed(secret: &str, time: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::new_from_slice(secret.as_bytes()).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac s3cret
    const HEADER: &str = "t=1700000000,v1=8e6f5c9e12ccd802130a0cf337c2d90395d59605481627c32bb6c530172adf23";
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const NOW: i64 = 1_700_000_000;

    fn check(header: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
        WebhookSecret::new("s3cret".into()).unwrap().check(header, body, now)
    }

    #[test]
    fn a_signature_proves_its_body_for_five_minutes() {
        for now in [NOW, NOW - 300, NOW + 300] {
            assert_eq!(check(HEADER, BODY, now), Ok(()));
        }
        for now in [NOW - 301, NOW + 301, i64::MIN, i64::MAX] {
            assert_eq!(check(HEADER, BODY, now), Err(SignatureError::Late));
        }
        assert_eq!(check(HEADER, br#"{"id":"evt_2"}"#, NOW), Err(SignatureError::Wrong));
        assert_eq!(check(&HEADER.replace("1700000000", "1700000001"), BODY, NOW), Err(SignatureError::Wrong));
        assert_eq!(check("t=1700000000,v1=00", BODY, NOW), Err(SignatureError::Wrong));
        for header in ["", "t=1700000000", "v1=00", "t=x,v1=00", "t=1700000000,v1=0", "t=1700000000,v1=gg"] {
            assert_eq!(check(header, BODY, NOW), Err(SignatureError::Unreadable), "{header}");
        }
    }

    #[test]
    fn while_the_secret_is_changed_both_prove_an_event() {
        let check = |secrets: &str| WebhookSecret::new(secrets.into()).unwrap().check(HEADER, BODY, NOW);
        for secrets in ["s3cret,n3w", "0ld,s3cret", "s3cret,"] {
            assert_eq!(check(secrets), Ok(()), "{secrets}");
        }
        assert_eq!(check("0ld,n3w"), Err(SignatureError::Wrong));
        for none in ["", ",", ",,"] {
            assert!(WebhookSecret::new(none.into()).is_none(), "{none:?}");
        }
    }
}
