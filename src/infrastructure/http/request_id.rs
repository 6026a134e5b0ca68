//! What a request is called in the logs of both sides.

use hyper::Request;
use hyper::header::{HeaderName, HeaderValue};
use tower_http::request_id::{MakeRequestId, RequestId};

/// The header that carries it.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id as text; empty where there is none yet.
pub fn text(id: Option<&HeaderValue>) -> &str {
    id.and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// Drops an id that is not 1 to 128 of `[A-Za-z0-9._-]`, so that the request gets one of ours: what comes
/// back in a header and goes into logs is nothing that could be taken for something else.
pub fn forget_odd<B>(mut request: Request<B>) -> Request<B> {
    if request.headers().get(X_REQUEST_ID).is_some_and(|id| !is_sane(id)) {
        request.headers_mut().remove(X_REQUEST_ID);
    }
    request
}

fn is_sane(id: &HeaderValue) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(allowed)
}

/// Makes ids at random.
#[derive(Debug, Clone, Copy)]
pub struct AtRandom;

impl MakeRequestId for AtRandom {
    fn make_request_id<B>(&mut self, _request: &Request<B>) -> Option<RequestId> {
        let id = format!("{:016x}", rand::random::<u64>());
        HeaderValue::try_from(id).ok().map(RequestId::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_any_other_forgotten() {
        let kept = |id: &[u8]| {
            let mut request = Request::new(());
            request.headers_mut().insert(X_REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
            forget_odd(request).headers().contains_key(X_REQUEST_ID)
        };
        for id in ["a", "3f2a-9.B_c", &"x".repeat(128)] {
            assert!(kept(id.as_bytes()), "{id}");
        }
        for id in ["", "a b", "\"a\"", "a;b", "a,b", "<a>", &"x".repeat(129)] {
            assert!(!kept(id.as_bytes()), "{id}");
        }
        assert!(!kept(b"caf\xe9"));
    }

    #[test]
    fn made_ids_differ_and_are_sane() {
        let make = || AtRandom.make_request_id(&Request::new(())).unwrap().into_header_value();
        let (one, other) = (make(), make());
        assert!(is_sane(&one) && one != other);
    }
}
