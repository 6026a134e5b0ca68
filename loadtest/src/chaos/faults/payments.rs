//! The payment provider fails, and instances are killed between two steps of an order.

use std::time::Duration;

use rand::RngExt;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::kills::{Trap, any_moment, set_for_all};
use super::points::{CHARGE, END_OF_ORDERS, PROVIDER, RELEASE_ARCHIVED, SETTLEMENT, release, release_mark};
use super::processes::stop_instance;
use super::{Scene, Struck, links};
use crate::chaos::Error;
use crate::chaos::order::{CHARGING, Method, OK, TIMEOUT_CHARGED};
use crate::chaos::proxy::Fault;
use crate::chaos::purchase::Purchase;
use crate::chaos::recovery::sells_again;
use crate::chaos::store::{freeze, signal};

/// Attempts to learn what became of a purchase that is made for a fault.
const ATTEMPTS: usize = 20;
/// Longer than a lease, after which another instance takes over.
const LEASE: Duration = Duration::from_secs(7);
/// Time in which an order that nobody pays becomes overdue, and until a point is reached.
const HAPPENS_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// Orders that are paid while events are lost.
const LOST_EVENTS: usize = 12;

/// The use of an order that is made for a fault.
#[derive(Clone, Copy)]
enum Use {
    Pay(Method),
    Cancel,
    WalkAway,
}

/// Makes an order through an instance.
fn begin_order(scene: &Scene<'_>, place: usize, using: Use) {
    let (crowd, item) = (scene.crowd.clone(), format!("{}-00300", scene.world.order_sale));
    tokio::task::spawn_local(async move {
        let (user, client) = (crowd.new_name(), crowd.clients[place].clone());
        let purchase = Purchase::of_item(&user, &item, user.clone());
        purchase.until_known(|| client.clone(), &crowd.history, ATTEMPTS).await;
        let order = crowd.history.borrow().order_of(&user);
        match (order, using) {
            (Some(order), Use::Pay(method)) => _ = order.pay(method, || client.clone(), &crowd.history).await,
            (Some(order), Use::Cancel) => order.cancel(|| client.clone(), &crowd.history).await,
            (Some(_), Use::WalkAway) | (None, _) => {}
        }
    });
}

pub async fn provider_killed(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    begin_order(scene, 0, Use::Pay(OK));
    scene.pause(0..300).await;
    let pid = scene.world.provider.kill().await?;
    scene.pause(0..1_500).await;
    scene.world.provider.launch(&[])?;
    Ok(Struck::paying(format!("pid {pid} was killed")))
}

/// Longer than a request waits for the provider.
pub async fn provider_stopped(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let pid = scene.world.provider.pid().ok_or_else(|| Error::NotFired("the provider does not run".to_owned()))?;
    freeze(pid).await?;
    begin_order(scene, 0, Use::Pay(OK));
    scene.pause(5_500..7_000).await;
    signal(pid, Signal::CONT)?;
    Ok(Struck::paying(format!("pid {pid} was stopped")))
}

pub async fn provider_down(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    begin_order(scene, 0, Use::Pay(OK));
    let pid = scene.world.provider.kill().await?;
    sleep(scene.plan.outage).await;
    scene.world.provider.launch(&[])?;
    Ok(Struck::paying(format!("pid {pid} was gone for {:.0} s", scene.plan.outage.as_secs_f64())))
}

pub async fn provider_half_open(scene: &Scene<'_>) -> Result<Struck, Error> {
    begin_orders(scene, OK);
    Ok(links::hang(scene, PROVIDER).await?.and_pays())
}

pub async fn provider_reset(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    begin_orders(scene, TIMEOUT_CHARGED);
    scene.pause(500..1_000).await;
    Ok(links::cut(scene, PROVIDER)?.and_pays())
}

/// The provider charges, and the answer is lost.
pub async fn provider_replies_lost(scene: &Scene<'_>) -> Result<Struck, Error> {
    begin_orders(scene, OK);
    Ok(links::lose_replies(scene, &CHARGE).await?.and_pays())
}

fn begin_orders(scene: &Scene<'_>, method: Method) {
    (0..scene.world.instances.len()).for_each(|place| begin_order(scene, place, Use::Pay(method)));
}

/// Starts a provider that loses, doubles and reorders half of its events each, while orders are paid.
pub async fn webhooks_lost(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let seed = scene.rng.random_range(1..1_000_u32).to_string();
    scene.world.provider.stop().await;
    let rates = ["--lose-webhooks", "0.5", "--duplicate-webhooks", "0.5", "--reorder-webhooks", "0.5", "--seed", &seed];
    scene.world.provider.launch(&rates)?;
    let lost = "SELECT count(*) FROM provider.events WHERE is_lost";
    let before: i64 = scene.world.provider.database.fetch(lost).await?;
    for number in 0..LOST_EVENTS {
        let method =
            if number % 2 == 0 { TIMEOUT_CHARGED } else { CHARGING[scene.rng.random_range(0..CHARGING.len())] };
        begin_order(scene, number % scene.world.instances.len(), Use::Pay(method));
    }
    scene.pause(6_000..8_000).await;
    let lost = scene.world.provider.database.fetch::<i64>(lost).await? - before;
    scene.world.provider.stop().await;
    scene.world.provider.launch(&[])?;
    match lost {
        0 => Err(Error::NotFired("no event was lost".to_owned())),
        _ => Ok(Struck::paying(format!("{lost} events were lost"))),
    }
}

