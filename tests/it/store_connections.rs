//! Connections to the stores that hang, or that became read-only.

use std::collections::BTreeSet;
use std::time::Duration;

use flashsale::application::sale::ports::{
    AttemptArchive, Coordination, LedgerArchive, LockName, PurchaseArchive, SaleArchive, SaleFilter,
};
use flashsale::application::shared::StoreError;
use flashsale::domain::shared::LedgerId;
use flashsale::infrastructure::postgres::PgArchive;
use futures::future::join_all;
use sqlx::Executor;

use crate::harness::client::{Client, keep_reading};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::service::{Instance, World};
use crate::harness::stores::{Postgres, migrate};
use crate::harness::{PATIENCE, eventually, until_ok};

/// Purchases are answered within a second, so that a test sees many of them while a store hangs.
async fn impatient() -> World {
    World::new().await.with(impatiently)
}

fn impatiently(world: &mut World) {
    world.settings.ack_timeout = Duration::from_millis(500);
    world.settings.lag_limit = Duration::from_secs(1);
}

/// Buys an item, and repeats the request until it is known to be durable.
async fn buy(client: &Client, item: &str) {
    let has_bought = || client.has_bought("ann", item, item);
    eventually("the purchase is durable", has_bought).await;
}

/// Buys items, from this one on, until a purchase is not acknowledged. Returns its item.
async fn until_not_acknowledged(shop: &Instance, mut item: u32) -> String {
    loop {
        let name = item.to_string();
        match shop.client.buy_now("bob", &name, &name).await.status.as_u16() {
            200 => item += 1,
            202 | 503 => return name,
            status => panic!("{status}"),
        }
    }
}

