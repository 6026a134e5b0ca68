//! Buying without a cart.

use futures::future::join_all;
use hyper::Method;
use serde_json::json;

use crate::harness::service::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_buys_once_whoever_repeats_it() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    let requests = (0..40).map(|request| if request % 2 == 0 { &one.client } else { &two.client });
    let answers = join_all(requests.map(|client| client.buy_now("ann", "r1", "1"))).await;
    let first = answers.iter().find(|answer| answer.status == 200).expect("one goes through").json();
    assert_eq!(first["message"], "order placed successfully");
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        let problem = answer.expect_problem(409, "duplicate_request");
        assert_eq!(problem["original"]["order_id"], first["order_id"]);
    }
    one.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_belongs_to_its_user_and_its_body() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("ann", "r1", "1").await.expect(200);
    shop.client.buy_now("bob", "r1", "2").await.expect(200);
    shop.client.buy_now("ann", "r1", "3").await.expect_problem(422, "request_mismatch");
    let more = json!({ "request_id": "r1", "user_id": "ann", "item_id": "1", "quantity": 2 });
    shop.client.post_json("/api/purchase", more).await.expect_problem(422, "request_mismatch");
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_burns_nothing() {
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
async fn a_retry_across_the_hour_does_not_buy_again() {
    let world = World::new().await.with(|world| {
        world.settings.sale_every = std::time::Duration::from_secs(2);
        world.settings.sale_lead = std::time::Duration::from_secs(1);
    });
    let shop = world.start().await;
    let first = loop {
        let answer = shop.client.buy_now("ann", "r1", "1").await;
        if answer.status == 200 {
            break answer.json();
        }
    };
    let sold_in = first["sale_id"].as_str().expect("a receipt tells its sale").to_owned();
    crate::harness::eventually("the next sale is on", || async { shop.sale() != sold_in }).await;
    let problem = shop.client.buy_now("ann", "r1", "1").await.expect_problem(409, "duplicate_request");
    assert_eq!(problem["original"]["order_id"], first["order_id"]);
}
