//! A request on its way to the handler.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::domain::shared::UserId;

use super::field_errors::FieldErrors;
use super::json;
use super::limits::rate_limit::Counted;
use super::path_params::PathParams;
use super::problem::Problem;
use super::problem_code::ProblemCode;
use super::query;

/// A request. Handlers get it with its body read.
#[derive(Debug)]
pub struct ApiRequest {
    /// The other side of the connection: a client, or a proxy.
    pub peer: IpAddr,
    /// The user whom a token names. Without one, requests name their users themselves.
    pub user: Option<UserId>,
    pub params: PathParams,
    pub head: Parts,
    pub body: Bytes,
    pub counted: Counted,
}

impl ApiRequest {
    /// Returns the query as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// Returns the user whom the request is about: the one that it names, or that of its token. Fails if it names another
    /// one.
    pub fn about(&self, named: Option<UserId>) -> Result<Option<UserId>, Problem> {
        match (&self.user, named) {
            (Some(user), Some(named)) if *user != named => {
                let detail = "Leave out the user id, or send that of the token: a token is good for its own user only.";
                Err(Problem::new(ProblemCode::NotYou, detail))
            }
            (Some(user), _) => Ok(Some(user.clone())),
            (None, named) => Ok(named),
        }
    }

    /// Reads the JSON body; `None` without a body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        if self.body.is_empty() {
            return Ok(None);
        }
        if !self.is_of_type("application/json") {
            return Err(Problem::new(
                ProblemCode::UnsupportedMediaType,
                "Send the body as Content-Type: application/json, in UTF-8 and without a Content-Encoding.",
            ));
        }
        json::read(&self.body).map(Some)
    }

    /// Reads the JSON body of a request that must have one.
    pub fn required_json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.json()?.ok_or_else(|| FieldErrors::one("body", "is required: send a JSON object"))
    }

    /// Reads the fields of an HTML form, in this order. Each may be given once; other fields are an error.
    pub fn form<const N: usize>(&self, names: [&'static str; N]) -> Result<[Option<Cow<'_, str>>; N], Problem> {
        if !self.is_of_type("application/x-www-form-urlencoded") {
            let detail = "Send the form as Content-Type: application/x-www-form-urlencoded.";
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail));
        }
        // The encoding of a form is ASCII; other bytes lead to values that no field allows.
        query::read(Some(str::from_utf8(&self.body).unwrap_or("\u{fffd}")), names)
    }

    fn is_of_type(&self, wanted: &str) -> bool {
        if self.head.headers.contains_key(CONTENT_ENCODING) {
            return false;
        }
        let media_type = self.head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut parts = media_type.split(';').map(str::trim);
        let is_wanted = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(wanted));
        let is_utf8 = |parameter: &str| match parameter.split_once('=') {
            Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
                charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        };
        is_wanted && parts.all(is_utf8)
    }
}
