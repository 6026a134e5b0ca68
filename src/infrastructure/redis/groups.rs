//! Groups: requests that one call of a script decides together.
//!
//! While a call is under way, requests for the same script wait and go with the next call. A lone request goes at once.
//! As soon as a whole group waits, it goes too, so that Redis finds its next work when it is done. Under load Redis reads
//! and answers one command instead of many, and the script reads and writes the state of the sale once for all of them.
//! Each request is still decided on its own, in order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use crate::application::shared::{BatchTime, StoreError};
use crate::domain::shared::{Epoch, SaleId};

use super::reply::Reply;
use super::scripts::ScriptName;

/// Requests of one call. More would save little, and hold Redis for longer than a millisecond.
pub const GROUP_MAX: usize = 32;

/// Calls of a script that may be under way at the same time.
const CALLS_MAX: usize = 2;

/// The requests that wait for a call, by script.
#[derive(Debug)]
pub struct Groups {
    /// A script has an entry while a call of it is under way.
    waiting: Mutex<HashMap<Call, Queue>>,
    call_time: BatchTime,
}

impl Default for Groups {
    fn default() -> Self {
        Groups { waiting: Mutex::default(), call_time: BatchTime::new(GROUP_MAX) }
    }
}

/// The requests that wait for a call of one script.
#[derive(Debug, Default)]
struct Queue {
    /// Tasks that call the script.
    callers: usize,
    requests: Vec<Waiting>,
}

/// A script, of one sale in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    pub epoch: Epoch,
    pub sale: SaleId,
    pub script: ScriptName,
}

/// A request that waits for the next call.
#[derive(Debug)]
pub struct Waiting {
    pub args: Vec<String>,
    pub since: Instant,
    pub span: Span,
    pub reply: oneshot::Sender<Result<Reply, StoreError>>,
}

impl Groups {
    /// Adds a request. Returns true if the caller has to start a task that calls the script. Fails with `Busy` if the
    /// request would wait for too long.
    pub fn add(&self, call: Call, request: Waiting) -> Result<bool, StoreError> {
        let mut waiting = self.waiting();
        let queue = waiting.entry(call).or_default();
        if self.call_time.is_too_long_after(queue.requests.len()) {
            return Err(StoreError::Busy("Redis cannot decide fast enough at the moment"));
        }
        queue.requests.push(request);
        let is_needed = queue.callers == 0 || (queue.callers < CALLS_MAX && queue.requests.len() == GROUP_MAX);
        queue.callers += usize::from(is_needed);
        Ok(is_needed)
    }

    /// Notes the duration of a call.
    pub fn call_took(&self, duration: Duration) {
        // Redis runs the calls that are under way one after the other.
        self.call_time.note(duration / CALLS_MAX as u32);
    }

    /// Counts the requests that wait for the next call.
    pub fn count(&self, call: Call) -> usize {
        self.waiting().get(&call).map_or(0, |queue| queue.requests.len())
    }

    /// Takes the requests of the next call. None are left for this task if nobody waits, or if another task is calling
    /// and fewer than a group wait; then the task has to end.
    pub fn take(&self, call: Call) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let Some(queue) = waiting.get_mut(&call) else { return Vec::new() };
        let is_spare = queue.callers > 1 && queue.requests.len() < GROUP_MAX;
        if queue.requests.is_empty() || is_spare {
            queue.callers -= 1;
            if queue.callers == 0 {
                waiting.remove(&call);
            }
            return Vec::new();
        }
        let later = queue.requests.split_off(queue.requests.len().min(GROUP_MAX));
        std::mem::replace(&mut queue.requests, later)
    }

    /// Lets requests that a call left undecided wait for the next one, before all others.
    pub fn put_back(&self, call: Call, undecided: Vec<Waiting>) {
        if let Some(queue) = self.waiting().get_mut(&call) {
            queue.requests.splice(..0, undecided);
        }
    }

    /// Makes the script idle, and gives up the requests that wait for it.
    pub fn clear(&self, call: Call) {
        self.waiting().remove(&call);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Call, Queue>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Answers the request.
    pub fn answer(self, reply: Result<Reply, StoreError>) {
        // A shopper who has gone changes nothing about the decision.
        let _gone = self.reply.send(reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Call {
        Call { epoch: Epoch(1), sale: "20261120T09".parse().unwrap(), script: ScriptName::Purchase }
    }

    fn request(name: usize) -> Waiting {
        Waiting { args: vec![name.to_string()], since: Instant::now(), span: Span::none(), reply: oneshot::channel().0 }
    }

    /// Adds requests with these names. Returns the names of those that had to start a task.
    fn add(groups: &Groups, names: std::ops::Range<usize>) -> Vec<usize> {
        names.filter(|name| groups.add(call(), request(*name)).unwrap()).collect()
    }

    fn take(groups: &Groups) -> Vec<usize> {
        groups.take(call()).iter().map(|request| request.args[0].parse().unwrap()).collect()
    }

    #[test]
    fn a_second_call_starts_as_soon_as_a_whole_group_waits() {
        let groups = Groups::default();
        assert_eq!(add(&groups, 0..1), [0]);
        assert_eq!(take(&groups), [0]);
        assert_eq!(add(&groups, 1..2 * GROUP_MAX + 2), [GROUP_MAX]);
        assert_eq!(take(&groups), Vec::from_iter(1..=GROUP_MAX));
        assert_eq!(take(&groups), Vec::from_iter(GROUP_MAX + 1..=2 * GROUP_MAX));
        // One request is left: one of the two tasks ends, and the other one takes it.
        assert_eq!(take(&groups), [0; 0]);
        assert_eq!(take(&groups), [2 * GROUP_MAX + 1]);
        assert_eq!(take(&groups), [0; 0]);
        assert_eq!(add(&groups, 0..1), [0]);
    }

    #[test]
    fn a_request_that_would_wait_for_too_long_is_refused_at_once() {
        let groups = Groups::default();
        (0..20).for_each(|_| groups.call_took(Duration::from_secs(1)));
        assert_eq!(add(&groups, 0..GROUP_MAX).len(), 2);
        let refused = groups.add(call(), request(GROUP_MAX));
        assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
        assert_eq!(take(&groups).len(), GROUP_MAX);
        assert!(groups.add(call(), request(0)).is_ok());
    }

    #[test]
    fn requests_that_a_call_left_undecided_are_the_first_of_the_next() {
        let groups = Groups::default();
        add(&groups, 0..3);
        let mut group = groups.take(call());
        add(&groups, 3..4);
        groups.put_back(call(), group.split_off(1));
        assert_eq!(take(&groups), [1, 2, 3]);
    }
}