pub async fn killed_charging(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let (place, moment) = (scene.any_instance(), any_moment(scene));
    let trap = Trap::set(scene, &CHARGE, moment, [place]);
    begin_order(scene, place, Use::Pay(OK));
    trap.kill(scene).await
}

/// Kills an instance at the settlement of a payment: its answer is sent after that.
pub async fn killed_settling(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let moment = any_moment(scene);
    let trap = set_for_all(scene, &SETTLEMENT, moment);
    begin_orders(scene, TIMEOUT_CHARGED);
    trap.kill(scene).await
}

pub async fn killed_ending_orders(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    begin_order(scene, 0, Use::WalkAway);
    let soon = "SELECT EXISTS (SELECT FROM orders
                WHERE status = 'RESERVED' AND deadline BETWEEN clock_timestamp() AND clock_timestamp() + interval '0.2 s')";
    wait_until(scene, soon, "no order became overdue").await?;
    let moment = any_moment(scene);
    set_for_all(scene, &END_OF_ORDERS, moment).kill(scene).await
}

pub async fn killed_returning_stock(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let (mark, moment) = (release_mark(&scene.world.order_sale), any_moment(scene));
    let point = release(&mark);
    let trap = set_for_all(scene, &point, moment);
    begin_order(scene, 0, Use::Cancel);
    trap.kill(scene).await
}

pub async fn killed_archiving_releases(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    let moment = any_moment(scene);
    let trap = set_for_all(scene, &RELEASE_ARCHIVED, moment);
    begin_order(scene, 0, Use::Cancel);
    trap.kill(scene).await
}

/// Redis loses everything between the end of an order and the archive of its release.
pub async fn emptied_while_returning(scene: &Scene<'_>) -> Result<Struck, Error> {
    (0..scene.world.instances.len()).for_each(|place| begin_order(scene, place, Use::Cancel));
    let unreturned = "SELECT EXISTS (SELECT FROM orders WHERE finished_at IS NOT NULL AND status <> 'PAID'
                                     AND returned_at IS NULL)";
    wait_until(scene, unreturned, "no return was under way").await?;
    scene.world.redis.primary.query::<()>(&["FLUSHALL"]).await?;
    Ok(Struck::now("orders were over and not returned".to_owned()))
}

/// Stops the instance that ends overdue orders until another one has its lease.
pub async fn expirer_stopped(scene: &mut Scene<'_>) -> Result<Struck, Error> {
    (0..scene.world.instances.len()).for_each(|place| begin_order(scene, place, Use::WalkAway));
    let proxies = || scene.world.instances.iter().map(|instance| &instance.postgres);
    proxies().for_each(|proxy| proxy.strike_at(END_OF_ORDERS.mark, Fault::Delay(POLL)));
    let deadline = Instant::now() + HAPPENS_WITHIN;
    let place = loop {
        if let Some(place) = proxies().position(|proxy| !proxy.is_armed()) {
            break place;
        }
        if Instant::now() > deadline {
            return Err(Error::NotFired("no instance ended orders".to_owned()));
        }
        sleep(POLL).await;
    };
    proxies().for_each(|proxy| proxy.heal());
    let holder = "SELECT holder FROM leases WHERE name = 'expiry'";
    let before: i64 = scene.world.postgres.primary.fetch(holder).await?;
    let proof = stop_instance(scene, place).await?;
    sleep(LEASE).await;
    let mut after = before;
    if scene.world.instances.len() > 1 {
        sells_again(scene.world, scene.crowd, Instant::now(), &[place]).await?;
        // The others claim the lease when the next order is overdue.
        (0..scene.world.instances.len())
            .filter(|other| *other != place)
            .for_each(|other| begin_order(scene, other, Use::WalkAway));
        let deadline = Instant::now() + HAPPENS_WITHIN;
        while after == before && Instant::now() < deadline {
            sleep(POLL).await;
            after = scene.world.postgres.primary.fetch(holder).await?;
        }
    }
    scene.world.instances[place].signal(Signal::CONT)?;
    match after == before && scene.world.instances.len() > 1 {
        true => Err(Error::Failed(format!("{proof}, and kept its lease"))),
        false => Ok(Struck::now(format!("{proof}, and lost its lease"))),
    }
}

async fn wait_until(scene: &Scene<'_>, condition: &'static str, otherwise: &str) -> Result<(), Error> {
    let deadline = Instant::now() + HAPPENS_WITHIN;
    while !scene.world.postgres.primary.fetch::<bool>(condition).await? {
        if Instant::now() > deadline {
            return Err(Error::NotFired(otherwise.to_owned()));
        }
        sleep(POLL).await;
    }
    Ok(())
}
