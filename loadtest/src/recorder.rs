//! The measurements: every response by operation and outcome, in total and per second.

use std::cell::RefCell;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::acknowledgements::Acknowledgement;
use crate::latency::{Latencies, Summary};
use crate::outcome::{Operation, Outcome, Refusal};
use crate::profiles;

/// Unexpected errors that the report shows in full. Others are only counted.
const SAMPLES_MAX: usize = 12;

/// One second of the timeline.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Second {
    /// The end of this second, in seconds since the start.
    pub at_s: f64,
    /// Responses in this second, by operation.
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
    #[serde(rename = "units_told")]
    pub units_acknowledged: u64,
    /// Units sold since the start, as the service shows.
    pub units_sold: u64,
    /// Units left in the active sale, as the service shows.
    pub units_remaining: u64,
    /// Latency of purchases, from the due time to the receipt.
    #[serde(rename = "buying")]
    pub purchase_latency: Summary,
    /// Latency of all requests, from the due time to the response.
    #[serde(rename = "requests")]
    pub request_latency: Summary,
}

fn by_operation<S: Serializer>(answers: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Operation::ALL.iter().map(|operation| operation.name()).zip(answers))
}

fn by_reason<S: Serializer>(refusals: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Refusal::ALL.iter().zip(refusals))
}

/// The visits of one profile, by the steps that they reached.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Funnel {
    pub visits: u64,
    #[serde(rename = "looked")]
    pub chose_items: u64,
    pub checked_out: u64,
    pub bought: u64,
    pub units: u64,
}

/// All counters and histograms of a run.
#[derive(Debug)]
pub struct Totals {
    pub operations: [Latencies; Operation::ALL.len()],
    pub refusals: [u64; Refusal::ALL.len()],
    pub turned_away: [u64; Operation::ALL.len()],
    pub unexpected: u64,
    pub unexpected_samples: Vec<String>,
    pub funnels: [Funnel; profiles::ALL.len()],
    pub purchase_latencies: Latencies,
    /// Lateness of the load generator: the time from the due time of a step to its start.
    pub lateness: Latencies,
    pub acknowledged: u64,
    /// Purchases that a shopper gave up with an unknown outcome.
    pub given_up: u64,
    pub units_acknowledged: u64,
    pub hung_up: u64,
    pub repeats: u64,
    /// Repeats that did not get the same receipt.
    pub wrong_repeats: u64,
    /// Arrivals dropped because there were too many shoppers.
    pub dropped_arrivals: u64,
    pub timeline: Vec<Second>,
    /// Set after the run, so that the requests of the audit are not counted.
    is_over: bool,
    current: Second,
    current_purchase_latencies: Latencies,
    current_request_latencies: Latencies,
}

