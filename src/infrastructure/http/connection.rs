//! How long a connection may be kept without use being made of it.
//!
//! Hyper can limit how long a head takes, but only once it knows that it speaks HTTP/1, and it takes the pause
//! between two requests for a slow head. Here both are told apart, for any version.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a connection may do nothing.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// With a head on its way, or before the first one.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
}

/// What is going on on a connection. Times are in milliseconds since it was opened.
#[derive(Debug)]
pub struct Activity {
    opened: Instant,
    requests: AtomicUsize,
    /// When the last request ended.
    quiet_since: AtomicU64,
    /// When the first byte came that belongs to no request yet; zero without one.
    head_since: AtomicU64,
    /// Nothing was asked yet.
    is_new: AtomicBool,
    /// In HTTP/2 bytes come without a request, too.
    is_http2: AtomicBool,
}

impl Activity {
    /// A connection is opened.
    pub fn new() -> Arc<Self> {
        Arc::new(Activity {
            opened: Instant::now(),
            requests: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            is_new: AtomicBool::new(true),
            is_http2: AtomicBool::new(false),
        })
    }

    /// A request has come; it ends when what is returned is dropped.
    pub fn request(self: &Arc<Self>, version: Version) -> ActiveRequest {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        if self.is_new.load(Ordering::Relaxed) {
            self.is_http2.store(version == Version::HTTP_2, Ordering::Relaxed);
            self.is_new.store(false, Ordering::Relaxed);
        }
        ActiveRequest(self.clone())
    }

    /// Waits until nothing has been asked for too long.
    pub async fn stopped(&self, patience: Patience) {
        loop {
            let now = self.now();
            // A head may begin while we sleep, so never longer than a head may take.
            let pause = match self.deadline(patience) {
                None => patience.head,
                Some(deadline) if deadline <= now => return,
                Some(deadline) => (deadline - now).min(patience.head),
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn deadline(&self, patience: Patience) -> Option<Duration> {
        if self.requests.load(Ordering::Relaxed) > 0 {
            return None;
        }
        if self.is_new.load(Ordering::Relaxed) {
            return Some(patience.head);
        }
        match self.head_since.load(Ordering::Relaxed) {
            since if since > 0 && !self.is_http2.load(Ordering::Relaxed) => {
                Some(Duration::from_millis(since) + patience.head)
            }
            _ => Some(Duration::from_millis(self.quiet_since.load(Ordering::Relaxed)) + patience.idle),
        }
    }

    fn bytes_came(&self) {
        if self.requests.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.now().as_millis().max(1) as u64, Ordering::Relaxed);
        }
    }

    fn now(&self) -> Duration {
        self.opened.elapsed()
    }
}

/// A request that is being served.
#[derive(Debug)]
pub struct ActiveRequest(Arc<Activity>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.quiet_since.store(self.0.now().as_millis() as u64, Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The bytes of a connection, with its activity felt.
pub struct TimedStream {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl TimedStream {
    /// The connection, whose bytes this activity is told of.
    pub fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        TimedStream { stream, activity }
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, into));
        if into.filled().len() > before {
            self.activity.bytes_came();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { head: Duration::from_secs(5), idle: Duration::from_secs(75) };

    #[test]
    fn the_first_head_must_come_soon_whatever_is_sent() {
        let activity = Activity::new();
        assert_eq!(activity.deadline(PATIENCE), Some(PATIENCE.head));
        activity.bytes_came();
        assert_eq!(activity.deadline(PATIENCE), Some(PATIENCE.head));
    }

    #[test]
    fn a_request_being_served_is_waited_for() {
        let activity = Activity::new();
        let serving = activity.request(Version::HTTP_11);
        assert_eq!(activity.deadline(PATIENCE), None);
        drop(serving);
        assert!(activity.deadline(PATIENCE) >= Some(PATIENCE.idle));
    }

    #[test]
    fn a_head_that_begins_later_must_be_complete_soon_too() {
        let activity = Activity::new();
        drop(activity.request(Version::HTTP_11));
        activity.bytes_came();
        let deadline = activity.deadline(PATIENCE).unwrap();
        assert!(deadline >= PATIENCE.head && deadline < PATIENCE.head * 2, "{deadline:?}");
        drop(activity.request(Version::HTTP_11));
        assert!(activity.deadline(PATIENCE) >= Some(PATIENCE.idle));
    }

    #[test]
    fn bytes_between_the_requests_of_http_2_are_no_head() {
        let activity = Activity::new();
        drop(activity.request(Version::HTTP_2));
        activity.bytes_came();
        assert!(activity.deadline(PATIENCE) >= Some(PATIENCE.idle));
    }
}