/// Repeats a purchase until it is durable. Everything up to its item is sold then.
async fn bought_after_all(shop: &Instance, item: &str) {
    eventually("the purchase is durable", || shop.client.has_bought("bob", item, item)).await;
    eventually("it is ready", || async { shop.client.get("/health/ready").await.status == 200 }).await;
    shop.assert_sound(item.parse().expect("an item is a number")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_redis_that_hang_are_replaced() {
    let mut world = impatient().await;
    let direct = world.start().await;
    let proxy = Proxy::before(&world.redis.url()).await;
    world.redis_url.clone_from(&proxy.url);
    let shop = world.start().await;
    buy(&shop.client, "1").await;
    let subscribers = || async {
        let [_channel, subscribers] =
            world.query_redis::<[String; 2]>(&["PUBSUB", "NUMSUB", "flashsale:watermarks"]).await;
        subscribers
    };
    eventually("both instances are subscribed", || async { subscribers().await == "2" }).await;
    proxy.strike_open(Fault::BlackHole);
    buy(&shop.client, "2").await;
    buy(&direct.client, "3").await;
    let third = 3.try_into().expect("3 is an ordinal");
    let sale = shop.shop.current_sale().expect("a sale is open");
    eventually("it follows the ledger again", || async { sale.is_sold(third) }).await;
    // Redis knows nothing of the end of the connection that hangs.
    eventually("it is subscribed again", || async { subscribers().await == "3" }).await;
    shop.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_postgresql_that_hang_are_replaced() {
    let mut world = impatient().await;
    let proxy = Proxy::before(&world.database_url).await;
    world.database_url.clone_from(&proxy.url);
    let shop = world.start().await;
    buy(&shop.client, "1").await;
    let holder = "SELECT pid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let before = world.count(holder).await;
    let reads: Vec<_> = (0..20).map(|_| keep_reading(&shop.client, "/users/ann/purchases")).collect();
    proxy.strike_open(Fault::BlackHole);
    buy(&shop.client, "2").await;
    drop(reads);
    let answers = || async { join_all((0..20).map(|_| shop.client.get("/users/ann/purchases"))).await };
    eventually("no read waits for a connection that hangs", || async {
        answers().await.iter().all(|answer| answer.status == 200)
    })
    .await;
    // PostgreSQL ends the session that hangs, so its lock is free again.
    let holders = || async { sqlx::query_scalar::<_, i64>(holder).fetch_all(&world.database).await };
    eventually("a new session holds the lock of the writer", || async {
        holders().await.is_ok_and(|holders| !holders.is_empty() && !holders.contains(&before))
    })
    .await;
    buy(&shop.client, "3").await;
    shop.assert_sound(3).await;
}

/// Makes a call on a connection that was used right before, and hangs now. The call must end with an error.
async fn ends<T, E>(proxy: &Proxy, mut call: impl AsyncFnMut() -> Result<T, E>) {
    let warm = call().await;
    assert!(warm.is_ok(), "it answers");
    proxy.strike_open(Fault::BlackHole);
    let ended = tokio::time::timeout(PATIENCE, call()).await.expect("the call ends");
    assert!(ended.is_err(), "a connection that hangs has answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_postgresql_ends_although_its_connection_hangs() {
    let world = World::new().await;
    let shop = world.start().await;
    let sale = shop.shop.current_sale().expect("a sale is open").id();
    let archive = async || {
        let proxy = Proxy::before(&world.database_url).await;
        let archive = until_ok(async || PgArchive::connect(&proxy.url, 2).await).await;
        (proxy, archive)
    };
    let clock = async {
        let (proxy, archive) = archive().await;
        ends(&proxy, async || archive.now().await).await;
        // Refused while the server is probed, which answers.
        until_ok(async || archive.now().await).await;
    };
    let cursors = async {
        let (proxy, archive) = archive().await;
        ends(&proxy, async || archive.cursors(sale).await).await;
    };
    let refusals = async {
        let (proxy, archive) = archive().await;
        ends(&proxy, async || archive.add_refusals(&[]).await).await;
    };
    let purchases = async {
        let (proxy, archive) = archive().await;
        ends(&proxy, async || archive.entries_in(sale, LedgerId::ZERO, 1).await).await;
    };
    let lists = async {
        let (proxy, archive) = archive().await;
        let reads = archive.for_requests();
        ends(&proxy, async || reads.sales(SaleFilter::Live).await).await;
    };
    let locks = async {
        let (proxy, archive) = archive().await;
        let mut lock = archive.try_lock(LockName::Recovery).await.expect("it answers").expect("nobody recovers");
        proxy.strike_open(Fault::BlackHole);
        assert!(!tokio::time::timeout(PATIENCE, lock.is_held()).await.expect("the call ends"));
        let freed = async || archive.try_lock(LockName::Recovery).await.is_ok_and(|lock| lock.is_some());
        eventually("PostgreSQL frees the lock", freed).await;
    };
    tokio::join!(clock, cursors, refusals, purchases, lists, locks);
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_hang_for_a_while_are_used_again() {
    let mut world = impatient().await;
    let redis = Proxy::before(&world.redis_url).await;
    let postgres = Proxy::before(&world.database_url).await;
    (world.redis_url, world.database_url) = (redis.url.clone(), postgres.url.clone());
    let shop = world.start().await;
    for (item, proxy) in [(1, &redis), (2, &postgres)] {
        proxy.strike(Fault::BlackHole);
        let item = until_not_acknowledged(&shop, item).await;
        eventually("it is not ready", || async { shop.client.get("/health/ready").await.status == 503 }).await;
        proxy.heal();
        bought_after_all(&shop, &item).await;
    }
}

/// Refusals that a test looks at. If each waited for its own deadline, it would take minutes.
const REFUSALS: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_hangs_requests_are_refused_without_being_sent() {
    let mut world = impatient().await;
    let proxy = Proxy::before(&world.redis_url).await;
    world.redis_url.clone_from(&proxy.url);
    let shop = world.start().await;
    buy(&shop.client, "1").await;
    proxy.strike(Fault::BlackHole);
    // A purchase that was sent and not answered has an unknown outcome.
    let is_sent = || async {
        let problem = shop.client.buy_now("bob", "r", "2").await.expect_problem(503, "unavailable");
        problem.get("outcome").is_some()
    };
    eventually("purchases are not sent any more", || async { !is_sent().await }).await;
    // Each refusal is held back, so they are asked for at once.
    let sent = join_all((0..REFUSALS).map(|_| is_sent())).await;
    assert!(!sent.contains(&true), "a purchase waited for Redis");
    proxy.heal();
    bought_after_all(&shop, "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgresql_hangs_statements_are_refused_without_being_sent() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database_url).await;
    let archive = until_ok(async || PgArchive::connect(&proxy.url, 2).await).await;
    let reads = archive.for_requests();
    reads.sales(SaleFilter::Live).await.expect("it answers");
    proxy.strike(Fault::BlackHole);
    let is_refused = async || matches!(reads.sales(SaleFilter::Live).await, Err(StoreError::Busy(_)));
    eventually("statements are not sent any more", &is_refused).await;
    for _ in 0..REFUSALS {
        assert!(is_refused().await, "a read waited for PostgreSQL");
        assert!(matches!(archive.now().await, Err(StoreError::Busy(_))), "all pools know");
    }
    proxy.heal();
    until_ok(async || reads.sales(SaleFilter::Live).await).await;
    until_ok(async || archive.now().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_made_once_whatever_happens_to_its_connections() {
    let mut world = impatient().await;
    let redis = Proxy::before(&world.redis_url).await;
    let postgres = Proxy::before(&world.database_url).await;
    (world.redis_url, world.database_url) = (redis.url.clone(), postgres.url.clone());
    let shop = world.start().await;
    let faults = [Fault::LostAnswers, Fault::Cut, Fault::Delay(Duration::from_millis(20))];
    for (item, fault) in (1..).zip(faults) {
        redis.strike_open(fault);
        postgres.strike_open(fault);
        buy(&shop.client, &item.to_string()).await;
        redis.heal();
        postgres.heal();
        shop.assert_sound(item).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_redis_keeps_its_connections() {
    let mut world = World::new().await;
    let proxy = Proxy::before(&world.redis_url).await;
    world.redis_url.clone_from(&proxy.url);
    let shop = world.start().await;
    // Requests, control, follower, watermarks.
    eventually("all connections are open", || async { proxy.connections() == 4 }).await;
    let before: BTreeSet<u64> = clients(&world).await;
    proxy.strike(Fault::Delay(Duration::from_millis(50)));
    for item in 1..5 {
        buy(&shop.client, &item.to_string()).await;
    }
    assert_eq!((proxy.connections(), clients(&world).await), (4, before));
}

/// Returns the ids of the connections that Redis has, without that of the question.
async fn clients(world: &World) -> BTreeSet<u64> {
    let list: String = world.query_redis(&["CLIENT", "LIST"]).await;
    let others = list.lines().filter(|line| !line.contains("cmd=client|list"));
    others.filter_map(|line| line.strip_prefix("id=")?.split(' ').next()?.parse().ok()).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_to_redis_are_probed_by_the_kernel() {
    let mut world = World::new().await;
    // The sockets of this process with this port belong to the service.
    let proxy = Proxy::before(&world.redis.url()).await;
    world.redis_url.clone_from(&proxy.url);
    let _shop = world.start().await;
    let port = proxy.url.trim_end_matches('/').rsplit(':').next().expect("the URL has a port");
    let port = format!(":{:04X}", port.parse::<u16>().expect("a port is a number"));
    let unprobed = || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("Linux lists its sockets");
        let sockets = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Established connections to the proxy, as the client sees them. A timer of kind 2 is that of keepalive; while
        // bytes are on their way, another one runs.
        let ours = sockets.filter(|socket| socket[2].ends_with(&port) && socket[3] == "01");
        let ours: Vec<_> = ours.map(|socket| socket[5].starts_with("02:")).collect();
        assert!(!ours.is_empty(), "no connection");
        ours.iter().filter(|is_probed| !**is_probed).count()
    };
    eventually("every connection is probed", || async { unprobed() == 0 }).await;
}

/// Counts the sessions of the service.
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'flashsale'";

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_postgresql_that_was_read_only_are_replaced() {
    let world = impatient().await;
    let shop = world.start().await;
    buy(&shop.client, "1").await;
    let database = world.database_url.rsplit('/').next().expect("the URL names a database").to_owned();
    let alter = |change: &str| sqlx::AssertSqlSafe(format!("ALTER DATABASE {database} {change}"));
    // A session that is opened later could not take it back.
    let mut session = world.database.acquire().await.expect("PostgreSQL answers");
    session.execute(alter("SET default_transaction_read_only = on")).await.expect("it is altered");
    assert!(world.count(SESSIONS).await > 0);
    let end_sessions = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'flashsale'";
    world.count(end_sessions).await;
    let item = until_not_acknowledged(&shop, 2).await;
    eventually("it is not ready", || async { shop.client.get("/health/ready").await.status == 503 }).await;
    eventually("no session stays", || async { world.count(SESSIONS).await == 0 }).await;
    session.execute(alter("RESET default_transaction_read_only")).await.expect("it is altered");
    bought_after_all(&shop, &item).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_become_read_only_are_closed() {
    let postgres = Postgres::start();
    migrate(&postgres.server.url()).await;
    let world = World::over(postgres.server.url()).await.with(impatiently);
    let shop = world.start().await;
    buy(&shop.client, "1").await;
    let sessions = || async {
        let pids = "SELECT pid FROM pg_stat_activity WHERE application_name = 'flashsale' AND state = 'idle'";
        let pids: Vec<i32> = sqlx::query_scalar(pids).fetch_all(&world.database).await.expect("PostgreSQL answers");
        BTreeSet::from_iter(pids)
    };
    let before = sessions().await;
    let set = |value: &str| {
        let alter = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        let database = &world.database;
        async move {
            database.execute(sqlx::AssertSqlSafe(alter)).await.expect("it is altered");
            database.execute("SELECT pg_reload_conf()").await.expect("it is loaded");
        }
    };
    set("on").await;
    let item = until_not_acknowledged(&shop, 2).await;
    // One session may still hold the lock of the ledger writer, and one may serve the audits: neither need write.
    eventually("the sessions are closed", || async { sessions().await.intersection(&before).count() <= 2 }).await;
    set("off").await;
    bought_after_all(&shop, &item).await;
}
