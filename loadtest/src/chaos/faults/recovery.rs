//! Two instances recover the same sales at once.

use std::time::Duration;

use rand::RngExt;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::points::RECOVERY;
use super::processes::{others_sell, stop_instance};
use super::{Scene, Struck};
use crate::chaos::Error;
use crate::chaos::proxy::Fault;

/// Time for an instance to be at the point.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(2);
/// Time for which the request of the first one is held back. By then the second one has recovered.
const HELD_BACK: Duration = Duration::from_secs(9);

/// Empties Redis, and stops the instance that recovers in the middle of it. Another one recovers. Then a request of the first
/// one arrives after all, and the first one goes on where it was stopped.
pub async fn two_recoverers(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let point = &RECOVERY[scene.rng.random_range(0..RECOVERY.len())];
    let proxies = || scene.world.instances.iter().map(point.proxy);
    proxies().for_each(|proxy| proxy.strike_at(point.mark, Fault::Delay(HELD_BACK)));
    scene.world.redis.primary.query::<()>(&["FLUSHALL"]).await?;
    let deadline = Instant::now() + SEEN_WITHIN;
    let place = loop {
        if let Some(place) = proxies().position(|proxy| !proxy.is_armed()) {
            break place;
        }
        if Instant::now() > deadline {
            proxies().for_each(|proxy| proxy.heal());
            return Err(Error::NotFired(format!("no instance sent {}", point.name)));
        }
        sleep(POLL).await;
    };
    let (stopped, proof) = (Instant::now(), stop_instance(scene, place).await?);
    // What is held back already stays so.
    proxies().for_each(|proxy| proxy.heal());
    let sold_after = others_sell(scene, place, stopped).await?;
    sleep(HELD_BACK.saturating_sub(stopped.elapsed()) + Duration::from_millis(500)).await;
    scene.world.instances[place].signal(Signal::CONT)?;
    let proof = format!("{proof} at {}, the others sold after {:.1} s", point.name, sold_after.as_secs_f64());
    Ok(Struck { is_drift: true, ..Struck::now(proof) })
}
