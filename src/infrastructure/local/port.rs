//! Free ports of 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Ports below those that the kernel gives to outgoing connections (from 32768). A client that keeps connecting to a
/// server that is down could otherwise get the port of the server and keep it from restarting.
const PORTS: Range<u16> = 15_000..32_768;
const ATTEMPTS: u32 = 200;

/// Returns a port on which no process listens. Another process may take it first; then the caller tries another.
pub fn free_port() -> io::Result<u16> {
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
