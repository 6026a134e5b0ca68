//! The calls of a store: counted, and made to fail on demand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::application::shared::StoreError;

/// Delay of a late answer.
const LATE: Duration = Duration::from_millis(20);

/// A failure of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The store does nothing and answers that it is busy.
    Busy,
    /// The store does nothing and answers that it does not hold the state of the epoch.
    Fenced,
    /// The store does nothing and does not answer.
    Unreachable,
    /// The store does its work, and the answer is lost.
    AnswerLost,
    /// The store does nothing and gives an unreadable answer.
    Corrupt,
    /// The store does its work after a moment.
    Late,
    /// The store does nothing and never answers.
    Hanging,
}

/// The calls of one store, by kind.
#[derive(Debug)]
pub struct Calls<Call> {
    state: Mutex<State<Call>>,
}

#[derive(Debug)]
struct State<Call> {
    counts: BTreeMap<Call, usize>,
    next: BTreeMap<Call, VecDeque<Fault>>,
    always: BTreeMap<Call, Fault>,
}

impl<Call> Default for Calls<Call> {
    fn default() -> Self {
        Calls { state: Mutex::new(State { counts: BTreeMap::new(), next: BTreeMap::new(), always: BTreeMap::new() }) }
    }
}

impl<Call: Ord + Copy> Calls<Call> {
    /// Returns the number of calls of this kind.
    pub fn count(&self, call: Call) -> usize {
        self.state().counts.get(&call).copied().unwrap_or(0)
    }

    /// Returns the number of all calls.
    pub fn total(&self) -> usize {
        self.state().counts.values().sum()
    }

    /// Makes the next call of this kind fail. Several faults are used up in order.
    pub fn fail_next(&self, call: Call, fault: Fault) {
        self.state().next.entry(call).or_default().push_back(fault);
    }

    /// Makes every call of this kind fail until [`heal`](Calls::heal).
    pub fn fail(&self, call: Call, fault: Fault) {
        self.state().always.insert(call, fault);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        let mut state = self.state();
        state.next.clear();
        state.always.clear();
    }

    /// Counts a call and does its work, unless a fault is set for it.
    pub(super) async fn run<T, E: From<StoreError>>(
        &self,
        call: Call,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let fault = self.begin(call);
        let error = match fault {
            None => return work(),
            Some(Fault::Busy) => StoreError::Busy("the store is busy"),
            Some(Fault::Fenced) => StoreError::Fenced,
            Some(Fault::Unreachable) => StoreError::Unreachable("no connection".into()),
            Some(Fault::Corrupt) => StoreError::corrupt("nonsense"),
            Some(Fault::AnswerLost) => {
                let _lost = work();
                StoreError::Unreachable("the connection broke".into())
            }
            Some(Fault::Late) => {
                tokio::time::sleep(LATE).await;
                return work();
            }
            Some(Fault::Hanging) => std::future::pending().await,
        };
        Err(error.into())
    }

    fn begin(&self, call: Call) -> Option<Fault> {
        let mut state = self.state();
        *state.counts.entry(call).or_default() += 1;
        let next = state.next.get_mut(&call).and_then(VecDeque::pop_front);
        next.or_else(|| state.always.get(&call).copied())
    }

    fn state(&self) -> MutexGuard<'_, State<Call>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
