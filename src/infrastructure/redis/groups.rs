//! Groups: requests that one call of a script decides together.
//!
//! While a call is under way, requests for the same script wait and go with the next call. A lone request goes at once.
//! Under load Redis reads and answers one command instead of many, and the script reads and writes the state of the sale
//! once for all of them. Each request is still decided on its own, in order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tracing::{Instrument, Span};

use crate::application::shared::StoreError;
use crate::domain::shared::{Epoch, SaleId};

use super::connection::RedisStore;
use super::metrics::GROUP_SIZE;
use super::reply::Reply;
use super::scripts::ScriptName;

/// Requests of one call. More would save little, and hold Redis for longer than a millisecond.
const GROUP_MAX: usize = 32;

/// The requests that wait for a call, by script.
#[derive(Debug, Default)]
pub struct Groups {
    /// A script has an entry while a call of it is under way.
    waiting: Mutex<HashMap<Call, Vec<Waiting>>>,
}

/// The script that decides, of one sale in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Call {
    epoch: Epoch,
    sale: SaleId,
    script: ScriptName,
}

/// A request that waits for the next call.
#[derive(Debug)]
struct Waiting {
    args: Vec<String>,
    span: Span,
    reply: oneshot::Sender<Result<Reply, StoreError>>,
}

impl Groups {
    /// Adds a request. Returns true if no call is under way, so that the caller has to start one.
    fn add(&self, call: Call, request: Waiting) -> bool {
        let mut waiting = self.waiting();
        let is_idle = !waiting.contains_key(&call);
        waiting.entry(call).or_default().push(request);
        is_idle
    }

    /// Takes the requests of the next call; none if nobody waits, and then the script is idle.
    fn take(&self, call: Call) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let Some(requests) = waiting.get_mut(&call) else { return Vec::new() };
        if requests.is_empty() {
            waiting.remove(&call);
            return Vec::new();
        }
        let later = requests.split_off(requests.len().min(GROUP_MAX));
        std::mem::replace(requests, later)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Call, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RedisStore {
    /// Has a script decide a request, together with others that arrive at the same time.
    pub(super) async fn decide(
        &self,
        epoch: Epoch,
        sale: SaleId,
        script: ScriptName,
        args: Vec<String>,
    ) -> Result<Reply, StoreError> {
        let call = Call { epoch, sale, script };
        let (sender, receiver) = oneshot::channel();
        if self.groups.add(call, Waiting { args, span: Span::current(), reply: sender }) {
            // A task of its own: the caller may give up, and others wait for the same call.
            let store = self.clone();
            tokio::spawn(async move { store.run_groups(call).await });
        }
        receiver.await.unwrap_or_else(|_| Err(StoreError::Unreachable("the call of the script was given up".into())))
    }

    /// Calls a script for one group after another until nobody waits.
    async fn run_groups(&self, call: Call) {
        let _idle = Idle { groups: &self.groups, call };
        loop {
            let group = self.groups.take(call);
            let Some(first) = group.first() else { return };
            GROUP_SIZE.of(call.script).record(group.len() as f64);
            let args = group.iter().flat_map(|request| request.args.iter().map(String::as_str));
            let reply = self.eval(call.epoch, call.sale, call.script, args).instrument(first.span.clone()).await;
            match reply.and_then(|reply| Reply::list(reply, group.len())) {
                Ok(replies) => group.into_iter().zip(replies).for_each(|(request, reply)| request.answer(reply)),
                Err(error) => group.into_iter().for_each(|request| request.answer(Err(again(&error)))),
            }
        }
    }
}

impl Waiting {
    fn answer(self, reply: Result<Reply, StoreError>) {
        // A shopper who has gone changes nothing about the decision.
        let _gone = self.reply.send(reply);
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
            self.groups.waiting().remove(&self.call);
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
