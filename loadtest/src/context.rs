//! State that all shoppers of a run share.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use crate::acknowledgements::Acknowledgements;
use crate::client::Client;
use crate::purchase::PurchaseRequest;
use crate::recorder::Recorder;

/// Users that may return. The one who left first is dropped when there are more.
const RETURNING_USERS_MAX: usize = 2_000;

/// The shared state of one run.
pub struct RunContext {
    pub client: Client,
    pub recorder: Rc<Recorder>,
    pub acknowledgements: RefCell<Acknowledgements>,
    /// Purchases with a request whose outcome is unknown. That request may have bought something even if a later one was
    /// refused, because it may have been the slower one.
    pub unresolved: RefCell<Vec<PurchaseRequest>>,
    /// A factor for think times.
    pub pace: f64,
    pub started_at: Instant,
    ends_at: Cell<Instant>,
    returning_users: RefCell<VecDeque<String>>,
    /// A prefix of user ids, different in each run.
    user_prefix: String,
    seed: u64,
    visits: Cell<u64>,
}

impl RunContext {
    pub fn new(client: Client, recorder: Rc<Recorder>, pace: f64, duration: Duration, seed: u64) -> Self {
        let now = Instant::now();
        RunContext {
            client,
            recorder,
            acknowledgements: RefCell::default(),
            unresolved: RefCell::default(),
            pace,
            started_at: now,
            ends_at: Cell::new(now + duration),
            returning_users: RefCell::default(),
            user_prefix: format!("load-{}", chrono::Utc::now().format("%Y%m%dT%H%M%S%3f")),
            seed,
            visits: Cell::new(0),
        }
    }

    /// Returns the end of the run. Shoppers start no further step after it.
    pub fn ends_at(&self) -> Instant {
        self.ends_at.get()
    }

    /// Moves the end of the run forward to this time, unless it ends earlier.
    pub fn end_by(&self, at: Instant) {
        self.ends_at.set(self.ends_at().min(at));
    }

    /// Remembers a purchase with a request whose outcome is unknown.
    pub fn add_unresolved(&self, purchase: &PurchaseRequest) {
        self.unresolved.borrow_mut().push(purchase.clone());
    }

    /// Returns the random numbers of the next visit. The same seed gives the same numbers.
    pub fn next_rng(&self) -> SmallRng {
        let visit = self.visits.replace(self.visits.get() + 1);
        SmallRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(visit))
    }

    /// Returns the id of a new user.
    pub fn new_user(&self) -> String {
        format!("{}.{}", self.user_prefix, self.visits.get())
    }

    /// Returns the id of a user who visited before and is not visiting now.
    pub fn returning_user(&self) -> Option<String> {
        self.returning_users.borrow_mut().pop_front()
    }

    /// Lets a user who leaves return later.
    pub fn add_returning_user(&self, user: String) {
        let mut returning_users = self.returning_users.borrow_mut();
        if returning_users.len() == RETURNING_USERS_MAX {
            returning_users.pop_front();
        }
        returning_users.push_back(user);
    }
}
