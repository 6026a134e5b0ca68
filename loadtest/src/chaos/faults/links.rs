//! Connections to the stores that lose replies, hang, or end.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::points::{COMMIT, POSTGRES, Point, REDIS, decision, decision_mark};
use super::{Scene, Struck};
use crate::chaos::Error;
use crate::chaos::fleet::Instance;
use crate::chaos::proxy::{Fault, Proxy};

/// Time for the fault to swallow something.
const SWALLOWS_WITHIN: Duration = Duration::from_secs(5);
/// Time for which a store is slow.
const SLOW: Duration = Duration::from_secs(4);

pub async fn redis_replies_lost(scene: &Scene<'_>) -> Result<Struck, Error> {
    let mark = decision_mark(&scene.world.long_sale);
    // It runs once the fault is set.
    scene.begin_purchase(0);
    lose_replies(scene, &decision(&mark)).await
}

pub async fn postgres_replies_lost(scene: &Scene<'_>) -> Result<Struck, Error> {
    lose_replies(scene, &COMMIT).await
}

pub async fn redis_half_open(scene: &Scene<'_>) -> Result<Struck, Error> {
    hang(scene, REDIS).await
}

pub async fn postgres_half_open(scene: &Scene<'_>) -> Result<Struck, Error> {
    hang(scene, POSTGRES).await
}

/// Less slow than a request of the service to Redis may be.
pub async fn redis_slow(scene: &Scene<'_>) -> Result<Struck, Error> {
    delay(scene, REDIS, Duration::from_millis(100)).await
}

/// Every request and every reply is late for a while.
pub(super) async fn delay(scene: &Scene<'_>, proxy: fn(&Instance) -> &Proxy, delay: Duration) -> Result<Struck, Error> {
    let proxies = || scene.world.instances.iter().map(proxy);
    let connections: usize = proxies().map(Proxy::connections).sum();
    proxies().for_each(|proxy| proxy.strike(Fault::Delay(delay)));
    sleep(SLOW).await;
    proxies().for_each(Proxy::heal);
    match connections {
        0 => Err(Error::NotFired("there were no connections".to_owned())),
        _ => Ok(Struck::now(format!("{connections} connections were slow by {delay:?} each way"))),
    }
}

pub async fn redis_reset(scene: &Scene<'_>) -> Result<Struck, Error> {
    cut(scene, REDIS)
}

pub async fn postgres_reset(scene: &Scene<'_>) -> Result<Struck, Error> {
    cut(scene, POSTGRES)
}

/// Loses the reply to such a request of each instance. Its connection loses the later ones too: a stream has no gaps.
pub(super) async fn lose_replies(scene: &Scene<'_>, point: &Point<'_>) -> Result<Struck, Error> {
    let strike = |instance: &Instance| (point.proxy)(instance).strike_at(point.mark, Fault::LostAnswers);
    let struck = swallow(scene, point.proxy, strike).await;
    let proxies = || scene.world.instances.iter().map(point.proxy);
    let struck_instances = proxies().filter(|proxy| !proxy.is_armed()).count();
    proxies().for_each(Proxy::heal);
    match struck_instances {
        0 => Err(Error::NotFired(format!("no instance sent {}", point.name))),
        _ => struck,
    }
}

/// The connections that are open now never work again.
pub(super) async fn hang(scene: &Scene<'_>, proxy: fn(&Instance) -> &Proxy) -> Result<Struck, Error> {
    swallow(scene, proxy, |instance| proxy(instance).strike_open(Fault::BlackHole)).await
}

/// Recovery counts from the begin of the fault.
async fn swallow(
    scene: &Scene<'_>,
    proxy: fn(&Instance) -> &Proxy,
    strike: impl Fn(&Instance),
) -> Result<Struck, Error> {
    let since = Instant::now();
    let swallowed = |scene: &Scene<'_>| -> u64 { scene.world.instances.iter().map(|one| proxy(one).swallowed()).sum() };
    let before = swallowed(scene);
    scene.world.instances.iter().for_each(strike);
    while swallowed(scene) == before {
        if since.elapsed() > SWALLOWS_WITHIN {
            return Err(Error::NotFired("nothing was swallowed".to_owned()));
        }
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(500)).await;
    Ok(Struck::at(since, format!("{} bytes were swallowed within half a second", swallowed(scene) - before)))
}

pub(super) fn cut(scene: &Scene<'_>, proxy: fn(&Instance) -> &Proxy) -> Result<Struck, Error> {
    let connections: usize = scene.world.instances.iter().map(|instance| proxy(instance).connections()).sum();
    scene.world.instances.iter().for_each(|instance| proxy(instance).strike_open(Fault::Cut));
    match connections {
        0 => Err(Error::NotFired("there were no connections".to_owned())),
        _ => Ok(Struck::now(format!("{connections} connections ended"))),
    }
}
