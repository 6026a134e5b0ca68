//! Voiding a committed purchase: its units go back on sale once, and its receipt stays.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use flashsale::application::sale::void::VoidError;
use flashsale::domain::sale::ReleaseReason;
use flashsale::domain::shared::CheckoutCode;
use futures::future::join_all;

use crate::harness::eventually;
use crate::harness::service::{Instance, World};

fn code(text: &str) -> CheckoutCode {
    text.parse().expect("a code")
}

/// Voids a purchase that was voided before.
async fn void_again(shop: &Instance, text: &str) {
    let again = shop.shop.void(code(text), "again").await;
    assert!(matches!(again, Err(VoidError::ReleasedBefore(ReleaseReason::Void))), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voided_purchase_is_for_sale_again_on_every_instance_and_keeps_its_receipt() {
    let world = World::new().await.with(|world| world.settings.user_limit = 3);
    let (shop, other) = (world.start().await, world.start().await);
    let cart = shop.client.cart("ann", &["1", "2"]).await;
    let receipt = shop.client.purchase(&cart).await.expect(200).body;
    shop.client.buy_now("ann", "r", "3").await.expect(200);
    let secret = "SELECT encode(code, 'hex') FROM purchases WHERE request_id = 'r'";
    let secret: String = sqlx::query_scalar(secret).fetch_one(&world.database).await.expect("it is archived");
    let without_cart = format!("{}-{secret}", shop.sale());
    let list = shop.client.get("/users/ann/purchases").await.expect(200).body;
    for instance in [&shop, &other] {
        eventually("the filter knows the sold item", || async {
            instance.shop.current_sale().expect("a sale is open").is_sold(1.try_into().expect("an item"))
        })
        .await;
        instance.client.buy_now("ann", "s", "4").await.expect_problem(409, "user_limit_reached");
    }

    let voided = shop.shop.void(code(&cart), "broken").await.expect("it was bought");
    assert_eq!(voided.purchase.units.len(), 2);
    other.shop.void(code(&without_cart), "broken").await.expect("it was bought");
    shop.assert_sound(0).await;
    assert_eq!(world.count("SELECT count(*) FROM released_units WHERE reason = 'void' AND note = 'broken'").await, 3);
    for instance in [&shop, &other] {
        eventually("the filter forgets the item", || async {
            !instance.shop.current_sale().expect("a sale is open").is_sold(1.try_into().expect("an item"))
        })
        .await;
        assert_eq!(instance.client.purchase(&cart).await.expect(200).body, receipt);
        let again = instance.client.buy_now("ann", "r", "3").await.expect(409);
        assert_eq!(again.json()["code"], "duplicate_request");
        assert_eq!(instance.client.get("/users/ann/purchases").await.expect(200).body, list);
        void_again(instance, &cart).await;
    }
    // The limit counts only what she has, and so does the next buyer's.
    let full = other.client.cart("ann", &["1", "2", "4"]).await;
    other.client.purchase(&full).await.expect(200);
    shop.client.buy_now("bob", "r", "3").await.expect(200);
    void_again(&shop, &cart).await;
    shop.assert_sound(4).await;
    other.assert_sound(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_stays_void_after_redis_has_lost_everything() {
    let world = World::new().await;
    let shop = world.start().await;
    let cart = shop.client.cart("ann", &["1", "2"]).await;
    let receipt = shop.client.purchase(&cart).await.expect(200).body;
    shop.shop.void(code(&cart), "broken").await.expect("it was bought");
    shop.client.buy_now("bob", "r", "1").await.expect(200);
    for loss in [&["FLUSHALL"][..], &["SCRIPT", "FLUSH"]] {
        let epoch = shop.epoch();
        world.run_in_redis(loss).await;
        eventually("the sale is restored", || async { shop.epoch() > epoch }).await;
        shop.assert_sound(1).await;
        assert_eq!(shop.client.purchase(&cart).await.expect(200).body, receipt);
        void_again(&shop, &cart).await;
        shop.client.buy_now("eve", "r", "1").await.expect_problem(410, "sold_out");
    }
    shop.client.buy_now("ann", "r", "2").await.expect(200);
    shop.assert_sound(2).await;
    // A past sale is read from PostgreSQL.
    let restarted = world.start().await;
    assert_eq!(restarted.client.purchase(&cart).await.expect(200).body, receipt);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_writer_died_before_the_archive_is_archived_once() {
    for redis_forgets in [false, true] {
        let world = World::new().await;
        let shop = world.start().await;
        let cart = shop.client.cart("ann", &["1", "2"]).await;
        let receipt = shop.client.purchase(&cart).await.expect(200).body;
        shop.archived().await;
        // The release is decided and cannot be archived.
        let held = world.lock("LOCK TABLE released_units IN EXCLUSIVE MODE").await;
        let voiding = {
            let (service, code) = (shop.shop.clone(), code(&cart));
            tokio::spawn(async move { service.void(code, "broken").await })
        };
        let ledger = shop.key("ledger");
        eventually("the release is in the ledger", || async {
            world.query_redis::<u32>(&["XLEN", &ledger]).await == 3
        })
        .await;
        voiding.abort();
        let _aborted = voiding.await;
        shop.kill().await;
        held.rollback().await.expect("PostgreSQL answers");
        if redis_forgets {
            // Recovery drains the rest of the ledger.
            world.run_in_redis(&["SCRIPT", "FLUSH"]).await;
        }
        let next = world.start().await;
        let archived = "SELECT count(*) FROM released_units";
        eventually("the release is archived", || async { world.count(archived).await == 2 }).await;
        next.assert_sound(0).await;
        assert_eq!(next.client.purchase(&cart).await.expect(200).body, receipt);
        void_again(&next, &cart).await;
        next.client.buy_now("bob", "r", "1").await.expect(200);
        next.assert_sound(1).await;
        assert_eq!(world.count("SELECT count(*) FROM rejected_entries").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_about_releases_is_found() {
    let world = World::new().await;
    let shop = world.start().await;
    let cart = shop.client.cart("ann", &["1", "2"]).await;
    shop.client.purchase(&cart).await.expect(200);
    let voided = shop.shop.void(code(&cart), "broken").await.expect("it was bought");
    shop.assert_sound(0).await;
    let (key, copy, id) = (shop.key("released"), shop.key("copy"), voided.id.to_string());
    for words in [&["HDEL", &id][..], &["HSET", &id, "5-5"], &["HSET", "5-4", "5-5"], &["HSET", "x", "5-5"], &["DEL"]] {
        world.run_in_redis(&["COPY", &key, &copy, "REPLACE"]).await;
        world.run_in_redis(&[&[words[0], &key], &words[1..]].concat()).await;
        let findings = shop.verify().await;
        assert_eq!((findings.drift, findings.lost, findings.sold), (1, 0, 0), "{words:?}");
        world.run_in_redis(&["COPY", &copy, &key, "REPLACE"]).await;
        shop.assert_sound(0).await;
    }
    sqlx::query("DELETE FROM released_units WHERE slot = 1").execute(&world.database).await.expect("deleted");
    assert!(shop.verify().await.drift > 0, "a purchase has lost a unit");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_what_became_free_and_says_why_it_cannot() {
    let world = World::new().await;
    let shop = world.start().await;
    let bought = shop.client.cart("ann", &["1", "2"]).await;
    let order = shop.client.purchase(&bought).await.expect(200).json()["order_id"].take();
    let cart = shop.client.cart("bob", &["3"]).await;
    let void = |code: &str| -> (bool, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_flashsale"))
            .args(["purchase", "void", code, "--reason", "broken", "--ack-timeout", "60s"])
            .env("DATABASE_URL", &world.database_url)
            .env("REDIS_URL", world.redis.service_url())
            .env("LOG", "error")
            .output()
            .expect("the program runs");
        (status.success(), String::from_utf8(stdout).expect("text"), String::from_utf8(stderr).expect("text"))
    };
    let (is_ok, printed, errors) = tokio::task::block_in_place(|| void(&bought));
    assert!(is_ok, "{errors}");
    let order = order.as_str().expect("an order id");
    let (one, two) = (shop.item(1), shop.item(2));
    assert_eq!(printed, format!("{order} void user=ann units=2\n{one} quantity=1\n{two} quantity=1\n"));
    shop.assert_sound(0).await;
    let unknown = format!("{}-{:032x}", shop.sale(), 7);
    for (code, reason) in [
        (bought.as_str(), "the purchase was released before: void"),
        (&cart, "this code names a cart that was not bought"),
        (&unknown, "no cart and no purchase has this code"),
    ] {
        let (is_ok, printed, errors) = tokio::task::block_in_place(|| void(code));
        assert!(!is_ok && printed.is_empty() && errors.contains(reason), "{printed} {errors}");
    }
    shop.assert_sound(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_nothing_while_purchases_are_made_and_voided() {
    let world = World::new().await;
    let (shop, other) = (world.start().await, world.start().await);
    let sale = shop.sale().parse().expect("a sale id");
    let buy_and_void = |item: u32| {
        let (shop, other) = (&shop, &other);
        async move {
            let (user, number) = (format!("u{item}"), item.to_string());
            for round in 0..20 {
                let request = round.to_string();
                eventually("the item is bought", || shop.client.has_bought(&user, &request, &number)).await;
                let (user, request) = (user.parse().expect("a user"), request.parse().expect("a request id"));
                let bought = shop.shop.archive.purchase_by_request(sale, &user, &request).await.expect("it answers");
                let code = bought.expect("it is archived").purchase.code;
                other.shop.void(code, "broken").await.expect("it was bought");
            }
        }
    };
    let is_done = AtomicBool::new(false);
    let buying = async {
        join_all((1..=4).map(buy_and_void)).await;
        is_done.store(true, Ordering::Release);
    };
    let auditing = async {
        let mut audits = 0;
        while !is_done.load(Ordering::Acquire) {
            let findings = shop.verify().await;
            assert!(findings.is_sound(), "{findings}");
            audits += 1;
        }
        assert!(audits > 0, "no audit during the purchases");
    };
    tokio::join!(buying, auditing);
    shop.assert_sound(0).await;
    assert_eq!(world.count("SELECT count(*) FROM released_units").await, 80);
}
