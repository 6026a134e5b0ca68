//! The keys of tokens.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{ED25519, ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, UnparsedPublicKey};

use super::checked::CheckedTokens;

/// Fewest bytes of an HS256 secret: those of its hash (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Bytes of the private part of an Ed25519 key.
const SEED_BYTES: usize = 32;

/// Most characters of the name of a key.
const KID_CHARS_MAX: usize = 64;

/// The keys that check tokens. The first one signs, if it can. They are never printed. Clones are cheap.
#[derive(Clone)]
pub struct TokenKeys {
    keys: Arc<[TokenKey]>,
    /// Tokens with signatures of a slow algorithm.
    checked: Arc<CheckedTokens>,
}

/// A key with its name.
pub(super) struct TokenKey {
    pub kid: String,
    algorithm: Algorithm,
}

/// The algorithm of a key. A token cannot choose another one.
enum Algorithm {
    Hs256(hmac::Key),
    /// Without a private part, the key only checks.
    EdDsa(UnparsedPublicKey<[u8; ED25519_PUBLIC_KEY_LEN]>, Option<Ed25519KeyPair>),
}

/// Keys that cannot be used. The error names an entry by its number, and repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    #[error("entry {0} must be <kid>:HS256:<base64url> or <kid>:EdDSA:<base64url>")]
    Unreadable(usize),
    #[error("the name of entry {0} must be 1 to {KID_CHARS_MAX} characters of A-Z a-z 0-9 . _ -")]
    Kid(usize),
    #[error("entry {0} has the name of an earlier entry")]
    Repeated(usize),
    #[error(
        "the secret of entry {0} must have at least {SECRET_BYTES_MIN} bytes: set the output of `openssl rand -hex 32`"
    )]
    Short(usize),
    #[error(
        "the key of entry {0} must be the 32 bytes of an Ed25519 public key, or the 64 bytes of its private and public part"
    )]
    EdDsa(usize),
}

impl FromStr for TokenKeys {
    type Err = InvalidKeys;

    fn from_str(text: &str) -> Result<Self, InvalidKeys> {
        let mut keys: Vec<TokenKey> = Vec::new();
        for (number, entry) in (1..).zip(text.split(',')) {
            let key = TokenKey::read(number, entry.trim())?;
            if keys.iter().any(|known| known.kid == key.kid) {
                return Err(InvalidKeys::Repeated(number));
            }
            keys.push(key);
        }
        Ok(TokenKeys { keys: keys.into(), checked: Arc::new(CheckedTokens::new()) })
    }
}

impl TokenKeys {
    /// Returns the key that signs; `None` if the first key can only check.
    pub(super) fn signing(&self) -> Option<&TokenKey> {
        self.keys.first().filter(|key| !matches!(key.algorithm, Algorithm::EdDsa(_, None)))
    }

    /// Returns the key of this name.
    pub(super) fn find(&self, kid: &str) -> Option<&TokenKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Returns true if the token, which is the text with its signature, is signed with this key. The time that it takes
    /// reveals nothing about the right signature.
    pub(super) fn is_signed(&self, key: &TokenKey, token: &str, text: &str, signature: &[u8]) -> bool {
        let is_slow = matches!(key.algorithm, Algorithm::EdDsa(..));
        if is_slow && self.checked.contains(token) {
            return true;
        }
        let is_right = key.has_signed(text.as_bytes(), signature);
        if is_slow && is_right {
            self.checked.insert(token);
        }
        is_right
    }
}

impl TokenKey {
    fn read(number: usize, entry: &str) -> Result<Self, InvalidKeys> {
        let mut parts = entry.splitn(3, ':');
        let (Some(kid), Some(algorithm), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidKeys::Unreadable(number));
        };
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=KID_CHARS_MAX).contains(&kid.len()) || !kid.bytes().all(is_allowed) {
            return Err(InvalidKeys::Kid(number));
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(key).map_err(|_| InvalidKeys::Unreadable(number))?;
        let algorithm = match algorithm {
            "HS256" if bytes.len() < SECRET_BYTES_MIN => return Err(InvalidKeys::Short(number)),
            "HS256" => Algorithm::Hs256(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
            "EdDSA" => ed25519(&bytes).ok_or(InvalidKeys::EdDsa(number))?,
            _ => return Err(InvalidKeys::Unreadable(number)),
        };
        Ok(TokenKey { kid: kid.to_owned(), algorithm })
    }

    /// Returns the algorithm as a token names it.
    pub(super) fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Hs256(_) => "HS256",
            Algorithm::EdDsa(..) => "EdDSA",
        }
    }

    /// Signs; `None` if the key can only check.
    pub(super) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        Some(match &self.algorithm {
            Algorithm::Hs256(secret) => hmac::sign(secret, text).as_ref().to_vec(),
            Algorithm::EdDsa(_, pair) => pair.as_ref()?.sign(text).as_ref().to_vec(),
        })
    }

    /// Returns true if the signature is of this key.
    pub(super) fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        match &self.algorithm {
            Algorithm::Hs256(secret) => hmac::verify(secret, text, signature).is_ok(),
            Algorithm::EdDsa(public, _) => public.verify(text, signature).is_ok(),
        }
    }
}

