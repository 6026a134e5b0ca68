//! Floods of reads, which neither purchases nor the work that keeps sales going wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flashsale::application::sale::ports::{Decider, PurchaseArchive, PurchasePage};
use flashsale::application::shared::StoreError;
use flashsale::domain::shared::{CheckoutCode, Epoch, UserId};
use flashsale::infrastructure::postgres::PgArchive;
use flashsale::infrastructure::redis::RedisStore;
use sqlx::Executor;
use tokio_util::task::AbortOnDropHandle;

use crate::harness::client::{keep_reading, retrying};
use crate::harness::service::{Instance, World, ending_period};
use crate::harness::stores::Redis;
use crate::harness::{eventually, until_ok};

/// Makes every read of purchases take longer than a request waits for a connection, and nothing else.
const SLOW_READS: &str = "
    ALTER VIEW recorded_purchases RENAME TO quick_purchases;
    CREATE VIEW recorded_purchases AS SELECT * FROM quick_purchases WHERE (SELECT pg_sleep(3)::text) IS NOT NULL;
    GRANT SELECT ON recorded_purchases TO flashsale_serve;";

/// Counts slow reads.
const SLEEPING: &str = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event = 'PgSleep'";

/// Reads purchases from many clients at once, each of which takes seconds.
async fn flood(world: &World, shop: &Instance, clients: usize) -> Vec<AbortOnDropHandle<()>> {
    shop.client.buy_now("ann", "r", "1").await.expect(200);
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
    let purchase = tokio::spawn(async move { store.purchase(epoch, &code.into(), false).await.is_err() });
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
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    world.database.execute(SLOW_READS).await.expect("the view is replaced");
    let archive = until_ok(async || PgArchive::connect(&world.database_url, 2).await).await;
    let reads = Arc::new(archive.for_requests());
    let ann: UserId = "ann".parse().expect("a user id");
    let page = PurchasePage { sale: None, only_orders: false, after: None, limit: 1 };
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
