//! What is measured: every answer, by operation and outcome, in total and second by second.

use std::cell::RefCell;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::latency::{Latencies, Summary};
use crate::outcome::{Operation, Outcome, Refusal};
use crate::profiles;

/// Unexpected errors that are shown in full; the others are counted.
const SAMPLES_MAX: usize = 12;

/// What one second of the run came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Second {
    /// Seconds since the start, at its end.
    pub at_s: f64,
    /// Answers in this second, by operation.
    #[serde(serialize_with = "by_operation")]
    pub answers: [u64; Operation::ALL.len()],
    /// Refusals in this second, by reason.
    #[serde(serialize_with = "by_reason")]
    pub refusals: [u64; Refusal::ALL.len()],
    pub turned_away: u64,
    pub unexpected: u64,
    /// Purchases acknowledged for the first time in this second.
    pub acknowledged: u64,
    /// Units acknowledged since the start.
    pub units_told: u64,
    /// Units sold since the start, as the service says.
    pub units_sold: u64,
    /// Units of the current sale that are left, as the service says.
    pub units_remaining: u64,
    /// From when a purchase was due until its receipt was there.
    pub buying: Summary,
    /// From when any request was due until its answer was there.
    pub requests: Summary,
}

fn by_operation<S: Serializer>(answers: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Operation::ALL.iter().map(|operation| operation.name()).zip(answers))
}

fn by_reason<S: Serializer>(refusals: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Refusal::ALL.iter().zip(refusals))
}

/// How far the visits of one profile got.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Funnel {
    pub visits: u64,
    pub looked: u64,
    pub checked_out: u64,
    pub bought: u64,
    pub units: u64,
}

/// All that was counted.
#[derive(Debug)]
pub struct Totals {
    pub operations: [Latencies; Operation::ALL.len()],
    pub refusals: [u64; Refusal::ALL.len()],
    pub turned_away: [u64; Operation::ALL.len()],
    pub unexpected: u64,
    pub unexpected_samples: Vec<String>,
    pub funnels: [Funnel; profiles::ALL.len()],
    pub buying: Latencies,
    /// How late this client itself was in starting what was due.
    pub lateness: Latencies,
    pub acknowledged: u64,
    /// Purchases of which shoppers stopped asking what became of them.
    pub given_up: u64,
    pub units_told: u64,
    pub hung_up: u64,
    pub repeats: u64,
    /// Repetitions that were not answered as the first time.
    pub wrong_repeats: u64,
    /// Arrivals that found too many shoppers waiting already.
    pub turned_back: u64,
    pub timeline: Vec<Second>,
    /// The run is over: what is asked now is no part of its figures.
    is_over: bool,
    now: Second,
    now_buying: Latencies,
    now_requests: Latencies,
}

/// Shared by everything that runs; all of it on one thread.
#[derive(Debug)]
pub struct Recorder(RefCell<Totals>);

impl Recorder {
    pub fn new() -> Self {
        Recorder(RefCell::new(Totals {
            operations: std::array::from_fn(|_| Latencies::new()),
            refusals: Default::default(),
            turned_away: Default::default(),
            unexpected: 0,
            unexpected_samples: Vec::new(),
            funnels: Default::default(),
            buying: Latencies::new(),
            lateness: Latencies::new(),
            acknowledged: 0,
            given_up: 0,
            units_told: 0,
            hung_up: 0,
            repeats: 0,
            wrong_repeats: 0,
            turned_back: 0,
            timeline: Vec::new(),
            is_over: false,
            now: Second::default(),
            now_buying: Latencies::new(),
            now_requests: Latencies::new(),
        }))
    }

    /// An answer came, so long after it was due.
    pub fn answered(&self, operation: Operation, outcome: Outcome, took: Duration) {
        let totals = &mut *self.0.borrow_mut();
        if totals.is_over {
            return;
        }
        totals.operations[operation as usize].record(took);
        totals.now_requests.record(took);
        totals.now.answers[operation as usize] += 1;
        match outcome {
            Outcome::Refused(refusal) => {
                totals.refusals[refusal as usize] += 1;
                totals.now.refusals[refusal as usize] += 1;
            }
            Outcome::TurnedAway => {
                totals.turned_away[operation as usize] += 1;
                totals.now.turned_away += 1;
            }
            Outcome::Done | Outcome::Confirming | Outcome::Unexpected => {}
        }
    }

