//! Planned faults. The same seed and number always give the same fault.

use sha2::{Digest, Sha256};

/// The rates of faults, each from 0 to 1, and the seed that decides them.
#[derive(Debug, Clone, Copy)]
pub struct FaultPlan {
    pub seed: u64,
    /// Share of the events that are never sent.
    pub lose: f64,
    /// Share of the events that are sent twice.
    pub duplicate: f64,
    /// Share of the events that are held back, so that later ones overtake them.
    pub reorder: f64,
}

/// The fate of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Lost,
    Sent { copies: i16, is_held_back: bool },
}

/// The fate of a confirmation with `pm_flaky`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flakiness {
    Works,
    FailsBeforeCharge,
    FailsAfterCharge,
}

impl FaultPlan {
    /// Decides about the event with this number.
    pub fn delivery(&self, event: i64) -> Delivery {
        if self.draw("lose", event) < self.lose {
            return Delivery::Lost;
        }
        let copies = if self.draw("duplicate", event) < self.duplicate { 2 } else { 1 };
        Delivery::Sent { copies, is_held_back: self.draw("reorder", event) < self.reorder }
    }

    /// Decides about the confirmation with this number.
    pub fn flakiness(&self, confirmation: i64) -> Flakiness {
        match self.draw("flaky", confirmation) {
            draw if draw < 0.25 => Flakiness::FailsBeforeCharge,
            draw if draw < 0.5 => Flakiness::FailsAfterCharge,
            _ => Flakiness::Works,
        }
    }

    /// Returns a number in [0, 1). A hash, because the generators of `rand` may change from version to version.
    fn draw(&self, fault: &str, number: i64) -> f64 {
        let digest = Sha256::digest(format!("{}:{fault}:{number}", self.seed));
        let bits = digest.iter().take(6).fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        bits as f64 / (1_u64 << 48) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: FaultPlan = FaultPlan { seed: 7, lose: 0.0, duplicate: 0.0, reorder: 0.0 };

    fn share(faults: FaultPlan, has_fault: impl Fn(Delivery) -> bool) -> f64 {
        (1..=10_000).filter(|event| has_fault(faults.delivery(*event))).count() as f64 / 10_000.0
    }

    fn is_about(share: f64, rate: f64) -> bool {
        (share - rate).abs() < 0.02
    }

    #[test]
    fn without_rates_every_event_is_sent_once_and_at_once() {
        let is_plain = |delivery| delivery == Delivery::Sent { copies: 1, is_held_back: false };
        assert!(share(NONE, is_plain) == 1.0);
    }

    #[test]
    fn each_rate_holds_on_its_own() {
        let is_doubled = |delivery| matches!(delivery, Delivery::Sent { copies: 2, .. });
        let is_held_back = |delivery| matches!(delivery, Delivery::Sent { is_held_back: true, .. });
        let is_lost = |delivery| delivery == Delivery::Lost;
        for rate in [0.0, 0.1, 0.5, 1.0] {
            assert!(is_about(share(FaultPlan { lose: rate, ..NONE }, is_lost), rate));
            assert!(is_about(share(FaultPlan { duplicate: rate, ..NONE }, is_doubled), rate));
            assert!(is_about(share(FaultPlan { reorder: rate, ..NONE }, is_held_back), rate));
            let both = FaultPlan { duplicate: rate, reorder: rate, ..NONE };
            assert!(is_about(share(both, |delivery| is_doubled(delivery) && is_held_back(delivery)), rate * rate));
        }
    }

    #[test]
    fn half_of_the_flaky_confirmations_fail_before_or_after_the_charge() {
        let share = |fate| (1..=10_000).filter(|number| NONE.flakiness(*number) == fate).count() as f64 / 10_000.0;
        assert!(is_about(share(Flakiness::FailsBeforeCharge), 0.25));
        assert!(is_about(share(Flakiness::FailsAfterCharge), 0.25));
    }

    #[test]
    fn a_seed_replays_its_faults_and_another_one_does_not() {
        let lost = |seed| {
            let faults = FaultPlan { seed, lose: 0.3, ..NONE };
            (1..=20).filter(|event| faults.delivery(*event) == Delivery::Lost).collect::<Vec<_>>()
        };
        // Fixed, so that a run of yesterday can be replayed tomorrow.
        assert_eq!(lost(7), [7, 8, 10, 15]);
        assert_ne!(lost(7), lost(8));
    }
}
