//! What goes wrong, as RFC 9457 has it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::shared::StoreError;
use crate::domain::sale::Receipt;
use crate::domain::shared::ItemId;

use super::answer::{Answer, with_body};
use super::code::ProblemCode;
use super::receipt::ReceiptFields;

/// Why a request is not answered as it would like. The detail is for the caller and says what to do next;
/// the cause is for the log.
#[derive(Debug)]
pub struct Problem {
    code: ProblemCode,
    detail: Cow<'static, str>,
    more: Option<Box<More>>,
}

/// What few problems have.
#[derive(Debug, Default)]
struct More {
    errors: BTreeMap<String, String>,
    unavailable: Option<Vec<ItemId>>,
    available: Option<Vec<ItemId>>,
    retry_after: Option<Duration>,
    outcome: Option<&'static str>,
    original: Option<ReceiptFields>,
    allow: Option<&'static str>,
    cause: Option<StoreError>,
}

impl Problem {
    /// A problem about which there is no more to say.
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Problem { code, detail: detail.into(), more: None }
    }

    /// Something that may work if it is tried again after a second.
    pub fn unavailable(detail: &'static str) -> Self {
        Problem::new(ProblemCode::Unavailable, detail).retry_after(Duration::from_secs(1))
    }

    /// Names what is wrong with each field.
    pub fn errors(self, errors: BTreeMap<String, String>) -> Self {
        self.with(|more| more.errors = errors)
    }

    /// Names the items that cannot be had.
    pub fn sold(self, items: Vec<ItemId>) -> Self {
        self.with(|more| more.unavailable = Some(items))
    }

    /// Names the items that still can be had.
    pub fn left(self, items: Vec<ItemId>) -> Self {
        self.with(|more| more.available = Some(items))
    }

    /// Says when to try again.
    pub fn retry_after(self, pause: Duration) -> Self {
        self.with(|more| more.retry_after = Some(pause))
    }

    /// Says that it may have happened nevertheless.
    pub fn of_unknown_outcome(self) -> Self {
        self.with(|more| more.outcome = Some("unknown"))
    }

    /// Shows what was answered the first time.
    pub fn original(self, receipt: Receipt) -> Self {
        self.with(|more| more.original = Some(receipt.into()))
    }

    /// Says which methods there are instead.
    pub fn allow(self, methods: &'static str) -> Self {
        self.with(|more| more.allow = Some(methods))
    }

    /// Keeps, for the log, what led to it.
    pub fn caused_by(self, error: StoreError) -> Self {
        self.with(|more| more.cause = Some(error))
    }

    fn with(mut self, change: impl FnOnce(&mut More)) -> Self {
        change(self.more.get_or_insert_default());
        self
    }

    /// The stable word.
    pub fn code(&self) -> ProblemCode {
        self.code
    }

    /// What it says to the caller.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether it may have happened nevertheless.
    pub fn is_of_unknown_outcome(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.outcome.is_some())
    }

    /// What led to it, if a store did.
    pub fn cause(&self) -> Option<&StoreError> {
        self.more.as_ref()?.cause.as_ref()
    }

    /// The answer to the caller.
    pub fn into_answer(self) -> Answer {
        let none = More::default();
        let more = self.more.as_deref().unwrap_or(&none);
        let retry_after = more.retry_after.map(whole_seconds);
        let (word, status, title) = self.code.facts();
        let body = Body {
            r#type: format_args!("urn:flashsale:problem:{word}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code: word,
            errors: &more.errors,
            unavailable: more.unavailable.as_deref(),
            available: more.available.as_deref(),
            retry_after_seconds: retry_after,
            outcome: more.outcome,
            original: more.original.as_ref(),
        };
        let mut answer = with_body(status, &body);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = more.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if self.code == ProblemCode::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

fn whole_seconds(pause: Duration) -> u64 {
    pause.as_millis().div_ceil(1000).max(1) as u64
}

/// Why a request is not answered as it would like (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body<'a> {
    #[schema(value_type = &'static str, pattern = "^urn:flashsale:problem:[a-z_]+$")]
    r#type: std::fmt::Arguments<'a>,
    /// The same for every problem of this code.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What to do next.
    detail: &'a str,
    /// The stable word, on which to rely.
    code: &'static str,
    /// What is wrong with each field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: &'a BTreeMap<String, String>,
    /// Items that cannot be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unavailable: Option<&'a [ItemId]>,
    /// Items of the cart that still can be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    available: Option<&'a [ItemId]>,
    /// When to try again, as in the header Retry-After.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_seconds: Option<u64>,
    /// Says `unknown` where it may have happened nevertheless: ask again in the same words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^unknown$")]
    outcome: Option<&'static str>,
    /// What this request bought the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    original: Option<&'a ReceiptFields>,
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    async fn body_of(answer: Answer) -> Value {
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_problem_says_no_more_than_it_has_to_say() {
        let answer = Problem::new(ProblemCode::SaleEnded, "Look at GET /sales/active.").into_answer();
        assert_eq!(answer.status(), 410);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        let expected = json!({
            "type": "urn:flashsale:problem:sale_ended", "title": "The sale has ended", "status": 410,
            "detail": "Look at GET /sales/active.", "code": "sale_ended",
        });
        assert_eq!(body_of(answer).await, expected);
    }

    #[tokio::test]
    async fn a_pause_is_told_in_the_header_and_in_the_body() {
        let problem = Problem::unavailable("Try again.").retry_after(Duration::from_millis(1_200));
        let answer = problem.of_unknown_outcome().into_answer();
        assert_eq!((answer.status().as_u16(), &answer.headers()[RETRY_AFTER]), (503, &HeaderValue::from(2)));
        let body = body_of(answer).await;
        assert_eq!((&body["retry_after_seconds"], &body["outcome"]), (&json!(2), &json!("unknown")));
    }

    #[tokio::test]
    async fn sold_items_are_named_by_their_ids() {
        let item: ItemId = "20261120T09-00042".parse().unwrap();
        let body =
            body_of(Problem::new(ProblemCode::ItemsSold, "Buy the rest.").sold(vec![item]).left(vec![]).into_answer());
        let body = body.await;
        assert_eq!((&body["unavailable"], &body["available"]), (&json!(["20261120T09-00042"]), &json!([])));
    }

    #[tokio::test]
    async fn the_cause_stays_inside() {
        let cause = StoreError::Unreachable("connection refused (10.0.0.7:5432)".into());
        let answer = Problem::unavailable("Try again.").caused_by(cause).into_answer();
        assert!(!body_of(answer).await.to_string().contains("10.0.0.7"));
    }
}
