//! The cookie of a session.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderValue};

use super::guests::SESSION_LIFE;
use super::site::Site;

/// The name where there is TLS. A browser takes a cookie of such a name only from the site itself (RFC 6265bis, section
/// 4.1.3.2), so another site of the same domain cannot set it.
const NAME: &str = "__Host-session";

/// The name for plain HTTP to this machine, where browsers refuse the other one.
const LOOPBACK_NAME: &str = "session";

fn name(site: Site<'_>) -> &'static str {
    if site.is_loopback_http() { LOOPBACK_NAME } else { NAME }
}

/// Returns the value of the cookie of a request.
pub fn read<'a>(headers: &'a HeaderMap, site: Site<'_>) -> Option<&'a str> {
    read_named(headers, name(site))
}

/// Returns the value of the cookie of this name.
pub fn read_named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Returns the header that sets the cookie. The value is a token or a user id, whose characters may stand in a cookie.
pub fn set(value: &str, site: Site<'_>) -> Option<HeaderValue> {
    set_named(name(site), value, SESSION_LIFE, site)
}

/// Returns the header that sets the cookie of this name for this time.
pub fn set_named(name: &str, value: &str, life: Duration, site: Site<'_>) -> Option<HeaderValue> {
    let seconds = life.as_secs();
    let secure = if site.is_loopback_http() { "" } else { "; Secure" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let mut cookie = HeaderValue::try_from(cookie).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}
