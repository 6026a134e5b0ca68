//! Bearer tokens, and that of the administrators.

use std::fmt;

use hyper::{HeaderMap, header::AUTHORIZATION};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use super::problem_code::ProblemCode;

/// The secret of the administrators. It is never printed.
#[derive(Clone)]
pub struct AdminToken(String);

impl AdminToken {
    /// A token; `None` for an empty text, which is no secret.
    pub fn new(text: String) -> Option<Self> {
        (!text.is_empty()).then_some(AdminToken(text))
    }

    /// Fails unless the headers contain the token.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(given) = of(headers) else {
            return Err(Problem::new(
                ProblemCode::Unauthorized,
                "Send the admin token as Authorization: Bearer <token>.",
            ));
        };
        if self.is(given) {
            return Ok(());
        }
        Err(Problem::new(
            ProblemCode::Forbidden,
            "Check the admin token: the token of the request is not the one of the service.",
        ))
    }
}

impl AdminToken {
    /// Returns true if this is the token. The time that it takes reveals nothing about the token but its length.
    pub fn is(&self, given: &[u8]) -> bool {
        given.ct_eq(self.bytes()).into()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

/// Returns the bearer token of a request.
pub fn of(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &'static str) -> Option<ProblemCode> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, text.parse().unwrap());
        AdminToken::new("s3cret".into()).unwrap().check(&headers).err().map(|problem| problem.code())
    }

    #[test]
    fn only_the_exact_token_is_accepted() {
        assert_eq!(refusal("Bearer s3cret"), None);
        assert_eq!(refusal("bearer s3cret"), None);
        for wrong in ["Bearer ", "Bearer s3cre", "Bearer s3crets", "Bearer S3CRET"] {
            assert_eq!(refusal(wrong), Some(ProblemCode::Forbidden), "{wrong}");
        }
        for none in ["", "s3cret", "Basic s3cret", "Bearer"] {
            assert_eq!(refusal(none), Some(ProblemCode::Unauthorized), "{none}");
        }
    }

    #[test]
    fn a_token_is_never_printed_and_never_empty() {
        assert!(AdminToken::new(String::new()).is_none());
        assert!(!format!("{:?}", AdminToken::new("s3cret".into())).contains("s3cret"));
    }
}
