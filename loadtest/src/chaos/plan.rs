//! The schedule of a run. It depends on the seed alone.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use super::kind::Kind;

/// The bounds of a run, and how long some faults last.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub kinds: Vec<Kind>,
    /// Largest number of faults.
    pub faults: usize,
    /// Time after which no fault begins.
    pub duration: Duration,
    pub instances: usize,
    pub shoppers: u32,
    /// Length of an outage of PostgreSQL or the provider.
    pub outage: Duration,
}

impl Plan {
    /// Returns the kinds in the order in which they strike: all of them in a random order, again and again.
    pub fn schedule(&self) -> impl Iterator<Item = Kind> + use<> {
        let (mut rng, kinds, mut rest) = (SmallRng::seed_from_u64(self.seed), self.kinds.clone(), Vec::new());
        let next = move || {
            if rest.is_empty() {
                rest.clone_from(&kinds);
                rest.shuffle(&mut rng);
            }
            rest.pop()
        };
        std::iter::from_fn(next).take(self.faults)
    }

    /// Returns the kinds of the first round for which there was no time: these came up.
    pub fn missing(&self, struck: &[Kind]) -> Vec<Kind> {
        self.schedule().take(self.kinds.len()).filter(|kind| !struck.contains(kind)).collect()
    }

    /// Returns the random numbers of a fault.
    pub fn rng(&self, fault: usize) -> SmallRng {
        SmallRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(fault as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Plan {
        let (duration, outage) = (Duration::ZERO, Duration::ZERO);
        Plan { seed, kinds: Kind::all(), faults: 90, duration, instances: 3, shoppers: 1, outage }
    }

    #[test]
    fn a_seed_replays_the_schedule_and_every_kind_comes_before_one_comes_again() {
        let schedule = |seed| plan(seed).schedule().collect::<Vec<Kind>>();
        assert_eq!(schedule(7), schedule(7));
        assert_ne!(schedule(7), schedule(8));
        let mut first = schedule(7)[..Kind::all().len()].to_vec();
        first.sort();
        assert_eq!(first, Kind::all());
        assert_eq!(schedule(7).len(), 90);
    }

    #[test]
    fn a_kind_is_missing_if_it_was_scheduled_and_did_not_come_up() {
        let (plan, all) = (plan(7), Kind::all());
        let schedule: Vec<Kind> = plan.schedule().collect();
        assert_eq!(plan.missing(&schedule[..all.len() - 2]), schedule[all.len() - 2..all.len()]);
        assert_eq!(plan.missing(&all), []);
        assert_eq!(Plan { faults: 3, ..plan }.missing(&schedule[..2]), schedule[2..3]);
    }
}
