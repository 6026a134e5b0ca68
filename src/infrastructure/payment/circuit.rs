//! A circuit breaker: a provider that does not answer is left alone for a while, and then asked by one request.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::application::payment::ports::CircuitState;

/// Failures in a row that open the circuit.
const FAILURES_MAX: u32 = 5;

/// The first pause, and the longest. Each failed probe doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The state of the circuit to one provider. The caller notes no failure that may be due to the request itself.
#[derive(Debug, Default)]
pub struct Circuit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// While it is open: the time of the next probe, and the pause before it.
    open: Option<(Instant, Duration)>,
    /// Raised when it opens, and by each probe.
    turn: u64,
}

/// A request that may be sent. Its failure counts only in the turn in which it was sent: many that were under way when the
/// circuit opened fail afterwards, and none of them is a probe.
#[derive(Debug, Clone, Copy)]
pub struct Admitted {
    turn: u64,
}

impl Circuit {
    /// Admits a request at `now`, or does not. While the circuit is open, one request in each pause is a probe.
    pub fn admit(&self, now: Instant) -> Option<Admitted> {
        let mut state = self.state();
        match state.open {
            None => {}
            Some((probe_at, _)) if now < probe_at => return None,
            Some((_, pause)) => {
                // Others wait for the result of this one.
                state.open = Some((now + pause, pause));
                state.turn += 1;
            }
        }
        Some(Admitted { turn: state.turn })
    }

    /// Returns the state at `now`, and takes no probe.
    pub fn state_at(&self, now: Instant) -> CircuitState {
        match self.state().open {
            None => CircuitState::Closed,
            Some((probe_at, _)) if now < probe_at => CircuitState::Open,
            Some(_) => CircuitState::HalfOpen,
        }
    }

    /// Notes the result of a request.
    pub fn note(&self, request: Admitted, has_answered: bool, now: Instant) {
        let mut state = self.state();
        if has_answered {
            *state = State { turn: state.turn, ..State::default() };
            return;
        }
        if request.turn != state.turn {
            return;
        }
        state.failures += 1;
        if let Some((_, pause)) = state.open {
            let pause = (pause * 2).min(PAUSE_MAX);
            state.open = Some((now + pause, pause));
        } else if state.failures >= FAILURES_MAX {
            tracing::warn!(failures = state.failures, "the payment provider does not answer: it is left alone");
            state.open = Some((now + PAUSE_MIN, PAUSE_MIN));
            state.turn += 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_admitted(circuit: &Circuit, now: Instant) -> bool {
        circuit.admit(now).is_some()
    }

    /// Sends a request that is not answered.
    fn fail(circuit: &Circuit, now: Instant) {
        circuit.note(circuit.admit(now).unwrap(), false, now);
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_an_answer() {
        let (circuit, start) = (Circuit::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for has_answered in [false, false, false, false, true, false, false, false, false] {
            circuit.note(circuit.admit(at(0)).unwrap(), has_answered, at(0));
            assert_eq!(circuit.state_at(at(0)), CircuitState::Closed);
        }
        fail(&circuit, at(0));
        assert!(circuit.state_at(at(0)) == CircuitState::Open && !is_admitted(&circuit, at(0)));
        assert_eq!(circuit.state_at(at(1)), CircuitState::HalfOpen);
        let probe = circuit.admit(at(1)).expect("one probe");
        assert!(circuit.state_at(at(1)) == CircuitState::Open && !is_admitted(&circuit, at(1)), "and no other");
        circuit.note(probe, true, at(1));
        assert!(is_admitted(&circuit, at(1)) && circuit.state_at(at(1)) == CircuitState::Closed);
    }

    #[test]
    fn the_pauses_before_probes_grow() {
        let (circuit, mut now) = (Circuit::default(), Instant::now());
        (0..FAILURES_MAX).for_each(|_| fail(&circuit, now));
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let waited =
                (1..).find(|seconds| circuit.state_at(now + Duration::from_secs(*seconds)) != CircuitState::Open);
            let waited = waited.unwrap();
            now += Duration::from_secs(waited);
            fail(&circuit, now);
            pauses.push(waited);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn requests_that_were_under_way_when_it_opened_are_no_probes() {
        let (circuit, start) = (Circuit::default(), Instant::now());
        let under_way: Vec<_> = (0..20).map(|_| circuit.admit(start).unwrap()).collect();
        under_way.iter().for_each(|request| circuit.note(*request, false, start));
        let later = start + PAUSE_MIN;
        assert_eq!(circuit.state_at(later), CircuitState::HalfOpen);
        circuit.note(circuit.admit(later).unwrap(), true, later);
        under_way.iter().for_each(|request| circuit.note(*request, false, later));
        assert_eq!(circuit.state_at(later), CircuitState::Closed, "they say nothing about the provider of now");
    }
}
