//! The clock of Redis, by which sales open and end, that of PostgreSQL, by which orders expire, or that of an instance jumps
//! and comes back.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use chrono::Utc;
use rand::RngExt;
use tokio::time::{Instant, sleep, timeout};

use super::{Scene, Struck};
use crate::chaos::Error;
use crate::chaos::clock::SteppedClock;
use crate::chaos::purchase::{Answer, Purchase};
use crate::chaos::recovery::sells_again;
use crate::chaos::world::World;

/// Longer than the difference that the service tolerates, and than a sale.
const STEP_S: std::ops::RangeInclusive<i64> = 4..=40;
/// Time for every instance to compare the clocks.
const NOTICED_WITHIN: Duration = Duration::from_secs(6);
/// Time for a step to take effect.
const STEPS_WITHIN: Duration = Duration::from_secs(4);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// A store whose clock is stepped.
#[derive(Clone, Copy)]
enum Stepped {
    Redis,
    PostgreSql,
}

impl fmt::Display for Stepped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stepped::Redis => "Redis",
            Stepped::PostgreSql => "PostgreSQL",
        })
    }
}

impl Stepped {
    fn clock(self, world: &World) -> Option<&SteppedClock> {
        match self {
            Stepped::Redis => world.redis.clock.as_ref(),
            Stepped::PostgreSql => world.postgres.clock.as_ref(),
        }
    }

    /// Returns the time that it shows, in seconds.
    async fn time(self, world: &World) -> Result<i64, Error> {
        match self {
            Stepped::Redis => Ok(world.redis.primary.query::<(i64, i64)>(&["TIME"]).await?.0),
            Stepped::PostgreSql => {
                world.postgres.primary.fetch("SELECT extract(epoch FROM clock_timestamp())::bigint").await
            }
        }
    }
}

pub async fn step_of_redis(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    step(scene, Stepped::Redis).await
}

pub async fn step_of_postgres(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    step(scene, Stepped::PostgreSql).await
}

/// Steps the clock, expects that no instance sells and that nothing ends early, and steps it back.
async fn step(scene: &mut Scene<'_>, store: Stepped) -> Result<Struck, Error> {
    let seconds = any_step(scene);
    set(scene, store, seconds).await?;
    let stepped = Instant::now();
    let noticed = expect_no_sale(scene, 0..scene.world.instances.len()).await;
    scene.pause(0..1_000).await;
    set(scene, store, 0).await?;
    let lasted = stepped.elapsed().as_secs_f64();
    noticed.map_err(|what| Error::Failed(format!("with the clock of {store} {seconds:+} s off, {what}")))?;
    let postgres = &scene.world.postgres.primary;
    let early: (i64, i64) = (postgres.fetch(CLOSED_EARLY).await?, postgres.fetch(EXPIRED_EARLY).await?);
    match early {
        (0, 0) => Ok(Struck::now(format!("the clock of {store} was {seconds:+} s off for {lasted:.1} s"))),
        (sales, orders) => {
            Err(Error::Failed(format!("{sales} sales were closed before their end, {orders} orders before `pay_by`")))
        }
    }
}

/// Replaces an instance by one whose clock can be stepped, steps it, expects that this instance does not sell, and steps the
/// clock back.
pub async fn step_of_instance(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let (place, seconds) = (scene.any_instance(), any_step(scene));
    let clock = SteppedClock::new(scene.world.logs.join("clock"))?;
    let instance = &mut scene.world.instances[place];
    instance.kill().await?;
    instance.launch_with(&clock)?;
    let observed = observe_step(scene, place, &clock, seconds).await;
    let instance = &mut scene.world.instances[place];
    instance.kill().await?;
    instance.launch()?;
    observed.map(Struck::now)
}

async fn observe_step(
    scene: &mut Scene<'_>,
    place: usize,
    clock: &SteppedClock,
    seconds: i64,
) -> Result<String, Error> {
    sells_again(scene.world, scene.crowd, Instant::now(), &[]).await?;
    clock.step(seconds)?;
    let noticed = expect_no_sale(scene, place..place + 1).await;
    clock.step(0)?;
    noticed.map_err(|what| Error::Failed(format!("with its clock {seconds:+} s off, {what}")))?;
    sells_again(scene.world, scene.crowd, Instant::now(), &[]).await?;
    Ok(format!("the clock of {} was {seconds:+} s off", scene.world.instances[place].name))
}

fn any_step(scene: &mut Scene<'_>) -> i64 {
    scene.rng.random_range(STEP_S) * if scene.rng.random() { 1 } else { -1 }
}

const CLOSED_EARLY: &str = "SELECT count(*) FROM sales WHERE closed_at < ends_at";

/// Orders that nobody paid in time, although there is time.
const EXPIRED_EARLY: &str =
    "SELECT count(*) FROM orders WHERE reason = 'RESERVATION_TTL' AND pay_by > clock_timestamp()";

/// Steps the clock of a store, and waits until the store shows it.
async fn set(scene: &Scene<'_>, store: Stepped, seconds: i64) -> Result<(), Error> {
    let clock = store.clock(scene.world);
    clock.ok_or_else(|| Error::NotFired(format!("{store} has the clock of the host")))?.step(seconds)?;
    let deadline = Instant::now() + STEPS_WITHIN;
    loop {
        let shown = store.time(scene.world).await?;
        if (shown - Utc::now().timestamp() - seconds).abs() <= 1 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::NotFired(format!("{store} shows {shown}, which is not {seconds:+} s off")));
        }
        sleep(POLL).await;
    }
}

/// Waits until none of the instances at these places sells. A refusal would be false: the long sale goes on.
async fn expect_no_sale(scene: &Scene<'_>, places: Range<usize>) -> Result<(), String> {
    let deadline = Instant::now() + NOTICED_WITHIN;
    for (client, instance) in scene.crowd.clients[places.clone()].iter().zip(&scene.world.instances[places]) {
        loop {
            let user = scene.crowd.new_name();
            let purchase = Purchase::of_item(&user, &format!("{}-00001", scene.crowd.long_sale), user.clone());
            match timeout(ANSWER_TIMEOUT, purchase.ask(client, &scene.crowd.history)).await {
                Err(_) | Ok(Answer::Unknown(_)) => break,
                Ok(Answer::Refused(code)) => return Err(format!("{} said {code}", instance.name)),
                Ok(Answer::Receipt) if Instant::now() > deadline => return Err(format!("{} sells", instance.name)),
                Ok(Answer::Receipt) => sleep(POLL).await,
            }
        }
    }
    Ok(())
}
