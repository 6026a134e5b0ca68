//! The load generator: a closed loop (a crowd that waits for its responses) and an open loop (a rush that does not).

use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::context::RunContext;
use crate::modes::Arrivals;
use crate::profiles;
use crate::visit::Shopper;

/// A crowd arrives within this time, or within a tenth of the run if that is shorter.
const RAMP_UP: Duration = Duration::from_secs(5);
/// Concurrent shoppers of a rush. The memory of the load generator limits them.
const RUSH_SHOPPERS_MAX: usize = 100_000;

/// Starts shoppers until the run ends, then waits until all of them have left.
pub async fn generate_load(context: &Rc<RunContext>, arrivals: Arrivals) {
    let mut shoppers = JoinSet::new();
    match arrivals {
        Arrivals::Crowd { users } => {
            (0..users).for_each(|_| drop(shoppers.spawn_local(visit_repeatedly(context.clone()))));
        }
        Arrivals::Rush { per_second } => rush(context, per_second, &mut shoppers).await,
    }
    while let Some(shopper) = shoppers.join_next().await {
        shopper.expect("a shopper does not panic");
    }
}

async fn visit_repeatedly(context: Rc<RunContext>) {
    let mut rng = context.next_rng();
    let ramp_up = RAMP_UP.min((context.ends_at() - context.started_at) / 10);
    let mut due = context.started_at + ramp_up.mul_f64(rng.random());
    let profile = profiles::choose(&mut rng);
    loop {
        let shopper = Shopper::arrive(&context, profile, due);
        let Some(()) = shopper.wait_until_due().await else { return };
        due = shopper.visit().await;
    }
}

/// Starts visits at random times, at the given rate on average. Each one is due at its arrival time, even if it starts
/// late.
async fn rush(context: &Rc<RunContext>, per_second: u32, shoppers: &mut JoinSet<()>) {
    let mut rng = context.next_rng();
    let mut due = context.started_at;
    while due < context.ends_at() {
        sleep_until(due).await;
        while let Some(shopper) = shoppers.try_join_next() {
            shopper.expect("a shopper does not panic");
        }
        if shoppers.len() < RUSH_SHOPPERS_MAX {
            let profile = profiles::choose(&mut rng);
            shoppers.spawn_local(visit_once(context.clone(), profile, due));
        } else {
            context.recorder.update(|totals| totals.dropped_arrivals += 1);
        }
        due += interarrival_time(&mut rng, per_second);
    }
}

async fn visit_once(context: Rc<RunContext>, profile: usize, due: Instant) {
    let shopper = Shopper::arrive(&context, profile, due);
    let late = due.elapsed();
    context.recorder.update(|totals| totals.lateness.record(late));
    shopper.visit().await;
}

/// Returns a random time between two arrivals of a Poisson process.
fn interarrival_time(rng: &mut impl rand::Rng, per_second: u32) -> Duration {
    let uniform = 1.0 - rng.random::<f64>();
    Duration::from_secs_f64(-uniform.ln() / f64::from(per_second))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn a_rush_arrives_at_the_requested_rate() {
        let mut rng = SmallRng::seed_from_u64(1);
        let gaps: Vec<_> = (0..100_000).map(|_| interarrival_time(&mut rng, 1_000).as_secs_f64()).collect();
        let total: f64 = gaps.iter().sum();
        assert!((98.0..102.0).contains(&total), "{total}");
        let shorter_than_the_mean = gaps.iter().filter(|gap| **gap < 0.001).count();
        assert!((62_000..64_500).contains(&shorter_than_the_mean), "{shorter_than_the_mean}");
    }
}
