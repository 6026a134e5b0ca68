//! Cookies of pages.

use hyper::header::{COOKIE, HeaderMap, HeaderValue, ORIGIN};

/// Returns the value of a cookie.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let listed = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = listed.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Returns a `Set-Cookie` that scripts cannot read and other sites do not send. It is limited to HTTPS where the form that
/// it answers came from a page with HTTPS.
pub fn set(headers: &HeaderMap, name: &str, value: &str, seconds: u32) -> Option<HeaderValue> {
    let is_https = headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if is_https { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&cookie).ok()
}
