//! Processes that are killed, stopped and restarted.

use rand::RngExt;
use rustix::process::Signal;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::{Scene, Struck};
use crate::chaos::Error;
use crate::chaos::recovery::sells_again;
use crate::chaos::store::{Frozen, Store, StoreServer, freeze, signal};

/// Longer than PostgreSQL keeps the lock of a holder that is silent.
const HOLDER_STOPPED: Duration = Duration::from_secs(8);

pub async fn instance_killed(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let place = scene.any_instance();
    let instance = &mut scene.world.instances[place];
    let pid = instance.kill().await?;
    instance.launch()?;
    Ok(Struck::now(format!("{} had pid {pid}", instance.name)))
}

pub async fn instance_stopped(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let place = scene.any_instance();
    let proof = stop_instance(scene, place).await?;
    scene.pause(2_000..4_000).await;
    sells_again(scene.world, scene.crowd, Instant::now(), &[place]).await?;
    scene.world.instances[place].signal(Signal::CONT)?;
    Ok(Struck::now(proof))
}

pub async fn rolling_restart(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let mut since = Instant::now();
    for place in 0..scene.world.instances.len() {
        let instance = &mut scene.world.instances[place];
        instance.signal(Signal::TERM)?;
        instance.ended().await?;
        since = Instant::now();
        instance.launch()?;
        sells_again(scene.world, scene.crowd, since, &[]).await?;
    }
    Ok(Struck::at(since, format!("{} instances ended after SIGTERM", scene.world.instances.len())))
}

pub async fn redis_killed(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let store = scene.world.redis.primary.store.clone();
    kill_store(scene, store).await
}

pub async fn redis_stopped(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let pid = scene.world.redis.primary.store.pid().await;
    let frozen = Frozen::family_of(pid).await?;
    scene.pause(1_000..4_000).await;
    drop(frozen);
    Ok(Struck::now(format!("pid {pid} was stopped")))
}

pub async fn postgres_killed(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let store = scene.world.postgres.primary.store.clone();
    kill_store(scene, store).await
}

/// Stops the postmaster and all its backends. A statement on an open connection must hang meanwhile.
pub async fn postgres_stopped(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let mut connection = scene.world.postgres.primary.connect().await?;
    let frozen = Frozen::family_of(scene.world.postgres.primary.store.pid().await).await?;
    let (processes, lasts) = (frozen.count(), Duration::from_millis(scene.rng.random_range(2_000..4_000)));
    let answered = timeout(lasts, sqlx::query("SELECT 1").execute(&mut connection)).await;
    drop(frozen);
    match answered {
        Err(_) => {
            let hung = lasts.as_secs_f64();
            Ok(Struck::now(format!("{processes} processes were stopped, and a statement hung for {hung:.1} s")))
        }
        Ok(_) => Err(Error::NotFired("a statement was answered".to_owned())),
    }
}

/// PostgreSQL restarts all of its processes after one of them was killed.
pub async fn backend_killed(scene: &Scene<'_>) -> Result<Struck, Error> {
    let backend = "SELECT pid FROM pg_stat_activity WHERE application_name = 'flashsale' ORDER BY random() LIMIT 1";
    let pid: i32 = scene.world.postgres.primary.fetch(backend).await?;
    signal(pid as u32, Signal::KILL)?;
    Ok(Struck::now(format!("the backend had pid {pid}")))
}

/// Stops the holder of a lock until others have it. It finds out when it goes on.
pub async fn lock_holder_stopped(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let holder = "SELECT client_port FROM pg_locks JOIN pg_stat_activity USING (pid)
                  WHERE locktype = 'advisory' AND granted AND application_name = 'flashsale'
                  ORDER BY random() LIMIT 1";
    let port = scene.world.postgres.primary.fetch(holder).await?;
    let place = scene.world.instance_at(port);
    let place = place.ok_or_else(|| Error::NotFired(format!("no instance has the port {port}")))?;
    let stopped = Instant::now();
    let proof = stop_instance(scene, place).await?;
    let taken_over = others_sell(scene, place, stopped).await?;
    scene.world.instances[place].signal(Signal::CONT)?;
    Ok(Struck::now(format!("{proof}, the others sold after {:.1} s", taken_over.as_secs_f64())))
}

/// Waits until the others sell without an instance that is stopped, and until its locks are theirs. Returns the time after
/// which they sold.
pub(super) async fn others_sell(scene: &mut Scene<'_>, place: usize, stopped: Instant) -> Result<Duration, Error> {
    if scene.world.instances.len() > 1 {
        sells_again(scene.world, scene.crowd, stopped, &[place]).await?;
    }
    let sold_after = stopped.elapsed();
    sleep(HOLDER_STOPPED.saturating_sub(sold_after)).await;
    sells_again(scene.world, scene.crowd, stopped, &[place]).await?;
    Ok(sold_after)
}

pub(super) async fn stop_instance(scene: &Scene<'_>, place: usize) -> Result<String, Error> {
    let instance = &scene.world.instances[place];
    let pid = instance.pid().ok_or_else(|| Error::NotFired(format!("{} does not run", instance.name)))?;
    freeze(pid).await?;
    Ok(format!("{} was stopped", instance.name))
}

async fn kill_store<S: StoreServer>(scene: &mut Scene<'_>, store: Store<S>) -> Result<Struck, Error> {
    let pid = store.pid().await;
    store.kill().await;
    scene.pause(0..1_500).await;
    store.restart().await?;
    Ok(Struck::now(format!("pid {pid} was killed")))
}
