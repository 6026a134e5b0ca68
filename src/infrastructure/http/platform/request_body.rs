//! Reads the bodies of requests.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{EXPECT, HeaderMap};

use super::body::BoxError;
use super::field_errors::FieldErrors;
use super::limits::settings::BODY_BYTES_MAX;
use super::policy::Accepts;
use super::problem::Problem;
use super::problem_code::ProblemCode;

/// Most bytes of an oversized body that are read and discarded, and the longest time for it. Without that, a client that
/// is still sending would see its connection break before it sees the answer.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;
const DISCARDING_TIME_MAX: Duration = Duration::from_secs(2);

/// Returns the body of a request to an endpoint that accepts this. It must arrive within the timeout.
pub async fn read<B>(mut body: B, head: &HeaderMap, accepts: Accepts, timeout: Duration) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    match accepts != Accepts::Nothing && !body.is_end_stream() {
        true => read_all(&mut body, head.contains_key(EXPECT), timeout).await,
        false => Ok(Bytes::new()),
    }
}

async fn read_all<B>(body: &mut B, expects_continue: bool, timeout: Duration) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        // A client that expects 100 Continue has not sent the body.
        if !expects_continue {
            discard(body).await;
        }
        return Err(too_large());
    }
    match tokio::time::timeout(timeout, Limited::new(&mut *body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(too_large())
        }
        Ok(Err(_)) => Err(FieldErrors::one("body", "ended before it was complete: send the request again")),
        Err(_) => {
            let detail = "The body did not arrive in time. Send the request again.";
            Err(Problem::new(ProblemCode::RequestTimeout, detail))
        }
    }
}

fn too_large() -> Problem {
    Problem::new(ProblemCode::BodyTooLarge, format!("Send a body of at most {BODY_BYTES_MAX} bytes."))
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
    // The answer is the same if the time is over.
    let _in_time = tokio::time::timeout(DISCARDING_TIME_MAX, reading).await;
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http_body_util::Full;
    use hyper::Request;
    use hyper::header::CONTENT_TYPE;

    use super::super::limits::rate_limit::Counted;
    use super::super::path_params::PathParams;
    use super::super::request::ApiRequest;
    use super::*;

    async fn request(content_type: Option<&str>, body: &'static [u8], accepts: Accepts) -> Result<ApiRequest, Problem> {
        let (mut head, body) = Request::new(Full::from(body)).into_parts();
        if let Some(content_type) = content_type {
            head.headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        let body = read(body, &head.headers, accepts, Duration::from_secs(1)).await?;
        let (peer, params) = (Ipv4Addr::LOCALHOST.into(), PathParams::default());
        Ok(ApiRequest { peer, user: None, params, head, body, counted: Counted::default() })
    }

    async fn code(content_type: Option<&str>, body: &'static [u8]) -> Option<ProblemCode> {
        let read = match request(content_type, body, Accepts::Json).await {
            Ok(request) => request.required_json::<serde::de::IgnoredAny>().err(),
            Err(problem) => Some(problem),
        };
        read.map(|problem| problem.code())
    }

    #[tokio::test]
    async fn a_body_must_be_json_and_say_so() {
        for good in ["application/json", "application/json; charset=utf-8", "Application/JSON ;charset=UTF-8"] {
            assert_eq!(code(Some(good), b"{}").await, None, "{good}");
        }
        for bad in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")] {
            assert_eq!(code(bad, b"{}").await, Some(ProblemCode::UnsupportedMediaType), "{bad:?}");
        }
        assert_eq!(code(None, b"").await, Some(ProblemCode::InvalidRequest));
    }

    #[tokio::test]
    async fn a_body_has_a_largest_size() {
        static LARGEST: [u8; BODY_BYTES_MAX] = [b' '; BODY_BYTES_MAX];
        static TOO_LARGE: [u8; BODY_BYTES_MAX + 1] = [b' '; BODY_BYTES_MAX + 1];
        assert_eq!(code(Some("application/json"), &LARGEST).await, Some(ProblemCode::InvalidRequest));
        assert_eq!(code(Some("application/json"), &TOO_LARGE).await, Some(ProblemCode::BodyTooLarge));
    }

    #[tokio::test]
    async fn a_body_is_ignored_where_none_is_accepted() {
        let read = request(Some("text/plain"), b"x", Accepts::Nothing).await.unwrap();
        assert!(read.body.is_empty());
    }
}
