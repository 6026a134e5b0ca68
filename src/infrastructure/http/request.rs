//! A request on its way to the use case.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;
use tower::BoxError;

use super::code::ProblemCode;
use super::faults::FieldErrors;
use super::json;
use super::problem::Problem;
use super::router::{Params, Route};
use super::settings::BODY_BYTES_MAX;

/// How much of a body that is too large is read nevertheless, and for how long: a client that is still
/// sending would otherwise see its connection break and not the answer.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;
const DISCARDING_TIME_MAX: Duration = Duration::from_secs(2);

/// A request whose route is known.
#[derive(Debug)]
pub struct ApiRequest<B = Bytes> {
    pub route: Route,
    pub params: Params,
    pub address: IpAddr,
    pub head: Parts,
    pub body: B,
}

impl ApiRequest {
    /// The query, as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// The JSON body, or `None` where there is no body at all.
    pub fn json<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        if self.body.is_empty() {
            return Ok(None);
        }
        if !self.says_json() {
            return Err(Problem::new(
                ProblemCode::UnsupportedMediaType,
                "Send the body as Content-Type: application/json, in UTF-8 and without a Content-Encoding.",
            ));
        }
        json::read(&self.body).map(Some)
    }

    /// The JSON body of a request that makes no sense without one.
    pub fn required_json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.json()?.ok_or_else(|| FieldErrors::one("body", "is required: send a JSON object"))
    }

    fn says_json(&self) -> bool {
        if self.head.headers.contains_key(CONTENT_ENCODING) {
            return false;
        }
        let media_type = self.head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut parts = media_type.split(';').map(str::trim);
        let is_json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
        let is_utf8 = |parameter: &str| match parameter.split_once('=') {
            Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
                charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        };
        is_json && parts.all(is_utf8)
    }
}

impl<B> ApiRequest<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// The request with its body read, if it is one that may have a body.
    pub async fn read(self, patience: Duration) -> Result<ApiRequest, Problem> {
        let ApiRequest { route, params, address, head, mut body } = self;
        let bytes = match route.takes_body() && !body.is_end_stream() {
            true => read(&mut body, head.headers.contains_key(EXPECT), patience).await?,
            false => Bytes::new(),
        };
        Ok(ApiRequest { route, params, address, head, body: bytes })
    }
}

async fn read<B>(body: &mut B, asks_first: bool, patience: Duration) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let too_large = Problem::new(ProblemCode::BodyTooLarge, "A body has at most 65536 bytes: send less.");
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        // Who asks whether to send the body has not sent it.
        if !asks_first {
            discard(body).await;
        }
        return Err(too_large);
    }
    match tokio::time::timeout(patience, Limited::new(&mut *body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(too_large)
        }
        Ok(Err(_)) => Err(FieldErrors::one("body", "ended before it was complete")),
        Err(_) => {
            Err(Problem::new(ProblemCode::RequestTimeout, "The body did not arrive in time: send the request again."))
        }
    }
}

async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B) {
    let reading = async {
        let mut left = DISCARDED_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whether all of it came makes no difference to the answer.
    let _in_time = tokio::time::timeout(DISCARDING_TIME_MAX, reading).await;
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use hyper::Request;

    use super::*;

    fn asked(content_type: Option<&str>, body: &'static [u8]) -> ApiRequest<Full<Bytes>> {
        let mut request = Request::new(Full::from(body));
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        let (head, body) = request.into_parts();
        ApiRequest { route: Route::Purchase, params: Params::default(), address: [127, 0, 0, 1].into(), head, body }
    }

    async fn code(content_type: Option<&str>, body: &'static [u8]) -> Option<ProblemCode> {
        let read = match asked(content_type, body).read(Duration::from_secs(1)).await {
            Ok(asked) => asked.required_json::<serde::de::IgnoredAny>().err(),
            Err(problem) => Some(problem),
        };
        read.map(|problem| problem.code())
    }

    #[tokio::test]
    async fn a_body_is_json_and_says_so() {
        for good in ["application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"] {
            assert_eq!(code(Some(good), b"{}").await, None, "{good}");
        }
        for bad in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")] {
            assert_eq!(code(bad, b"{}").await, Some(ProblemCode::UnsupportedMediaType), "{bad:?}");
        }
        assert_eq!(code(None, b"").await, Some(ProblemCode::InvalidRequest));
    }

    #[tokio::test]
    async fn a_body_has_at_most_64_kib() {
        static LARGEST: [u8; BODY_BYTES_MAX] = [b' '; BODY_BYTES_MAX];
        static TOO_LARGE: [u8; BODY_BYTES_MAX + 1] = [b' '; BODY_BYTES_MAX + 1];
        assert_eq!(code(Some("application/json"), &LARGEST).await, Some(ProblemCode::InvalidRequest));
        assert_eq!(code(Some("application/json"), &TOO_LARGE).await, Some(ProblemCode::BodyTooLarge));
    }
}