/// Reads a public key, or a private key that is followed by its public key.
fn ed25519(bytes: &[u8]) -> Option<Algorithm> {
    let (public, pair) = match bytes.len() {
        ED25519_PUBLIC_KEY_LEN => (bytes, None),
        _ => {
            let (seed, public) = bytes.split_at_checked(SEED_BYTES)?;
            (public, Some(Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?))
        }
    };
    Some(Algorithm::EdDsa(UnparsedPublicKey::new(&ED25519, public.try_into().ok()?), pair))
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::KeyPair;

    use super::*;

    fn base64(bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn public(seed: &[u8; SEED_BYTES]) -> Vec<u8> {
        Ed25519KeyPair::from_seed_unchecked(seed).unwrap().public_key().as_ref().to_vec()
    }

    fn error(text: &str) -> InvalidKeys {
        text.parse::<TokenKeys>().unwrap_err()
    }

    #[test]
    fn the_first_key_signs_and_all_check() {
        let (secret, seed) = (base64(&[7; 32]), [9; SEED_BYTES]);
        let both = base64(&[&seed[..], &public(&seed)].concat());
        let keys: TokenKeys = format!("new:EdDSA:{both}, old:HS256:{secret}").parse().unwrap();
        assert_eq!(keys.signing().map(|key| (key.kid.as_str(), key.algorithm())), Some(("new", "EdDSA")));
        assert_eq!(keys.find("old").map(TokenKey::algorithm), Some("HS256"));
        assert!(keys.find("older").is_none());
        let signature = keys.signing().unwrap().sign(b"text").unwrap();
        assert!(keys.signing().unwrap().has_signed(b"text", &signature));
        assert!(!keys.signing().unwrap().has_signed(b"test", &signature));

        let checking: TokenKeys = format!("new:EdDSA:{}", base64(&public(&seed))).parse().unwrap();
        assert!(checking.signing().is_none() && checking.find("new").unwrap().has_signed(b"text", &signature));
    }

    #[test]
    fn unusable_keys_are_refused_by_their_number_alone() {
        let good = format!("a:HS256:{}", base64(&[7; 32]));
        assert!(good.parse::<TokenKeys>().is_ok());
        for text in
            ["", ",", "a", "a:HS256", "a:none:", "a:RS256:AAAA", "a:HS256:a+/=", "a:HS256:AAA=", "s3cret s3cret"]
        {
            assert_eq!(error(text), InvalidKeys::Unreadable(1), "{text:?}");
        }
        assert_eq!(error(&format!("{good},")), InvalidKeys::Unreadable(2));
        assert_eq!(error(&format!("{good},{good}")), InvalidKeys::Repeated(2));
        assert_eq!(error(&format!("{good},b:HS256:{}", base64(&[7; 31]))), InvalidKeys::Short(2));
        for kid in ["", "a b", "ü", &"k".repeat(65)] {
            assert_eq!(error(&format!("{kid}:HS256:{}", base64(&[7; 32]))), InvalidKeys::Kid(1), "{kid:?}");
        }
        let seed = [9; SEED_BYTES];
        let mismatched = [&seed[..], &public(&[8; SEED_BYTES])].concat();
        for bytes in [&seed[..31], &[0; 33], &mismatched, &[0; 96]] {
            assert_eq!(error(&format!("a:EdDSA:{}", base64(bytes))), InvalidKeys::EdDsa(1), "{}", bytes.len());
        }
    }

    #[test]
    fn keys_are_never_printed() {
        let secret = base64(&[7; 32]);
        let keys: TokenKeys = format!("a:HS256:{secret}").parse().unwrap();
        assert_eq!(format!("{keys:?}"), "TokenKeys(..)");
    }
}
