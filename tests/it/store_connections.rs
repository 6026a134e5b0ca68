//! Connections to the stores that hang, that became read-only, or that reads have all taken.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flashsale::application::sale::ports::{
    AttemptArchive, Coordination, Decider, LedgerArchive, LockName, PurchaseArchive, PurchasePage, SaleArchive,
    SaleFilter,
};
use flashsale::application::shared::StoreError;
use flashsale::domain::shared::{CheckoutCode, Epoch, LedgerId, UserId};
use flashsale::infrastructure::postgres::PgArchive;
use flashsale::infrastructure::redis::RedisStore;
use futures::future::join_all;
use sqlx::Executor;
use tokio_util::task::AbortOnDropHandle;

use crate::harness::client::{Client, retrying};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::service::{Instance, World, ending_period};
use crate::harness::stores::{Postgres, Redis, migrate};
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

/// Refusals in a row that a test looks at. If each waited for its own deadline, it would take minutes.
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
    for _ in 0..REFUSALS {
        assert!(!is_sent().await, "a purchase waited for Redis");
    }
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
    // One session may still hold the lock of the ledger writer, for which it need not write.
    eventually("the sessions are closed", || async { sessions().await.intersection(&before).count() <= 1 }).await;
    set("off").await;
    bought_after_all(&shop, &item).await;
}

/// Makes every read of purchases take longer than a request waits for a connection, and nothing else.
const SLOW_READS: &str = "
    ALTER VIEW recorded_purchases RENAME TO quick_purchases;
    CREATE VIEW recorded_purchases AS SELECT * FROM quick_purchases WHERE (SELECT pg_sleep(3)::text) IS NOT NULL;
    GRANT SELECT ON recorded_purchases TO flashsale_serve;";

/// Counts slow reads.
const SLEEPING: &str = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event = 'PgSleep'";

/// Reads a path again and again until the result is dropped.
fn keep_reading(client: &Client, path: &'static str) -> AbortOnDropHandle<()> {
    let client = client.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let answer = client.get(path).await;
            assert!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
            if answer.status == 503 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }))
}

/// Reads purchases from many clients at once, each of which takes seconds.
async fn flood(world: &World, shop: &Instance, clients: usize) -> Vec<AbortOnDropHandle<()>> {
    buy(&shop.client, "1").await;
    world.database.execute(SLOW_READS).await.expect("the view is replaced");
    let readers = (0..clients).map(|_| keep_reading(&shop.client, "/users/ann/purchases")).collect();
    eventually("all connections for requests are in use", || async { world.count(SLEEPING).await >= 8 }).await;
    readers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_reads_does_not_keep_the_next_sale_from_opening() {
    let world = World::new().await.with(|world| {
        world.settings.sale_every = ending_period();
        world.settings.sale_lead = Duration::from_millis(1);
    });
    let shop = world.start().await;
    let sale = shop.sale();
    let readers = flood(&world, &shop, 200).await;
    shop.next_sale(&sale).await;
    retrying(|| shop.client.buy_now("bob", "r", "1")).await.expect(200);
    assert!(readers.iter().all(|reader| !reader.is_finished()), "a read was answered with another status");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_reads_leaves_room_for_purchases() {
    let world = World::new().await.with(|world| world.http.in_flight = 200);
    let shop = world.start().await;
    let readers = flood(&world, &shop, 400).await;
    for item in 2..42 {
        let item = item.to_string();
        shop.client.buy_now(&format!("u{item}"), &item, &item).await.expect(200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(readers.iter().all(|reader| !reader.is_finished()), "a read was answered with another status");
}

/// On one thread, tasks run in the order in which they were started and answered.
#[tokio::test]
async fn a_purchase_waits_for_few_of_the_lookups_that_came_before_it() {
    const LOOKUPS: usize = 2_000;
    let redis = Redis::start();
    let store = RedisStore::connect(&redis.service_url()).await.expect("Redis answers");
    let (epoch, answered) = (Epoch(1), Arc::new(AtomicUsize::new(0)));
    let code = CheckoutCode::new("20261120T09".parse().expect("a sale id"), 1);
    let lookups: Vec<_> = (0..LOOKUPS)
        .map(|_| {
            let (store, answered) = (store.clone(), answered.clone());
            tokio::spawn(async move {
                let found = store.find(epoch, code).await;
                // Any answer of Redis counts: it does not know the scripts.
                answered.fetch_add(usize::from(matches!(found, Err(StoreError::Fenced))), Ordering::Relaxed);
            })
        })
        .collect();
    let purchase = tokio::spawn(async move { store.purchase(epoch, code, false).await.is_err() });
    assert!(purchase.await.expect("the task does not panic"));
    let before = answered.load(Ordering::Relaxed);
    assert!(before < LOOKUPS / 4, "{before} lookups were answered before the purchase");
    futures::future::join_all(lookups).await;
    assert!(answered.load(Ordering::Relaxed) > before, "the lookups were answered later");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_are_abandoned_use_no_more_connections() {
    let world = World::new().await;
    let shop = world.start().await;
    buy(&shop.client, "1").await;
    world.database.execute(SLOW_READS).await.expect("the view is replaced");
    let archive = until_ok(async || PgArchive::connect(&world.database_url, 2).await).await;
    let reads = Arc::new(archive.for_requests());
    let ann: UserId = "ann".parse().expect("a user id");
    let page = PurchasePage { sale: None, after: None, limit: 1 };
    for _ in 0..3 {
        let abandoned: Vec<_> = (0..4)
            .map(|_| {
                let (reads, ann) = (reads.clone(), ann.clone());
                AbortOnDropHandle::new(tokio::spawn(async move { reads.receipts_of(&ann, page).await }))
            })
            .collect();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(world.count(SLEEPING).await <= 2, "an abandoned statement has lost its place");
        }
        drop(abandoned);
    }
    assert!(world.count(SLEEPING).await > 0, "no statement was slow");
}
