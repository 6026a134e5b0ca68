//! Groups: requests that one call of a script decides together.
//!
//! While a call is under way, requests for the same script wait and go with the next call. A lone request goes at once.
//! Under load Redis reads and answers one command instead of many, and the script reads and writes the state of the sale
//! once for all of them. Each request is still decided on its own, in order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;
use tracing::Span;

use crate::application::shared::StoreError;
use crate::domain::shared::{Epoch, SaleId};

use super::reply::Reply;
use super::scripts::ScriptName;

/// Requests of one call. More would save little, and hold Redis for longer than a millisecond.
pub const GROUP_MAX: usize = 32;

/// The requests that wait for a call, by script.
#[derive(Debug, Default)]
pub struct Groups {
    /// A script has an entry while a call of it is under way.
    waiting: Mutex<HashMap<Call, Vec<Waiting>>>,
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
    /// Adds a request. Returns true if no call is under way, so that the caller has to start one.
    pub fn add(&self, call: Call, request: Waiting) -> bool {
        let mut waiting = self.waiting();
        let is_idle = !waiting.contains_key(&call);
        waiting.entry(call).or_default().push(request);
        is_idle
    }

    /// Counts the requests that wait for the next call.
    pub fn count(&self, call: Call) -> usize {
        self.waiting().get(&call).map_or(0, Vec::len)
    }

    /// Takes the requests of the next call; none if nobody waits, and then the script is idle.
    pub fn take(&self, call: Call) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let Some(requests) = waiting.get_mut(&call) else { return Vec::new() };
        if requests.is_empty() {
            waiting.remove(&call);
            return Vec::new();
        }
        let later = requests.split_off(requests.len().min(GROUP_MAX));
        std::mem::replace(requests, later)
    }

    /// Makes the script idle, and gives up the requests that wait for it.
    pub fn clear(&self, call: Call) {
        self.waiting().remove(&call);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Call, Vec<Waiting>>> {
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
