//! The key of the API.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

/// The secret of the callers. It is never printed.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key; `None` for an empty text, which is none.
    pub fn new(text: String) -> Option<Self> {
        (!text.is_empty()).then_some(ApiKey(text))
    }

    /// Returns true if the headers contain the key. The time that it takes reveals nothing about the key but its length.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        given.is_some_and(|given| given.ct_eq(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_key_is_accepted() {
        let key = ApiKey::new("s3cret".into()).unwrap();
        let is_accepted = |text: &str| key.is_in(&HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())]));
        assert!(is_accepted("Bearer s3cret"));
        assert!(!key.is_in(&HeaderMap::new()));
        for wrong in ["", "s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Basic s3cret"] {
            assert!(!is_accepted(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_never_printed_and_never_empty() {
        assert!(ApiKey::new(String::new()).is_none());
        assert!(!format!("{:?}", ApiKey::new("s3cret".into())).contains("s3cret"));
    }
}
