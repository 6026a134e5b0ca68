//! What all shoppers of a run share.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use crate::buying::Order;
use crate::client::Client;
use crate::recorder::Recorder;
use crate::told::Told;

/// People who may come again. Who has been away longer does not come back.
const REGULARS_MAX: usize = 2_000;

/// One run.
pub struct World {
    pub client: Client,
    pub recorder: Rc<Recorder>,
    pub told: RefCell<Told>,
    /// Purchases of which an answer never came. Whatever came later, the request without an answer may have bought:
    /// even after a refusal, if it was slower.
    pub doubtful: RefCell<Vec<Order>>,
    /// What think times are multiplied by.
    pub pace: f64,
    pub started_at: Instant,
    ends_at: Cell<Instant>,
    regulars: RefCell<VecDeque<String>>,
    /// Tells the users of this run from those of any other.
    run: String,
    seed: u64,
    visits: Cell<u64>,
}

impl World {
    pub fn new(client: Client, recorder: Rc<Recorder>, pace: f64, duration: Duration, seed: u64) -> Self {
        let now = Instant::now();
        World {
            client,
            recorder,
            told: RefCell::default(),
            doubtful: RefCell::default(),
            pace,
            started_at: now,
            ends_at: Cell::new(now + duration),
            regulars: RefCell::default(),
            run: format!("load-{}", chrono::Utc::now().format("%Y%m%dT%H%M%S%3f")),
            seed,
            visits: Cell::new(0),
        }
    }

    /// When nobody begins anything any more.
    pub fn ends_at(&self) -> Instant {
        self.ends_at.get()
    }

    /// Lets the run end at this time, if it does not end before.
    pub fn end_by(&self, at: Instant) {
        self.ends_at.set(self.ends_at().min(at));
    }

    /// Notes that an answer to this order never came.
    pub fn doubt(&self, order: &Order) {
        self.doubtful.borrow_mut().push(order.clone());
    }

    /// Chance for the next visit, always the same for the same seed.
    pub fn chance(&self) -> SmallRng {
        let visit = self.visits.replace(self.visits.get() + 1);
        SmallRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(visit))
    }

    /// The id of somebody who was never here.
    pub fn newcomer(&self) -> String {
        format!("{}.{}", self.run, self.visits.get())
    }

    /// The id of somebody who was here, and is not at the moment.
    pub fn regular(&self) -> Option<String> {
        self.regulars.borrow_mut().pop_front()
    }

    /// Somebody leaves, and may come again.
    pub fn leaves(&self, user: String) {
        let mut regulars = self.regulars.borrow_mut();
        if regulars.len() == REGULARS_MAX {
            regulars.pop_front();
        }
        regulars.push_back(user);
    }
}
