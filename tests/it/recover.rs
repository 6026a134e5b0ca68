//! Redis forgets, PostgreSQL does not.

use std::time::Duration;

use crate::harness::eventually;
use crate::harness::service::{Instance, World};

/// Sells something, so that there is something to forget. Returns codes: bought, and still a cart.
async fn sell(shop: &Instance) -> (String, String) {
    let bought = shop.client.cart("ann", &["1", "2", "3"]).await;
    shop.client.purchase(&bought).await.expect(200);
    for item in 4..=9 {
        shop.client.buy_now("bob", &format!("r{item}"), &item.to_string()).await.expect(200);
    }
    (bought, shop.client.cart("cat", &["10", "11"]).await)
}

async fn command(world: &World, words: &[&str]) {
    let mut connection = world.redis_connection().await;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let _: redis::Value = command.query_async(&mut connection).await.expect("Redis obeys");
}

/// What was sold stays sold, receipts are the same bytes, limits count on, and selling goes on.
async fn nothing_was_forgotten(shop: &Instance, code: &str, receipt: &[u8]) {
    eventually("selling goes on", || async {
        let answer = shop.client.buy_now("dan", "after", "20").await;
        assert!([200, 409, 503].contains(&answer.status.as_u16()), "{answer:?}");
        answer.status != 503
    })
    .await;
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
async fn an_emptied_redis_is_rebuilt_before_anyone_buys() {
    let world = World::new().await;
    let (shop, other) = (world.start().await, world.start().await);
    let (bought, _) = sell(&shop).await;
    let (receipt, epoch) = (shop.client.purchase(&bought).await.expect(200).body, shop.epoch());
    command(&world, &["FLUSHALL"]).await;
    nothing_was_forgotten(&other, &bought, &receipt).await;
    eventually("both instances go on", || async { shop.epoch() > epoch && shop.epoch() == other.epoch() }).await;
    assert_eq!(shop.client.purchase(&bought).await.expect(200).body, receipt);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_scripts_are_never_reloaded_silently() {
    let world = World::new().await;
    let shop = world.start().await;
    let (bought, cart) = sell(&shop).await;
    let (receipt, epoch) = (shop.client.purchase(&bought).await.expect(200).body, shop.epoch());
    command(&world, &["SCRIPT", "FLUSH"]).await;
    nothing_was_forgotten(&shop, &bought, &receipt).await;
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
    // What a version with other scripts leaves behind: only the witness is the same in all of them.
    let witness = format!("return 'flashsale epoch {}'", epoch.expect("it was open"));
    command(&world, &["SCRIPT", "FLUSH"]).await;
    command(&world, &["SCRIPT", "LOAD", &witness]).await;
    let joined = world.start().await;
    assert_eq!(joined.epoch(), epoch);
    nothing_was_forgotten(&joined, &bought, &receipt).await;
    assert_eq!(joined.epoch(), epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_of_an_earlier_hour_gets_its_purchases_back() {
    let world = World::new().await;
    let shop = world.start().await;
    let (bought, _) = sell(&shop).await;
    let receipt = shop.client.purchase(&bought).await.expect(200).body;
    shop.stop().await;
    for statement in ["DELETE FROM purchase_units", "DELETE FROM purchases", "UPDATE ledger_cursors SET last_id = 0"] {
        sqlx::query(statement).execute(&world.database).await.expect("it is put back");
    }
    let shop = world.start().await;
    nothing_was_forgotten(&shop, &bought, &receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_header_or_ledger_is_noticed_even_if_nobody_buys() {
    let world = World::new().await;
    let shop = world.start().await;
    sell(&shop).await;
    for part in ["header", "ledger"] {
        let epoch = shop.epoch();
        command(&world, &["DEL", &format!("{{{}}}:{part}", shop.sale())]).await;
        eventually("it is restored", || async { shop.epoch().is_some() && shop.epoch() > epoch }).await;
        shop.assert_sound(9).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_with_old_data_sells_nothing_twice() {
    let mut world = World::new().await;
    let shop = world.start().await;
    let old_cart = shop.client.cart("ann", &["1", "2", "3"]).await;
    // The append-only file is written every second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let (appendonly, copy) = (world.redis.data_dir().join("appendonlydir"), world.redis.data_dir().join("old"));
    copy_dir(&appendonly, &copy);
    let receipt = shop.client.purchase(&old_cart).await.expect(200).body;
    for item in 4..=9 {
        shop.client.buy_now("bob", &format!("r{item}"), &item.to_string()).await.expect(200);
    }
    world.redis.server.kill();
    shop.client.purchase(&old_cart).await.expect_problem(503, "unavailable");
    std::fs::remove_dir_all(&appendonly).expect("it can be removed");
    std::fs::rename(&copy, &appendonly).expect("it can be put back");
    world.redis.server.restart().expect("Redis starts");
    nothing_was_forgotten(&shop, &old_cart, &receipt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_and_not_archived_survives_the_service() {
    let world = World::new().await.with(|world| world.settings.ack_timeout = Duration::from_millis(100));
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1", "2"]).await;
    let mut held = world.database.begin().await.expect("PostgreSQL answers");
    sqlx::query("LOCK TABLE purchases IN EXCLUSIVE MODE").execute(&mut *held).await.expect("it can be locked");
    shop.client.purchase(&code).await.expect(202);
    shop.kill().await;
    command(&world, &["SCRIPT", "FLUSH"]).await;
    held.rollback().await.expect("PostgreSQL answers");
    let shop = world.start().await;
    let receipt = shop.client.purchase(&code).await.expect(200);
    assert_eq!(receipt.header("idempotent-replayed"), Some("true"));
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decided_purchase_that_redis_lost_is_not_acknowledged_by_a_later_one() {
    let world = World::new().await;
    let (shop, other) = (world.start().await, world.start().await);
    sell(&shop).await;
    let lost = shop.client.cart("eve", &["30"]).await;
    let mut held = world.database.begin().await.expect("PostgreSQL answers");
    sqlx::query("LOCK TABLE purchases IN EXCLUSIVE MODE").execute(&mut *held).await.expect("it can be locked");
    let (client, code) = (shop.client.clone(), lost.clone());
    let waiting = tokio::spawn(async move { client.purchase(&code).await });
    eventually("it is decided", || async { shop.client.get(&format!("/purchase/{lost}")).await.status == 202 }).await;
    // The batch that has it under way is lost with the rest: the cursor moves on without it.
    command(&world, &["FLUSHALL"]).await;
    sqlx::query("UPDATE epoch SET number = number + 1").execute(&mut *held).await.expect("raised");
    held.commit().await.expect("PostgreSQL answers");
    eventually("selling goes on", || async { other.client.buy_now("dan", "after", "31").await.status != 503 }).await;
    let answer = waiting.await.expect("the client lives");
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
    command(&world, &["XADD", &format!("{{{}}}:ledger", shop.sale()), "*", "sold", &bad]).await;
    eventually("it is filed away", || async { world.count("SELECT count(*) FROM dead_letters").await == 1 }).await;
    let epoch = shop.epoch();
    command(&world, &["SCRIPT", "FLUSH"]).await;
    eventually("it is restored", || async { shop.epoch().is_some() && shop.epoch() > epoch }).await;
    let epoch = shop.epoch();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(shop.epoch(), epoch, "restored again and again");
    shop.assert_sound(9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_batch_and_a_bad_entry_are_drained_before_a_sale_is_restored() {
    let world = World::new().await.with(|world| {
        world.settings.sale_items = 1_500;
        world.settings.ack_timeout = Duration::from_millis(50);
        world.settings.lag_limit = Duration::from_secs(60);
    });
    let shop = world.start().await;
    let mut held = world.database.begin().await.expect("PostgreSQL answers");
    sqlx::query("LOCK TABLE purchases IN EXCLUSIVE MODE").execute(&mut *held).await.expect("it can be locked");
    for wave in 0..12 {
        let buying = (wave * 100 + 1..=wave * 100 + 100).map(|item: u32| {
            let client = shop.client.clone();
            async move { client.buy_now(&format!("u{item}"), "r", &item.to_string()).await.expect(202) }
        });
        futures::future::join_all(buying).await;
        if wave == 2 {
            let bad = format!("{}-{:032x} bob - 7777:1:1 -", shop.sale(), 9);
            command(&world, &["XADD", &format!("{{{}}}:ledger", shop.sale()), "*", "sold", &bad]).await;
        }
    }
    shop.kill().await;
    command(&world, &["SCRIPT", "FLUSH"]).await;
    held.rollback().await.expect("PostgreSQL answers");
    let shop = world.start().await;
    shop.assert_sound(1_200).await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_whose_creator_crashed_before_it_was_opened_is_opened() {
    let world = World::new().await;
    let shop = world.start().await;
    let (sale, epoch) = (shop.sale(), shop.epoch());
    shop.stop().await;
    // As if nothing but the row in PostgreSQL had been made.
    let mut connection = world.redis_connection().await;
    for part in ["header", "units", "ledger"] {
        let _: i64 =
            redis::cmd("DEL").arg(format!("{{{sale}}}:{part}")).query_async(&mut connection).await.expect("gone");
    }
    sqlx::query("UPDATE ledger_cursors SET last_id = 0").execute(&world.database).await.expect("reset");
    let shop = world.start().await;
    assert_eq!((shop.sale(), shop.epoch()), (sale, epoch));
    shop.client.buy_now("ann", "r", "100").await.expect(200);
    shop.assert_sound(1).await;
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a directory is made");
    for entry in std::fs::read_dir(from).expect("it can be read") {
        let entry = entry.expect("it can be read");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("it can be copied");
    }
}
