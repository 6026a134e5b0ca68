//! The signature of a webhook.

use std::fmt;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secret that the provider shares with the receiver of its webhooks. It is never printed.
#[derive(Clone)]
pub struct WebhookSecret(String);

impl WebhookSecret {
    /// A secret; `None` for an empty text, which is none.
    pub fn new(text: String) -> Option<Self> {
        (!text.is_empty()).then_some(WebhookSecret(text))
    }

    /// Returns the header `Payment-Signature` of a body that is sent at this time, in Unix seconds.
    pub fn sign(&self, time: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(format!("{time}.{body}").as_bytes());
        let mac = Bytes::copy_from_slice(&mac.finalize().into_bytes());
        format!("t={time},v1={mac:x}")
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_of_time_and_body() {
        // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac s3cret
        let secret = WebhookSecret::new("s3cret".into()).unwrap();
        assert_eq!(
            secret.sign(1_700_000_000, r#"{"id":"evt_1"}"#),
            "t=1700000000,v1=8e6f5c9e12ccd802130a0cf337c2d90395d59605481627c32bb6c530172adf23"
        );
    }

    #[test]
    fn a_secret_is_never_printed_and_never_empty() {
        assert!(WebhookSecret::new(String::new()).is_none());
        assert!(!format!("{:?}", WebhookSecret::new("s3cret".into())).contains("s3cret"));
    }
}
