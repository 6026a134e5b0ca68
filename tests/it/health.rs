//! Stores that are out of reach.

use std::time::{Duration, Instant};

use flashsale::infrastructure::postgres::PgArchive;
use futures::future::join_all;

use crate::harness::eventually;
use crate::harness::service::World;
use crate::harness::stores::Postgres;

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_nothing_is_sold_and_the_service_says_so() {
    let mut world = World::new().await;
    let shop = world.start().await;
    shop.client.get("/health/ready").await.expect(200);
    let code = shop.client.cart("ann", &["1"]).await;
    world.redis.server.kill();
    eventually("readiness notices", || async { shop.client.get("/health/ready").await.status == 503 }).await;
    assert_eq!(shop.client.get("/health").await.json()["services_status"]["redis"], "DOWN");
    shop.client.get("/health/live").await.expect(200);
    let started = Instant::now();
    for answer in [shop.client.purchase(&code).await, shop.client.checkout("bob", "2").await] {
        assert!(answer.header("retry-after").is_some());
        answer.expect_problem(503, "unavailable");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "refused, but slowly");
    world.redis.server.restart().expect("Redis starts");
    eventually("selling goes on", || async { shop.client.purchase(&code).await.status == 200 }).await;
    eventually("readiness notices", || async { shop.client.get("/health/ready").await.status == 200 }).await;
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_what_is_sold_is_never_denied() {
    let mut postgres = Postgres::start();
    PgArchive::connect(&postgres.server.url(), 2).await.expect("it answers").migrate_up().await.expect("it migrates");
    let world = World::over(postgres.server.url()).await.with(|world| {
        world.settings.ack_timeout = Duration::from_millis(300);
        world.settings.lag_limit = Duration::from_millis(600);
    });
    let shop = world.start().await;
    let codes = join_all((1..=6).map(|item: u32| {
        let client = shop.client.clone();
        async move { client.cart(&format!("u{item}"), &[&item.to_string()]).await }
    }))
    .await;
    let receipt = shop.client.purchase(&codes[0]).await.expect(200).body;
    postgres.server.kill();
    shop.client.purchase(&codes[1]).await.expect(202);
    tokio::time::sleep(world.settings.lag_limit).await;
    shop.client.purchase(&codes[2]).await.expect_problem(503, "unavailable");
    eventually("readiness notices", || async { shop.client.get("/health/ready").await.status == 503 }).await;
    shop.client.get("/health/live").await.expect(200);
    // What is known to be durable stays so, and what is decided is not denied.
    assert_eq!(shop.client.purchase(&codes[0]).await.expect(200).body, receipt);
    shop.client.purchase(&codes[1]).await.expect(202);
    shop.client.get("/sales/active").await.expect(200);

    postgres.server.restart().expect("PostgreSQL starts");
    for code in &codes {
        eventually("it is bought", || async { shop.client.purchase(code).await.status == 200 }).await;
    }
    shop.assert_sound(6).await;
    assert_eq!(shop.epoch().map(|epoch| epoch.0), Some(1), "Redis had forgotten nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_take_every_connection_hold_up_no_purchase() {
    let world = World::new().await;
    let shop = world.start().await;
    let mut held = world.database.begin().await.expect("PostgreSQL answers");
    sqlx::query("LOCK TABLE sales IN ACCESS EXCLUSIVE MODE").execute(&mut *held).await.expect("it can be locked");
    let lists = join_all((0..40).map(|_| shop.client.get("/sales")));
    let purchase = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        // What needs no list of sales: the join of a batch reads the sale, so it waits, but is not lost.
        shop.client.buy_now("ann", "r", "1").await
    };
    let release = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        held.rollback().await.expect("PostgreSQL answers");
    };
    let (lists, purchase, ()) = tokio::join!(lists, purchase, release);
    for answer in lists {
        assert!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
    }
    purchase.expect(200);
    shop.assert_sound(1).await;
}
