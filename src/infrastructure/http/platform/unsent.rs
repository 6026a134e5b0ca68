//! The large answers that wait for the client of an HTTP/2 connection, which may ask for many and read none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::answer::Answer;
use super::body::Body;
use super::problem::Problem;
use super::request_id::X_REQUEST_ID;

/// Most bytes of large answers that wait for one client. Further ones are replaced by 503.
pub const UNSENT_MAX: usize = 2 * 1024 * 1024;

/// Bytes of an answer that is not large. The number of streams bounds those, and purchases are among them.
const SMALL_MAX: usize = 8 * 1024;

/// The bytes of the large answers of a connection that are not sent yet.
#[derive(Debug, Default)]
pub struct Unsent(AtomicUsize);

impl Unsent {
    /// Counts an answer until its last byte is sent, or replaces it if too many bytes wait already.
    pub fn hold(self: &Arc<Self>, mut answer: Answer) -> Answer {
        let large = answer.body().bytes().filter(|bytes| bytes.len() > SMALL_MAX).cloned();
        let Some(bytes) = large else { return answer };
        let held = Held { unsent: self.clone(), bytes };
        if self.0.fetch_add(held.bytes.len(), Ordering::Relaxed) + held.bytes.len() <= UNSENT_MAX {
            *answer.body_mut() = Body::full(Bytes::from_owner(held));
            return answer;
        }
        let mut refused =
            Problem::unavailable("Too many answers wait to be read on this connection. Read them first.").into_answer();
        if let Some(id) = answer.headers_mut().remove(X_REQUEST_ID) {
            refused.headers_mut().insert(X_REQUEST_ID, id);
        }
        refused
    }
}

/// The bytes of an answer that is not sent yet.
struct Held {
    unsent: Arc<Unsent>,
    bytes: Bytes,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.unsent.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}
