//! A sale is always open, and there is exactly one.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::json;

use crate::harness::eventually;
use crate::harness::service::World;

async fn short_sales() -> World {
    World::new().await.with(|world| {
        world.settings.sale_every = Duration::from_secs(2);
        world.settings.sale_lead = Duration::from_secs(1);
        world.settings.sale_items = 500;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_boundary_between_sales_nobody_is_refused() {
    let world = short_sales().await;
    let (one, two) = (world.start().await, world.start().await);
    // Two hosts whose idea of the time of Redis is wrong, each in its own way.
    let skewed = [(one.shop.clone(), 200), (two.shop.clone(), -200)].map(|(shop, skew_ms)| {
        tokio::spawn(async move {
            loop {
                shop.clock.set(Utc::now() + TimeDelta::milliseconds(skew_ms));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    });
    let started = Instant::now();
    let mut sales = std::collections::BTreeSet::new();
    let mut shopper = 0;
    while started.elapsed() < Duration::from_secs(7) {
        shopper += 1;
        let client = if shopper % 2 == 0 { &one.client } else { &two.client };
        let item = (shopper % 500 + 1).to_string();
        let cart = client.checkout(&format!("u{shopper}"), &item).await;
        if cart.status == 409 {
            cart.expect_problem(409, "item_sold");
            continue;
        }
        let cart = cart.expect(200).json();
        sales.insert(cart["sale_id"].as_str().expect("a cart tells its sale").to_owned());
        let active = client.get("/sales/active").await.expect(200).json();
        assert_eq!((&active["total_items"], &active["active"]), (&json!(500), &json!(true)));
        let bought = client.purchase(cart["code"].as_str().expect("a code")).await;
        assert!([200, 409, 410].contains(&bought.status.as_u16()), "{bought:?}");
    }
    skewed.iter().for_each(|skewed| skewed.abort());
    assert!(sales.len() >= 4, "{sales:?}");
    assert_eq!(world.count("SELECT count(*) FROM sales WHERE items <> 500").await, 0);
    assert_eq!(
        world
            .count("SELECT count(*) FROM (SELECT sale_id FROM items GROUP BY 1 HAVING count(*) <> 500) AS partial")
            .await,
        0
    );
    eventually("past sales are closed", || async {
        world.count("SELECT count(*) FROM sales WHERE closed_at IS NOT NULL").await >= 2
    })
    .await;
    // Closed sales are answered by PostgreSQL, and are as sound as open ones.
    for sale in one.shop.all_sales(None).await.expect("PostgreSQL answers") {
        let findings = one.shop.verify(&sale).await.expect("the stores answer");
        assert!(findings.is_sound() || !sale.closed, "{}: {findings}", sale.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_once_make_one_sale() {
    let world = World::new().await;
    let instances = futures::future::join_all((0..4).map(|_| world.start_at_once())).await;
    for instance in &instances {
        eventually("a sale is on", || async { instance.shop.current_sale().is_ok() }).await;
    }
    assert_eq!(world.count("SELECT count(*) FROM sales WHERE starts_at <= now()").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM items").await % 100, 0);
    assert!(instances.iter().all(|instance| instance.sale() == instances[0].sale()));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_outlive_their_sale() {
    let world = short_sales().await;
    let shop = world.start().await;
    let (code, receipt) = loop {
        let code = shop.client.cart("ann", &["1", "2"]).await;
        let answer = shop.client.purchase(&code).await;
        if answer.status == 200 {
            break (code, answer.body);
        }
    };
    eventually("the sale is closed", || async {
        shop.shop.sales.live(code.parse::<flashsale::domain::shared::CheckoutCode>().expect("a code").sale).is_none()
    })
    .await;
    assert_eq!(shop.client.purchase(&code).await.expect(200).body, receipt);
    // Redis has kept it; when Redis forgets, PostgreSQL answers with the same bytes.
    let _: () = redis::cmd("FLUSHALL").query_async(&mut world.redis_connection().await).await.expect("emptied");
    eventually("selling goes on", || async { shop.epoch().is_some_and(|epoch| epoch.0 > 1) }).await;
    assert_eq!(shop.client.purchase(&code).await.expect(200).body, receipt);
    assert_eq!(shop.client.get(&format!("/purchase/{code}")).await.expect(200).body, receipt);
    // So does an instance that never knew the sale.
    let other = world.start().await;
    assert_eq!(other.client.get(&format!("/purchase/{code}")).await.expect(200).body, receipt);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_and_ends_a_sale() {
    let world = World::new().await.with(|world| {
        world.http.admin_token = flashsale::infrastructure::http::AdminToken::new("s3cret".into());
    });
    let (one, two) = (world.start().await, world.start().await);
    let admin = |path: &str, token: Option<&str>| {
        let request = one.client.request(hyper::Method::POST, path).header("content-type", "application/json");
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
    one.client.send(admin(&format!("/admin/sales/{id}/end"), Some("s3cret")), "").await.expect(200);
    let code = left["code"].as_str().expect("a code");
    two.client.purchase(code).await.expect_problem(410, "sale_ended");
    let findings = one
        .shop
        .verify(&one.shop.archive.sale(id.parse().expect("an id")).await.expect("it answers").expect("it is there"))
        .await;
    assert_eq!(findings.expect("the stores answer").sold, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_that_is_ended_before_it_began_has_ended() {
    let world = World::new().await;
    let shop = world.start().await;
    let offer = flashsale::application::sale::create_sale::Offer::Generated(5);
    let starts_at = Some(Utc::now() + TimeDelta::hours(5));
    let wanted =
        flashsale::application::sale::create_sale::NewSale { starts_at, ends_at: None, offer, user_limit: None };
    let sale = shop.shop.create_sale(wanted).await.expect("it can be made");
    let item = format!("{}-00001", sale.id);
    shop.client.checkout("ann", &item).await.expect_problem(409, "sale_not_started");
    shop.shop.end_sale(sale.id).await.expect("it can be ended");
    shop.client.checkout("ann", &item).await.expect_problem(410, "sale_ended");
    let listed = |status: &'static str| {
        let client = shop.client.clone();
        async move { client.get(&format!("/sales?status={status}")).await.expect(200).json()["sales"].to_string() }
    };
    assert!(listed("ended").await.contains(&sale.id.to_string()));
    assert!(!listed("scheduled").await.contains(&sale.id.to_string()));
    eventually("it is closed", || async { shop.shop.sales.live(sale.id).is_none() }).await;
    shop.client.checkout("ann", &item).await.expect_problem(410, "sale_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_sales_are_live_at_once_and_no_more() {
    let world = World::new().await;
    let shop = world.start().await;
    let offer = flashsale::application::sale::create_sale::Offer::Generated(1);
    let starts_at = Some(Utc::now() + TimeDelta::hours(5));
    let wanted =
        flashsale::application::sale::create_sale::NewSale { starts_at, ends_at: None, offer, user_limit: None };
    let mut made = 0;
    let refused = loop {
        match shop.shop.create_sale(wanted.clone()).await {
            Ok(_) => made += 1,
            Err(error) => break error.to_string(),
        }
        assert!(made < flashsale::domain::shared::limits::LIVE_SALES_MAX, "no bound");
    };
    assert!(made > 50 && refused.contains("end one first"), "{made}: {refused}");
    shop.client.buy_now("ann", "r", "1").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn seventy_two_sales_one_after_the_other_leave_every_unsold_item_for_sale() {
    let world = World::new().await;
    let shop = world.start().await;
    for round in 0..72u32 {
        let offer = flashsale::application::sale::create_sale::Offer::Generated(100);
        let wanted = flashsale::application::sale::create_sale::NewSale {
            starts_at: None,
            ends_at: None,
            offer,
            user_limit: None,
        };
        // So many are live at once; those that were ended are closed soon after.
        let sale = loop {
            match shop.shop.create_sale(wanted.clone()).await {
                Ok(sale) => break sale,
                Err(error) => assert!(error.to_string().contains("end one first"), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let live = shop.shop.sales.live(sale.id).expect("it is live");
        let sold: Vec<u32> = (1..=100).filter(|item| (item + round) % 5 == 0).collect();
        let buying = sold.iter().map(|item| {
            let (client, item) = (shop.client.clone(), format!("{}-{item:05}", sale.id));
            async move { client.buy_now(&item.clone(), "r", &item).await.expect(200) }
        });
        futures::future::join_all(buying).await;
        eventually("the filter knows", || async { live.filter().sold_items() as usize == sold.len() }).await;
        let unsold = (1..=100).filter(|item| !sold.contains(item)).map(|item| {
            let (client, item) = (shop.client.clone(), format!("{}-{item:05}", sale.id));
            async move { client.checkout(&format!("u{item}"), &item).await.expect(200) }
        });
        futures::future::join_all(unsold).await;
        shop.shop.end_sale(sale.id).await.expect("it can be ended");
    }
}
