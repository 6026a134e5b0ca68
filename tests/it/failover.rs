//! Failover of Redis: a replica that lacks the last decisions becomes the history that counts.

use std::time::Duration;

use redis::aio::MultiplexedConnection;

use crate::harness::eventually;
use crate::harness::service::{Instance, World};
use crate::harness::stores::Redis;

/// A replica of the Redis of a test.
struct Replica {
    redis: Redis,
    primary: MultiplexedConnection,
    connection: MultiplexedConnection,
}

/// The host, port and password of `redis://default:<password>@<host>:<port>/`.
fn address(url: &str) -> (&str, &str, &str) {
    let (credentials, address) = url.trim_end_matches('/').rsplit_once('@').expect("a password");
    let (_, password) = credentials.rsplit_once(':').expect("a password");
    let (host, port) = address.split_once(':').expect("a port");
    (host, port, password)
}

async fn run(connection: &mut MultiplexedConnection, words: &[&str]) -> redis::Value {
    redis::cmd(words[0]).arg(&words[1..]).query_async(connection).await.expect("Redis obeys")
}

async fn follow(follower: &mut MultiplexedConnection, url: &str) {
    let (host, port, password) = address(url);
    run(follower, &["CONFIG", "SET", "masterauth", password]).await;
    run(follower, &["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).await;
    run(follower, &["REPLICAOF", host, port]).await;
    let is_synced = || {
        let mut follower = follower.clone();
        async move {
            let info: String = redis::cmd("INFO").arg("replication").query_async(&mut follower).await.expect("INFO");
            info.contains("master_link_status:up")
        }
    };
    eventually("the replica has all data", is_synced).await;
}

impl Replica {
    async fn of(world: &World) -> Self {
        let redis = Redis::start();
        let client = redis::Client::open(redis.url()).expect("the URL is valid");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
        let mut primary = world.redis_connection().await;
        // A primary gives its data to a replica at once; by default it waits five seconds for others.
        run(&mut primary, &["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).await;
        follow(&mut connection, &world.redis.url()).await;
        Replica { redis, primary, connection }
    }

    /// Makes it a primary: it learns nothing more.
    async fn part(&mut self) {
        run(&mut self.connection, &["REPLICAOF", "NO", "ONE"]).await;
    }

    /// Demotes the primary, which takes over the data of this Redis, and promotes it again.
    async fn replace(&mut self) {
        follow(&mut self.primary, &self.redis.url()).await;
        run(&mut self.primary, &["REPLICAOF", "NO", "ONE"]).await;
    }
}

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
