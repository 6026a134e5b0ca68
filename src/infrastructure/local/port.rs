//! A free port of 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below the ports the kernel gives to outgoing connections (from 32768 on). In that range a client that keeps
/// asking for a server that is down could be given the server's own port, and keep it from coming back.
const PORTS: Range<u16> = 15_000..32_768;
const ATTEMPTS: u32 = 200;

/// A port nobody listened on a moment ago. Somebody may be faster: whoever uses it tries again with another.
pub(super) fn free_port() -> io::Result<u16> {
    let mut last = io::ErrorKind::AddrInUse.into();
    for _ in 0..ATTEMPTS {
        let port = rand::random_range(PORTS);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}
