//! One token: signed, and checked.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use crate::domain::shared::UserId;

use super::keys::TokenKeys;

/// Most characters of a token.
const TOKEN_CHARS_MAX: usize = 4096;

/// Longest difference between the clocks of those who sign and those who check.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// The statement of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub user: UserId,
    pub expires_at: DateTime<Utc>,
}

/// A token that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum TokenError {
    Malformed,
    UnknownKey,
    WrongAlgorithm,
    WrongSignature,
    Expired,
    NotYetValid,
}

#[derive(Serialize)]
struct NewHeader<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// Extensions that must be understood (RFC 7515, section 4.1.11). None is.
    crit: Option<IgnoredAny>,
}

/// The payload. Claims that are not listed are ignored.
#[derive(Serialize, Deserialize)]
struct Payload {
    sub: String,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
}

impl TokenKeys {
    /// Returns a token of these claims; `None` if the first key can only check.
    pub fn sign(&self, claims: &Claims) -> Option<String> {
        let key = self.signing()?;
        let header = encode(&NewHeader { alg: key.algorithm(), kid: &key.kid, typ: "JWT" });
        let payload = Payload { sub: claims.user.to_string(), exp: claims.expires_at.timestamp(), nbf: None };
        let signed = format!("{header}.{}", encode(&payload));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())?);
        Some(format!("{signed}.{signature}"))
    }

    /// Returns the claims of a token that is valid at this time.
    pub fn check(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = decode(header)?;
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let key = self.find(&header.kid).ok_or(TokenError::UnknownKey)?;
        if header.alg != key.algorithm() {
            return Err(TokenError::WrongAlgorithm);
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
        if !self.is_signed(key, token, signed, &signature) {
            return Err(TokenError::WrongSignature);
        }
        // Nothing of the payload is looked at before its signature is right.
        decode::<Payload>(payload)?.claims(now)
    }
}

impl Payload {
    fn claims(self, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(TokenError::Malformed);
        let user = self.sub.parse().map_err(|_| TokenError::Malformed)?;
        let (expires_at, not_before) = (time(self.exp)?, self.nbf.map(time).transpose()?);
        if now - LEEWAY >= expires_at {
            return Err(TokenError::Expired);
        }
        match not_before {
            Some(not_before) if now + LEEWAY < not_before => Err(TokenError::NotYetValid),
            _ => Ok(Claims { user, expires_at }),
        }
    }
}