    /// Something happened that should not, told in a line.
    pub fn unexpected(&self, what: String) {
        let totals = &mut *self.0.borrow_mut();
        totals.unexpected += 1;
        totals.now.unexpected += 1;
        if totals.unexpected_samples.len() < SAMPLES_MAX {
            totals.unexpected_samples.push(what);
        }
    }

    /// A purchase was acknowledged for the first time, so long after it was due.
    pub fn acknowledged(&self, units: u64, took: Duration) {
        let totals = &mut *self.0.borrow_mut();
        totals.acknowledged += 1;
        totals.units_told += units;
        totals.now.acknowledged += 1;
        totals.buying.record(took);
        totals.now_buying.record(took);
    }

    /// A shopper stopped asking what became of a purchase, so long after it was due: it took longer than that.
    pub fn gave_up(&self, took: Duration) {
        let totals = &mut *self.0.borrow_mut();
        totals.given_up += 1;
        totals.buying.record(took);
        totals.now_buying.record(took);
    }

    /// Ends the run.
    pub fn end(&self) {
        self.0.borrow_mut().is_over = true;
    }

    /// Changes the rest.
    pub fn count(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.0.borrow_mut());
    }

    /// Ends a second of the timeline, and returns it.
    pub fn end_second(&self, at: Duration, units_sold: u64, units_remaining: u64) -> Second {
        let totals = &mut *self.0.borrow_mut();
        let second = Second {
            at_s: at.as_secs_f64(),
            units_told: totals.units_told,
            units_sold,
            units_remaining,
            buying: totals.now_buying.summary(),
            requests: totals.now_requests.summary(),
            ..std::mem::take(&mut totals.now)
        };
        totals.now_buying.clear();
        totals.now_requests.clear();
        totals.timeline.push(second.clone());
        second
    }

    /// Looks at what was counted so far.
    pub fn look<T>(&self, look: impl FnOnce(&Totals) -> T) -> T {
        look(&self.0.borrow())
    }
}

impl Totals {
    /// Requests that were answered.
    pub fn answers(&self) -> u64 {
        self.answers_to(&Operation::ALL)
    }

    /// Requests of these kinds that were answered.
    pub fn answers_to(&self, operations: &[Operation]) -> u64 {
        operations.iter().map(|operation| self.operations[*operation as usize].summary().count).sum()
    }

    /// Requests of these kinds that were turned away.
    pub fn turned_away(&self, operations: &[Operation]) -> u64 {
        operations.iter().map(|operation| self.turned_away[*operation as usize]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_what_happened_in_it_and_what_there_is_so_far() {
        let recorder = Recorder::new();
        let ms = Duration::from_millis;
        recorder.answered(Operation::Purchase, Outcome::Done, ms(3));
        recorder.acknowledged(2, ms(3));
        recorder.answered(Operation::Checkout, Outcome::Refused(Refusal::ItemSold), ms(1));
        recorder.unexpected("oh".to_owned());
        let first = recorder.end_second(ms(1_000), 2, 8);
        assert_eq!((first.answers[Operation::Purchase as usize], first.acknowledged, first.units_told), (1, 1, 2));
        assert_eq!((first.refusals[Refusal::ItemSold as usize], first.unexpected), (1, 1));
        assert_eq!((first.buying.count, first.requests.count), (1, 2));
        let json = serde_json::to_value(&first).unwrap();
        assert_eq!((&json["answers"]["purchase"], &json["refusals"]["item_sold"]), (&1.into(), &1.into()));
        recorder.acknowledged(1, ms(3));
        let second = recorder.end_second(ms(2_000), 3, 7);
        assert_eq!((second.acknowledged, second.units_told, second.unexpected), (1, 3, 0));
        assert_eq!((second.buying.count, second.requests.count), (1, 0));
        recorder.end();
        recorder.answered(Operation::Purchase, Outcome::Done, ms(3));
        assert_eq!(recorder.look(Totals::answers), 2);
    }
}
