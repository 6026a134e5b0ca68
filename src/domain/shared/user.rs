//! Shoppers, and the names that they give to requests.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Invalid;
use super::limits::ID_CHARS_MAX;
use super::text_form::serde_as_text;

/// A shopper: 1 to [`ID_CHARS_MAX`] of `[A-Za-z0-9._:@+-]`. Cheap to clone.
///
/// The alphabet has no space, so a user id can stand in space-separated values in Redis.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl FromStr for UserId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@+-".contains(&byte);
        if (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(UserId(text.into()))
        } else {
            Err(Invalid::new(format!("must be 1 to {ID_CHARS_MAX} characters of A-Z a-z 0-9 . _ : @ + -")))
        }
    }
}

/// The name that a caller gives to a buy-now request: 1 to [`ID_CHARS_MAX`] visible ASCII characters.
///
/// It means something only together with its user and its sale.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Arc<str>);

impl FromStr for RequestId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(RequestId(text.into()))
        } else {
            Err(Invalid::new(format!("must be 1 to {ID_CHARS_MAX} visible ASCII characters without spaces")))
        }
    }
}

macro_rules! text_value {
    ($name:ident) => {
        impl $name {
            /// Returns the text as given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        serde_as_text!($name);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_value!(UserId);
text_value!(RequestId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_is_kept_as_given_or_refused() {
        for text in ["u1", "a:b", "x@y.z", "+49", "a-b_c.d", "4294967296", &"u".repeat(128)] {
            assert_eq!(text.parse::<UserId>().unwrap().as_str(), text);
        }
        for text in ["", " ", "a b", "ü", "a\n", "a/b", "a,b", &"u".repeat(129)] {
            assert!(text.parse::<UserId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn request_ids_are_visible_ascii() {
        assert!("\"8e03978e-40d5\"".parse::<RequestId>().is_ok());
        for text in ["", "a b", "a\t", "é", &"r".repeat(129)] {
            assert!(text.parse::<RequestId>().is_err(), "{text:?}");
        }
    }
}
