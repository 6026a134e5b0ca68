//! Situations in which nothing is broken, and an entry that nobody can read.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Scene, Struck};
use crate::api::{Cart, Sale};
use crate::chaos::Error;
use crate::chaos::purchase::{Answer, Purchase};
use crate::chaos::recovery::takes_carts;
use crate::client::Request;
use crate::outcome::{Operation, Outcome};

/// Concurrent requests with one code.
const REQUESTS: usize = 30;
const ATTEMPTS: usize = 20;
/// Time for a sale that is shown to sell.
const OPENS_WITHIN: Duration = Duration::from_millis(2_500);

/// Appends an entry that cannot be read, in the place of the next one.
const POISON: &str = "
    local ms, number = string.match(redis.call('HGET', KEYS[1], 'last_id'), '^(%d+)-(%d+)$')
    local id = ms .. '-' .. string.format('%d', number + 1)
    redis.call('XADD', KEYS[2], id, 'sold', id .. ' poison')
    redis.call('HSET', KEYS[1], 'last_id', id)
    return id";

/// Sends one code many times at once, to all instances.
pub async fn one_code(scene: &Scene<'_>) -> Result<Struck, Error> {
    let crowd = scene.crowd.clone();
    let (user, client) = (crowd.new_name(), crowd.clients[0].clone());
    let request = Request::post(format!("/checkout?user_id={user}&id={}-00001", crowd.long_sale));
    let response = client.send(Operation::Checkout, &request, Instant::now()).await;
    let cart: Option<Cart> = serde_json::from_slice(&response.body).ok();
    let code = cart.filter(|_| response.outcome == Outcome::Done).map(|cart| cart.code);
    let code = code.ok_or_else(|| Error::NotFired("no cart could be filled".to_owned()))?;
    let mut asking = tokio::task::JoinSet::new();
    for place in 0..REQUESTS {
        let (crowd, code, user) = (crowd.clone(), code.clone(), user.clone());
        asking.spawn_local(async move {
            let client = crowd.clients[place % crowd.clients.len()].clone();
            let purchase = Purchase::of_cart(&user, code);
            matches!(purchase.until_known(|| client.clone(), &crowd.history, ATTEMPTS).await, Some(Answer::Receipt))
        });
    }
    let receipts = asking.join_all().await.into_iter().filter(|got_receipt| *got_receipt).count();
    match receipts {
        0 => Err(Error::NotFired("no request got a receipt".to_owned())),
        _ => Ok(Struck::now(format!("{receipts} of {REQUESTS} requests got the receipt"))),
    }
}

/// Waits until one sale follows another, which must sell at once.
pub async fn hour_boundary(scene: &Scene<'_>) -> Result<Struck, Error> {
    let client = scene.crowd.clients[0].clone();
    let (mut before, started) = (None, Instant::now());
    while started.elapsed() < Duration::from_secs(90) {
        let shown = client.get_json::<Sale>("/sales/active").await.ok().map(|sale| sale.id);
        if let (Some(before), Some(shown)) = (&before, &shown)
            && before != shown
        {
            let begun = Instant::now();
            while !takes_carts(&client, &scene.crowd.new_name()).await {
                if begun.elapsed() > OPENS_WITHIN {
                    return Err(Error::Failed(format!("{shown} is shown, and does not sell")));
                }
                sleep(Duration::from_millis(20)).await;
            }
            return Ok(Struck::at(begun, format!("{shown} follows {before}")));
        }
        before = shown.or(before);
        sleep(Duration::from_millis(20)).await;
    }
    Err(Error::NotFired("no sale followed another".to_owned()))
}

pub async fn poison_entry(scene: &Scene<'_>) -> Result<Struck, Error> {
    let keys = ["header", "ledger"].map(|part| format!("{{{}}}:{part}", scene.world.long_sale));
    let rejected = "SELECT count(*) FROM rejected_entries WHERE reason = 'invalid'";
    let before: i64 = scene.world.postgres.primary.fetch(rejected).await?;
    let id: String = scene.world.redis.primary.query(&["EVAL", POISON, "2", &keys[0], &keys[1]]).await?;
    let struck = Struck::now(format!("PostgreSQL rejected the entry {id}"));
    while scene.world.postgres.primary.fetch::<i64>(rejected).await? == before {
        if struck.since.elapsed() > Duration::from_secs(20) {
            return Err(Error::NotFired(format!("the entry {id} was not rejected")));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(struck)
}
