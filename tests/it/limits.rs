//! The limits of shoppers: their requests, and their carts.

use std::num::NonZeroU32;
use std::time::Duration;

use flashsale::domain::sale::PaymentWindow;
use flashsale::domain::shared::limits::RECENT_CARTS_MAX;
use flashsale::infrastructure::http::{HttpSettings, Rate};
use serde_json::json;

use crate::harness::client::Answer;
use crate::harness::eventually;
use crate::harness::service::{Instance, World};

/// A limit of this many requests at once, which grows by only one a second.
pub fn at_once(requests: u32) -> Option<Rate> {
    Some(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(requests).expect("a limit") })
}

async fn start(change: impl FnOnce(&mut HttpSettings)) -> (World, Instance) {
    let world = World::new().await.with(|world| change(&mut world.http));
    let shop = world.start().await;
    (world, shop)
}

/// The requests that are left of the limit of a user.
fn left(answer: &Answer) -> u32 {
    let header = answer.header("ratelimit").expect("an answer names its limits");
    header.strip_prefix("\"user\";r=").and_then(|rest| rest.split(';').next()?.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_counts_for_the_user_of_its_cart() {
    let (_world, shop) = start(|http| http.user_rate = at_once(1_000)).await;
    let code = shop.client.cart("ann", &["1"]).await;
    for _ in 0..100 {
        left(&shop.client.purchase(&code).await.expect(200));
        left(&shop.client.get(&format!("/purchase/{code}")).await.expect(200));
    }
    let code = shop.client.cart("ann", &["2", "3"]).await;
    for _ in 0..100 {
        left(&shop.client.get(&format!("/checkout/{code}")).await.expect(200));
    }
    left(&shop.client.delete(&format!("/checkout/{code}/items/3")).await.expect(200));
    let left = left(&shop.client.get("/users/ann/purchases").await.expect(200));
    assert!(left < 750, "{left} left after more than 300 requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routes_of_an_order_count_for_its_user() {
    let world = World::new().await.with(|world| {
        world.http.user_rate = at_once(1_000);
        world.settings.payment_window = PaymentWindow::try_from(600).ok();
    });
    let shop = world.start().await;
    let used = async || 1_000 - left(&shop.client.get("/users/ann/orders").await.expect(200));
    let code = shop.client.cart("ann", &["1"]).await;
    shop.client.purchase(&code).await.expect(200);
    let (path, mut before) = (format!("/orders/{code}"), used().await);
    for route in ["read", "cancel", "list"] {
        for _ in 0..100 {
            let answer = match route {
                "read" => shop.client.get(&path).await,
                "cancel" => shop.client.post_json(&format!("{path}/cancel"), json!({ "user_id": "ann" })).await,
                _ => shop.client.get("/users/ann/orders").await,
            };
            left(&answer.expect(200));
        }
        let after = used().await;
        assert!(after > before + 50, "{route}: {before} and then {after}");
        before = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_requests_left_still_buys_the_cart() {
    let (_world, shop) = start(|http| http.user_rate = at_once(20)).await;
    let code = shop.client.cart("ann", &["1"]).await;
    let is_refused = || async { shop.client.get("/users/ann/purchases").await.status == 429 };
    eventually("the limit of the user is used up", is_refused).await;
    let bought = shop.client.purchase(&code).await.expect(200);
    let repeated = shop.client.purchase(&code).await.expect(200);
    assert_eq!((bought.body, repeated.header("idempotent-replayed")), (repeated.body.clone(), Some("true")));
    // Whoever repeats it without end is refused, but learns when to try again.
    let is_refused = || async { shop.client.purchase(&code).await.status == 429 };
    eventually("the limit of the code is used up", is_refused).await;
    eventually("it is answered again", || async { shop.client.purchase(&code).await.status == 200 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_cart_is_forgotten_and_a_bought_one_is_not() {
    let world = World::new().await.with(|world| world.settings.cart_idle = Duration::from_secs(1));
    let shop = world.start().await;
    let client = &shop.client;
    let (bought, code) = (client.cart("ann", &["1"]).await, client.cart("bob", &["2"]).await);
    client.purchase(&bought).await.expect(200);
    let is_forgotten = || async { client.get(&format!("/checkout/{code}")).await.status == 404 };
    eventually("the cart is forgotten", is_forgotten).await;
    client.purchase(&code).await.expect_problem(404, "checkout_not_found");
    client.delete(&format!("/checkout/{code}/items/2")).await.expect_problem(404, "checkout_not_found");
    assert_eq!(client.purchase(&bought).await.expect(200).header("idempotent-replayed"), Some("true"));
    let new = client.cart("bob", &["2"]).await;
    assert_ne!(new, code);
    client.purchase(&new).await.expect(200);
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_invented_users_does_not_keep_new_carts_out() {
    const FILL: &str = "for n = ARGV[1], ARGV[2] do
            local code = string.format('20261120T09-%032x', n)
            redis.call('HSET', KEYS[1], code, 'u' .. n .. ' 1:1:1')
            redis.call('HSET', KEYS[2], 'u' .. n, code)
        end";
    let world = World::new().await.with(|world| world.settings.cart_idle = Duration::MAX);
    let shop = world.start().await;
    let (carts, codes) = (shop.key("carts"), shop.key("codes"));
    for first in (1..=RECENT_CARTS_MAX).step_by(10_000) {
        let (first, last) = (first.to_string(), (first + 9_999).to_string());
        world.run_in_redis(&["EVAL", FILL, "2", &carts, &codes, &first, &last]).await;
    }
    let code = shop.client.cart("ann", &["1"]).await;
    shop.client.purchase(&code).await.expect(200);
}
