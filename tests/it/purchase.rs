//! Purchases of carts.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

use crate::harness::client::{Answer, Client, retrying};
use crate::harness::eventually;
use crate::harness::service::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_purchase_returns_the_same_receipt() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1", "2", "item_3"]).await;

    let bought = shop.client.purchase(&code).await.expect(200);
    let receipt = bought.json();
    assert_eq!(receipt["success"], true);
    assert_eq!(receipt["total_purchased"], 3);
    assert_eq!(receipt["purchased_items"][0]["id"], shop.item(1));
    assert_eq!(receipt["purchased_items"][0]["sold"], true);
    assert_eq!(bought.header("idempotent-replayed"), None);

    for _ in 0..3 {
        let again = shop.client.purchase(&code).await.expect(200);
        assert_eq!(again.body, bought.body);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    assert_eq!(shop.client.get(&format!("/purchase/{code}")).await.expect(200).body, bought.body);
    shop.client.get(&format!("/checkout/{code}")).await.expect_problem(404, "checkout_not_found");
    shop.assert_sound(3).await;
}

/// Fails unless the only item of a cart is sold. The refusal empties the cart, so a retry after a lost answer gets
/// `cart_empty`, and there is no problem to return.
fn expect_sold(answer: Answer) -> Option<Value> {
    if answer.json()["code"] == "cart_empty" {
        answer.expect_problem(409, "cart_empty");
        return None;
    }
    Some(answer.expect_problem(409, "items_sold"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_item_with_a_thousand_buyers_is_sold_once() {
    let world = World::new().await;
    let shop = world.start().await;
    let codes = join_all((0..1_000).map(|buyer| {
        let client = shop.client.clone();
        async move { client.cart(&format!("u{buyer}"), &["7"]).await }
    }))
    .await;
    let answers = join_all(codes.iter().map(|code| retrying(|| shop.client.purchase(code)))).await;
    let sold = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(sold, 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        if let Some(problem) = expect_sold(answer) {
            assert_eq!(problem["unavailable"][0], shop.item(7));
        }
    }
    assert_eq!(world.count("SELECT count(*) FROM purchase_units").await, 1);
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_code_purchased_a_hundred_times_on_two_instances_is_bought_once() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    let code = one.client.cart("ann", &["1", "2"]).await;
    let requests = (0..100).map(|request| if request % 2 == 0 { &one.client } else { &two.client });
    let answers = join_all(requests.map(|client| retrying(|| client.purchase(&code)))).await;
    let receipts: HashSet<_> = answers.into_iter().map(|answer| answer.expect(200).body).collect();
    assert_eq!(receipts.len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM purchases").await, 1);
    one.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn demand_of_three_times_the_stock_sells_exactly_the_stock() {
    let world = World::new().await.with(|world| world.settings.sale_items = 1_000);
    let (one, two) = (world.start().await, world.start().await);
    let buy = |buyer: usize| {
        let client = if buyer.is_multiple_of(2) { one.client.clone() } else { two.client.clone() };
        async move {
            let (user, item) = (format!("u{buyer}"), (buyer % 1_000 + 1).to_string());
            let answer = retrying(|| client.checkout(&user, &item)).await;
            if answer.status != 200 {
                answer.expect_problem(409, "item_sold");
                return false;
            }
            let code = answer.json()["code"].as_str().expect("a cart has a code").to_owned();
            let answer = retrying(|| client.purchase(&code)).await;
            if answer.status != 200 {
                expect_sold(answer);
                return false;
            }
            true
        }
    };
    let mut sold = 0;
    for wave in 0..10 {
        sold += join_all((wave * 300..(wave + 1) * 300).map(buy)).await.into_iter().filter(|sold| *sold).count();
    }
    assert_eq!(sold, 1_000);
    one.assert_sound(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_carts_reserve_nothing() {
    let world = World::new().await.with(|world| world.settings.sale_items = 2_000);
    let shop = world.start().await;
    for wave in 0..4 {
        join_all((wave * 500..(wave + 1) * 500).map(|user| {
            let client = shop.client.clone();
            async move { client.cart(&format!("idle{user}"), &[&format!("{}", user + 1)]).await }
        }))
        .await;
    }
    for wave in 0..4 {
        join_all((wave * 500..(wave + 1) * 500).map(|user| {
            let client = shop.client.clone();
            async move {
                let (user, item) = (format!("u{user}"), (user + 1).to_string());
                let answer = retrying(|| client.buy_now(&user, "r", &item)).await;
                assert!([200, 409].contains(&answer.status.as_u16()), "{answer:?}");
            }
        }))
        .await;
    }
    shop.assert_sound(2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn carts_with_the_same_items_in_opposite_order_have_one_winner() {
    let world = World::new().await.with(|world| world.settings.sale_items = 400);
    let shop = world.start().await;
    let rounds = (0..200u32).map(|round| {
        let client = shop.client.clone();
        async move {
            let (a, b) = ((round * 2 + 1).to_string(), (round * 2 + 2).to_string());
            let one = client.cart(&format!("x{round}"), &[&a, &b]).await;
            let two = client.cart(&format!("y{round}"), &[&b, &a]).await;
            let (one, two) = tokio::join!(retrying(|| client.purchase(&one)), retrying(|| client.purchase(&two)));
            let mut statuses = [one.status.as_u16(), two.status.as_u16()];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409]);
        }
    });
    join_all(rounds).await;
    shop.assert_sound(400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_with_sold_items_buys_the_rest_with_the_same_code() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1", "2", "3"]).await;
    let other = shop.client.cart("bob", &["2"]).await;
    shop.client.purchase(&other).await.expect(200);

    let problem = shop.client.purchase(&code).await.expect_problem(409, "items_sold");
    assert_eq!(problem["unavailable"], serde_json::json!([shop.item(2)]));
    assert_eq!(problem["available"], serde_json::json!([shop.item(1), shop.item(3)]));
    let receipt = shop.client.purchase(&code).await.expect(200).json();
    assert_eq!(receipt["total_purchased"], 2);
    shop.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_purchase_buys_exactly_the_available_items() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1", "2", "3"]).await;
    let other = shop.client.cart("bob", &["2"]).await;
    shop.client.purchase(&other).await.expect(200);

    let bought = shop.client.post(&format!("/purchase?code={code}&partial=true")).await.expect(200);
    let receipt = bought.json();
    assert_eq!((&receipt["total_purchased"], &receipt["failed_count"]), (&2.into(), &1.into()));
    let sold: Vec<(&str, bool)> = receipt["purchased_items"]
        .as_array()
        .expect("a receipt lists items")
        .iter()
        .map(|item| (item["id"].as_str().expect("an id"), item["sold"].as_bool().expect("a flag")))
        .collect();
    let expected = [(shop.item(1), true), (shop.item(3), true), (shop.item(2), false)];
    assert_eq!(sold, expected.each_ref().map(|(id, sold)| (id.as_str(), *sold)));
    assert_eq!(shop.client.purchase(&code).await.expect(200).body, bought.body);
    shop.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_purchase_takes_nothing_and_can_be_repeated() {
    let world = World::new().await.with(|world| world.settings.user_limit = 3);
    let shop = world.start().await;
    let blocked = shop.client.cart("ann", &["1", "2"]).await;
    for item in ["3", "4"] {
        shop.client.buy_now("ann", &format!("r{item}"), item).await.expect(200);
    }
    for _ in 0..20 {
        shop.client.purchase(&blocked).await.expect_problem(409, "user_limit_reached");
    }
    shop.assert_sound(2).await;
    shop.client.delete(&format!("/checkout/{blocked}/items/2")).await.expect(200);
    shop.client.purchase(&blocked).await.expect(200);
    shop.client.buy_now("bob", "r", "2").await.expect(200);
    shop.assert_sound(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_concurrent_purchases_of_a_user_stay_within_the_limit() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    let purchases = (1..=20).map(|item: u32| {
        let client = if item.is_multiple_of(2) { one.client.clone() } else { two.client.clone() };
        async move { client.buy_now("ann", &format!("r{item}"), &item.to_string()).await }
    });
    let answers = join_all(purchases).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 10);
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        answer.expect_problem(409, "user_limit_reached");
    }
    one.assert_sound(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_not_acknowledged_before_its_commit() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1"]).await;
    let held = world.hold_commits().await;
    let (client, purchased) = (shop.client.clone(), code.clone());
    let purchase = tokio::spawn(async move { client.purchase(&purchased).await });
    eventually("the purchase is decided", || async {
        shop.client.get(&format!("/purchase/{code}")).await.status == 202
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!purchase.is_finished(), "acknowledged without a commit");
    shop.client.get(&format!("/purchase/{code}")).await.expect(202);
    held.rollback().await.expect("PostgreSQL answers");
    let bought = purchase.await.expect("the client does not panic").expect(200);
    assert_eq!(shop.client.get(&format!("/purchase/{code}")).await.expect(200).body, bought.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_is_not_durable_in_time_is_confirmed_later() {
    let world = World::new().await.with(|world| {
        world.settings.ack_timeout = Duration::from_millis(200);
        world.settings.lag_limit = Duration::from_millis(400);
    });
    let shop = world.start().await;
    let (code, late) = (shop.client.cart("ann", &["1"]).await, shop.client.cart("bob", &["2"]).await);
    shop.archived().await;
    let held = world.hold_commits().await;
    let answer = shop.client.purchase(&code).await.expect(202);
    assert_eq!(answer.json()["status"], "confirming");
    assert_eq!(answer.header("location"), Some(format!("/purchase/{code}").as_str()));
    assert!(answer.header("retry-after").is_some());
    let sale = shop.shop.current_sale().expect("a sale is open");
    let lags = || async { sale.confirmations.lag() > world.settings.lag_limit };
    eventually("PostgreSQL lags", lags).await;
    // Nothing more is sold, but earlier purchases are not denied.
    let refused = shop.client.purchase(&late).await;
    assert!(refused.header("retry-after").is_some());
    refused.expect_problem(503, "unavailable");
    shop.client.purchase(&code).await.expect(202);
    held.rollback().await.expect("PostgreSQL answers");
    eventually("the purchase is confirmed", || async { shop.client.purchase(&code).await.status == 200 }).await;
    eventually("the service sells again", || async { shop.client.purchase(&late).await.status == 200 }).await;
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_completes_after_its_client_has_disconnected() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1"]).await;
    let held = world.hold_commits().await;
    let client: Client = shop.client.clone();
    let purchased = code.clone();
    let purchase = tokio::spawn(async move { client.purchase(&purchased).await });
    eventually("the purchase is decided", || async {
        shop.client.get(&format!("/purchase/{code}")).await.status == 202
    })
    .await;
    purchase.abort();
    held.rollback().await.expect("PostgreSQL answers");
    eventually("the cart is bought", || async { shop.client.get(&format!("/purchase/{code}")).await.status == 200 })
        .await;
    assert_eq!(shop.client.purchase(&code).await.expect(200).header("idempotent-replayed"), Some("true"));
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_with_six_digits_is_sold_and_restored_like_every_other() {
    let world = World::new().await.with(|world| world.settings.sale_items = 100_001);
    let shop = world.start().await;
    let [below, first, last] = [99_999, 100_000, 100_001].map(|number| shop.item(number));
    let code = shop.client.cart("ann", &[&below, &first]).await;
    let receipt = shop.client.purchase(&code).await.expect(200);
    let bought: Vec<_> =
        receipt.json()["purchased_items"].as_array().expect("a list").iter().map(|item| item["id"].clone()).collect();
    assert_eq!(bought, [below.as_str(), &first]);
    shop.client.buy_now("bob", "r", "100001").await.expect(200);
    let sold = format!("/sales/{}/items?available=false", shop.sale());
    eventually("the items are shown as sold", || async {
        let page = shop.client.get(&sold).await.expect(200).json();
        page["items"].as_array().is_some_and(|items| items.iter().map(|item| &item["id"]).eq([&below, &first, &last]))
    })
    .await;
    world.run_in_redis(&["FLUSHALL"]).await;
    eventually("Redis is restored", || async { shop.client.purchase(&code).await.status == 200 }).await;
    assert_eq!(shop.client.purchase(&code).await.expect(200).body, receipt.body);
    shop.client.buy_now("cat", "r", &last).await.expect_problem(410, "sold_out");
    shop.assert_sound(3).await;
}
