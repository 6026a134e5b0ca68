//! Failover of Redis: a replica that lacks the last decisions becomes the history that counts.

use std::time::Duration;

use crate::harness::eventually;
use crate::harness::replica::{Replica, follow, run};
use crate::harness::service::{Instance, World};

async fn waits(shop: &Instance, purchases: usize) {
    let sale = shop.shop.current_sale().expect("a sale is open");
    let is_waiting = || std::future::ready(sale.confirmations.waiting() >= purchases);
    eventually("the purchase is decided", is_waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_was_demoted_and_promoted_again_acknowledges_nothing_that_it_lost() {
    let world = World::new().await.with(|world| world.settings.ack_timeout = Duration::from_secs(8));
    let (shop, other) = (world.start().await, world.start().await);
    let (epoch, mut replica) = (shop.epoch(), Replica::of(&world).await);
    // The first replica makes Redis begin a new history, and the service a new epoch.
    for instance in [&shop, &other] {
        eventually("a new epoch has begun", || async { instance.epoch() > epoch }).await;
    }
    let lost_at = |instance: &Instance, user: &'static str, item: &'static str| {
        let client = instance.client.clone();
        tokio::spawn(async move { (user, client.buy_now(user, "r", item).await.status) })
    };

    // The writers are busy with an earlier batch.
    let held = world.hold_commits().await;
    let kept = lost_at(&shop, "wim", "1");
    waits(&shop, 1).await;
    run(&mut replica.primary, &["WAIT", "1", "5000"]).await;
    replica.part().await;
    let lost = [lost_at(&shop, "xia", "2"), lost_at(&other, "xel", "3")];
    waits(&shop, 2).await;
    waits(&other, 1).await;
    replica.replace().await;
    // The same numbers again, for others.
    let later = [lost_at(&shop, "yan", "2"), lost_at(&other, "yes", "4"), lost_at(&shop, "yul", "5")];
    tokio::time::sleep(Duration::from_millis(300)).await;
    held.rollback().await.expect("PostgreSQL answers");

    for answer in [kept].into_iter().chain(lost).chain(later) {
        let (user, status) = answer.await.expect("an answer");
        let owned: i64 = sqlx::query_scalar("SELECT count(*) FROM purchases WHERE user_id = $1")
            .bind(user)
            .fetch_one(&world.database)
            .await
            .expect("PostgreSQL answers");
        assert!(status != 200 || owned == 1, "{user} was told {status} and owns {owned} purchases");
    }
    eventually("it sells again", || async { shop.client.buy_now("zoe", "r3", "92").await.status != 503 }).await;
    assert!(shop.verify().await.is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_sells_nothing_and_a_promoted_one_begins_a_new_epoch() {
    let world = World::new().await;
    let shop = world.start().await;
    let (epoch, mut replica) = (shop.epoch(), Replica::of(&world).await);
    // The first replica makes Redis begin a new history, and the service a new epoch.
    eventually("a new epoch has begun", || async { shop.epoch() > epoch }).await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    let epoch = shop.epoch();
    replica.part().await;
    follow(&mut replica.primary, &replica.redis.url()).await;
    shop.client.buy_now("bob", "r", "2").await.expect_problem(503, "unavailable");
    run(&mut replica.primary, &["REPLICAOF", "NO", "ONE"]).await;
    eventually("it sells again", || async { shop.client.buy_now("bob", "r", "2").await.status == 200 }).await;
    assert!(shop.epoch() > epoch);
    shop.assert_sound(2).await;
}
