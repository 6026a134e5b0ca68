//! The audit: it finds every difference, and none where purchases are on their way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flashsale::application::sale::findings::Findings;
use futures::StreamExt;
use futures::future::join_all;

use crate::harness::eventually;
use crate::harness::service::{Instance, World};

/// Buys one unit of each of these items, each for another user.
async fn buy(shop: &Instance, items: impl Iterator<Item = u32>) {
    let buying = items.map(|item| async move {
        let (user, item) = (format!("u{item}"), item.to_string());
        let answer = shop.client.buy_now(&user, "r", &item).await;
        assert!([200, 202].contains(&answer.status.as_u16()), "{answer:?}");
    });
    join_all(buying).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_difference_is_found_and_counted_once() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("bob", &["2", "3"]).await;
    shop.client.purchase(&code).await.expect(200);
    shop.client.buy_now("ann", "r", "1").await.expect(200);
    shop.assert_sound(3).await;
    let other = format!("{}-{:032x}", shop.sale(), 9);
    for (part, words, drift) in [
        ("units", &["HDEL", "1"][..], 1),
        ("units", &["HSET", "2", "0"], 1),
        ("units", &["HSET", "50", "1"], 1),
        ("units", &["HSET", "99999", "1"], 1),
        ("slots", &["HDEL", "bob"], 2),
        ("slots", &["HSET", "bob", "2,1"], 1),
        ("slots", &["HSET", "ann", "3"], 2),
        ("slots", &["HSET", "zoe", "1"], 1),
        ("receipts", &["HDEL", &code], 1),
        ("receipts", &["HSET", &code, "5-5"], 1),
        ("receipts", &["HSET", &other, "5-5"], 1),
        ("receipts", &["HDEL", "ann r"], 1),
        ("receipts", &["HSET", "ann r", "5-5"], 1),
        ("receipts", &["HSET", "ann q", "5-5"], 1),
        // What cannot be read is a difference of its own.
        ("units", &["HSET", "50", "x"], 1),
        ("units", &["HSET", "50", "4000000000"], 1),
        ("units", &["HSET", "item", "1"], 1),
        ("slots", &["HSET", "zoe zoe", "1"], 1),
        ("receipts", &["HSET", "ann q", "x"], 1),
        ("units", &["DEL"], 3),
        ("slots", &["DEL"], 3),
        // Two codes and one request.
        ("receipts", &["DEL"], 3),
    ] {
        let (key, copy) = (shop.key(part), shop.key("copy"));
        world.run_in_redis(&["COPY", &key, &copy, "REPLACE"]).await;
        world.run_in_redis(&[&[words[0], &key], &words[1..]].concat()).await;
        let findings = shop.verify().await;
        assert_eq!((findings.drift, findings.lost, findings.sold), (drift, 0, 3), "{part} {words:?}");
        world.run_in_redis(&["COPY", &copy, &key, "REPLACE"]).await;
        shop.assert_sound(3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_vanishes_is_restored_without_an_operator() {
    for part in ["units", "slots", "receipts"] {
        let world = World::new().await;
        let shop = world.start().await;
        let code = shop.client.cart("bob", &["2", "3"]).await;
        let receipt = shop.client.purchase(&code).await.expect(200).body;
        let epoch = shop.epoch();
        world.run_in_redis(&["DEL", &shop.key(part)]).await;
        eventually("the sale is repaired", || async { shop.epoch() > epoch }).await;
        shop.assert_sound(2).await;
        assert_eq!(shop.client.purchase(&code).await.expect(200).body, receipt);
        shop.client.buy_now("ann", "r", "2").await.expect_problem(410, "sold_out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_loses_or_changes_a_field_is_restored_without_an_operator() {
    join_all([
        assert_restored(&["HDEL", "ends_at_ms"]),
        assert_restored(&["HDEL", "user_limit"]),
        assert_restored(&["HDEL", "last_id"]),
        assert_restored(&["HSET", "user_limit", "1"]),
        assert_restored(&["HSET", "user_limit", "x"]),
        assert_restored(&["HSET", "ends_at_ms", "1"]),
        assert_restored(&["HSET", "starts_at_ms", "99999999999999"]),
        assert_restored(&["HSET", "last_id", "0-1"]),
    ])
    .await;
}

/// Changes the header of a sale, and fails unless the sale sells as before soon.
async fn assert_restored(change: &[&str]) {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("bob", &["2", "3"]).await;
    let receipt = shop.client.purchase(&code).await.expect(200).body;
    let epoch = shop.epoch();
    world.run_in_redis(&[&[change[0], &shop.key("header")], &change[1..]].concat()).await;
    eventually("the sale is repaired", || async { shop.epoch() > epoch }).await;
    eventually("it sells", || async { shop.client.buy_now("bob", "r", "1").await.status == 200 }).await;
    assert_eq!(shop.client.purchase(&code).await.expect(200).body, receipt, "{change:?}");
    shop.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_loses_one_entry_is_restored_without_an_operator() {
    let world = World::new().await;
    let shop = world.start().await;
    for item in ["1", "2", "3"] {
        shop.client.buy_now("ann", item, item).await.expect(200);
    }
    shop.assert_sound(3).await;
    let (epoch, ledger) = (shop.epoch(), shop.key("ledger"));
    // The first entry is that of the opening.
    let lose = "return redis.call('XDEL', KEYS[1], redis.call('XRANGE', KEYS[1], '-', '+')[3][1])";
    world.run_in_redis(&["EVAL", lose, "1", &ledger]).await;
    eventually("the sale is repaired", || async { shop.epoch() > epoch }).await;
    eventually("it is known", || async { shop.client.buy_now("ann", "2", "2").await.status == 409 }).await;
    shop.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_of_a_crowd_finds_the_one_difference_and_no_other() {
    let world = World::new().await.with(|world| world.settings.sale_items = 1_300);
    let shop = world.start().await;
    let is_sold_out = AtomicBool::new(false);
    let buying = async {
        for wave in 0..12 {
            buy(&shop, wave * 100 + 1..=wave * 100 + 100).await;
        }
        is_sold_out.store(true, Ordering::Release);
    };
    let auditing = async {
        let mut audits = 0;
        while !is_sold_out.load(Ordering::Acquire) {
            let findings = shop.verify().await;
            assert!(findings.is_sound(), "{findings}");
            world.run_in_redis(&["HSET", &shop.key("units"), "1300", "1"]).await;
            let findings = shop.verify().await;
            assert_eq!(findings.faults(), Findings { drift: 1, ..Default::default() });
            world.run_in_redis(&["HDEL", &shop.key("units"), "1300"]).await;
            audits += 1;
        }
        assert!(audits > 0, "no audit during the purchases");
    };
    tokio::join!(buying, auditing);
    shop.assert_sound(1_200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_that_wait_for_postgresql_are_no_difference() {
    let world = World::new().await.with(|world| world.settings.ack_timeout = Duration::from_millis(50));
    let shop = world.start().await;
    buy(&shop, 1..=3).await;
    shop.archived().await;
    let held = world.hold_commits().await;
    shop.client.buy_now("ann", "r", "4").await.expect(202);
    shop.assert_sound(3).await;
    held.rollback().await.expect("PostgreSQL answers");
    shop.archived().await;
    shop.assert_sound(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_and_recovery_never_handle_a_whole_sale_in_one_command() {
    let world = World::new().await.with(|world| world.settings.sale_items = 1_300);
    let shop = world.start().await;
    for wave in 0..12 {
        buy(&shop, wave * 100 + 1..=wave * 100 + 100).await;
    }
    let client = redis::Client::open(world.redis.url()).expect("the URL is valid");
    let monitor = client.get_async_monitor().await.expect("Redis answers");
    let mut commands = monitor.into_on_message::<String>();
    shop.assert_sound(1_200).await;
    let epoch = shop.epoch();
    world.run_in_redis(&["SCRIPT", "FLUSH"]).await;
    eventually("the sale is restored", || async { shop.epoch().is_some() && shop.epoch() > epoch }).await;
    shop.assert_sound(1_200).await;
    world.run_in_redis(&["ECHO", "the end"]).await;
    let mut seen = 0;
    while let Some(command) = commands.next().await {
        // A line of MONITOR: time, source, then the words in quotation marks.
        let words: Vec<&str> = command.split('"').skip(1).step_by(2).collect();
        let (name, count) = (words[0].to_uppercase(), words.len());
        if name == "ECHO" {
            break;
        }
        if words.get(1).is_some_and(|key| key.ends_with(":attempts")) {
            continue;
        }
        let fields = match name.as_str() {
            "HMGET" | "HDEL" => count - 2,
            "HSET" => (count - 2) / 2,
            "HSCAN" | "XRANGE" => words[count - 1].parse().unwrap_or(usize::MAX),
            "XADD" => command.matches("\\n").count() + 1,
            "DEL" | "HGETALL" | "HKEYS" | "HVALS" | "KEYS" => panic!("{command}"),
            _ => continue,
        };
        assert!(fields <= 512, "{fields} in {command}");
        seen += 1;
    }
    assert!(seen > 20, "{seen} commands");
}
