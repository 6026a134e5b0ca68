//! The session of an operator: a cookie that stands for the admin token until it expires.
//!
//! It contains only a time and its HMAC under the token, so it is worth nothing after that time, or once the service has
//! another token. No instance keeps anything.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{COOKIE, HeaderMap, HeaderValue, ORIGIN};
use sha2::Sha256;

use super::bearer::AdminToken;
use super::problem::Problem;
use super::problem_code::ProblemCode;

/// Life of a session: a working day.
const LIFE: TimeDelta = TimeDelta::hours(10);

const NAME: &str = "console";

/// The pages that get the cookie.
const PATH: &str = "/admin/console";

impl AdminToken {
    /// Returns the cookie of a session that begins now.
    pub fn open_session(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Option<HeaderValue> {
        let until = (now + LIFE).timestamp();
        let mac = BASE64_URL_SAFE_NO_PAD.encode(self.session_mac(until).finalize().into_bytes());
        cookie(headers, &format!("{until}.{mac}"), LIFE.num_seconds())
    }

    /// Fails unless the request has the cookie of a session that has not expired.
    pub fn check_session(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Result<(), Problem> {
        let is_valid = |session: &str| {
            let (until, mac) = session.split_once('.')?;
            let (until, mac): (i64, _) = (until.parse().ok()?, BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?);
            self.session_mac(until).verify_slice(&mac).ok()?;
            (until > now.timestamp()).then_some(())
        };
        let detail = "Open /admin/console in a browser, and enter the admin token.";
        sessions(headers).find_map(is_valid).ok_or_else(|| Problem::new(ProblemCode::Unauthorized, detail))
    }

    fn session_mac(&self, until: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(self.bytes()).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
        mac.update(format!("session of the console until {until}").as_bytes());
        mac
    }
}

/// Returns the cookie that ends a session.
pub fn close_session(headers: &HeaderMap) -> Option<HeaderValue> {
    cookie(headers, "", 0)
}

fn sessions(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let listed = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = listed.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.filter(|(name, _)| *name == NAME).map(|(_, value)| value)
}

/// Returns a `Set-Cookie`. No script can read it, and no other site can make a browser send it. It is limited to HTTPS
/// where the form came from a page with HTTPS.
fn cookie(headers: &HeaderMap, value: &str, seconds: i64) -> Option<HeaderValue> {
    let is_https = headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if is_https { "; Secure" } else { "" };
    let cookie = format!("{NAME}={value}; Path={PATH}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut cookie = HeaderValue::try_from(cookie).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> AdminToken {
        AdminToken::new(text.into()).unwrap()
    }

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(cookie).unwrap())])
    }

    fn session(token: &AdminToken, now: DateTime<Utc>) -> String {
        let cookie = token.open_session(&HeaderMap::new(), now).unwrap();
        cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_session_ends_with_its_time_and_with_the_token() {
        let (secret, now) = (token("s3cret"), Utc::now());
        let session = session(&secret, now);
        assert!(!session.contains("s3cret"));
        let check = |token: &AdminToken, cookie: &str, at| token.check_session(&headers(cookie), at).is_ok();
        assert!(check(&secret, &session, now + LIFE - TimeDelta::seconds(2)));
        assert!(check(&secret, &format!("console=x; {session}"), now));
        assert!(!check(&secret, &session, now + LIFE));
        assert!(!check(&token("other"), &session, now));
        let later =
            session.replacen(&(now + LIFE).timestamp().to_string(), &(now + LIFE * 2).timestamp().to_string(), 1);
        assert_ne!(later, session);
        for forged in [later.as_str(), "console=", "console=.", "console=9999999999.", "console=s3cret", "other=1"] {
            assert!(!check(&secret, forged, now), "{forged}");
        }
    }

    #[test]
    fn a_cookie_goes_to_the_console_alone_and_over_tls_where_there_is_some() {
        let https = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://ops.example"))]);
        for (headers, is_secure) in [(HeaderMap::new(), false), (https, true)] {
            let opened = token("s3cret").open_session(&headers, Utc::now()).unwrap();
            let cookie = opened.to_str().unwrap();
            assert!(cookie.contains("; Path=/admin/console; Max-Age=36000; HttpOnly; SameSite=Strict"), "{cookie}");
            assert_eq!(cookie.ends_with("; Secure"), is_secure);
            assert!(
                close_session(&headers)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .starts_with("console=; Path=/admin/console; Max-Age=0")
            );
        }
    }
}
