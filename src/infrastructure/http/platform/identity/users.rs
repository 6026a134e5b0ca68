//! Finds out who is asking. No other place reads tokens and cookies of users.

use std::net::IpAddr;
use std::time::Duration;

use chrono::Utc;
use hyper::header::HeaderValue;

use crate::domain::shared::UserId;
use crate::infrastructure::tokens::{Claims, TokenError, TokenKeys};

use super::super::bearer;
use super::super::limits::proxies::TrustedProxies;
use super::super::metrics;
use super::super::problem::Problem;
use super::super::problem_code::ProblemCode;
use super::super::request::ApiRequest;
use super::cookie;
use super::guests::{SESSION_LIFE, Session, is_guest, is_half_over, new_guest};
use super::site::{Initiator, Site};

/// The users of a listener.
#[derive(Debug, Clone)]
pub struct Users {
    /// The keys of tokens. Without them, requests name their users.
    keys: Option<TokenKeys>,
    proxies: TrustedProxies,
}

impl Users {
    /// Users whose tokens these keys check, behind these proxies.
    pub fn new(keys: Option<TokenKeys>, proxies: TrustedProxies) -> Self {
        Users { keys, proxies }
    }

    /// Returns true if tokens are required.
    pub fn are_signed(&self) -> bool {
        self.keys.is_some()
    }

    /// Returns the user whom the token of a request names; `None` if tokens are not required. Fails without a valid one.
    pub fn identify(&self, request: &ApiRequest) -> Result<Option<UserId>, Problem> {
        match self.keys {
            Some(_) => self.visitor(request)?.map(Some).ok_or_else(token_required),
            None => Ok(None),
        }
    }

    /// Returns the user of a page: of its token, or of its cookie, whether or not tokens are required. `None` for a
    /// visitor without a valid one. Fails for an unsafe request by cookie that another site has caused.
    pub fn visitor(&self, request: &ApiRequest) -> Result<Option<UserId>, Problem> {
        if let Some(claims) = self.of_bearer(request)? {
            return Ok(Some(claims.user));
        }
        let Some(claims) = self.of_cookie(request) else { return Ok(None) };
        self.check_origin(request).map(|()| Some(claims.user))
    }

    /// Returns the identity of a visitor: the one that the request has, or that of a new guest, which `count` may refuse.
    pub fn open_session(
        &self,
        request: &ApiRequest,
        count: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<Session, Problem> {
        if self.site(request).initiator(&request.head.headers) == Initiator::Elsewhere {
            return Err(foreign_origin());
        }
        let now = Utc::now();
        let known = match self.of_bearer(request)? {
            Some(claims) => return Ok(Session { user: claims.user, expires_at: claims.expires_at, cookie: None }),
            None => self.of_cookie(request),
        };
        let user = match known {
            // Without a token, the life of a cookie begins again, because it does not tell its age.
            Some(Claims { user, expires_at })
                if self.keys.is_some() && (!is_guest(&user) || !is_half_over(expires_at, now)) =>
            {
                return Ok(Session { user, expires_at, cookie: None });
            }
            Some(claims) => claims.user,
            None => {
                count()?;
                new_guest()
            }
        };
        let claims = Claims { user, expires_at: now + SESSION_LIFE };
        let value = match &self.keys {
            Some(keys) => keys.sign(&claims).ok_or_else(token_required)?,
            None => claims.user.to_string(),
        };
        let cookie = cookie::set(&value, self.site(request));
        Ok(Session { user: claims.user, expires_at: claims.expires_at, cookie })
    }

    /// Returns the value of another cookie than that of the session.
    pub fn cookie<'a>(&self, request: &'a ApiRequest, name: &str) -> Option<&'a str> {
        cookie::read_named(&request.head.headers, name)
    }

    /// Returns the header that sets another cookie than that of the session, under the same rules.
    pub fn set_cookie(&self, request: &ApiRequest, name: &str, value: &str, life: Duration) -> Option<HeaderValue> {
        cookie::set_named(name, value, life, self.site(request))
    }

    /// Returns the address of the client.
    pub fn address(&self, request: &ApiRequest) -> IpAddr {
        self.proxies.client(request.peer, &request.head.headers)
    }

    fn site<'a>(&self, request: &'a ApiRequest) -> Site<'a> {
        Site::of(&request.head, request.peer, &self.proxies)
    }

    /// Returns the claims of the token in `Authorization`. Fails if there is one that is not valid.
    fn of_bearer(&self, request: &ApiRequest) -> Result<Option<Claims>, Problem> {
        let (Some(keys), Some(token)) = (&self.keys, bearer::of(&request.head.headers)) else { return Ok(None) };
        let token = str::from_utf8(token).map_err(|_| TokenError::Malformed);
        token.and_then(|token| keys.check(token, Utc::now())).map(Some).map_err(invalid_token)
    }

    /// Returns the claims of the cookie; `None` without one that is valid.
    fn of_cookie(&self, request: &ApiRequest) -> Option<Claims> {
        let value = cookie::read(&request.head.headers, self.site(request))?;
        let now = Utc::now();
        match &self.keys {
            Some(keys) => keys.check(value, now).inspect_err(|error| metrics::token_refused(*error)).ok(),
            // Anybody may name any user then.
            None => Some(Claims { user: value.parse().ok()?, expires_at: now }),
        }
    }

    /// Fails unless an unsafe request by cookie comes from a page of the same origin. A browser adds the cookie to requests
    /// that other sites cause, too.
    pub fn check_origin(&self, request: &ApiRequest) -> Result<(), Problem> {
        let is_same = || self.site(request).initiator(&request.head.headers) == Initiator::SameOrigin;
        if request.head.method.is_safe() || is_same() { Ok(()) } else { Err(foreign_origin()) }
    }
}

fn token_required() -> Problem {
    Problem::new(ProblemCode::TokenRequired, "Send the token of the user as Authorization: Bearer <token>.")
}

/// Returns the problem of a token, the same for every reason.
fn invalid_token(error: TokenError) -> Problem {
    metrics::token_refused(error);
    let detail = "Get a new token: this one is expired, or not from this service.";
    Problem::new(ProblemCode::InvalidToken, detail)
}

fn foreign_origin() -> Problem {
    let detail = "Send requests that change something from a page of this site, or with Authorization: Bearer <token> in \
                  place of the cookie.";
    Problem::new(ProblemCode::ForeignOrigin, detail)
}
