//! Trusted proxies, and the address of the client behind them.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hyper::header::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::domain::shared::Invalid;

/// The header to which each proxy appends the address that it was asked from.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<TrustedProxy>);

/// An address or a network: `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

impl TrustedProxies {
    /// The proxies in these networks.
    pub fn new(proxies: Vec<TrustedProxy>) -> Self {
        TrustedProxies(proxies)
    }

    /// Returns true if the address is that of a trusted proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|TrustedProxy(network)| network.contains(&address))
    }

    /// Returns the address of the client whose request arrived from `peer`: the last one in the header that is not trusted
    /// itself. Whatever stands before it may be invented.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let mut addresses = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(address);
        while self.contains(client) {
            // A text that is no address hides who asked the proxy, so the request counts for the proxy.
            let Some(Some(before)) = addresses.next() else { break };
            client = before;
        }
        client
    }
}

/// Reads an address, which some proxies write with its port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?.trim();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    text.parse().ok().or_else(with_port)
}

impl FromStr for TrustedProxy {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let network = network.map_err(|_| Invalid::new("must be an address or a network such as 10.0.0.0/8"))?;
        // Addresses are compared in this form.
        match network.addr().to_canonical() {
            address if address.is_ipv4() == network.addr().is_ipv4() => Ok(TrustedProxy(network)),
            _ => Err(Invalid::new("must be written as IPv4, without ::ffff:")),
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn client(peer: &str, lines: &[&[u8]]) -> String {
        let trusted = proxies(&["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7"]);
        let line = |line: &&[u8]| (X_FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
        let headers: Vec<_> = lines.iter().map(line).collect();
        let mut map = HeaderMap::new();
        headers.into_iter().for_each(|(name, value)| _ = map.append(name, value));
        trusted.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(client("10.1.2.3", &[b"203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("::ffff:10.1.2.3", &[b"203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("2001:db8:1::5", &[b"2001:db8:2::1"]), "2001:db8:2::1");
        assert_eq!(client("192.0.2.7", &[b"203.0.113.9"]), "203.0.113.9");
        for stranger in ["192.0.2.8", "203.0.113.1", "2001:db8:2::1"] {
            assert_eq!(client(stranger, &[b"203.0.113.9"]), stranger);
        }
        assert_eq!(
            TrustedProxies::default().client("10.1.2.3".parse().unwrap(), &HeaderMap::new()).to_string(),
            "10.1.2.3"
        );
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_trusted() {
        assert_eq!(client("10.0.0.1", &[b"198.51.100.1, 203.0.113.9, 10.0.0.3,10.0.0.2"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &[b"198.51.100.1", b"203.0.113.9", b"10.0.0.2"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &[b"10.0.0.9, 203.0.113.9"]), "203.0.113.9");
        // A request from a trusted machine counts for that machine.
        assert_eq!(client("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn an_address_may_have_a_port() {
        assert_eq!(client("10.0.0.1", &[b"203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &[b"[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &[b"2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn invalid_addresses_count_for_the_last_proxy() {
        for garbage in
            [&b""[..], b",", b"unknown", b"203.0.113.9, ", b"1.2.3", b"203.0.113.9 10.0.0.1", b"\xff\xfe", b"0x7f.1"]
        {
            assert_eq!(client("10.0.0.1", &[garbage]), "10.0.0.1", "{garbage:?}");
            assert_eq!(client("10.0.0.1", &[garbage, b"10.0.0.2"]), "10.0.0.2", "{garbage:?}");
            assert_eq!(client("10.0.0.1", &[garbage, b"203.0.113.9"]), "203.0.113.9", "{garbage:?}");
        }
    }

    #[test]
    fn ten_thousand_entries_are_harmless() {
        let spoofed = vec!["198.51.100.1"; 10_000].join(",") + ", 203.0.113.9";
        assert_eq!(client("10.0.0.1", &[spoofed.as_bytes()]), "203.0.113.9");
        let trusted = ["10.0.0.2"; 10_000].join(",");
        assert_eq!(client("10.0.0.1", &[trusted.as_bytes()]), "10.0.0.2");
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        for valid in ["10.0.0.1", " 10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::1", "0.0.0.0/0"] {
            assert!(valid.parse::<TrustedProxy>().is_ok(), "{valid}");
        }
        for invalid in
            ["", "localhost", "10.0.0.0/33", "10.0.0", "10.0.0.1:80", "*", "::ffff:10.0.0.0/104", "::ffff:10.0.0.1"]
        {
            assert!(invalid.parse::<TrustedProxy>().is_err(), "{invalid}");
        }
    }
}