fn encode(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("a struct of texts is JSON: {error}"));
    BASE64_URL_SAFE_NO_PAD.encode(json)
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: [u8; 32] = [7; 32];
    const OTHER: [u8; 32] = [8; 32];

    fn hs256(kid: &str, secret: &[u8]) -> String {
        format!("{kid}:HS256:{}", BASE64_URL_SAFE_NO_PAD.encode(secret))
    }

    fn keys(text: &str) -> TokenKeys {
        text.parse().unwrap()
    }

    fn now() -> DateTime<Utc> {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn claims(seconds: i64) -> Claims {
        Claims { user: "ann".parse().unwrap(), expires_at: now() + TimeDelta::seconds(seconds) }
    }

    /// A token with this header and payload that the key has signed.
    fn forged(key: &str, header: &Value, payload: &Value) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature = keys(key).signing().unwrap().sign(signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn the_example_of_rfc_8037_is_right() {
        // Appendix A.4 and A.5. Its header has no kid, so only the signature is checked.
        let public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let keys = keys(&format!("a:EdDSA:{public}"));
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(keys.find("a").unwrap().has_signed(signed.as_bytes(), &signature));
        assert_eq!(keys.check(&format!("{signed}.x"), now()), Err(TokenError::Malformed));
    }

    #[test]
    fn a_token_names_its_user_until_it_expires() {
        let keys = keys(&hs256("a", &SECRET));
        let token = keys.sign(&claims(60)).unwrap();
        assert_eq!(keys.check(&token, now()), Ok(claims(60)));
        let at = |seconds| keys.check(&token, now() + TimeDelta::seconds(seconds)).err();
        assert_eq!((at(64), at(65), at(1_000_000)), (None, Some(TokenError::Expired), Some(TokenError::Expired)));
    }

    #[test]
    fn keys_are_rotated_by_their_names() {
        let before = keys(&hs256("a", &SECRET)).sign(&claims(60)).unwrap();
        let both = keys(&format!("{},{}", hs256("b", &OTHER), hs256("a", &SECRET)));
        let after = both.sign(&claims(60)).unwrap();
        assert!(both.check(&before, now()).is_ok() && both.check(&after, now()).is_ok());
        let new = keys(&hs256("b", &OTHER));
        assert_eq!(new.check(&before, now()), Err(TokenError::UnknownKey));
        assert!(new.check(&after, now()).is_ok());
        assert_eq!(keys(&hs256("a", &OTHER)).check(&before, now()), Err(TokenError::WrongSignature));
    }

    #[test]
    fn only_the_algorithm_of_the_key_counts() {
        let public = [1; 32];
        let eddsa = format!("a:EdDSA:{}", BASE64_URL_SAFE_NO_PAD.encode(public));
        let payload = json!({ "sub": "ann", "exp": now().timestamp() + 60 });
        for alg in ["HS256", "none", "None", "HS512", "RS256", "eddsa", ""] {
            // Everybody knows the public key: it must not serve as a secret.
            let token = forged(&hs256("a", &public), &json!({ "alg": alg, "kid": "a" }), &payload);
            assert_eq!(keys(&eddsa).check(&token, now()), Err(TokenError::WrongAlgorithm), "{alg}");
        }
        let header = json!({ "alg": "none", "kid": "a" });
        let unsigned = format!("{}.{}.", encode(&header), encode(&payload));
        assert_eq!(keys(&hs256("a", &SECRET)).check(&unsigned, now()), Err(TokenError::WrongAlgorithm));
        let header = json!({ "alg": "HS256", "kid": "a" });
        let unsigned = format!("{}.{}.", encode(&header), encode(&payload));
        assert_eq!(keys(&hs256("a", &SECRET)).check(&unsigned, now()), Err(TokenError::WrongSignature));
    }

    #[test]
    fn a_signature_that_was_checked_before_does_not_prolong_a_token() {
        let seed = [9; 32];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let key = BASE64_URL_SAFE_NO_PAD.encode([&seed[..], pair.public_key().as_ref()].concat());
        let keys = keys(&format!("a:EdDSA:{key}"));
        let (first, second) = (keys.sign(&claims(60)).unwrap(), keys.sign(&claims(61)).unwrap());
        let (signed, signature) = (first.rsplit_once('.').unwrap().0, second.rsplit_once('.').unwrap().1);
        for _ in 0..2 {
            assert_eq!(keys.check(&first, now()), Ok(claims(60)));
            assert_eq!(keys.check(&first, now() + TimeDelta::seconds(65)), Err(TokenError::Expired));
            assert_eq!(keys.check(&format!("{signed}.{signature}"), now()), Err(TokenError::WrongSignature));
        }
    }

    #[test]
    fn a_token_without_what_it_needs_is_malformed() {
        let key = hs256("a", &SECRET);
        let check = |header: Value, payload: Value| keys(&key).check(&forged(&key, &header, &payload), now()).err();
        let header = json!({ "alg": "HS256", "kid": "a" });
        let exp = now().timestamp() + 60;
        assert_eq!(check(header.clone(), json!({ "sub": "ann", "exp": exp, "more": 1 })), None);
        for payload in [
            json!({ "sub": "ann" }),
            json!({ "exp": exp }),
            json!({ "sub": "a b", "exp": exp }),
            json!({ "sub": 7, "exp": exp }),
            json!({ "sub": "ann", "exp": exp.to_string() }),
            json!({ "sub": "ann", "exp": i64::MAX }),
            json!({ "sub": "ann", "exp": Value::Null }),
            json!({ "sub": "ann", "exp": exp, "nbf": "now" }),
            json!([]),
        ] {
            assert_eq!(check(header.clone(), payload.clone()), Some(TokenError::Malformed), "{payload}");
        }
        let payload = json!({ "sub": "ann", "exp": exp });
        for header in
            [json!({ "alg": "HS256" }), json!({ "kid": "a" }), json!({ "alg": "HS256", "kid": "a", "crit": ["x"] })]
        {
            assert_eq!(check(header.clone(), payload.clone()), Some(TokenError::Malformed), "{header}");
        }
        let later =
            |nbf: i64| check(header.clone(), json!({ "sub": "ann", "exp": exp, "nbf": now().timestamp() + nbf }));
        assert_eq!((later(5), later(6)), (None, Some(TokenError::NotYetValid)));
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed() {
        let keys = keys(&hs256("a", &SECRET));
        let token = keys.sign(&claims(60)).unwrap();
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(keys.check(str::from_utf8(&bytes).unwrap(), now()).is_err(), "{at}");
            assert!(keys.check(&token[..at], now()).is_err(), "{at}");
        }
        for other in
            [format!("{token}="), format!("{token}."), format!(".{token}"), format!(" {token}"), "é.é.é".into()]
        {
            assert!(keys.check(&other, now()).is_err(), "{other}");
        }
        let long = claims(60);
        let padded = json!({ "sub": long.user.to_string(), "exp": long.expires_at.timestamp(), "x": "x".repeat(4096) });
        let long = forged(&hs256("a", &SECRET), &json!({ "alg": "HS256", "kid": "a" }), &padded);
        assert_eq!(keys.check(&long, now()), Err(TokenError::Malformed));
    }
}
