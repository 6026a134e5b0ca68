//! The way of ledger entries to PostgreSQL, which may reject them.

use std::time::Duration;

use flashsale::domain::shared::LedgerId;
use futures::future::join_all;
use hyper::Method;

use crate::harness::client::Client;
use crate::harness::eventually;
use crate::harness::service::{Instance, World};

/// Falsifies the state of the current sale in Redis. The second word names a part of the sale.
async fn falsify(world: &World, shop: &Instance, words: &[&str]) {
    let (key, mut words) = (shop.key(words[1]), words.to_vec());
    words[1] = &key;
    world.run_in_redis(&words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_redis_sells_twice_is_kept_by_the_first_buyer() {
    let world = World::new().await;
    let (shop, other) = (world.start().await, world.start().await);
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    falsify(&world, &shop, &["HDEL", "units", "1"]).await;
    // The filters know the sold item, so the cart is written to Redis directly.
    let cart = format!("{}-{:032x}", shop.sale(), 7);
    falsify(&world, &shop, &["HSET", "carts", &cart, "bob 2:1:1,1:1:1,3:1:1"]).await;
    let (here, there) = tokio::join!(shop.client.purchase(&cart), other.client.purchase(&cart));
    for answer in [here, there] {
        // Nobody is told that the other items of the cart are sold. A purchase after the release finds no cart.
        assert!([404, 503].contains(&answer.status.as_u16()), "{answer:?}");
    }
    eventually("the other units of the cart are released", || async { shop.verify().await.is_sound() }).await;
    shop.assert_sound(1).await;
    assert_eq!(world.count("SELECT count(*) FROM rejected_entries WHERE reason = 'unit_sold'").await, 1);
    for item in ["2", "3"] {
        eventually("a released unit is bought", || shop.client.has_bought("bob", item, item)).await;
    }
    shop.client.buy_now("eve", "r", "1").await.expect_problem(410, "sold_out");
    shop.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_limit_that_redis_forgets_is_enforced_by_postgresql() {
    let world = World::new().await.with(|world| world.settings.user_limit = 2);
    let shop = world.start().await;
    for item in ["1", "2"] {
        shop.client.buy_now("ann", item, item).await.expect(200);
    }
    falsify(&world, &shop, &["HDEL", "slots", "ann"]).await;
    // Each rejected purchase leaves a slot filled that belongs to a unit in PostgreSQL.
    for item in ["3", "4"] {
        shop.client.buy_now("ann", item, item).await.expect_problem(503, "unavailable");
    }
    shop.client.buy_now("ann", "5", "5").await.expect_problem(409, "user_limit_reached");
    eventually("the released unit is bought", || shop.client.has_bought("bob", "r", "3")).await;
    assert_eq!(world.count("SELECT count(*) FROM purchase_units WHERE user_id = 'ann'").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_entry_does_not_affect_other_purchases() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = format!("{}-{:032x}", shop.sale(), 9);
    let purchases = (1..=20).map(|item: u32| {
        let client = shop.client.clone();
        async move { client.buy_now(&format!("u{item}"), "r", &item.to_string()).await }
    });
    let bad = async {
        world.append_to_ledger(&shop.sale(), "nonsense", "").await;
        // Item 777 does not exist.
        world.append_to_ledger(&shop.sale(), "sold", &format!("{code} bob - 777:1:1 -")).await;
    };
    let (answers, ()) = tokio::join!(join_all(purchases), bad);
    answers.into_iter().for_each(|answer| _ = answer.expect(200));
    let released = "SELECT count(*) FROM rejected_entries WHERE reason = 'invalid' AND released_at IS NOT NULL";
    eventually("both entries are rejected and released", || async { world.count(released).await == 2 }).await;
    shop.client.buy_now("ann", "r", "50").await.expect(200);
    assert_eq!(world.count("SELECT count(*) FROM purchases").await, 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_read_again_from_its_start_changes_nothing() {
    let world = World::new().await;
    let shop = world.start().await;
    for item in 1..=5 {
        shop.client.buy_now(&format!("u{item}"), "r", &item.to_string()).await.expect(200);
    }
    sqlx::query("UPDATE ledger_cursors SET last_id = 0").execute(&world.database).await.expect("the cursor is reset");
    shop.client.buy_now("ann", "r", "6").await.expect(200);
    shop.assert_sound(6).await;
    assert_eq!(world.count("SELECT count(*) FROM rejected_entries").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM purchases").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_does_not_write_is_notified_of_commits() {
    let world = World::new().await;
    let writer = world.start().await;
    let other = world.start().await;
    for item in 1..=5 {
        // Without a notification the answer would be 202.
        other.client.buy_now(&format!("u{item}"), "r", &item.to_string()).await.expect(200);
    }
    writer.stop().await;
    other.client.buy_now("last", "r", "6").await.expect(200);
    other.assert_sound(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_become_durable_although_the_lock_holder_does_not_write() {
    let world = World::new().await.with(|world| world.settings.lag_limit = Duration::from_millis(300));
    let first = world.start().await;
    let name = format!("flashsale writer {}", first.sale());
    first.stop().await;
    let mut holder = world.database.acquire().await.expect("PostgreSQL answers");
    let lock = sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 0))").bind(name);
    lock.execute(&mut *holder).await.expect("the lock is granted");
    let shop = world.start().await;
    eventually("the item is bought", || shop.client.has_bought("ann", "r", "1")).await;
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_purchase_is_released_after_its_writer_has_died() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    // The state that a writer leaves if it dies right after a rejection: the entry is rejected, the cursor is past it,
    // and its units are not released.
    let (sale, code) = (shop.sale(), format!("{}-{:032x}", shop.sale(), 7));
    let [receipts, units, slots] = ["receipts", "units", "slots"].map(|part| shop.key(part));
    shop.kill().await;
    let id = world.append_to_ledger(&sale, "sold", &format!("{code} bob - 1:1:1,2:1:2 -")).await;
    world.run_in_redis(&["HSET", &receipts, &code, &id]).await;
    world.run_in_redis(&["HSET", &units, "2", "1"]).await;
    world.run_in_redis(&["HSET", &slots, "bob", "2"]).await;
    let id = id.parse::<LedgerId>().expect("a ledger id").to_i64();
    let rejected = "INSERT INTO rejected_entries (sale, ledger_id, reason, message, entry)
                    SELECT key, $2, 'unit_sold', '', '' FROM sales WHERE id = $1";
    sqlx::query(rejected).bind(&sale).bind(id).execute(&world.database).await.expect("the entry is rejected");
    let moved = sqlx::query("UPDATE ledger_cursors SET last_id = $1").bind(id);
    moved.execute(&world.database).await.expect("the cursor is moved");

    let shop = world.start().await;
    let answer = shop.client.purchase(&code).await;
    assert!([404, 503].contains(&answer.status.as_u16()), "{answer:?}");
    eventually("the released unit is bought", || shop.client.has_bought("eve", "r", "2")).await;
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instance_continues_where_a_killed_writer_stopped() {
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
async fn stopping_answers_requests_in_flight_and_drains_the_ledger() {
    let world = World::new().await;
    let shop = world.start().await;
    let held = world.hold_commits().await;
    let purchases: Vec<_> = (1..=10)
        .map(|item: u32| {
            let client = shop.client.clone();
            tokio::spawn(async move { client.buy_now(&format!("u{item}"), "r", &item.to_string()).await })
        })
        .collect();
    let sale = shop.shop.current_sale().expect("a sale is open");
    eventually("all purchases are decided", || async { sale.projection().units() == 90 }).await;
    let client = Client::new(shop.client.base().to_owned());
    let stopped = tokio::spawn(shop.stop());
    let is_reached = || async { client.try_send(client.request(Method::GET, "/health/live"), "").await.is_some() };
    eventually("the instance accepts no connections", || async { !is_reached().await }).await;
    held.rollback().await.expect("PostgreSQL answers");
    for purchase in purchases {
        purchase.await.expect("the client does not panic").expect(200);
    }
    stopped.await.expect("the instance stops");
    assert_eq!(world.count("SELECT count(*) FROM purchases").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_finds_a_drift_of_one_unit() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    shop.assert_sound(1).await;
    for (wrong, right) in [
        (["HSET", "units", "1", "0"], ["HSET", "units", "1", "1"]),
        (["HSET", "units", "2", "1"], ["HSET", "units", "2", "0"]),
        (["HSET", "slots", "ann", "2"], ["HSET", "slots", "ann", "1"]),
    ] {
        // An audit may have repaired it by the time of the verification.
        let found = async || {
            falsify(&world, &shop, &wrong).await;
            shop.verify().await.drift == 1
        };
        eventually("the drift is found", found).await;
        falsify(&world, &shop, &right).await;
        shop.assert_sound(1).await;
    }
    sqlx::query("DELETE FROM purchase_units").execute(&world.database).await.expect("deleted");
    sqlx::query("DELETE FROM purchases").execute(&world.database).await.expect("deleted");
    assert_eq!(shop.verify().await.lost, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_during_purchases_finds_no_difference() {
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
async fn a_purchase_that_lost_its_units_in_postgresql_is_reported_as_drift() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r1", "1").await.expect(200);
    shop.assert_sound(1).await;
    sqlx::query("DELETE FROM purchase_units").execute(&world.database).await.expect("the units are deleted");
    let findings = shop.verify().await;
    assert!(findings.drift > 0 && !findings.is_sound(), "{findings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_synchronous_whatever_the_default_of_the_server() {
    const REFUSE_OTHERS: &str = "
        DO $$ BEGIN
            EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
        END $$;
        CREATE FUNCTION refuse_asynchronous() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            ASSERT current_setting('synchronous_commit') = 'on';
            RETURN NULL;
        END $$;
        CREATE TRIGGER synchronous AFTER INSERT OR UPDATE ON sales EXECUTE FUNCTION refuse_asynchronous();
        CREATE TRIGGER synchronous AFTER INSERT OR UPDATE ON epoch EXECUTE FUNCTION refuse_asynchronous();
        CREATE TRIGGER synchronous AFTER INSERT OR UPDATE ON purchases EXECUTE FUNCTION refuse_asynchronous();";
    let world = World::new().await;
    sqlx::raw_sql(REFUSE_OTHERS).execute(&world.database).await.expect("the triggers are created");
    let shop = world.start().await;
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    shop.assert_sound(1).await;
    let check = "SELECT count(*) FROM pg_db_role_setting WHERE 'synchronous_commit=off' = ANY(setconfig)
                 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(world.count(check).await, 1);
}
