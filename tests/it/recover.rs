//! Recovery of Redis from PostgreSQL, and of PostgreSQL from Redis.

use std::time::Duration;

use crate::harness::client::retrying;
use crate::harness::eventually;
use crate::harness::service::{Instance, World};

/// Sells nine units. Returns the code of a purchase and the code of a cart.
async fn sell(shop: &Instance) -> (String, String) {
    let bought = shop.client.cart("ann", &["1", "2", "3"]).await;
    shop.client.purchase(&bought).await.expect(200);
    for item in 4..=9 {
        shop.client.buy_now("bob", &format!("r{item}"), &item.to_string()).await.expect(200);
    }
    (bought, shop.client.cart("cat", &["10", "11"]).await)
}

/// Fails unless sold items stay sold, receipts have the same bytes, user limits still hold, and the service sells.
async fn assert_recovered(shop: &Instance, code: &str, receipt: &[u8]) {
    let answer = retrying(|| shop.client.buy_now("dan", "after", "20")).await;
    assert!([200, 409].contains(&answer.status.as_u16()), "{answer:?}");
    assert_eq!(shop.client.purchase(code).await.expect(200).body, receipt);
    for item in 1..=9 {
        let answer = shop.client.buy_now("eve", &format!("r{item}"), &item.to_string()).await;
        answer.expect_problem(410, "sold_out");
    }
    shop.client.buy_now("bob", "r4", "4").await.expect_problem(409, "duplicate_request");
    for item in 21..=24 {
        shop.client.buy_now("bob", &format!("r{item}"), &item.to_string()).await.expect(200);
    }
    shop.client.buy_now("bob", "r25", "25").await.expect_problem(409, "user_limit_reached");
    shop.assert_sound(14).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_is_restored_before_the_next_purchase() {
    let world = World::new().await;
    let (shop, other) = (world.start().await, world.start().await);
    let (bought, _) = sell(&shop).await;
    let (receipt, epoch) = (shop.client.purchase(&bought).await.expect(200).body, shop.epoch());
    world.run_in_redis(&["FLUSHALL"]).await;
    assert_recovered(&other, &bought, &receipt).await;
    eventually("both instances are in the new epoch", || async {
        shop.epoch() > epoch && shop.epoch() == other.epoch()
    })
    .await;
    assert_eq!(shop.client.purchase(&bought).await.expect(200).body, receipt);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_scripts_cause_a_recovery() {
    let world = World::new().await;
    let shop = world.start().await;
    let (bought, cart) = sell(&shop).await;
    let (receipt, epoch) = (shop.client.purchase(&bought).await.expect(200).body, shop.epoch());
    world.run_in_redis(&["SCRIPT", "FLUSH"]).await;
    assert_recovered(&shop, &bought, &receipt).await;
    assert!(shop.epoch() > epoch);
    shop.client.purchase(&cart).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_the_service_joins_without_a_recovery() {
    let world = World::new().await;
    let shop = world.start().await;
    let (bought, _) = sell(&shop).await;
    let (receipt, epoch) = (shop.client.purchase(&bought).await.expect(200).body, shop.epoch());
    shop.stop().await;
    // A version with other scripts leaves only the witness, which all versions share.
    let witness = format!("return 'flashsale epoch {}'", epoch.expect("the fence was open"));
    world.run_in_redis(&["SCRIPT", "FLUSH"]).await;
    world.run_in_redis(&["SCRIPT", "LOAD", &witness]).await;
    let joined = world.start().await;
    assert_eq!(joined.epoch(), epoch);
    assert_recovered(&joined, &bought, &receipt).await;
    assert_eq!(joined.epoch(), epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_with_old_data_gets_its_purchases_from_redis() {
    let world = World::new().await;
    let shop = world.start().await;
    let (bought, _) = sell(&shop).await;
    let receipt = shop.client.purchase(&bought).await.expect(200).body;
    shop.stop().await;
    for statement in ["DELETE FROM purchase_units", "DELETE FROM purchases", "UPDATE ledger_cursors SET last_id = 0"] {
        sqlx::query(statement).execute(&world.database).await.expect("the rows are deleted");
    }
    let shop = world.start().await;
    assert_recovered(&shop, &bought, &receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_header_or_ledger_is_restored_without_a_purchase() {
    let world = World::new().await;
    let shop = world.start().await;
    sell(&shop).await;
    for part in ["header", "ledger"] {
        let epoch = shop.epoch();
        world.run_in_redis(&["DEL", &shop.key(part)]).await;
        eventually("the sale is restored", || async { shop.epoch().is_some() && shop.epoch() > epoch }).await;
        shop.assert_sound(9).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_with_old_data_sells_nothing_twice() {
    let mut world = World::new().await;
    let shop = world.start().await;
    // The append-only file is written before each answer.
    world.run_in_redis(&["CONFIG", "SET", "appendfsync", "always"]).await;
    let old_cart = shop.client.cart("ann", &["1", "2", "3"]).await;
    let (appendonly, copy) = (world.redis.data_dir().join("appendonlydir"), world.redis.data_dir().join("old"));
    copy_dir(&appendonly, &copy);
    let receipt = shop.client.purchase(&old_cart).await.expect(200).body;
    for item in 4..=9 {
        shop.client.buy_now("bob", &format!("r{item}"), &item.to_string()).await.expect(200);
    }
    world.redis.server.kill();
    shop.client.purchase(&old_cart).await.expect_problem(503, "unavailable");
    std::fs::remove_dir_all(&appendonly).expect("the directory is removed");
    std::fs::rename(&copy, &appendonly).expect("the copy is moved");
    world.redis.server.restart().expect("Redis starts");
    assert_recovered(&shop, &old_cart, &receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_is_not_archived_survives_a_crash_of_the_service() {
    let world = World::new().await.with(|world| world.settings.ack_timeout = Duration::from_millis(100));
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1", "2"]).await;
    let held = world.hold_commits().await;
    shop.client.purchase(&code).await.expect(202);
    shop.kill().await;
    world.run_in_redis(&["SCRIPT", "FLUSH"]).await;
    held.rollback().await.expect("PostgreSQL answers");
    let shop = world.start().await;
    eventually("the cart is bought", || async { shop.client.purchase(&code).await.status == 200 }).await;
    let receipt = shop.client.purchase(&code).await.expect(200);
    assert_eq!(receipt.header("idempotent-replayed"), Some("true"));
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_redis_lost_is_not_acknowledged() {
    let world = World::new().await;
    let (shop, other) = (world.start().await, world.start().await);
    sell(&shop).await;
    let lost = shop.client.cart("eve", &["30"]).await;
    let mut held = world.hold_commits().await;
    let (client, code) = (shop.client.clone(), lost.clone());
    let waiting = tokio::spawn(async move { client.purchase(&code).await });
    eventually("the purchase is decided", || async {
        shop.client.get(&format!("/purchase/{lost}")).await.status == 202
    })
    .await;
    // The batch with the purchase is lost, and the cursor moves past it.
    world.run_in_redis(&["FLUSHALL"]).await;
    sqlx::query("UPDATE ledger_cursors SET epoch = epoch + 1").execute(&mut *held).await.expect("the epoch is raised");
    held.commit().await.expect("PostgreSQL answers");
    retrying(|| other.client.buy_now("dan", "after", "31")).await;
    let answer = waiting.await.expect("the client does not panic");
    let in_archive = world.count("SELECT count(*) FROM purchases WHERE user_id = 'eve'").await == 1;
    assert_eq!(answer.status == 200, in_archive, "{answer:?}");
    shop.assert_sound(10 + u64::from(in_archive)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_whose_last_entry_was_released_is_restored_once() {
    let world = World::new().await;
    let shop = world.start().await;
    sell(&shop).await;
    let code = format!("{}-{:032x}", shop.sale(), 9);
    let bad = format!("{code} bob - 777:1:1 -");
    world.append_to_ledger(&shop.sale(), "sold", &bad).await;
    let released = "SELECT count(*) FROM rejected_entries WHERE released_at IS NOT NULL";
    eventually("the entry is rejected and released", || async { world.count(released).await == 1 }).await;
    let epoch = shop.epoch();
    world.run_in_redis(&["SCRIPT", "FLUSH"]).await;
    eventually("the sale is restored", || async { shop.epoch().is_some() && shop.epoch() > epoch }).await;
    let epoch = shop.epoch();
    for _ in 0..3 {
        shop.shop.check_redis().await.expect("Redis answers");
    }
    assert_eq!(shop.epoch(), epoch, "the sale was restored again");
    shop.assert_sound(9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_with_a_bad_entry_is_archived_before_a_sale_is_restored() {
    let world = World::new().await.with(|world| {
        world.settings.sale_items = 1_500;
        world.settings.ack_timeout = Duration::from_millis(50);
        world.settings.lag_limit = Duration::from_secs(600);
    });
    let shop = world.start().await;
    let held = world.hold_commits().await;
    for wave in 0..12 {
        let buying = (wave * 100 + 1..=wave * 100 + 100).map(|item: u32| {
            let client = shop.client.clone();
            async move { client.buy_now(&format!("u{item}"), "r", &item.to_string()).await.expect(202) }
        });
        futures::future::join_all(buying).await;
        if wave == 2 {
            let bad = format!("{}-{:032x} bob - 7777:1:1 -", shop.sale(), 9);
            world.append_to_ledger(&shop.sale(), "sold", &bad).await;
        }
    }
    shop.kill().await;
    world.run_in_redis(&["SCRIPT", "FLUSH"]).await;
    held.rollback().await.expect("PostgreSQL answers");
    let shop = world.start().await;
    shop.assert_sound(1_200).await;
    assert_eq!(world.count("SELECT count(*) FROM rejected_entries").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_is_opened_although_its_creator_crashed() {
    let world = World::new().await;
    let shop = world.start().await;
    let (sale, epoch) = (shop.sale(), shop.epoch());
    shop.stop().await;
    // The state after a crash: the sale exists only in PostgreSQL.
    for part in ["header", "units", "ledger"] {
        world.run_in_redis(&["DEL", &format!("{{{sale}}}:{part}")]).await;
    }
    sqlx::query("UPDATE ledger_cursors SET last_id = 0").execute(&world.database).await.expect("the cursor is reset");
    let shop = world.start().await;
    assert_eq!((shop.sale(), shop.epoch()), (sale, epoch));
    shop.client.buy_now("ann", "r", "100").await.expect(200);
    shop.assert_sound(1).await;
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a directory is created");
    for entry in std::fs::read_dir(from).expect("a directory can be read") {
        let entry = entry.expect("a directory can be read");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a file is copied");
    }
}
