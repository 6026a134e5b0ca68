//! A lean HTTP/1.1 client connection. It shares the cores with the service, so it does little: the caller passes the
//! bytes of a request, and a response is its status and its body.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More headers than any response of the service has.
const HEADERS_MAX: usize = 32;
const BUFFER: usize = 4 * 1024;

/// A keep-alive connection without pipelining.
pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

/// A complete response.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

/// The head of a response, and the place of its body in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    body_start: usize,
    body_end: usize,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, input: Vec::with_capacity(BUFFER) })
    }

    /// Sends a request and reads the response.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Response<'_>> {
        self.stream.write_all(request).await?;
        self.input.clear();
        let head = loop {
            self.read().await?;
            if let Some(head) = parse(&self.input)? {
                break head;
            }
        };
        while self.input.len() < head.body_end {
            self.read().await?;
        }
        if self.input.len() > head.body_end {
            return Err(invalid("there are bytes after the response"));
        }
        Ok(Response { status: head.status, body: &self.input[head.body_start..head.body_end] })
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the service closed the connection")),
            _ => Ok(()),
        }
    }
}

/// Reads the head of a response. Returns `None` if it is not complete yet.
fn parse(input: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body_start) = response.parse(input).map_err(invalid)? else { return Ok(None) };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let length = length.ok_or_else(|| invalid("the response has no Content-Length"))?;
    let status = response.code.ok_or_else(|| invalid("the response has no status"))?;
    Ok(Some(Head { status, body_start, body_end: body_start + length }))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_may_arrive_in_parts() {
        let response = b"HTTP/1.1 409 Conflict\r\ndate: now\r\ncontent-length: 2\r\n\r\n{}";
        let body_start = response.len() - 2;
        for part in 0..body_start {
            assert_eq!(parse(&response[..part]).unwrap(), None);
        }
        let head = Head { status: 409, body_start, body_end: response.len() };
        assert_eq!(parse(&response[..body_start]).unwrap(), Some(head));
        assert_eq!(parse(response).unwrap(), Some(head));
    }

    #[test]
    fn a_response_without_a_length_is_an_error() {
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
        assert!(parse(b"SMTP ready\r\n\r\n").is_err());
    }
}
