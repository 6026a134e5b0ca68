//! The stock of orders that end while a store or the instance that works fails.

use std::time::Duration;

use chrono::Utc;
use flashsale::application::ordering::ports::{End, Holder, OrderArchive, Work};
use flashsale::application::sale::create_sale::{NewSale, Offer};
use flashsale::domain::ordering::{OrderReason, OrderStatus};
use flashsale::domain::sale::PaymentWindow;
use flashsale::domain::shared::OrderId;
use flashsale::infrastructure::postgres::PgArchive;
use futures::future::join_all;
use rustix::process::Signal;

use crate::harness::eventually;
use crate::harness::program::Program;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::service::{Instance, World};
use crate::harness::stores::{Postgres, migrate};

const END_OVERDUE: &str = include_str!("../../src/infrastructure/postgres/queries/end_overdue_orders.sql");

/// Sets the deadline of all open orders to now.
const ALL_OVERDUE: &str = "UPDATE orders SET deadline = clock_timestamp() WHERE deadline IS NOT NULL";

/// A change to a world whose orders must be paid within this many seconds.
fn to_be_paid_in(seconds: u32) -> impl FnOnce(&mut World) {
    move |world| world.settings.payment_window = PaymentWindow::try_from(seconds).ok()
}

async fn change(world: &World, statement: &'static str) {
    sqlx::query(statement).execute(&world.database).await.expect("PostgreSQL answers");
}

/// Buys each of these items for its own user. The name of the purchase makes the user.
async fn buy(shop: &Instance, items: std::ops::RangeInclusive<u32>, name: &str) {
    let buying = items.map(|item| async move {
        let (user, item) = (format!("{name}{item}"), item.to_string());
        eventually("it is bought", || shop.client.has_bought(&user, "r", &item)).await;
    });
    join_all(buying).await;
}

