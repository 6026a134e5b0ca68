//! The sold-item filter of an instance has wrong bits.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Scene, Struck};
use crate::chaos::Error;
use crate::chaos::recovery::sells_again;

const FLIPPED: &str = "flipped-filter-bits";
/// Time for the instance to sell something in the long sale, with which it writes its filter.
const FLIPPED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// Replaces an instance by one whose filter takes a quarter of the unsold items for sold ones, and most sold ones for
/// unsold ones, and lets it sell. The verdict finds items that were refused falsely.
pub async fn flipped(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let place = scene.any_instance();
    scene.world.instances[place].kill().await?;
    let launched = scene.world.instances[place].launch_sabotaged(FLIPPED);
    let observed = match launched {
        Ok(()) => observe(scene, place).await,
        Err(error) => Err(error),
    };
    let instance = &mut scene.world.instances[place];
    if observed.is_ok() {
        instance.kill().await?;
    }
    instance.revive()?;
    observed.map(Struck::now)
}

async fn observe(scene: &mut Scene<'_>, place: usize) -> Result<String, Error> {
    sells_again(scene.world, scene.crowd, Instant::now(), &[]).await?;
    let (path, deadline) = (format!("/sales/{}/sold-filter", scene.world.long_sale), Instant::now() + FLIPPED_WITHIN);
    loop {
        let filter = scene.crowd.clients[place].get_bytes(&path).await.ok().flatten().unwrap_or_default();
        let set: u32 = filter.iter().map(|byte| byte.count_ones()).sum();
        let bits = filter.len() as u32 * 8;
        if set > bits / 4 * 3 {
            scene.pause(2_000..4_000).await;
            return Ok(format!("{set} of {bits} bits of {} were set", scene.world.instances[place].name));
        }
        if Instant::now() > deadline {
            return Err(Error::NotFired(format!("{set} of {bits} bits were set")));
        }
        sleep(POLL).await;
    }
}
