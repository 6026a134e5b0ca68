//! The tickets and passes of requests: in a header, or in a cookie, which serves pages without scripts.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::header::HeaderValue;

use crate::infrastructure::tokens::{Pass, Ticket, TokenKeys};

use super::super::answer::Answer;
use super::super::context::Context;
use super::super::field_errors::FieldErrors;
use super::super::problem::Problem;
use super::super::request::ApiRequest;

/// The headers with a ticket and a pass. The cookies have the same names, in small letters.
pub const TICKET: &str = "Queue-Ticket";
pub const PASS: &str = "Queue-Pass";

/// Life of the cookie with a ticket.
pub const TICKET_LIFE: Duration = Duration::from_secs(86_400);

impl Context {
    /// Returns the ticket of a request. Fails without one that is valid.
    pub fn ticket(&self, request: &ApiRequest) -> Result<Ticket, Problem> {
        let token = self.queue_token(request, TICKET);
        let token = token.ok_or_else(|| FieldErrors::one(TICKET, "is required: join with POST /queue to get one"))?;
        let invalid = |_| FieldErrors::one(TICKET, "is not from this service: join with POST /queue to get one");
        self.room_keys()?.check_ticket(token).map_err(invalid)
    }

    /// Returns the pass of a request; `None` without one that is valid.
    pub fn pass(&self, request: &ApiRequest) -> Option<Pass> {
        let (keys, token) = (self.room_keys.as_ref()?, self.queue_token(request, PASS)?);
        keys.check_pass(token, self.shop.clock.now()).ok()
    }

    /// Returns the keys of tickets and passes.
    pub fn room_keys(&self) -> Result<&TokenKeys, Problem> {
        let missing = "This instance has no keys for the tickets of waiting rooms. Try again later.";
        self.room_keys.as_ref().ok_or_else(|| Problem::unavailable(missing))
    }

    /// Returns the token of a pass.
    pub fn sign_pass(&self, pass: &Pass) -> Result<String, Problem> {
        Ok(self.room_keys()?.sign_pass(pass).unwrap_or_default())
    }

    /// Adds the cookie of a pass, which lives as long as the pass.
    pub fn set_pass_cookie(&self, request: &ApiRequest, answer: &mut Answer, token: &str, expires_at: DateTime<Utc>) {
        let life = (expires_at - self.shop.clock.now()).to_std().unwrap_or_default();
        self.set_queue_cookie(request, answer, PASS, token, life);
    }

    /// Adds the cookie of a ticket or a pass to an answer.
    pub fn set_queue_cookie(&self, request: &ApiRequest, answer: &mut Answer, name: &str, token: &str, life: Duration) {
        let cookie = self.users.set_cookie(request, &name.to_ascii_lowercase(), token, life);
        answer.headers_mut().extend(cookie.map(|cookie: HeaderValue| (hyper::header::SET_COOKIE, cookie)));
    }

    fn queue_token<'a>(&self, request: &'a ApiRequest, name: &str) -> Option<&'a str> {
        match request.head.headers.get(name) {
            Some(token) => token.to_str().ok(),
            None => self.users.cookie(request, &name.to_ascii_lowercase()),
        }
    }
}
