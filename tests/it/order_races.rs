//! Orders that are paid, cancelled and overdue at the same time, on two instances.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flashsale::domain::sale::PaymentWindow;
use flashsale::infrastructure::payment::PaymentSettings;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::client::retrying;
use crate::harness::provider::Provider;
use crate::harness::service::{Instance, World};
use crate::harness::{eventually, stores};

/// Orders that race at once.
const WAVE: usize = 50;

/// Time in which an order must be paid, and longest time in which a payment may be pending, in seconds. A `pm_slow` is
/// charged when its order is overdue.
const WINDOW: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(2);

/// Milliseconds around the deadline of an order in which its buyer pays and cancels.
const MOMENTS: std::ops::Range<i64> = -250..150;

/// Means of payment, most of which succeed.
const METHODS: [&str; 8] =
    ["pm_ok", "pm_slow", "pm_ok", "pm_declined", "pm_slow", "pm_timeout_charged", "pm_ok", "pm_flaky"];

/// An order whose race is over.
struct Raced {
    code: String,
    status: String,
}

/// Waits for a random moment around the deadline of an order.
async fn around(deadline: DateTime<Utc>) {
    let moment = deadline + chrono::TimeDelta::milliseconds(rand::random_range(MOMENTS));
    tokio::time::sleep((moment - Utc::now()).to_std().unwrap_or_default()).await;
}

/// Reads an order.
async fn order(shop: &Instance, code: &str) -> Value {
    let path = format!("/orders/{code}");
    retrying(|| shop.client.get(&path)).await.expect(200).json()
}

/// Buys an item, and pays it twice and cancels it around its deadline.
async fn race(number: usize, one: &Instance, other: &Instance) -> Raced {
    let user = format!("u{number}");
    let code = one.client.cart(&user, &[&(number + 1).to_string()]).await;
    let receipt = one.client.purchase(&code).await.expect(200).json();
    let pay_by: DateTime<Utc> = receipt["pay_by"].as_str().and_then(|time| time.parse().ok()).expect("a time");
    let pay = async |shop: &Instance| {
        around(pay_by).await;
        let method = json!({ "payment_method": METHODS[number % METHODS.len()] });
        shop.client.post_json(&format!("/orders/{code}/pay"), method).await.status.as_u16()
    };
    let cancel = async |shop: &Instance| {
        around(pay_by).await;
        shop.client.post_json(&format!("/orders/{code}/cancel"), json!({ "user_id": user })).await.status.as_u16()
    };
    let (paid, cancelled, paid_too) = tokio::join!(pay(one), cancel(other), pay(other));
    let is_final = |order: &Value| ["PAID", "CANCELLED", "EXPIRED"].iter().any(|status| order["status"] == *status);
    eventually("the order has an end", || async { is_final(&order(one, &code).await) }).await;
    let status = order(one, &code).await["status"].as_str().expect("a status").to_owned();
    for answer in [paid, paid_too] {
        assert!([200, 202, 402, 409, 410, 503].contains(&answer), "{answer}");
        assert!(answer != 200 || status == "PAID", "paid, and now {status}");
    }
    assert!([200, 202, 409, 503].contains(&cancelled), "{cancelled}");
    assert!(cancelled != 200 || status == "CANCELLED", "cancelled, and now {status}");
    Raced { code, status }
}

/// Fails unless the order still has its end, and is charged once if it is paid, and otherwise not.
async fn assert_one_end(raced: &Raced, shop: &Instance, provider: &Provider) {
    let shown = order(shop, &raced.code).await;
    assert_eq!(shown["status"], raced.status.as_str(), "a final order has changed");
    let id = shown["order_id"].as_str().expect("an id");
    let intents = provider.api.get(&format!("/payment_intents?order_id={id}")).await.expect(200).json();
    let is_charged = |intent: &&Value| intent["status"] == "succeeded" && intent["refunded"] == 0;
    let charges = intents["payment_intents"].as_array().expect("a list").iter().filter(is_charged).count();
    assert_eq!(charges, usize::from(raced.status == "PAID"), "{shown}: {intents}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_paid_cancelled_and_overdue_at_once_have_one_end() {
    let orders = std::env::var("ORDERS").ok().and_then(|orders| orders.parse().ok()).unwrap_or(WAVE);
    let provider = Provider::start(&stores::empty_database().await, &[]).await;
    let world = World::new().await.with(|world| {
        world.settings.payment_window = PaymentWindow::try_from(WINDOW).ok();
        world.settings.sale_items = orders as u32;
        world.payment =
            PaymentSettings { patience: PATIENCE, ask_after: Duration::from_secs(1), ..provider.settings() };
    });
    let (one, other) = (world.start().await, world.start().await);
    let mut raced = Vec::new();
    for wave in (0..orders).step_by(WAVE) {
        raced.extend(join_all((wave..orders.min(wave + WAVE)).map(|number| race(number, &one, &other))).await);
    }
    for unsettled in [
        "SELECT count(*) FROM payments WHERE state IN ('PENDING', 'REFUNDING')",
        "SELECT count(*) FROM orders WHERE status <> 'PAID' AND returned_at IS NULL",
    ] {
        eventually(unsettled, || async { world.count(unsettled).await == 0 }).await;
    }
    let mut ends = BTreeMap::<&str, i64>::new();
    for order in &raced {
        assert_one_end(order, &other, &provider).await;
        *ends.entry(&order.status).or_default() += 1;
    }
    let report = provider.api.report().await;
    println!("{ends:?}, {} charges, {} refunds", report["charges"], report["refunds"]);
    assert_eq!(report["double_charges"], 0);
    let paid = ends.get("PAID").copied().unwrap_or_default();
    assert_eq!(world.count("SELECT count(*) FROM purchase_units").await, paid);
    assert_eq!(world.count("SELECT count(*) FROM released_units").await, orders as i64 - paid);
    other.assert_sound(paid as u64).await;
}
