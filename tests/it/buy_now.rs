//! Purchases without a cart.

use futures::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::client::retrying;
use crate::harness::eventually;
use crate::harness::service::{Instance, World, ending_period};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_on_two_instances_buys_once() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    let requests = (0..40).map(|request| if request % 2 == 0 { &one.client } else { &two.client });
    let answers = join_all(requests.map(|client| client.buy_now("ann", "r1", "1"))).await;
    let first = answers.iter().find(|answer| answer.status == 200).expect("one request buys").json();
    assert_eq!(first["message"], "order placed successfully");
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        let problem = answer.expect_problem(409, "duplicate_request");
        assert_eq!(problem["original"]["order_id"], first["order_id"]);
    }
    one.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_belongs_to_one_user_and_one_body() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r1", "1").await.expect(200);
    shop.client.buy_now("bob", "r1", "2").await.expect(200);
    shop.client.buy_now("ann", "r1", "3").await.expect_problem(422, "request_mismatch");
    let more = json!({ "request_id": "r1", "user_id": "ann", "item_id": "1", "quantity": 2 });
    shop.client.post_json("/api/purchase", more).await.expect_problem(422, "request_mismatch");
    shop.assert_sound(2).await;
}

/// Request ids of characters that the text formats in Redis use as separators, markers or absent values.
const SEPARATORS: [&str; 9] = ["-", "=", ":", ",", "-=", "=-", "0", "1:1:1", "{}"];

/// The user and the item of the request with this number.
fn user_and_item(request: usize) -> (String, String) {
    (format!("u{request}"), (request + 1).to_string())
}

/// Fails unless each of the requests is answered with the receipt of its first answer.
async fn expect_duplicates(shop: &Instance, receipts: &[Value]) {
    for (number, (request, receipt)) in SEPARATORS.iter().zip(receipts).enumerate() {
        let (user, item) = user_and_item(number);
        let problem = retrying(|| shop.client.buy_now(&user, request, &item)).await;
        let problem = problem.expect_problem(409, "duplicate_request");
        assert_eq!(problem["original"]["order_id"], receipt["order_id"], "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_may_consist_of_separators() {
    let world = World::new().await;
    let shop = world.start().await;
    let mut receipts = Vec::new();
    for (number, request) in SEPARATORS.iter().enumerate() {
        let (user, item) = user_and_item(number);
        receipts.push(shop.client.buy_now(&user, request, &item).await.expect(200).json());
    }
    expect_duplicates(&shop, &receipts).await;
    shop.assert_sound(9).await;

    let epoch = shop.epoch();
    world.run_in_redis(&["FLUSHALL"]).await;
    eventually("Redis is restored", || async { shop.epoch() > epoch }).await;
    expect_duplicates(&shop, &receipts).await;
    shop.assert_sound(9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_request_id_of_separators_can_be_used_again() {
    let world = World::new().await;
    let shop = world.start().await;
    for (number, request) in SEPARATORS.iter().enumerate() {
        let (user, item) = user_and_item(number);
        shop.client.buy_now(&user, "r", &(number + 51).to_string()).await.expect(200);
        // Redis forgets that a slot of the user is filled, and fills it again, which PostgreSQL rejects.
        world.run_in_redis(&["HDEL", &shop.key("slots"), &user]).await;
        shop.client.buy_now(&user, request, &item).await.expect_problem(503, "unavailable");
        let bought = || shop.client.has_bought(&user, request, &item);
        eventually("the request is released, so it buys", bought).await;
        shop.client.buy_now(&user, request, &item).await.expect_problem(409, "duplicate_request");
    }
    assert_eq!(world.count("SELECT count(*) FROM rejected_entries WHERE reason = 'slot_filled'").await, 9);
    shop.assert_sound(18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_id_can_be_used_again() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("bob", "r", "1").await.expect(200);
    shop.client.buy_now("ann", "r1", "1").await.expect_problem(410, "sold_out");
    shop.client.buy_now("ann", "r1", "101").await.expect_problem(404, "item_not_found");
    shop.client.buy_now("ann", "r1", "2").await.expect(200);
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_replays_the_same_bytes() {
    let world = World::new().await;
    let shop = world.start().await;
    let body = json!({ "user_id": "ann", "item_id": shop.item(4), "quantity": 1 }).to_string();
    let send = || {
        let request = shop.client.request(Method::POST, "/api/purchase");
        let request = request.header("content-type", "application/json").header("idempotency-key", "k-1");
        shop.client.send(request, &body)
    };
    let first = send().await.expect(200);
    assert_eq!(first.header("idempotent-replayed"), None);
    for _ in 0..3 {
        let again = send().await.expect(200);
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_the_change_of_sales_does_not_buy_again() {
    let world = World::new().await.with(|world| world.settings.sale_every = ending_period());
    let shop = world.start().await;
    let first = retrying(|| shop.client.buy_now("ann", "r1", "1")).await.expect(200).json();
    shop.next_sale(first["sale_id"].as_str().expect("a receipt names its sale")).await;
    let again = retrying(|| shop.client.buy_now("ann", "r1", "1")).await;
    let problem = again.expect_problem(409, "duplicate_request");
    assert_eq!(problem["original"]["order_id"], first["order_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_never_knew_the_previous_sale_does_not_buy_again() {
    let world = World::new().await.with(|world| world.settings.sale_every = ending_period());
    let shop = world.start().await;
    let first = retrying(|| shop.client.buy_now("ann", "r1", "1")).await.expect(200).json();
    let sale = first["sale_id"].as_str().expect("a receipt names its sale");
    shop.next_sale(sale).await;
    shop.closed(sale).await;
    let other = world.start().await;
    let again = retrying(|| other.client.buy_now("ann", "r1", "1")).await;
    let problem = again.expect_problem(409, "duplicate_request");
    assert_eq!(problem["original"]["order_id"], first["order_id"]);
}
