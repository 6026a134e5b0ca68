//! The two drivers: a crowd that thinks and comes again, and a rush that waits for nobody.

use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::modes::Arrivals;
use crate::profiles;
use crate::visit::Shopper;
use crate::world::World;

/// A crowd comes within this time, or within a tenth of the run.
const CROWD_GATHERS: Duration = Duration::from_secs(5);
/// Shoppers that may be in a rush at once: what this client has memory for.
const RUSH_MAX: usize = 100_000;

/// Lets people come until the run ends, and waits until all have left.
pub async fn drive(world: &Rc<World>, arrivals: Arrivals) {
    let mut inside = JoinSet::new();
    match arrivals {
        Arrivals::Crowd { users } => {
            (0..users).for_each(|_| drop(inside.spawn_local(come_again_and_again(world.clone()))));
        }
        Arrivals::Rush { per_second } => rush(world, per_second, &mut inside).await,
    }
    while let Some(left) = inside.join_next().await {
        left.expect("a shopper does not panic");
    }
}

async fn come_again_and_again(world: Rc<World>) {
    let mut rng = world.chance();
    let gathering = CROWD_GATHERS.min((world.ends_at() - world.started_at) / 10);
    let mut due = world.started_at + gathering.mul_f64(rng.random());
    let profile = profiles::choose(&mut rng);
    loop {
        let shopper = Shopper::arrive(&world, profile, due);
        let Some(()) = shopper.until_due().await else { return };
        due = shopper.visit().await;
    }
}

/// Arrivals at random times, so many a second in the long run. Each is due at its time, whenever it is served.
async fn rush(world: &Rc<World>, per_second: u32, inside: &mut JoinSet<()>) {
    let mut rng = world.chance();
    let mut due = world.started_at;
    while due < world.ends_at() {
        sleep_until(due).await;
        while let Some(left) = inside.try_join_next() {
            left.expect("a shopper does not panic");
        }
        if inside.len() < RUSH_MAX {
            let profile = profiles::choose(&mut rng);
            inside.spawn_local(come_once(world.clone(), profile, due));
        } else {
            world.recorder.count(|totals| totals.turned_back += 1);
        }
        due += gap(&mut rng, per_second);
    }
}

async fn come_once(world: Rc<World>, profile: usize, due: Instant) {
    let shopper = Shopper::arrive(&world, profile, due);
    let late = due.elapsed();
    world.recorder.count(|totals| totals.lateness.record(late));
    shopper.visit().await;
}

/// The time between two arrivals of a Poisson process.
fn gap(rng: &mut impl rand::Rng, per_second: u32) -> Duration {
    let unlikely = 1.0 - rng.random::<f64>();
    Duration::from_secs_f64(-unlikely.ln() / f64::from(per_second))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn a_rush_comes_at_the_rate_that_was_asked_for() {
        let mut rng = SmallRng::seed_from_u64(1);
        let gaps: Vec<_> = (0..100_000).map(|_| gap(&mut rng, 1_000).as_secs_f64()).collect();
        let total: f64 = gaps.iter().sum();
        assert!((98.0..102.0).contains(&total), "{total}");
        let shorter_than_the_mean = gaps.iter().filter(|gap| **gap < 0.001).count();
        assert!((62_000..64_500).contains(&shorter_than_the_mean), "{shorter_than_the_mean}");
    }
}
