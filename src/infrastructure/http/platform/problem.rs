//! Problems: errors as RFC 9457 describes them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::shared::StoreError;

use super::answer::{Answer, of_type, to_json};
use super::problem_code::ProblemCode;

/// A request that is not served. The detail is for the caller and says what to do next; the cause is for
/// the log.
#[derive(Debug)]
pub struct Problem {
    code: ProblemCode,
    detail: Cow<'static, str>,
    more: Option<Box<More>>,
}

/// The parts that few problems have.
#[derive(Debug, Default)]
struct More {
    errors: BTreeMap<String, String>,
    retry_after: Option<Duration>,
    outcome: Option<&'static str>,
    is_of_overload: bool,
    /// Extension members (RFC 9457, section 3.2) as they are written, each after a comma.
    members: Vec<u8>,
    header: Option<(HeaderName, HeaderValue)>,
    cause: Option<StoreError>,
}

/// Room for a member with the names of two items.
const MEMBER_BYTES: usize = 64;

impl Problem {
    /// A problem with a code and a detail.
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem { code, detail: detail.into(), more: None }
    }

    /// A temporary problem: the request may succeed after a second.
    pub fn unavailable(detail: &'static str) -> Self {
        Problem::new(ProblemCode::Unavailable, detail).retry_after(Duration::from_secs(1))
    }

    /// Replaces the detail.
    pub fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem { detail: detail.into(), ..self }
    }

    /// Adds the errors of the fields.
    pub fn errors(self, errors: BTreeMap<String, String>) -> Self {
        self.with(|more| more.errors = errors)
    }

    /// Adds an extension member. The description of each endpoint with this problem must name it.
    pub fn member(self, name: &'static str, value: &impl Serialize) -> Self {
        self.with(|more| {
            let before = more.members.len();
            more.members.reserve(MEMBER_BYTES);
            for part in [",\"", name, "\":"] {
                more.members.extend_from_slice(part.as_bytes());
            }
            if let Err(error) = serde_json::to_writer(&mut more.members, value) {
                tracing::error!(%error, name, "a member of a problem could not be written as JSON");
                more.members.truncate(before);
            }
        })
    }

    /// Sets the time after which to try again.
    pub fn retry_after(self, pause: Duration) -> Self {
        self.with(|more| more.retry_after = Some(pause))
    }

    /// Marks the outcome as unknown: the request may have succeeded.
    pub fn of_unknown_outcome(self) -> Self {
        self.with(|more| more.outcome = Some("unknown"))
    }

    /// Marks the request as one too many.
    pub fn of_overload(self) -> Self {
        self.with(|more| more.is_of_overload = true)
    }

    /// Sets the header that only some problems have. The document must describe it for the code.
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.with(|more| more.header = Some((name, value)))
    }

    /// Adds the cause, which only the log shows.
    pub fn caused_by(self, error: StoreError) -> Self {
        self.with(|more| more.cause = Some(error))
    }

    fn with(mut self, change: impl FnOnce(&mut More)) -> Self {
        change(self.more.get_or_insert_default());
        self
    }

    /// Returns the code.
    pub fn code(&self) -> ProblemCode {
        self.code
    }

    /// Returns the detail.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns true if the request may have succeeded.
    pub fn is_of_unknown_outcome(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.outcome.is_some())
    }

    /// Returns true if the request was one too many.
    pub fn is_of_overload(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.is_of_overload)
    }

    /// Returns the error of a store that caused the problem.
    pub fn cause(&self) -> Option<&StoreError> {
        self.more.as_ref()?.cause.as_ref()
    }

    /// Returns the answer to the caller.
    pub fn into_answer(self) -> Answer {
        let none = More::default();
        let more = self.more.as_deref().unwrap_or(&none);
        let retry_after = more.retry_after.map(whole_seconds);
        let code = self.code;
        let body = ProblemBody {
            r#type: format_args!("urn:flashsale:problem:{}", code.word()),
            title: code.title(),
            status: code.status().as_u16(),
            detail: &self.detail,
            code: code.word(),
            errors: &more.errors,
            retry_after_seconds: retry_after,
            outcome: more.outcome,
        };
        let (status, bytes) = to_json(code.status(), &body, &more.members);
        let mut answer = of_type("application/problem+json", status, bytes);
        let headers = answer.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some((name, value)) = &more.header {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(challenge) = code.challenge() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        answer
    }
}

fn whole_seconds(pause: Duration) -> u64 {
    pause.as_millis().div_ceil(1000).max(1) as u64
}

/// A problem (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    #[schema(value_type = &'static str, pattern = "^urn:flashsale:problem:[a-z_]+$")]
    r#type: std::fmt::Arguments<'a>,
    /// The same for every problem with this code.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// The next step for the client.
    detail: &'a str,
    /// A word that never changes. Clients may rely on it.
    #[schema(pattern = "^[a-z_]+$")]
    code: &'static str,
    /// The error of each invalid field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: &'a BTreeMap<String, String>,
    /// The time after which to try again, as in the header Retry-After.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_seconds: Option<u64>,
    /// `unknown` if the request may have succeeded. Send the same request again to find out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^unknown$")]
    outcome: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::header::CONTENT_TYPE;
    use serde_json::{Value, json};

    use super::*;

    async fn body_of(answer: Answer) -> Value {
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_problem_has_only_the_members_that_it_needs() {
        let answer = Problem::new(ProblemCode::SaleEnded, "Use GET /sales/active.").into_answer();
        assert_eq!(answer.status(), 410);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        let expected = json!({
            "type": "urn:flashsale:problem:sale_ended", "title": "The sale has ended", "status": 410,
            "detail": "Use GET /sales/active.", "code": "sale_ended",
        });
        assert_eq!(body_of(answer).await, expected);
    }

    #[tokio::test]
    async fn a_pause_is_in_the_header_and_in_the_body() {
        let problem = Problem::unavailable("Try again.").retry_after(Duration::from_millis(1_200));
        let answer = problem.of_unknown_outcome().into_answer();
        assert_eq!((answer.status().as_u16(), &answer.headers()[RETRY_AFTER]), (503, &HeaderValue::from(2)));
        let body = body_of(answer).await;
        assert_eq!((&body["retry_after_seconds"], &body["outcome"]), (&json!(2), &json!("unknown")));
    }

    #[test]
    fn extension_members_keep_their_order() {
        let problem = Problem::new(ProblemCode::ItemsSold, "Buy the rest.").member("b", &[2]).member("a", &json!({}));
        let answer = problem.into_answer();
        let text = str::from_utf8(answer.body().bytes().unwrap()).unwrap();
        assert!(text.ends_with(r#""code":"items_sold","b":[2],"a":{}}"#), "{text}");
    }

    #[tokio::test]
    async fn the_caller_does_not_see_the_cause() {
        let cause = StoreError::Unreachable("connection refused (10.0.0.7:5432)".into());
        let answer = Problem::unavailable("Try again.").caused_by(cause).into_answer();
        assert!(!body_of(answer).await.to_string().contains("10.0.0.7"));
    }
}
