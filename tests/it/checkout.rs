//! Carts.

use futures::future::join_all;
use serde_json::json;

use crate::harness::client::retrying;
use crate::harness::service::{World, ending_period};
use crate::harness::{commands, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_shows_its_items_and_their_total() {
    let world = World::new().await;
    let shop = world.start().await;
    let first = shop.client.checkout("ann", "1").await.expect(200).json();
    let again = shop.client.checkout("ann", "1").await.expect(200).json();
    assert_eq!(first, again, "a repeated checkout changed the cart");
    let cart = shop.client.post(&format!("/checkout?user_id=ann&item_id={}", shop.item(2))).await.expect(200).json();
    assert_eq!(cart["code"], first["code"], "a second checkout changed the code");
    assert_eq!(cart["sale_id"], shop.sale());
    assert_eq!(cart["items_count"], 2);
    assert_eq!(cart["currency"], "EUR");
    let (one, two) = (&cart["items"][0], &cart["items"][1]);
    assert_eq!(one["id"], shop.item(1));
    let cents = |price: &serde_json::Value| price.as_str().expect("prices are strings").replace('.', "").parse::<u32>();
    let total = cents(&one["price"]).expect("a price") + cents(&two["price"]).expect("a price");
    assert_eq!(cents(&cart["total"]).expect("a total"), total);

    let code = cart["code"].as_str().expect("a code");
    let shown = shop.client.get(&format!("/checkout/{code}")).await.expect(200).json();
    assert_eq!(shown["items"][1]["available"], true);
    shop.client.delete(&format!("/checkout/{code}/items/{}", shop.item(1))).await.expect(200);
    let left = shop.client.get(&format!("/checkout/{code}")).await.expect(200).json();
    assert_eq!(left["items_count"], 1);
    shop.client.delete(&format!("/checkout/{code}/items/1")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_items_is_checked_out_completely_or_not_at_all() {
    let world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("bob", "r", "2").await.expect(200);
    let body = json!({ "user_id": "ann", "items": [{ "id": "1" }, { "id": "2" }, { "id": "3" }] });
    let problem = shop.client.post_json("/checkout", body).await.expect_problem(409, "item_sold");
    assert_eq!(problem["unavailable"], json!([shop.item(2)]));
    let code = shop.client.cart("ann", &["1", "3"]).await;
    assert_eq!(shop.client.get(&format!("/checkout/{code}")).await.json()["items_count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_cart_cannot_be_bought() {
    let world = World::new().await;
    let shop = world.start().await;
    let emptied = shop.client.cart("ann", &["1"]).await;
    let cart = shop.client.delete(&format!("/checkout/{emptied}/items/1")).await.expect(200).json();
    assert_eq!((&cart["items_count"], &cart["items"]), (&json!(0), &json!([])));

    let sold_out = shop.client.cart("bob", &["2", "3"]).await;
    for item in ["2", "3"] {
        shop.client.buy_now("eve", item, item).await.expect(200);
    }
    let problem = shop.client.purchase(&sold_out).await.expect_problem(409, "items_sold");
    assert_eq!(problem["available"], json!([]));

    for code in [&emptied, &sold_out] {
        for query in ["", "&partial=true"] {
            let purchase = shop.client.post(&format!("/purchase?code={code}{query}")).await;
            purchase.expect_problem(409, "cart_empty");
        }
    }
    shop.assert_sound(2).await;
    // The cart can be filled again under the same code.
    assert_eq!(shop.client.cart("ann", &["4"]).await, emptied);
    shop.client.purchase(&emptied).await.expect(200);
    shop.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_checkouts_of_a_new_user_fill_one_cart_of_ten_units() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    let checkouts = (1..=50u32).map(|item| {
        let client = if item.is_multiple_of(2) { one.client.clone() } else { two.client.clone() };
        async move { client.checkout("ann", &item.to_string()).await }
    });
    let (mut codes, mut full) = (Vec::new(), 0);
    for answer in join_all(checkouts).await {
        match answer.status.as_u16() {
            200 => codes.push(answer.json()["code"].clone()),
            _ => full += u32::from(answer.expect_problem(409, "cart_full")["status"] == 409),
        }
    }
    assert_eq!((codes.len(), full), (10, 40));
    assert!(codes.iter().all(|code| *code == codes[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sold_item_costs_no_redis_call() {
    let mut world = World::new().await;
    let shop = world.start().await;
    shop.client.buy_now("bob", "r", "5").await.expect(200);
    let sale = shop.shop.current_sale().expect("a sale is open");
    eventually("the filter contains the sold item", || async { sale.filter().sold_items() == 1 }).await;

    let before = commands(&world, "evalsha").await;
    for user in 0..20 {
        let problem = shop.client.checkout(&format!("u{user}"), "5").await.expect_problem(409, "item_sold");
        assert_eq!(problem["unavailable"], json!([shop.item(5)]));
        shop.client.buy_now(&format!("u{user}"), "r", "5").await.expect_problem(410, "sold_out");
    }
    assert_eq!(commands(&world, "evalsha").await, before);
    // The buyer gets the receipt, which takes a call.
    shop.client.buy_now("bob", "r", "5").await.expect_problem(409, "duplicate_request");
    world.redis.server.kill();
    shop.client.checkout("ann", "5").await.expect_problem(409, "item_sold");
    shop.client.checkout("ann", "6").await.expect_problem(503, "unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_and_a_purchase_of_ten_items_take_one_redis_call_each() {
    let world = World::new().await;
    let shop = world.start().await;
    let items: Vec<String> = (1..=10).map(|item| item.to_string()).collect();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let (before, texts) = (commands(&world, "evalsha").await, commands(&world, "eval").await);
    let code = shop.client.cart("ann", &items).await;
    assert_eq!(commands(&world, "evalsha").await, before + 1);
    shop.client.purchase(&code).await.expect(200);
    assert_eq!(commands(&world, "evalsha").await, before + 2);
    assert_eq!(commands(&world, "eval").await, texts);
    shop.assert_sound(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_archived_and_trimmed_and_refusals_are_counted() {
    let world = World::new().await;
    let shop = world.start().await;
    for user in 0..25 {
        shop.client.checkout(&format!("u{user}"), "1").await.expect(200);
        shop.client.checkout(&format!("u{user}"), "1").await.expect(200);
    }
    shop.client.buy_now("bob", "r", "2").await.expect(200);
    for _ in 0..7 {
        shop.client.checkout("ann", "2").await.expect_problem(409, "item_sold");
    }
    // An unreadable attempt does not stop the others from being archived.
    let attempts = shop.key("attempts");
    world.run_in_redis(&["XADD", &attempts, "*", "x", "y"]).await;
    shop.client.checkout("last", "1").await.expect(200);
    eventually("attempts are archived", || async { world.count("SELECT count(*) FROM checkout_attempts").await == 26 })
        .await;
    eventually("attempts are trimmed", || async { world.query_redis::<i64>(&["XLEN", &attempts]).await == 0 }).await;
    eventually("refusals are counted", || async {
        world.count("SELECT coalesce(sum(count), 0)::bigint FROM refused_attempts WHERE reason = 'item_sold'").await
            == 7
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_stay_valid_when_the_service_restarts() {
    let world = World::new().await;
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1", "2"]).await;
    let (sale, bought) = (shop.sale(), shop.client.cart("bob", &["3"]).await);
    let receipt = shop.client.purchase(&bought).await.expect(200).body;
    shop.stop().await;
    let shop = world.start().await;
    assert_eq!(shop.sale(), sale);
    assert_eq!(shop.client.purchase(&bought).await.expect(200).body, receipt);
    shop.client.checkout("eve", "3").await.expect_problem(409, "item_sold");
    shop.client.purchase(&code).await.expect(200);
    shop.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_number_belongs_to_the_current_sale_and_a_code_to_its_own() {
    let world = World::new().await.with(|world| world.settings.sale_every = ending_period());
    let shop = world.start().await;
    let code = shop.client.cart("ann", &["1"]).await;
    let sale = code.rsplit_once('-').expect("a code names its sale").0;
    shop.next_sale(sale).await;
    for _ in 0..3 {
        shop.client.purchase(&code).await.expect_problem(410, "sale_ended");
    }
    let item = format!("{sale}-00001");
    shop.client.checkout("ann", &item).await.expect_problem(410, "sale_ended");
    shop.closed(sale).await;
    shop.client.purchase(&code).await.expect_problem(410, "sale_ended");
    let cart = retrying(|| shop.client.checkout("ann", "1")).await.expect(200).json();
    assert_ne!(cart["sale_id"], sale);
}
