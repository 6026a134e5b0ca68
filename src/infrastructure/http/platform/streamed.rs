//! Sends a streamed answer on a connection that hyper has given back.
//!
//! Hyper keeps 16 KiB of buffers for a connection as long as an answer lasts. A stream that lasts for an hour and sends a
//! few bytes now and then needs none: its chunks are shared with other streams, and go from there to the socket.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use chrono::Utc;
use hyper::body::Body as _;
use hyper::http::response::Parts;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::answer::Answer;
use super::timed_stream::TimedStream;

/// Sends the answer until its last chunk, until the client closes, or until it has taken nothing for this long. The
/// connection ends with it.
pub async fn send(mut stream: TimedStream, answer: Answer, unread: Duration) -> io::Result<()> {
    let (head, mut body) = answer.into_parts();
    stream.keep_little_unsent()?;
    write(&mut stream, head_of(&head).as_bytes(), unread).await?;
    drop(head);
    loop {
        let frame = poll_fn(|cx| match poll_closed(Pin::new(&mut stream), cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            Poll::Pending => Pin::new(&mut body).poll_frame(cx).map(Ok::<_, io::Error>),
        });
        match frame.await? {
            Some(frame) => {
                let chunk = frame.map_err(io::Error::other)?.into_data().unwrap_or_default();
                if !chunk.is_empty() {
                    let length = Bytes::from(format!("{:x}\r\n", chunk.len()));
                    write(&mut stream, length.chain(chunk).chain(&b"\r\n"[..]), unread).await?;
                }
            }
            None => {
                write(&mut stream, &b"0\r\n\r\n"[..], unread).await?;
                return stream.shutdown().await;
            }
        }
    }
}

fn head_of(head: &Parts) -> String {
    let mut text = format!("HTTP/1.1 {}\r\n", head.status);
    for (name, value) in &head.headers {
        let _written = write!(text, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
    let _written = write!(text, "transfer-encoding: chunked\r\nconnection: close\r\ndate: {date}\r\n\r\n");
    text
}

async fn write(stream: &mut TimedStream, mut bytes: impl Buf, unread: Duration) -> io::Result<()> {
    while bytes.has_remaining() {
        timeout(unread, stream.write_buf(&mut bytes)).await??;
    }
    Ok(())
}

/// Ready once the client has closed the connection. Whatever it sends before is ignored.
fn poll_closed(mut stream: Pin<&mut TimedStream>, cx: &mut Context<'_>) -> Poll<()> {
    let mut bytes = [0; 64];
    loop {
        let mut read = ReadBuf::new(&mut bytes);
        match ready!(stream.as_mut().poll_read(cx, &mut read)) {
            Ok(()) if !read.filled().is_empty() => {}
            Ok(()) | Err(_) => return Poll::Ready(()),
        }
    }
}
