//! The activity of a connection, and the time for which a connection may be unused.
//!
//! Hyper can limit the time for a head, but only once it knows that the client speaks HTTP/1, and it counts the pause
//! between two requests as part of the next head. This module tells the two apart, for any version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::Version;

/// Longest times without a request.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before the first request, and while a head arrives.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Between two requests, until the connection gives its buffers back.
    pub buffers: Duration,
}

impl Patience {
    /// Returns up to half as much more patience, by chance. Connections that were opened together must not end together:
    /// to close 9,000 at once takes one core for a quarter of a second (`make bench ROWS=hostile`).
    pub fn spread(self) -> Self {
        let factor = rand::random_range(1.0..1.5);
        Patience { head: self.head.mul_f64(factor), idle: self.idle.mul_f64(factor), ..self }
    }
}

/// The state of a connection. Times are in milliseconds since it was opened.
#[derive(Debug)]
pub struct Activity {
    opened: Instant,
    requests: AtomicUsize,
    /// The end of the last request.
    quiet_since: AtomicU64,
    /// The arrival of the first byte of the next head; zero before it.
    head_since: AtomicU64,
    /// No request has come yet.
    is_new: AtomicBool,
    /// An answer waits for the client to read.
    is_sending: AtomicBool,
    /// In HTTP/2, bytes also arrive between requests.
    is_http2: AtomicBool,
}

impl Activity {
    /// The activity of a connection that is opened now.
    pub fn new() -> Arc<Self> {
        Arc::new(Activity {
            opened: Instant::now(),
            requests: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            is_new: AtomicBool::new(true),
            is_sending: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
        })
    }

    /// Notes a request, which ends when the returned value is dropped.
    pub fn request(self: &Arc<Self>, version: Version) -> ActiveRequest {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        if self.is_new.load(Ordering::Relaxed) {
            self.is_http2.store(version == Version::HTTP_2, Ordering::Relaxed);
            self.is_new.store(false, Ordering::Relaxed);
        }
        ActiveRequest(self.clone())
    }

    /// Notes bytes from the client.
    pub fn bytes_came(&self) {
        if !self.is_serving() && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.now().as_millis().max(1) as u64, Ordering::Relaxed);
        }
    }

    /// Notes that the client takes bytes, or that the next ones have to wait for it.
    pub fn bytes_sent(&self, must_wait: bool) {
        self.is_sending.store(must_wait, Ordering::Relaxed);
    }

    /// Returns true while the next bytes wait for the client to read.
    pub fn is_sending(&self) -> bool {
        self.is_sending.load(Ordering::Relaxed)
    }

    /// Returns true while a request is being served.
    pub fn is_serving(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Waits until the connection has been unused for too long.
    pub async fn stopped(&self, patience: Patience) {
        loop {
            let now = self.now();
            // A head may begin during the pause, so the pause is never longer than a head may take.
            let pause = match self.deadline(patience) {
                None => patience.head,
                Some(deadline) if deadline <= now => return,
                Some(deadline) => (deadline - now).min(patience.head),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits until nothing has come for this long after a request.
    pub async fn paused(&self, pause: Duration) {
        loop {
            let quiet = match self.is_between_requests() {
                true => self.now().saturating_sub(self.quiet_since()),
                false => Duration::ZERO,
            };
            match pause.checked_sub(quiet) {
                None | Some(Duration::ZERO) => return,
                Some(rest) => tokio::time::sleep(rest).await,
            }
        }
    }

    /// Returns true if a request has been served, its answer is sent, and no part of another request has come.
    fn is_between_requests(&self) -> bool {
        let has_served = !self.is_new.load(Ordering::Relaxed) && !self.is_serving();
        has_served && !self.is_sending.load(Ordering::Relaxed) && self.head_since.load(Ordering::Relaxed) == 0
    }

    fn quiet_since(&self) -> Duration {
        Duration::from_millis(self.quiet_since.load(Ordering::Relaxed))
    }

    fn deadline(&self, patience: Patience) -> Option<Duration> {
        if self.is_serving() {
            return None;
        }
        if self.is_new.load(Ordering::Relaxed) {
            return Some(patience.head);
        }
        match self.head_since.load(Ordering::Relaxed) {
            since if since > 0 && !self.is_http2.load(Ordering::Relaxed) => {
                Some(Duration::from_millis(since) + patience.head)
            }
            _ => Some(self.quiet_since() + patience.idle),
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

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(5), idle: Duration::from_secs(75), buffers: Duration::from_secs(1) };

    #[test]
    fn connections_that_are_opened_together_do_not_end_together() {
        let spread: Vec<Patience> = (0..100).map(|_| PATIENCE.spread()).collect();
        assert!(spread.iter().all(|patience| (5..8).contains(&patience.head.as_secs())));
        assert!(spread.iter().all(|patience| (75..113).contains(&patience.idle.as_secs())));
        let begins_early = |patience: &&Patience| patience.head < PATIENCE.head.mul_f64(1.25);
        assert!((20..80).contains(&spread.iter().filter(begins_early).count()));
    }

    #[test]
    fn the_first_head_must_be_complete_in_time() {
        let activity = Activity::new();
        assert_eq!(activity.deadline(PATIENCE), Some(PATIENCE.head));
        activity.bytes_came();
        assert_eq!(activity.deadline(PATIENCE), Some(PATIENCE.head));
    }

    #[test]
    fn a_request_being_served_has_no_deadline() {
        let activity = Activity::new();
        let serving = activity.request(Version::HTTP_11);
        assert_eq!(activity.deadline(PATIENCE), None);
        drop(serving);
        assert!(activity.deadline(PATIENCE) >= Some(PATIENCE.idle));
    }

    #[test]
    fn a_later_head_must_be_complete_in_time_too() {
        let activity = Activity::new();
        drop(activity.request(Version::HTTP_11));
        activity.bytes_came();
        let deadline = activity.deadline(PATIENCE).unwrap();
        assert!(deadline >= PATIENCE.head && deadline < PATIENCE.head * 2, "{deadline:?}");
        drop(activity.request(Version::HTTP_11));
        assert!(activity.deadline(PATIENCE) >= Some(PATIENCE.idle));
    }

    #[tokio::test]
    async fn a_pause_begins_with_the_end_of_a_request_and_ends_with_the_next_bytes() {
        let (activity, pause) = (Activity::new(), Duration::from_millis(20));
        let paused = async || tokio::time::timeout(pause * 3, activity.paused(pause)).await.is_ok();
        assert!(!paused().await, "no request has come");
        let serving = activity.request(Version::HTTP_11);
        assert!(!paused().await, "a request is being served");
        drop(serving);
        assert!(paused().await);
        activity.bytes_came();
        assert!(!paused().await, "a head has begun");
    }

    #[test]
    fn bytes_between_the_requests_of_http_2_are_no_head() {
        let activity = Activity::new();
        drop(activity.request(Version::HTTP_2));
        activity.bytes_came();
        assert!(activity.deadline(PATIENCE) >= Some(PATIENCE.idle));
    }
}
