//! Failover of PostgreSQL: a standby that lacks the last commits becomes the primary.

use crate::harness::client::retrying;
use crate::harness::eventually;
use crate::harness::service::{Instance, World};

async fn run(world: &World, statements: &[&str]) {
    let mut changes = world.database.begin().await.expect("PostgreSQL answers");
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(*statement)).execute(&mut *changes).await.expect("the rows change");
    }
    changes.commit().await.expect("PostgreSQL answers");
}

/// Checks that an acknowledged purchase is back although nobody asked for it, and that nothing is sold twice.
async fn assert_nothing_is_lost(world: &World, shop: &Instance, codes: &[serde_json::Value]) {
    eventually("the commits are replayed from the ledger", || async {
        world.count("SELECT count(*) FROM purchases").await == 2
    })
    .await;
    for ((user, item), code) in [("ann", "1"), ("bob", "2")].into_iter().zip(codes) {
        let again = retrying(|| shop.client.buy_now(user, "r", item)).await.expect_problem(409, "duplicate_request");
        assert_eq!(again["original"]["code"], *code);
        retrying(|| shop.client.buy_now("eve", "r", item)).await.expect_problem(410, "sold_out");
    }
    retrying(|| shop.client.buy_now("cat", "r", "3")).await.expect(200);
    shop.assert_sound(3).await;
}

/// Sells two items and returns the codes of the purchases.
async fn sell(shop: &Instance) -> Vec<serde_json::Value> {
    let mut codes = Vec::new();
    for (user, item) in [("ann", "1"), ("bob", "2")] {
        codes.push(shop.client.buy_now(user, "r", item).await.expect(200).json()["code"].clone());
    }
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_a_new_primary_lacks_are_replayed_from_the_ledger() {
    let world = World::new().await;
    let shop = world.start().await;
    let codes = sell(&shop).await;
    run(
        &world,
        &[
            "DELETE FROM purchase_units WHERE user_id = 'bob'",
            "DELETE FROM purchases WHERE user_id = 'bob'",
            "UPDATE ledger_cursors SET last_id = (SELECT max(ledger_id) FROM purchases)",
        ],
    )
    .await;
    assert_nothing_is_lost(&world, &shop, &codes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_primary_that_lacks_an_epoch_gets_a_newer_one() {
    let world = World::new().await;
    let shop = world.start().await;
    let codes = sell(&shop).await;
    let epoch = shop.epoch();
    run(
        &world,
        &[
            "DELETE FROM purchase_units",
            "DELETE FROM purchases",
            "UPDATE ledger_cursors SET last_id = 0, epoch = 0",
            "UPDATE epoch SET number = 0",
        ],
    )
    .await;
    assert_nothing_is_lost(&world, &shop, &codes).await;
    assert!(shop.epoch() > epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_sale_that_a_new_primary_lacks_is_written_again() {
    let world = World::new().await;
    let shop = world.start().await;
    let codes = sell(&shop).await;
    let sale = shop.sale();
    run(&world, &["TRUNCATE sales, items, purchases, purchase_units, ledger_cursors, attempt_cursors CASCADE"]).await;
    assert_nothing_is_lost(&world, &shop, &codes).await;
    assert_eq!(shop.sale(), sale);
}
