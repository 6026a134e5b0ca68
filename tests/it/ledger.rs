//! From the ledger to PostgreSQL: exactly once, and PostgreSQL has the last word.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use crate::harness::eventually;
use crate::harness::service::{Instance, World};

/// Tells Redis a lie about the sale that is on.
async fn lie(world: &World, shop: &Instance, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(format!("{{{}}}:{}", shop.sale(), words[1])).arg(&words[2..]);
    let _: redis::Value = command.query_async(&mut world.redis_connection().await).await.expect("Redis believes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_redis_sells_twice_is_refused_to_the_second_buyer() {
    let world = World::new().await;
    let (shop, other) = (world.start().await, world.start().await);
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    let cart = {
        lie(&world, &shop, &["HSET", "units", "1", "1"]).await;
        // The filters know better than Redis, so this cart is made behind their back.
        lie(&world, &shop, &["HSET", "carts", &format!("{}-{:032x}", shop.sale(), 7), "bob 2:1,1:1,3:1"]).await;
        format!("{}-{:032x}", shop.sale(), 7)
    };
    let (here, there) = tokio::join!(shop.client.purchase(&cart), other.client.purchase(&cart));
    for answer in [here, there] {
        // Whoever asks after the release finds no such cart any more.
        assert!([404, 409].contains(&answer.status.as_u16()), "{answer:?}");
    }
    eventually("its other units are free again", || async { shop.verify().await.is_sound() }).await;
    shop.assert_sound(1).await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE rejection = 'unit_sold'").await, 1);
    for item in ["2", "3"] {
        eventually("it can be bought", || async { shop.client.buy_now("bob", item, item).await.status == 200 }).await;
    }
    shop.client.buy_now("eve", "r", "1").await.expect_problem(410, "sold_out");
    shop.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_redis_forgets_is_kept_by_postgresql() {
    let world = World::new().await.with(|world| world.settings.user_limit = 2);
    let shop = world.start().await;
    for item in ["1", "2"] {
        shop.client.buy_now("ann", item, item).await.expect(200);
    }
    lie(&world, &shop, &["HDEL", "slots", "ann"]).await;
    shop.client.buy_now("ann", "3", "3").await.expect_problem(409, "user_limit_reached");
    eventually("its unit is free again", || async { shop.client.buy_now("bob", "r", "3").await.status == 200 }).await;
    assert_eq!(world.count("SELECT count(*) FROM purchase_units WHERE user_id = 'ann'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_entry_affects_only_itself() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = format!("{}-{:032x}", shop.sale(), 9);
    let purchases = (1..=20).map(|item: u32| {
        let client = shop.client.clone();
        async move { client.buy_now(&format!("u{item}"), "r", &item.to_string()).await }
    });
    let bad = async {
        lie(&world, &shop, &["XADD", "ledger", "*", "nonsense", ""]).await;
        // An item that the sale does not have.
        lie(&world, &shop, &["XADD", "ledger", "*", "sold", &format!("{code} bob - 777:1:1 -")]).await;
    };
    let (answers, ()) = tokio::join!(join_all(purchases), bad);
    answers.into_iter().for_each(|answer| _ = answer.expect(200));
    eventually("both are filed away", || async {
        world.count("SELECT count(*) FROM dead_letters WHERE rejection = 'invalid' AND released_at IS NOT NULL").await
            == 2
    })
    .await;
    shop.client.buy_now("ann", "r", "50").await.expect(200);
    assert_eq!(world.count("SELECT count(*) FROM purchases").await, 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_read_again_from_its_beginning_changes_nothing() {
    let world = World::new().await;
    let shop = world.start().await;
    for item in 1..=5 {
        shop.client.buy_now(&format!("u{item}"), "r", &item.to_string()).await.expect(200);
    }
    sqlx::query("UPDATE ledger_cursors SET last_id = 0").execute(&world.database).await.expect("reset");
    shop.client.buy_now("ann", "r", "6").await.expect(200);
    shop.assert_sound(6).await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM purchases").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_does_not_write_hears_of_commits() {
    let world = World::new().await;
    let writer = world.start().await;
    let other = world.start().await;
    for item in 1..=5 {
        let started = std::time::Instant::now();
        other.client.buy_now(&format!("u{item}"), "r", &item.to_string()).await.expect(200);
        assert!(started.elapsed() < Duration::from_secs(4), "only the time-out told it");
    }
    writer.stop().await;
    other.client.buy_now("last", "r", "6").await.expect(200);
    other.assert_sound(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_holds_its_lock_and_does_not_write_stops_nobody() {
    let world = World::new().await.with(|world| world.settings.lag_limit = Duration::from_millis(300));
    let first = world.start().await;
    let name = format!("flashsale writer {}", first.sale());
    first.stop().await;
    let mut paused = world.database.acquire().await.expect("PostgreSQL answers");
    let lock = sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 0))").bind(name);
    lock.execute(&mut *paused).await.expect("it is free");
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_outlives_the_writer_that_made_it() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    // As a writer leaves it that dies between the rejection and telling: filed away, the cursor behind it.
    let code = format!("{}-{:032x}", shop.sale(), 7);
    shop.kill().await;
    let hourly: String = code.rsplit_once('-').expect("a code names its sale").0.to_owned();
    let key = |part: &str| format!("{{{hourly}}}:{part}");
    let mut redis = world.redis_connection().await;
    let id: String = redis::cmd("XADD")
        .arg(key("ledger"))
        .arg(&["*", "sold", &format!("{code} bob - 1:1:1,2:1:2 -")])
        .query_async(&mut redis)
        .await
        .expect("added");
    let _: i64 =
        redis::cmd("HSET").arg(key("receipts")).arg(&code).arg(&id).query_async(&mut redis).await.expect("set");
    let _: i64 = redis::cmd("HSET").arg(key("units")).arg("2").arg("").query_async(&mut redis).await.expect("set");
    let _: i64 = redis::cmd("HSET").arg(key("slots")).arg("bob").arg("11").query_async(&mut redis).await.expect("set");
    let packed = id.parse::<flashsale::domain::shared::LedgerId>().expect("an id").to_i64();
    sqlx::query(
        "INSERT INTO dead_letters (sale_id, ledger_id, rejection, reason, entry) VALUES ($1, $2, 'unit_sold', '', '')",
    )
    .bind(&hourly)
    .bind(packed)
    .execute(&world.database)
    .await
    .expect("filed");
    sqlx::query("UPDATE ledger_cursors SET last_id = $1").bind(packed).execute(&world.database).await.expect("moved");

    let shop = world.start().await;
    let answer = shop.client.purchase(&code).await;
    assert!([404, 409].contains(&answer.status.as_u16()), "{answer:?}");
    eventually("its other unit is free again", || async { shop.client.buy_now("eve", "r", "2").await.status == 200 })
        .await;
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instance_goes_on_where_a_killed_writer_stopped() {
    let world = World::new().await;
    let (writer, other) = (world.start().await, world.start().await);
    other.client.buy_now("ann", "r", "1").await.expect(200);
    writer.kill().await;
    let answers = join_all((2..=20).map(|item: u32| {
        let client = other.client.clone();
        async move { client.buy_now(&format!("u{item}"), "r", &item.to_string()).await }
    }))
    .await;
    answers.into_iter().for_each(|answer| _ = answer.expect(200));
    other.assert_sound(20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_answers_what_is_in_flight_and_drains_the_ledger() {
    let world = World::new().await;
    let shop = world.start().await;
    let mut held = world.database.begin().await.expect("PostgreSQL answers");
    sqlx::query("LOCK TABLE purchases IN EXCLUSIVE MODE").execute(&mut *held).await.expect("it can be locked");
    let purchases: Vec<_> = (1..=10)
        .map(|item: u32| {
            let client = shop.client.clone();
            tokio::spawn(async move { client.buy_now(&format!("u{item}"), "r", &item.to_string()).await })
        })
        .collect();
    let sale = shop.shop.current_sale().expect("a sale is on");
    eventually("all are decided", || async { sale.projection().units() == 90 }).await;
    let stopped = tokio::spawn(shop.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    held.rollback().await.expect("PostgreSQL answers");
    for purchase in purchases {
        purchase.await.expect("the client lives").expect(200);
    }
    stopped.await.expect("it stops in good order");
    assert_eq!(world.count("SELECT count(*) FROM purchases").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_finds_a_drift_of_one_unit() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    shop.assert_sound(1).await;
    for (lie_told, truth) in [
        (["HSET", "units", "1", "1"], ["HSET", "units", "1", ""]),
        (["HSET", "units", "2", ""], ["HSET", "units", "2", "1"]),
        (["HSET", "slots", "ann", "11"], ["HSET", "slots", "ann", "1"]),
    ] {
        lie(&world, &shop, &lie_told).await;
        let findings = shop.verify().await;
        assert!(!findings.is_sound() && findings.drift == 1, "{lie_told:?}: {findings}");
        lie(&world, &shop, &truth).await;
        shop.assert_sound(1).await;
    }
    sqlx::query("DELETE FROM purchase_units").execute(&world.database).await.expect("deleted");
    sqlx::query("DELETE FROM purchases").execute(&world.database).await.expect("deleted");
    assert_eq!(shop.verify().await.lost, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_while_purchases_are_in_flight_finds_nothing_and_changes_nothing() {
    let world = World::new().await;
    let shop = world.start().await;
    let buying = async {
        for item in 1..=60 {
            shop.client.buy_now(&format!("u{item}"), "r", &item.to_string()).await.expect(200);
        }
    };
    let verifying = async {
        for _ in 0..30 {
            let findings = shop.verify().await;
            assert!(findings.is_sound(), "{findings}");
        }
    };
    tokio::join!(buying, verifying);
    shop.assert_sound(60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_a_user_are_listed_newest_first() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1", "2"]).await;
    let first = shop.client.purchase(&code).await.expect(200).json();
    let second = shop.client.buy_now("ann", "r", "3").await.expect(200).json();
    shop.client.buy_now("bob", "r", "4").await.expect(200);
    let listed = shop.client.get("/users/ann/purchases").await.expect(200).json();
    let orders: Vec<_> =
        listed["purchases"].as_array().expect("a list").iter().map(|receipt| receipt["order_id"].clone()).collect();
    assert_eq!(orders, [second["order_id"].clone(), first["order_id"].clone()]);
    assert_eq!(listed["purchases"][1]["purchased_items"], first["purchased_items"]);
    let nobody = shop.client.get("/users/nobody/purchases").await.expect(200).json();
    assert_eq!(nobody["purchases"], json!([]));
}
