//! Connections to the stores that lose replies, hang, or end.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Scene, Struck};
use crate::chaos::Error;
use crate::chaos::fleet::Instance;
use crate::chaos::proxy::{Fault, Proxy};

/// Time for the fault to swallow something.
const SWALLOWS_WITHIN: Duration = Duration::from_secs(5);

const REDIS: fn(&Instance) -> &Proxy = |instance| &instance.redis;
const POSTGRES: fn(&Instance) -> &Proxy = |instance| &instance.postgres;

/// Nearly all requests to Redis are EVALSHA.
pub async fn redis_replies_lost(scene: &Scene<'_>) -> Result<Struck, Error> {
    swallow(scene, REDIS, Fault::LostAnswers).await
}

/// The statement that writes a batch commits by itself: its reply is the one to the commit.
pub async fn postgres_replies_lost(scene: &Scene<'_>) -> Result<Struck, Error> {
    swallow(scene, POSTGRES, Fault::LostAnswers).await
}

pub async fn redis_half_open(scene: &Scene<'_>) -> Result<Struck, Error> {
    swallow(scene, REDIS, Fault::BlackHole).await
}

pub async fn postgres_half_open(scene: &Scene<'_>) -> Result<Struck, Error> {
    swallow(scene, POSTGRES, Fault::BlackHole).await
}

pub async fn redis_reset(scene: &Scene<'_>) -> Result<Struck, Error> {
    cut(scene, REDIS)
}

pub async fn postgres_reset(scene: &Scene<'_>) -> Result<Struck, Error> {
    cut(scene, POSTGRES)
}

/// The connections that are open now never work again. Recovery counts from the begin of the fault.
async fn swallow(scene: &Scene<'_>, proxy: fn(&Instance) -> &Proxy, fault: Fault) -> Result<Struck, Error> {
    let since = Instant::now();
    let swallowed = |scene: &Scene<'_>| -> u64 { scene.world.instances.iter().map(|one| proxy(one).swallowed()).sum() };
    let before = swallowed(scene);
    scene.world.instances.iter().for_each(|instance| proxy(instance).strike_open(fault));
    while swallowed(scene) == before {
        if since.elapsed() > SWALLOWS_WITHIN {
            return Err(Error::NotFired("nothing was swallowed".to_owned()));
        }
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(500)).await;
    Ok(Struck::at(since, format!("{} bytes were swallowed within half a second", swallowed(scene) - before)))
}

fn cut(scene: &Scene<'_>, proxy: fn(&Instance) -> &Proxy) -> Result<Struck, Error> {
    let connections: usize = scene.world.instances.iter().map(|instance| proxy(instance).connections()).sum();
    scene.world.instances.iter().for_each(|instance| proxy(instance).strike_open(Fault::Cut));
    match connections {
        0 => Err(Error::NotFired("there were no connections".to_owned())),
        _ => Ok(Struck::now(format!("{connections} connections ended"))),
    }
}