async fn all_returned(world: &World) {
    let unreturned = "SELECT count(*) FROM orders WHERE status IN ('CANCELLED', 'EXPIRED') AND returned_at IS NULL";
    eventually("everything is returned", || async { world.count(unreturned).await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn units_come_back_once_though_redis_forgets_the_releases() {
    let world = World::new().await.with(to_be_paid_in(600));
    let (shop, other) = (world.start().await, world.start().await);
    let released = async || world.query_redis::<u64>(&["HLEN", &shop.key("released")]).await;
    for (round, is_released) in [(1, false), (2, true)] {
        let items = round * 20 - 19..=round * 20;
        buy(&shop, items.clone(), "first").await;
        match is_released {
            // Redis frees the units, and is emptied before the release is archived.
            true => {
                let before = released().await;
                let held = world.lock("LOCK TABLE released_units IN EXCLUSIVE MODE").await;
                change(&world, ALL_OVERDUE).await;
                eventually("units are free", async || released().await > before).await;
                world.run_in_redis(&["FLUSHALL"]).await;
                held.rollback().await.expect("PostgreSQL answers");
            }
            // The orders have ended, and nothing is free.
            false => {
                let hold = "INSERT INTO leases VALUES ('return', 1, 0, now() + interval '1 hour')
                            ON CONFLICT (name) DO UPDATE
                            SET holder = 0, token = leases.token + 1, until = EXCLUDED.until";
                change(&world, hold).await;
                change(&world, ALL_OVERDUE).await;
                let ended = "SELECT count(*) FROM orders WHERE status = 'EXPIRED'";
                eventually("the orders end", || async { world.count(ended).await == 20 }).await;
                world.run_in_redis(&["FLUSHALL"]).await;
                change(&world, "UPDATE leases SET until = now() WHERE name = 'return'").await;
            }
        }
        all_returned(&world).await;
        assert_eq!(world.count("SELECT count(*) FROM released_units").await, i64::from(round) * 20);
        buy(&other, items, "second").await;
        change(
            &world,
            "UPDATE orders SET status = 'PAID', deadline = NULL, finished_at = now() WHERE deadline IS NOT NULL",
        )
        .await;
    }
    eventually("all is sound", || async { other.verify().await.is_sound() }).await;
    other.assert_sound(40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_expire_while_postgresql_is_away_return_their_units_once() {
    let mut postgres = Postgres::start();
    migrate(&postgres.server.url()).await;
    let world = World::over(postgres.server.url()).await.with(to_be_paid_in(2));
    let (shop, other) = (world.start().await, world.start().await);
    buy(&shop, 1..=30, "first").await;
    postgres.server.kill();
    // All deadlines pass.
    tokio::time::sleep(Duration::from_secs(3)).await;
    postgres.server.restart().expect("PostgreSQL starts");
    let ended = "SELECT count(*) FROM orders WHERE status = 'EXPIRED'";
    let count = async || sqlx::query_scalar::<_, i64>(ended).fetch_one(&world.database).await;
    eventually("the orders end", async || count().await.is_ok_and(|ended| ended == 30)).await;
    all_returned(&world).await;
    assert_eq!(world.count("SELECT count(*) FROM released_units").await, 30);
    buy(&other, 1..=30, "second").await;
    all_returned(&world).await;
    eventually("all is sound", || async { other.verify().await.is_sound() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expirer_that_was_stopped_beyond_its_lease_ends_nothing_late() {
    let mut world = World::new().await;
    let archive = PgArchive::connect(&world.database_url, 2).await.expect("PostgreSQL answers");
    let proxy = Proxy::before(&world.database_url).await;
    world.database_url.clone_from(&proxy.url);
    let expirer = Program::start(&world, &[("PAYMENT_WINDOW", "10m")]).await;
    assert!(expirer.client.has_bought("ann", "r", "1").await);

    // Its statement is on the way while it is stopped.
    proxy.strike_at(END_OVERDUE, Fault::Delay(Duration::from_secs(8)));
    change(&world, ALL_OVERDUE).await;
    eventually("the statement is on the way", || std::future::ready(!proxy.is_armed())).await;
    expirer.signal(Signal::STOP);
    let take_over = async || archive.claim(Work::Expiry, Holder(1), Duration::from_secs(600)).await;
    eventually("another holder takes over", async || take_over().await.is_ok_and(|lease| lease.is_some())).await;
    let arrived = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND query LIKE '-- Ends overdue orders%' AND query_start > (
                       SELECT until - interval '10 min' FROM leases WHERE name = 'expiry'
                   )";
    eventually("the statement has arrived", || async { world.count(arrived).await > 0 }).await;
    let reserved = "SELECT count(*) FROM orders WHERE status = 'RESERVED'";
    assert_eq!(world.count(reserved).await, 1);
    expirer.signal(Signal::CONT);
    // It knows by now that it does not hold the lease.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.count(reserved).await, 1);
    change(&world, "UPDATE leases SET until = now() WHERE name = 'expiry'").await;
    eventually("it works with a new token", || async { world.count(reserved).await == 0 }).await;
    eventually("the unit is for sale again", || expirer.client.has_bought("bob", "r", "1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_claimed_only_when_something_is_due() {
    let world = World::new().await.with(to_be_paid_in(600));
    let shop = world.start().await;
    assert!(shop.client.has_bought("ann", "r", "1").await);
    let claimed = "SELECT count(*) FROM leases WHERE name IN ('expiry', 'return', 'reconciliation')";
    let counted = "SELECT count(*) FROM leases WHERE name = 'counting'";
    eventually("the tasks run", || async { world.count(counted).await == 1 }).await;
    assert_eq!(world.count(claimed).await, 0);
    change(&world, ALL_OVERDUE).await;
    let released = "SELECT count(*) FROM released_units";
    eventually("the unit is returned", || async { world.count(released).await == 1 }).await;
    assert_eq!(world.count(claimed).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_several_sales_end_oldest_first() {
    let world = World::new().await.with(to_be_paid_in(600));
    let shop = world.start().await;
    let offer = NewSale {
        starts_at: None,
        ends_at: None,
        offer: Offer::Generated(9),
        user_limit: None,
        payment_window: PaymentWindow::try_from(600).ok(),
    };
    let special = shop.shop.create_sale(offer).await.expect("it can be created").id;
    for (user, item) in [("ann", "1".to_owned()), ("bob", format!("{special}-00002")), ("eve", "3".to_owned())] {
        eventually("it is bought", || shop.client.has_bought(user, "r", &item)).await;
    }
    shop.stop().await;
    let archive = PgArchive::connect(&world.database_url, 2).await.expect("PostgreSQL answers");
    assert!(archive.overdue_in(OrderStatus::Reserved).await.expect("it answers").is_some_and(|next| !next.is_zero()));
    // The one of the other sale is the second.
    change(&world, "UPDATE orders SET deadline = now() - interval '1 h' + (pay_by - (SELECT min(pay_by) FROM orders))")
        .await;
    assert_eq!(archive.overdue_in(OrderStatus::Reserved).await.expect("it answers"), Some(Duration::ZERO));
    change(&world, "DELETE FROM leases").await;
    let lease = archive.claim(Work::Expiry, Holder(1), Duration::from_secs(600)).await.expect("it answers");
    let end = End { status: OrderStatus::Expired, reason: OrderReason::ReservationTtl, note: None };
    for expected in ["ann", "ann bob", "ann bob eve"] {
        let ended = archive.end_overdue(lease.expect("it is free"), OrderStatus::Reserved, &end, Utc::now(), 1).await;
        assert_eq!(ended.expect("it answers"), 1);
        let users =
            "SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM orders JOIN purchases USING (sale, ledger_id)
                     WHERE status = 'EXPIRED'";
        let users: String = sqlx::query_scalar(users).fetch_one(&world.database).await.expect("PostgreSQL answers");
        assert_eq!(users, expected);
    }
    assert_eq!(archive.overdue_in(OrderStatus::Reserved).await.expect("it answers"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_found_by_its_index_while_nothing_is_known_about_the_table() {
    let world = World::new().await;
    let archive = PgArchive::connect(&world.database_url, 1).await.expect("PostgreSQL answers");
    for statement in [
        "ALTER TABLE orders SET (autovacuum_enabled = false)",
        "INSERT INTO sales (id, hourly, starts_at, ends_at, user_limit, payment_window, currency, items, units)
         VALUES ('20200101T00', false, now(), now(), 10, 600, 'EUR', 9, 9)",
        "INSERT INTO orders (ledger_id, sale, status, deadline, pay_by)
         SELECT number::bigint << 20, (SELECT key FROM sales WHERE id = '20200101T00'), 'RESERVED', now(), now()
         FROM generate_series(1, 20000) AS number",
    ] {
        change(&world, statement).await;
    }
    let order = |number| format!("20200101T00-{number}-0").parse::<OrderId>().expect("an id");
    let all = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'orders'";
    let by_index = "SELECT idx_scan FROM pg_stat_user_tables WHERE relname = 'orders'";
    let before = world.count(all).await;
    for number in 1..=20 {
        assert_eq!(archive.orders(&[order(number)]).await.expect("it answers").len(), 1);
    }
    eventually("the reads are counted", || async { world.count(by_index).await >= 20 }).await;
    assert_eq!(world.count(all).await, before);
}
