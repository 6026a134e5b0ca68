//! PostgreSQL is down, slow, read-only, full, or another one.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use super::points::POSTGRES;
use super::{Scene, Struck, links};
use crate::chaos::{Error, orders};

const PURCHASES: &str = "SELECT count(*) FROM purchases";
/// Time for a purchase to be committed.
const COMMITTED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

pub async fn down(scene: &Scene<'_>) -> Result<Struck, Error> {
    scene.world.postgres.primary.store.stop().await;
    sleep(scene.plan.outage).await;
    let was_down = scene.world.postgres.primary.connect().await.is_err();
    scene.world.postgres.primary.store.restart().await?;
    match was_down {
        true => Ok(Struck::now(format!("it was down for {:.0} s", scene.plan.outage.as_secs_f64()))),
        false => Err(Error::NotFired("PostgreSQL answered".to_owned())),
    }
}

pub async fn slow(scene: &Scene<'_>) -> Result<Struck, Error> {
    links::delay(scene, POSTGRES, Duration::from_millis(400)).await
}

pub async fn read_only(scene: &Scene<'_>) -> Result<Struck, Error> {
    let postgres = &scene.world.postgres.primary;
    postgres.execute("ALTER SYSTEM SET default_transaction_read_only = on").await?;
    postgres.execute("SELECT pg_reload_conf()").await?;
    sleep(Duration::from_millis(500)).await;
    let setting: String = postgres.fetch("SHOW default_transaction_read_only").await?;
    sleep(Duration::from_secs(3)).await;
    postgres.execute("ALTER SYSTEM RESET default_transaction_read_only").await?;
    postgres.execute("SELECT pg_reload_conf()").await?;
    match setting.as_str() {
        "on" => Ok(Struck::now("default_transaction_read_only was on".to_owned())),
        _ => Err(Error::NotFired("PostgreSQL accepted writes".to_owned())),
    }
}

/// Takes all connections, those of the service too.
pub async fn out_of_connections(scene: &Scene<'_>) -> Result<Struck, Error> {
    let postgres = &scene.world.postgres.primary;
    let mut held: Vec<PgConnection> = Vec::new();
    let mut is_full = false;
    for _ in 0..3 {
        while let Ok(connection) = postgres.connect().await {
            held.push(connection);
        }
        is_full = postgres.connect().await.is_err();
        // One of ours ends the sessions of the service, whose places are then taken above.
        if let Some(connection) = held.last_mut() {
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flashsale'";
            sqlx::query(end).execute(connection).await?;
        }
    }
    sleep(Duration::from_secs(3)).await;
    let count = held.len();
    drop(held);
    match is_full {
        true => Ok(Struck::now(format!("{count} connections were taken"))),
        false => Err(Error::NotFired(format!("PostgreSQL gave more than {count} connections"))),
    }
}

/// Leads the instances to a standby that lacks the last commits.
pub async fn failover(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    scene.world.postgres.add_standby().await?;
    scene.crowd.rest(true);
    let failed_over = fail_over(scene).await;
    scene.crowd.rest(false);
    failed_over
}

/// A payment that only the lost commits knew would be lost, so none is under way.
async fn fail_over(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    orders::settled(scene.world).await?;
    scene.pause(500..1_500).await;
    scene.world.postgres.part().await?;
    let kept: i64 = scene.world.postgres.standby()?.fetch(PURCHASES).await?;
    scene.pause(100..500).await;
    let purchases = committed_alone(scene, kept).await?;
    scene.world.postgres.swap().await?;
    let since = Instant::now();
    scene.world.redirect_postgres();
    Ok(Struck::at(since, format!("the standby lacked {} of {purchases} purchases", purchases - kept)))
}

/// Waits until the primary has committed a purchase that the standby, which has parted with so many, never learns. Returns
/// the number of purchases that it has then.
async fn committed_alone(scene: &Scene<'_>, kept: i64) -> Result<i64, Error> {
    scene.begin_purchase(0);
    let deadline = Instant::now() + COMMITTED_WITHIN;
    loop {
        let purchases = scene.world.postgres.primary.fetch(PURCHASES).await?;
        if purchases > kept {
            return Ok(purchases);
        }
        if Instant::now() > deadline {
            return Err(Error::NotFired(format!(
                "nothing was committed after {kept} purchases, so the standby lacks nothing"
            )));
        }
        sleep(POLL).await;
    }
}
