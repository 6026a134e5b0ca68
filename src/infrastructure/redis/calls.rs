//! The calls of the scripts that decide for groups of requests.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{Instrument, Span};

use crate::application::shared::StoreError;

use super::connection::RedisStore;
use super::groups::{Call, GROUP_MAX, Groups, Waiting};
use super::metrics::REQUESTS;
use super::reply::Reply;

/// Longest wait of a request for its call. It passes only while Redis does not answer.
const WAIT_MAX: Duration = Duration::from_secs(1);

impl RedisStore {
    /// Has a script decide a request, together with others that arrive at the same time.
    pub(super) async fn decide(&self, call: Call, args: Vec<String>) -> Result<Reply, StoreError> {
        let (sender, receiver) = oneshot::channel();
        if self.groups.add(call, Waiting { args, since: Instant::now(), span: Span::current(), reply: sender })? {
            // A task of its own: the caller may give up, and others wait for the same call.
            let store = self.clone();
            tokio::spawn(async move { store.run_groups(call).await });
        }
        receiver.await.unwrap_or_else(|_| Err(StoreError::Unreachable("the call of the script was given up".into())))
    }

    /// Calls a script for one request. However many do so, groups wait for few of them.
    pub(super) async fn run_alone(&self, call: Call, args: &[&str]) -> Result<Reply, StoreError> {
        let turn = self.lone_calls.take().await;
        let _turn = turn.ok_or(StoreError::Busy("Redis cannot answer fast enough at the moment"))?;
        self.run(&self.requests, call, args).await
    }

    /// Lets requests that have arrived already join the group, as long as others keep coming.
    async fn gather(&self, call: Call) {
        let mut waiting = 0;
        while let found @ 1..GROUP_MAX = self.groups.count(call)
            && found > waiting
        {
            waiting = found;
            tokio::task::yield_now().await;
        }
    }

    /// Calls a script for one group after another until nobody waits.
    async fn run_groups(&self, call: Call) {
        let _idle = Idle { groups: &self.groups, call };
        loop {
            self.gather(call).await;
            let group = self.groups.take(call);
            if group.is_empty() {
                return;
            }
            let (late, mut group): (Vec<_>, Vec<_>) =
                group.into_iter().partition(|request| request.since.elapsed() > WAIT_MAX);
            late.into_iter().for_each(|request| request.answer(Err(StoreError::Busy("Redis does not answer in time"))));
            let Some(first) = group.first() else { continue };
            let args = group.iter().flat_map(|request| request.args.iter().map(String::as_str));
            let begun = Instant::now();
            let reply = self.eval(&self.requests, call, args).instrument(first.span.clone()).await;
            self.groups.call_took(begun.elapsed());
            match reply.and_then(|reply| Reply::lines(&reply, group.len())) {
                Ok(replies) => {
                    REQUESTS.of(call.script).increment(replies.len() as u64);
                    self.groups.put_back(call, group.split_off(replies.len()));
                    group.into_iter().zip(replies).for_each(|(request, reply)| request.answer(reply));
                }
                Err(error) => group.into_iter().for_each(|request| request.answer(Err(again(&error)))),
            }
        }
    }
}

/// Makes the script idle if its task ends early, so that later requests do not wait for nothing.
struct Idle<'a> {
    groups: &'a Groups,
    call: Call,
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.groups.clear(self.call);
        }
    }
}

/// Returns the same error for another request of the group.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Fenced => StoreError::Fenced,
        StoreError::Busy(reason) => StoreError::Busy(reason),
        StoreError::Unreachable(source) => StoreError::Unreachable(source.to_string().into()),
        StoreError::Corrupt(answer) => StoreError::Corrupt(answer.clone()),
    }
}