/// The recorder of a run, shared by all tasks on one thread.
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
            purchase_latencies: Latencies::new(),
            lateness: Latencies::new(),
            acknowledged: 0,
            given_up: 0,
            units_acknowledged: 0,
            hung_up: 0,
            repeats: 0,
            wrong_repeats: 0,
            dropped_arrivals: 0,
            timeline: Vec::new(),
            is_over: false,
            current: Second::default(),
            current_purchase_latencies: Latencies::new(),
            current_request_latencies: Latencies::new(),
        }))
    }

    /// Records a response that came this long after its due time.
    pub fn record_response(&self, operation: Operation, outcome: Outcome, took: Duration) {
        let totals = &mut *self.0.borrow_mut();
        if totals.is_over {
            return;
        }
        totals.operations[operation as usize].record(took);
        totals.current_request_latencies.record(took);
        totals.current.answers[operation as usize] += 1;
        match outcome {
            Outcome::Refused(refusal) => {
                totals.refusals[refusal as usize] += 1;
                totals.current.refusals[refusal as usize] += 1;
            }
            Outcome::TurnedAway => {
                totals.turned_away[operation as usize] += 1;
                totals.current.turned_away += 1;
            }
            Outcome::Done | Outcome::Confirming | Outcome::Unexpected => {}
        }
    }

    /// Records an unexpected error, described in one line.
    pub fn record_unexpected(&self, error: String) {
        let totals = &mut *self.0.borrow_mut();
        totals.unexpected += 1;
        totals.current.unexpected += 1;
        if totals.unexpected_samples.len() < SAMPLES_MAX {
            totals.unexpected_samples.push(error);
        }
    }

    /// Records a receipt that is invalid or contradicts an earlier one.
    pub fn record_bad_receipt(&self, acknowledgement: &Acknowledgement, body: &[u8]) {
        self.record_unexpected(format!("{acknowledgement:?} receipt: {}", String::from_utf8_lossy(body)));
    }

    /// Records the first acknowledgement of a purchase, this long after its due time.
    pub fn record_acknowledged(&self, units: u64, took: Duration) {
        let totals = &mut *self.0.borrow_mut();
        totals.acknowledged += 1;
        totals.units_acknowledged += units;
        totals.current.acknowledged += 1;
        totals.purchase_latencies.record(took);
        totals.current_purchase_latencies.record(took);
    }

    /// Records that a shopper gave up a purchase this long after its due time. Its latency would be longer than that.
    pub fn record_given_up(&self, took: Duration) {
        let totals = &mut *self.0.borrow_mut();
        totals.given_up += 1;
        totals.purchase_latencies.record(took);
        totals.current_purchase_latencies.record(took);
    }

    /// Ends the run: later responses are not counted.
    pub fn end(&self) {
        self.0.borrow_mut().is_over = true;
    }

    /// Updates other counters.
    pub fn update(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.0.borrow_mut());
    }

    /// Ends a second of the timeline and returns it.
    pub fn end_second(&self, at: Duration, units_sold: u64, units_remaining: u64) -> Second {
        let totals = &mut *self.0.borrow_mut();
        let second = Second {
            at_s: at.as_secs_f64(),
            units_acknowledged: totals.units_acknowledged,
            units_sold,
            units_remaining,
            purchase_latency: totals.current_purchase_latencies.summary(),
            request_latency: totals.current_request_latencies.summary(),
            ..std::mem::take(&mut totals.current)
        };
        totals.current_purchase_latencies.clear();
        totals.current_request_latencies.clear();
        totals.timeline.push(second.clone());
        second
    }

    /// Reads the totals.
    pub fn read<T>(&self, read: impl FnOnce(&Totals) -> T) -> T {
        read(&self.0.borrow())
    }
}

impl Totals {
    /// Returns the number of responses.
    pub fn answers(&self) -> u64 {
        self.answers_to(&Operation::ALL)
    }

    /// Returns the number of responses to these operations.
    pub fn answers_to(&self, operations: &[Operation]) -> u64 {
        operations.iter().map(|operation| self.operations[*operation as usize].summary().count).sum()
    }

    /// Returns the number of 503 and 429 responses to these operations.
    pub fn turned_away(&self, operations: &[Operation]) -> u64 {
        operations.iter().map(|operation| self.turned_away[*operation as usize]).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_own_counts_and_the_totals_so_far() {
        let recorder = Recorder::new();
        let ms = Duration::from_millis;
        recorder.record_response(Operation::Purchase, Outcome::Done, ms(3));
        recorder.record_acknowledged(2, ms(3));
        recorder.record_response(Operation::Checkout, Outcome::Refused(Refusal::ItemSold), ms(1));
        recorder.record_unexpected("status 500".to_owned());
        let first = recorder.end_second(ms(1_000), 2, 8);
        assert_eq!(
            (first.answers[Operation::Purchase as usize], first.acknowledged, first.units_acknowledged),
            (1, 1, 2)
        );
        assert_eq!((first.refusals[Refusal::ItemSold as usize], first.unexpected), (1, 1));
        assert_eq!((first.purchase_latency.count, first.request_latency.count), (1, 2));
        let json = serde_json::to_value(&first).unwrap();
        assert_eq!((&json["answers"]["purchase"], &json["refusals"]["item_sold"]), (&1.into(), &1.into()));
        recorder.record_acknowledged(1, ms(3));
        let second = recorder.end_second(ms(2_000), 3, 7);
        assert_eq!((second.acknowledged, second.units_acknowledged, second.unexpected), (1, 3, 0));
        assert_eq!((second.purchase_latency.count, second.request_latency.count), (1, 0));
        recorder.end();
        recorder.record_response(Operation::Purchase, Outcome::Done, ms(3));
        assert_eq!(recorder.read(Totals::answers), 2);
    }
}
