//! Stores that cannot be reached.

use std::time::Duration;

use futures::future::join_all;

use crate::harness::client::retrying;
use crate::harness::eventually;
use crate::harness::service::World;
use crate::harness::stores::{Postgres, migrate};

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_purchases_are_refused_and_readiness_fails() {
    let mut world = World::new().await;
    let shop = world.start().await;
    eventually("the service is ready", || async { shop.client.get("/health/ready").await.status == 200 }).await;
    let code = shop.client.cart("ann", &["1"]).await;
    world.redis.server.kill();
    eventually("readiness fails", || async { shop.client.get("/health/ready").await.status == 503 }).await;
    assert_eq!(shop.client.get("/health").await.json()["services_status"]["redis"], "DOWN");
    shop.client.get("/health/live").await.expect(200);
    for answer in [shop.client.purchase(&code).await, shop.client.checkout("bob", "2").await] {
        assert!(answer.header("retry-after").is_some());
        answer.expect_problem(503, "unavailable");
    }
    world.redis.server.restart().expect("Redis starts");
    eventually("the service sells again", || async { shop.client.purchase(&code).await.status == 200 }).await;
    eventually("the service is ready", || async { shop.client.get("/health/ready").await.status == 200 }).await;
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_no_purchase_is_lost_or_denied() {
    let mut postgres = Postgres::start();
    migrate(&postgres.server.url()).await;
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
    eventually("the first cart is bought", || async { shop.client.purchase(&codes[0]).await.status == 200 }).await;
    let receipt = shop.client.purchase(&codes[0]).await.expect(200).body;
    shop.archived().await;
    postgres.server.kill();
    shop.client.purchase(&codes[1]).await.expect(202);
    let sale = shop.shop.current_sale().expect("a sale is open");
    let lags = || async { sale.confirmations.lag() > world.settings.lag_limit };
    eventually("PostgreSQL lags", lags).await;
    shop.client.purchase(&codes[2]).await.expect_problem(503, "unavailable");
    eventually("readiness fails", || async { shop.client.get("/health/ready").await.status == 503 }).await;
    shop.client.get("/health/live").await.expect(200);
    // A durable purchase stays durable, and a decided one is not denied.
    assert_eq!(shop.client.purchase(&codes[0]).await.expect(200).body, receipt);
    shop.client.purchase(&codes[1]).await.expect(202);
    shop.client.get("/sales/active").await.expect(200);

    postgres.server.restart().expect("PostgreSQL starts");
    for code in &codes {
        eventually("every cart is bought", || async { shop.client.purchase(code).await.status == 200 }).await;
    }
    shop.assert_sound(6).await;
    assert_eq!(shop.epoch().map(|epoch| epoch.0), Some(1), "Redis was restored although it had lost nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_use_all_connections_do_not_stop_purchases() {
    let world = World::new().await;
    let shop = world.start().await;
    let held = world.lock("LOCK TABLE sales IN ACCESS EXCLUSIVE MODE").await;
    let client = shop.client.clone();
    let lists = tokio::spawn(async move {
        loop {
            for answer in join_all((0..40).map(|_| client.get("/users/ann/purchases"))).await {
                assert!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
            }
        }
    });
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sales'::regclass
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("all connections wait for the lock", || async { world.count(waiting).await >= 8 }).await;
    let client = shop.client.clone();
    let purchase = tokio::spawn(async move { client.buy_now("ann", "r", "1").await });
    let sale = shop.shop.current_sale().expect("a sale is open");
    eventually("the purchase is decided", || async { sale.projection().units() == 99 }).await;
    held.rollback().await.expect("PostgreSQL answers");
    purchase.await.expect("the client does not panic").expect(200);
    assert!(!lists.is_finished(), "a list was answered with another status");
    lists.abort();
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_the_current_sale_get_503_until_it_is_live() {
    let world = World::new().await;
    let held = world.lock("LOCK TABLE sales IN SHARE MODE").await;
    let shop = world.launch().await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sales'::regclass";
    eventually("the schedule cannot create a sale", || async { world.count(waiting).await > 0 }).await;
    let cart = serde_json::json!({ "user_id": "ann", "items": [{ "id": "1" }, { "id": "2" }] });
    let health = async || shop.client.get("/health/ready").await;
    let services = serde_json::json!({ "app": "UP", "database": "UP", "redis": "UP", "ledger_writer": "DOWN" });
    eventually("only the sale is missing", async || health().await.json()["services_status"] == services).await;
    health().await.expect(503);
    for _ in 0..3 {
        let answers = [
            shop.client.get("/sales/active").await,
            shop.client.get("/items/1").await,
            shop.client.get("/items/item_7").await,
            shop.client.checkout("ann", "1").await,
            shop.client.post_json("/checkout", cart.clone()).await,
            shop.client.buy_now("ann", "r", "1").await,
        ];
        for answer in answers {
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            answer.expect_problem(503, "unavailable");
        }
    }
    held.rollback().await.expect("PostgreSQL answers");
    for path in ["/sales/active", "/items/1"] {
        retrying(|| shop.client.get(path)).await.expect(200);
    }
    retrying(|| shop.client.buy_now("ann", "r", "1")).await.expect(200);
    eventually("the service is ready", async || health().await.status == 200).await;
    shop.assert_sound(1).await;
}
