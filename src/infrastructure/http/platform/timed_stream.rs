//! The bytes of a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::refused_head;

/// Bytes of a streamed answer that wait in the kernel for their reader. It keeps twice as many, and up to megabytes if it
/// is not told otherwise.
const UNSENT_OF_STREAM: usize = 16 * 1024;

/// A TCP stream that reports its activity, and completes the bare answers of hyper.
pub struct TimedStream {
    stream: TcpStream,
    activity: Arc<Activity>,
    /// Bytes that hyper has read and not used.
    unread: Bytes,
    /// The rest of an answer that is sent in place of one of hyper.
    replacement: Option<Bytes>,
}

impl TimedStream {
    /// A stream that reports to this activity.
    pub fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        TimedStream { stream, activity, unread: Bytes::new(), replacement: None }
    }

    /// Lets only a few bytes wait in the kernel for a slow reader.
    pub fn keep_little_unsent(&self) -> io::Result<()> {
        Ok(set_socket_send_buffer_size(&self.stream, UNSENT_OF_STREAM)?)
    }

    /// Returns a stream that begins with these bytes.
    pub fn with_unread(self, unread: Bytes) -> Self {
        TimedStream { unread, ..self }
    }

    /// Returns true if it begins with bytes that have been read before.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Sends another answer in place of these bytes, if they are a bare answer of hyper. Ready with `None` if they are
    /// not.
    fn poll_replace(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<Option<usize>>> {
        if self.replacement.is_none() && !self.activity.is_serving() {
            self.replacement = refused_head::problem_for(bytes);
        }
        let Some(rest) = &mut self.replacement else { return Poll::Ready(Ok(None)) };
        while rest.has_remaining() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            rest.advance(sent);
        }
        self.replacement = None;
        Poll::Ready(Ok(Some(bytes.len())))
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = match self.unread.is_empty() {
            true => ready!(Pin::new(&mut self.stream).poll_read(cx, into)),
            false => {
                let length = into.remaining().min(self.unread.len());
                into.put_slice(&self.unread.split_to(length));
                Ok(())
            }
        };
        if into.filled().len() > before {
            self.activity.bytes_came();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match ready!(self.poll_replace(cx, bytes))? {
            Some(written) => return Poll::Ready(Ok(written)),
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        };
        self.activity.bytes_sent(written.is_pending());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A bare answer of hyper has no body, so it is one part.
        if let [part] = parts
            && let Some(written) = ready!(self.poll_replace(cx, part))?
        {
            return Poll::Ready(Ok(written));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.activity.bytes_sent(written.is_pending());
        written
    }
}
