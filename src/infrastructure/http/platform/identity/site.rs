//! The site of a request, as its browser sees it.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, ORIGIN};
use hyper::http::request::Parts;

use super::super::limits::proxies::TrustedProxies;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A scheme and a host with its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site<'a> {
    is_https: bool,
    host: &'a str,
}

/// The page that made a browser send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// A page of the same origin.
    SameOrigin,
    Elsewhere,
    /// The request does not say. Browsers do, so this is another program.
    Unknown,
}

impl<'a> Site<'a> {
    /// Returns the site of a request from this peer. The service itself has no TLS, so only a trusted proxy can say that
    /// there is some.
    pub fn of(head: &'a Parts, peer: IpAddr, proxies: &TrustedProxies) -> Self {
        let is_https = proxies.contains(peer)
            && last(&head.headers, &X_FORWARDED_PROTO).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        let authority = head.uri.authority().map(|authority| authority.as_str());
        let host = authority.or_else(|| head.headers.get(HOST)?.to_str().ok()).unwrap_or_default();
        Site { is_https, host: without_default_port(host, is_https) }
    }

    /// Returns true for plain HTTP to this machine, where browsers do not accept cookies that require TLS.
    pub fn is_loopback_http(self) -> bool {
        let name = match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.host.split(':').next().unwrap_or_default(),
        };
        let is_local_name = name.eq_ignore_ascii_case("localhost");
        !self.is_https && (is_local_name || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()))
    }

    /// Returns the page that made a browser send the request. `Origin` decides; without it, `Sec-Fetch-Site`, which no page can set.
    pub fn initiator(self, headers: &HeaderMap) -> Initiator {
        let is_same = match (headers.get(ORIGIN), headers.get(SEC_FETCH_SITE)) {
            (Some(origin), _) => origin.to_str().is_ok_and(|origin| self.is(origin)),
            // `none` is a user's own doing, such as an address that was typed.
            (None, Some(site)) => site == "same-origin" || site == "none",
            (None, None) => return Initiator::Unknown,
        };
        if is_same { Initiator::SameOrigin } else { Initiator::Elsewhere }
    }

    fn is(self, origin: &str) -> bool {
        let (scheme, host) = origin.split_once("://").unwrap_or_default();
        let is_https = scheme.eq_ignore_ascii_case("https");
        let is_known = is_https || scheme.eq_ignore_ascii_case("http");
        is_known
            && is_https == self.is_https
            && !self.host.is_empty()
            && without_default_port(host, is_https).eq_ignore_ascii_case(self.host)
    }
}

fn without_default_port(host: &str, is_https: bool) -> &str {
    host.strip_suffix(if is_https { ":443" } else { ":80" }).unwrap_or(host)
}

/// Returns the last value of a header that lists several: that of the nearest proxy.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get_all(name).iter().next_back()?.to_str().ok()?.rsplit(',').next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use rstest::rstest;

    use super::*;

    const PROXY: &str = "10.0.0.7";

    fn head(headers: &[(&str, &str)]) -> Parts {
        let request = headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn asked(peer: &str, headers: &[(&str, &str)]) -> Initiator {
        let (head, proxies) = (head(headers), TrustedProxies::new(vec![PROXY.parse().unwrap()]));
        Site::of(&head, peer.parse().unwrap(), &proxies).initiator(&head.headers)
    }

    #[rstest]
    #[case("shop.example", "http://shop.example", Initiator::SameOrigin)]
    #[case("shop.example:80", "http://shop.example", Initiator::SameOrigin)]
    #[case("Shop.Example", "http://shop.example", Initiator::SameOrigin)]
    #[case("localhost:8080", "http://localhost:8080", Initiator::SameOrigin)]
    #[case("shop.example", "https://shop.example", Initiator::Elsewhere)]
    #[case("shop.example", "http://shop.example:8080", Initiator::Elsewhere)]
    #[case("shop.example", "http://evil.example", Initiator::Elsewhere)]
    #[case("shop.example", "http://shop.example.evil.example", Initiator::Elsewhere)]
    #[case("shop.example", "http://evil.shop.example", Initiator::Elsewhere)]
    #[case("shop.example", "http://shop.example/", Initiator::Elsewhere)]
    #[case("shop.example", "ftp://shop.example", Initiator::Elsewhere)]
    #[case("shop.example", "null", Initiator::Elsewhere)]
    #[case("shop.example", "", Initiator::Elsewhere)]
    #[case("shop.example", "shop.example", Initiator::Elsewhere)]
    #[case("", "http://", Initiator::Elsewhere)]
    fn an_origin_is_compared_with_the_host(#[case] host: &str, #[case] origin: &str, #[case] expected: Initiator) {
        assert_eq!(asked("192.0.2.1", &[("host", host), ("origin", origin)]), expected);
    }

    #[rstest]
    #[case(PROXY, "https", "https://shop.example", Initiator::SameOrigin)]
    #[case(PROXY, "http, https", "https://shop.example", Initiator::SameOrigin)]
    #[case(PROXY, "https", "https://shop.example:443", Initiator::SameOrigin)]
    #[case(PROXY, "https", "http://shop.example", Initiator::Elsewhere)]
    #[case(PROXY, "http", "https://shop.example", Initiator::Elsewhere)]
    #[case("192.0.2.1", "https", "https://shop.example", Initiator::Elsewhere)]
    fn only_a_trusted_proxy_says_that_there_is_tls(
        #[case] peer: &str,
        #[case] scheme: &str,
        #[case] origin: &str,
        #[case] expected: Initiator,
    ) {
        let headers = [("host", "shop.example"), ("x-forwarded-proto", scheme), ("origin", origin)];
        assert_eq!(asked(peer, &headers), expected);
    }

    #[rstest]
    #[case(&[], Initiator::Unknown)]
    #[case(&[("sec-fetch-site", "same-origin")], Initiator::SameOrigin)]
    #[case(&[("sec-fetch-site", "none")], Initiator::SameOrigin)]
    #[case(&[("sec-fetch-site", "same-site")], Initiator::Elsewhere)]
    #[case(&[("sec-fetch-site", "cross-site")], Initiator::Elsewhere)]
    #[case(&[("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")], Initiator::Elsewhere)]
    fn without_an_origin_the_browser_says_it_otherwise(#[case] headers: &[(&str, &str)], #[case] expected: Initiator) {
        assert_eq!(asked("192.0.2.1", &[&[("host", "shop.example")], headers].concat()), expected);
    }

    #[rstest]
    #[case("localhost:8080", "http", true)]
    #[case("LOCALHOST", "http", true)]
    #[case("127.0.0.1:8080", "http", true)]
    #[case("[::1]:8080", "http", true)]
    #[case("localhost:8080", "https", false)]
    #[case("localhost.example", "http", false)]
    #[case("192.0.2.1:8080", "http", false)]
    #[case("", "http", false)]
    fn a_loopback_site_is_one_of_this_machine(#[case] host: &str, #[case] scheme: &str, #[case] expected: bool) {
        let head = head(&[("host", host), ("x-forwarded-proto", scheme)]);
        let proxies = TrustedProxies::new(vec![PROXY.parse().unwrap()]);
        assert_eq!(Site::of(&head, PROXY.parse().unwrap(), &proxies).is_loopback_http(), expected);
    }
}
