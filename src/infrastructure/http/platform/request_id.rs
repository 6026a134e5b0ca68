//! Request ids, by which the logs of both sides name a request.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header of the request id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Most characters of an id from a caller.
pub const REQUEST_ID_CHARS_MAX: usize = 128;

/// Returns the id as text.
pub fn text(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or_default()
}

/// Returns the id of a request: the one of the caller, if it is 1 to [`REQUEST_ID_CHARS_MAX`] of `[A-Za-z0-9._-]`, or else a
/// random one. The id comes back in a header and goes into logs, so it must not contain anything that could be taken for
/// something else.
pub fn of(headers: &HeaderMap) -> HeaderValue {
    headers.get(X_REQUEST_ID).filter(|id| is_safe(id)).cloned().unwrap_or_else(random)
}

/// Makes an id of 16 random hexadecimal digits.
pub fn random() -> HeaderValue {
    let number = rand::random::<u64>();
    let digit = |place: usize| b"0123456789abcdef"[(number >> (4 * place)) as usize % 16];
    let digits: [u8; 16] = std::array::from_fn(digit);
    HeaderValue::from_bytes(&digits).unwrap_or_else(|error| unreachable!("digits are a valid header: {error}"))
}

fn is_safe(id: &HeaderValue) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=REQUEST_ID_CHARS_MAX).contains(&id.len()) && id.as_bytes().iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_id_is_kept_and_any_other_replaced() {
        let is_kept = |id: &[u8]| {
            let id = HeaderValue::from_bytes(id).unwrap();
            of(&HeaderMap::from_iter([(X_REQUEST_ID, id.clone())])) == id
        };
        for id in ["a", "3f2a-9.B_c", &"x".repeat(REQUEST_ID_CHARS_MAX)] {
            assert!(is_kept(id.as_bytes()), "{id}");
        }
        for id in ["", "a b", "\"a\"", "a;b", "a,b", "<a>", &"x".repeat(REQUEST_ID_CHARS_MAX + 1)] {
            assert!(!is_kept(id.as_bytes()), "{id}");
        }
        assert!(!is_kept(b"caf\xe9"));
    }

    #[test]
    fn random_ids_differ_and_are_safe() {
        let (one, other) = (random(), random());
        assert!(is_safe(&one) && one.len() == 16 && one != other);
    }
}
