//! The schedule of sales.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use flashsale::application::sale::create_sale::{NewSale, NewSaleError, Offer};
use flashsale::application::sale::pace::Pace;
use flashsale::domain::sale::Sale;
use flashsale::domain::shared::limits::LIVE_SALES_MAX;
use flashsale::infrastructure::http::AdminToken;
use futures::future::join_all;
use hyper::Method;
use serde_json::json;

use crate::harness::client::{Answer, retrying};
use crate::harness::service::{Instance, World, ending_period};
use crate::harness::{PATIENCE, eventually, until_ok};

/// Sales of two seconds.
async fn short_sales() -> World {
    World::new().await.with(|world| {
        world.settings.sale_every = Duration::from_secs(2);
        world.settings.sale_lead = Duration::from_secs(1);
        world.settings.sale_items = 500;
    })
}

/// Buys an item of the current sale. Returns the sale, or `None` if the item is sold.
async fn shop_by_number(shop: &Instance, shopper: u32) -> Option<String> {
    let (user, item) = (format!("u{shopper}"), (shopper % 500 + 1).to_string());
    // An instance that has no live sale yet answers 503. Every other refusal fails the test.
    let cart = retrying(|| shop.client.checkout(&user, &item)).await;
    if cart.status == 409 {
        cart.expect_problem(409, "item_sold");
        return None;
    }
    let cart = cart.expect(200).json();
    let active = retrying(|| shop.client.get("/sales/active")).await.expect(200).json();
    assert_eq!(active["total_items"], 500);
    let code = cart["code"].as_str().expect("a cart has a code");
    // The sale of the cart may end before the purchase.
    match retrying(|| shop.client.purchase(code)).await {
        bought if bought.status == 200 => {}
        refused if refused.status == 409 => _ = refused.expect_problem(409, "items_sold"),
        ended => _ = ended.expect_problem(410, "sale_ended"),
    }
    Some(cart["sale_id"].as_str().expect("a cart names its sale").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_shopper_is_refused_when_one_sale_follows_another() {
    let world = short_sales().await;
    let instances = [world.start().await, world.start().await];
    // The clocks of the instances differ from the clock of Redis.
    let skews = instances.each_ref().map(|instance| instance.shop.clone()).into_iter().zip([200, -200]);
    let skewed: Vec<_> = skews
        .map(|(shop, skew_ms)| {
            tokio::spawn(async move {
                loop {
                    shop.clock.set(Utc::now() + TimeDelta::milliseconds(skew_ms));
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    let mut sales = BTreeSet::new();
    for (instance, shopper) in instances.iter().cycle().zip(1..) {
        sales.extend(shop_by_number(instance, shopper).await);
        if sales.len() >= 4 {
            break;
        }
        assert!(Instant::now() < deadline, "within {PATIENCE:?} only the sales {sales:?}");
    }
    skewed.iter().for_each(|skewed| skewed.abort());
    let partial = "SELECT count(*) FROM (SELECT sale FROM items GROUP BY 1 HAVING count(*) <> 500) AS partial";
    assert_eq!(world.count("SELECT count(*) FROM sales WHERE items <> 500").await, 0);
    assert_eq!(world.count(partial).await, 0);
    let closed = "SELECT count(*) FROM sales WHERE closed_at IS NOT NULL";
    eventually("past sales are closed", || async { world.count(closed).await >= 2 }).await;
    let [one, _] = &instances;
    for sale in one.shop.all_sales(None).await.expect("PostgreSQL answers") {
        let findings = one.shop.verify(&sale, &mut Pace::without_pauses()).await.expect("the stores answer");
        assert!(findings.is_sound() || !sale.closed, "{}: {findings}", sale.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_number_gets_503_after_a_sale_that_no_live_sale_follows() {
    let world = World::new().await;
    let shop = world.start().await;
    let sale = shop.shop.current_sale().expect("a sale is open").id();
    shop.shop.end_sale(sale).await.expect("the stores answer");
    for request in 0..20 {
        // The clock of the instance is behind the clock of Redis, so the sale still seems to be open.
        let behind = || shop.shop.clock.set(Utc::now() - TimeDelta::minutes(1));
        behind();
        let checkout = shop.client.checkout("ann", "1").await;
        behind();
        let purchase = shop.client.buy_now("ann", &format!("r{request}"), "1").await;
        for answer in [checkout, purchase] {
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            answer.expect_problem(503, "unavailable");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_together_create_one_sale() {
    let world = World::new().await;
    let instances = join_all((0..4).map(|_| world.launch())).await;
    for instance in &instances {
        eventually("a sale is open", || async { instance.shop.current_sale().is_ok() }).await;
    }
    assert_eq!(world.count("SELECT count(*) FROM sales").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM items").await, 100);
    assert!(instances.iter().all(|instance| instance.sale() == instances[0].sale()));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_stay_available_after_the_sale_has_closed() {
    let world = World::new().await.with(|world| world.settings.sale_every = ending_period());
    let shop = world.start().await;
    let deadline = Instant::now() + PATIENCE;
    let (code, receipt) = loop {
        let code = shop.client.cart("ann", &["1", "2"]).await;
        let answer = retrying(|| shop.client.purchase(&code)).await;
        if answer.status == 200 {
            break (code, answer.body);
        }
        answer.expect_problem(410, "sale_ended");
        assert!(Instant::now() < deadline, "no purchase within {PATIENCE:?}");
    };
    shop.closed(code.rsplit_once('-').expect("a code names its sale").0).await;
    let repeated = async || retrying(|| shop.client.purchase(&code)).await.expect(200).body;
    assert_eq!(repeated().await, receipt);
    // Redis kept the receipt. Without it, PostgreSQL returns the same bytes.
    let epoch = shop.epoch();
    world.run_in_redis(&["FLUSHALL"]).await;
    eventually("Redis is restored", || async { shop.epoch() > epoch }).await;
    assert_eq!(repeated().await, receipt);
    let path = format!("/purchase/{code}");
    assert_eq!(retrying(|| shop.client.get(&path)).await.expect(200).body, receipt);
    // An instance that never had the sale live returns them, too.
    let other = world.start().await;
    assert_eq!(retrying(|| other.client.get(&path)).await.expect(200).body, receipt);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_creates_and_ends_a_sale() {
    let world = World::new().await.with(|world| {
        world.http.admin_token = AdminToken::new("s3cret".into());
    });
    let (one, two) = (world.start().await, world.start().await);
    let admin = |path: &str, token: Option<&str>| {
        let request = one.client.request(Method::POST, path).header("content-type", "application/json");
        match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    };
    let body = json!({ "items": [
        { "name": "Lamp", "image_url": "https://img.example/1.jpg", "price": "19.90", "currency": "EUR", "stock": 3 },
        { "name": "Ü-Wagen", "image_url": "/2.jpg", "price": "5", "currency": "EUR", "stock": 1 },
    ], "per_user_limit": 2 })
    .to_string();
    one.client.send(admin("/admin/sales", None), &body).await.expect(401);
    one.client.send(admin("/admin/sales", Some("s3creT")), &body).await.expect(403);
    let made = one.client.send(admin("/admin/sales", Some("s3cret")), &body).await.expect(201);
    let id = made.json()["id"].as_str().expect("a sale has an id").to_owned();
    assert_eq!(made.header("location"), Some(format!("/sales/{id}").as_str()));

    let shown = two.client.get(&format!("/sales/{id}/items")).await.expect(200).json();
    assert_eq!(shown["items"][0]["price"], "19.90");
    assert_eq!(shown["items"][1]["name"], "Ü-Wagen");
    let item = format!("{id}-00001");
    let cart = two.client.post(&format!("/checkout?user_id=ann&id={item}&quantity=2")).await.expect(200).json();
    assert_eq!((&cart["total"], &cart["items_count"]), (&json!("39.80"), &json!(2)));
    two.client.post(&format!("/checkout?user_id=ann&id={id}-00002")).await.expect_problem(409, "user_limit_reached");
    two.client.purchase(cart["code"].as_str().expect("a code")).await.expect(200);
    two.client.post(&format!("/checkout?user_id=bob&id={item}&quantity=2")).await.expect_problem(409, "item_sold");
    two.client.buy_now("bob", "r", &item).await.expect(200);
    two.client.buy_now("eve", "r", &item).await.expect_problem(410, "sold_out");

    let left = two.client.checkout("eve", &format!("{id}-00002")).await.expect(200).json();
    for _ in 0..2 {
        // The estimate of an instance may be behind the clock that ends the sale.
        one.shop.clock.set(Utc::now() - TimeDelta::milliseconds(200));
        let ended = one.client.send(admin(&format!("/admin/sales/{id}/end"), Some("s3cret")), "").await.expect(200);
        assert_eq!(ended.json()["status"], "ended");
    }
    let code = left["code"].as_str().expect("a code");
    two.client.purchase(code).await.expect_problem(410, "sale_ended");
    let sale = one.shop.archive.sale(id.parse().expect("a sale id")).await.expect("PostgreSQL answers");
    let findings = one.shop.verify(&sale.expect("the sale exists"), &mut Pace::without_pauses()).await;
    assert_eq!(findings.expect("the stores answer").sold, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_html_and_emoji_are_shown_as_they_are() {
    let world = World::new().await.with(|world| world.http.admin_token = AdminToken::new("s3cret".into()));
    let shop = world.start().await;
    let create = async |name: &str| {
        let item = json!({ "name": name, "image_url": "/1.jpg", "price": "5", "currency": "EUR", "stock": 1 });
        let request = shop.client.request(Method::POST, "/admin/sales").header("content-type", "application/json");
        let request = request.header("authorization", "Bearer s3cret");
        shop.client.send(request, &json!({ "items": [item] }).to_string()).await
    };
    create(&"n".repeat(10_000)).await.expect_problem(400, "invalid_request");
    let name = "</script><img src=x onerror=\"alert('1')\"> & {{7*7}} 👩‍🚀";
    let sale = create(name).await.expect(201).json()["id"].as_str().expect("an id").to_owned();
    let item = format!("{sale}-00001");
    let listed = shop.client.get(&format!("/sales/{sale}/items")).await;
    let cart = shop.client.checkout("ann", &item).await;
    let code = cart.json()["code"].as_str().expect("a code").to_owned();
    let (shown, receipt) = (shop.client.get(&format!("/items/{item}")).await, shop.client.purchase(&code).await);
    for (answer, place) in [(listed, "/items/0"), (cart, "/items/0"), (shown, ""), (receipt, "/purchased_items/0")] {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
        let body = answer.expect(200).json();
        assert_eq!(body.pointer(place).map(|item| &item["name"]), Some(&json!(name)), "{body}");
    }
}

/// A sale of generated items that starts in five hours.
fn later_sale(items: u32) -> NewSale {
    let starts_at = Some(Utc::now() + TimeDelta::hours(5));
    NewSale {
        starts_at,
        ends_at: None,
        offer: Offer::Generated(items),
        user_limit: None,
        payment_window: None,
        waiting_room: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_is_ended_before_its_start_has_ended() {
    let world = World::new().await;
    let shop = world.start().await;
    let sale = shop.shop.create_sale(later_sale(5)).await.expect("the sale is created");
    let item = format!("{}-00001", sale.id);
    shop.client.checkout("ann", &item).await.expect_problem(409, "sale_not_started");
    shop.shop.end_sale(sale.id).await.expect("the sale is ended");
    shop.client.checkout("ann", &item).await.expect_problem(410, "sale_ended");
    let listed = |status: &'static str| {
        let client = shop.client.clone();
        async move { client.get(&format!("/sales?status={status}")).await.expect(200).json()["sales"].to_string() }
    };
    assert!(listed("ended").await.contains(&sale.id.to_string()));
    assert!(!listed("scheduled").await.contains(&sale.id.to_string()));
    shop.closed(&sale.id.to_string()).await;
    shop.client.checkout("ann", &item).await.expect_problem(410, "sale_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sixty_first_live_sale_is_refused() {
    let world = World::new().await.with(|world| world.http.admin_token = AdminToken::new("secret".into()));
    let shop = world.start().await;
    // The current sale is the first one.
    for _ in 1..LIVE_SALES_MAX {
        until_ok(async || shop.shop.create_sale(later_sale(1)).await).await;
    }
    assert_eq!(world.count("SELECT count(*) FROM sales WHERE closed_at IS NULL").await, 60);
    let create = || {
        let request = shop.client.request(Method::POST, "/admin/sales").header("content-type", "application/json");
        shop.client.send(request.header("authorization", "Bearer secret"), r#"{ "total_items": 1 }"#)
    };
    create().await.expect_problem(409, "too_many_sales");
    assert_eq!(world.count("SELECT count(*) FROM sales").await, 60);
    shop.client.buy_now("ann", "r", "1").await.expect(200);
}

/// Creates an open sale of 100 items. Waits while too many sales are live, as ended sales close after some seconds.
async fn open_sale(shop: &Instance) -> Sale {
    let wanted = NewSale {
        starts_at: None,
        ends_at: None,
        offer: Offer::Generated(100),
        user_limit: None,
        payment_window: None,
        waiting_room: false,
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        match shop.shop.create_sale(wanted.clone()).await {
            Ok(sale) => return sale,
            Err(error) => assert!(matches!(error, NewSaleError::TooMany | NewSaleError::Failed(_)), "{error}"),
        }
        assert!(Instant::now() < deadline, "no sale was closed within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unsold_items_stay_available_in_each_of_seventy_two_sales() {
    let world = World::new().await;
    let shop = world.start().await;
    for round in 0..72u32 {
        let sale = open_sale(&shop).await;
        let id = |item: &u32| format!("{}-{item:05}", sale.id);
        let (sold, unsold): (Vec<u32>, Vec<u32>) = (1..=100).partition(|item| (item + round).is_multiple_of(5));
        let expect_all = |answers: Vec<Answer>| answers.into_iter().for_each(|answer| _ = answer.expect(200));
        let buying = sold.iter().map(id).map(|item| {
            let client = shop.client.clone();
            async move { client.buy_now(&item, "r", &item).await }
        });
        expect_all(join_all(buying).await);
        let live = shop.shop.sales.live(sale.id).expect("the sale is live");
        let is_complete = || std::future::ready(live.filter().sold_items() as usize == sold.len());
        eventually("the filter contains the sold items", is_complete).await;
        let checking_out = unsold.iter().map(id).map(|item| {
            let client = shop.client.clone();
            async move { client.checkout(&item, &item).await }
        });
        expect_all(join_all(checking_out).await);
        shop.shop.end_sale(sale.id).await.expect("the sale is ended");
    }
}
