//! Payments of orders, through the provider in a process of its own.

use std::time::Duration;

use flashsale::domain::sale::PaymentWindow;
use flashsale::infrastructure::payment::PaymentSettings;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::client::Answer;
use crate::harness::provider::Provider;
use crate::harness::service::{Instance, World};
use crate::harness::{eventually, stores};

/// A world whose orders are paid through a provider, which tells nothing by itself.
pub async fn world(change: impl FnOnce(&mut PaymentSettings)) -> (World, Provider, String) {
    let database = stores::empty_database().await;
    let provider = Provider::start(&database, &[]).await;
    let world = World::new().await.with(|world| {
        world.settings.payment_window = PaymentWindow::try_from(600).ok();
        world.payment = PaymentSettings { ask_after: Duration::from_secs(1), ..provider.settings() };
        change(&mut world.payment);
    });
    (world, provider, database)
}

pub async fn buy(shop: &Instance, user: &str, items: &[&str]) -> String {
    let code = shop.client.cart(user, items).await;
    shop.client.purchase(&code).await.expect(200);
    code
}

pub async fn pay(shop: &Instance, code: &str, method: &str) -> Answer {
    shop.client.post_json(&format!("/orders/{code}/pay"), json!({ "payment_method": method })).await
}

async fn cancel(shop: &Instance, code: &str) -> Answer {
    shop.client.post_json(&format!("/orders/{code}/cancel"), json!({ "user_id": "ann" })).await
}

pub async fn order(shop: &Instance, code: &str) -> Value {
    shop.client.get(&format!("/orders/{code}")).await.expect(200).json()
}

pub async fn becomes(shop: &Instance, code: &str, status: &str) {
    eventually(status, || async { order(shop, code).await["status"] == status }).await;
}

/// Returns the charges, the refunds and the double charges of the provider.
pub async fn report(provider: &Provider) -> (i64, i64, i64) {
    let report = provider.api.report().await;
    let count = |name: &str| report[name].as_i64().expect("a number");
    (count("charges"), count("refunds"), count("double_charges"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_charged_once_however_often_it_is_paid() {
    let (world, provider, _) = world(|_| {}).await;
    let (shop, other) = (world.start().await, world.start().await);
    let code = buy(&shop, "ann", &["1", "2"]).await;
    let receipt = shop.client.purchase(&code).await.expect(200).body;
    let answers = join_all([&shop, &other, &shop, &other].map(|instance| pay(instance, &code, "pm_ok"))).await;
    assert!(answers.iter().all(|answer| [200, 202].contains(&answer.status.as_u16())), "{answers:?}");
    becomes(&other, &code, "PAID").await;
    for instance in [&shop, &other] {
        let again = instance.client.purchase(&code).await.expect(200);
        assert_eq!((again.header("order-status"), &again.body), (Some("PAID"), &receipt));
    }
    let paid = pay(&shop, &code, "pm_declined").await.expect(200).json();
    assert_eq!((&paid["status"], &paid["version"]), (&json!("PAID"), &json!(3)));
    cancel(&shop, &code).await.expect_problem(409, "order_invalid_state");
    assert_eq!(report(&provider).await, (1, 0, 0));
    let total: f64 = paid["total"].as_str().and_then(|total| total.parse().ok()).expect("a total");
    assert_eq!(provider.api.report().await["net_minor"]["EUR"], json!((total * 100.0).round() as i64));
    shop.assert_sound(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_third_declined_payment_cancels_the_order() {
    let (world, provider, _) = world(|_| {}).await;
    let shop = world.start().await;
    let code = buy(&shop, "ann", &["1"]).await;
    for left in [2, 1, 0] {
        // A mistake costs no attempt.
        pay(&shop, &code, "pm_unheard_of").await.expect_problem(400, "invalid_request");
        let declined = pay(&shop, &code, "pm_declined").await.expect_problem(402, "payment_declined");
        assert_eq!(declined["attempts_left"], left);
    }
    let shown = order(&shop, &code).await;
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("CANCELLED"), &json!("PAYMENT_FAILED")));
    pay(&shop, &code, "pm_ok").await.expect_problem(409, "order_invalid_state");
    eventually("the item is for sale again", || shop.client.has_bought("bob", "r", "1")).await;
    assert_eq!(report(&provider).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_answer_is_lost_is_found_out() {
    let (world, provider, _) = world(|payment| payment.ask_after = Duration::from_secs(8)).await;
    let shop = world.start().await;
    let code = buy(&shop, "ann", &["1"]).await;
    let pending = pay(&shop, &code, "pm_timeout_charged").await.expect(202);
    assert_eq!(pending.header("location"), Some(format!("/orders/{code}").as_str()));
    becomes(&shop, &code, "PAID").await;
    assert_eq!(report(&provider).await, (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_now_and_then_charges_once() {
    let (world, provider, _) = world(|_| {}).await;
    let shop = world.start().await;
    let paid = async |number: usize| {
        let code = buy(&shop, &format!("u{number}"), &[&number.to_string()]).await;
        pay(&shop, &code, "pm_flaky").await;
        becomes(&shop, &code, "PAID").await;
    };
    join_all((1..=12).map(paid)).await;
    assert_eq!(report(&provider).await, (12, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_cancelled_while_it_is_charged_is_paid() {
    let (world, provider, _) = world(|_| {}).await;
    let shop = world.start().await;
    let code = buy(&shop, "ann", &["1"]).await;
    pay(&shop, &code, "pm_slow").await.expect(202);
    let answer = cancel(&shop, &code).await;
    assert!([202, 409].contains(&answer.status.as_u16()), "{answer:?}");
    becomes(&shop, &code, "PAID").await;
    assert_eq!(report(&provider).await, (1, 0, 0));
    shop.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_comes_after_the_end_of_the_order_is_given_back_once() {
    let (world, provider, database) = world(|payment| {
        payment.patience = Duration::from_secs(3);
        payment.silence = Duration::from_secs(1);
    })
    .await;
    let (shop, other) = (world.start().await, world.start().await);
    let code = buy(&shop, "ann", &["1"]).await;
    let address = provider.program.client.base().trim_start_matches("http://").to_owned();
    let killed_after_the_charge = async {
        eventually("it is charged", || async { report(&provider).await.0 == 1 }).await;
        drop(provider);
    };
    tokio::join!(pay(&shop, &code, "pm_timeout_charged"), killed_after_the_charge);
    becomes(&shop, &code, "EXPIRED").await;
    eventually("the item is for sale again", || other.client.has_bought("bob", "r", "1")).await;
    let provider = Provider::start_at(&address, &database, &[]).await;
    eventually("the money is given back", || async { report(&provider).await.1 == 1 }).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(report(&provider).await, (1, 1, 0));
    assert_eq!(world.count("SELECT count(*) FROM payments WHERE state = 'REFUNDED'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_paid_and_cancelled_at_once_has_one_end() {
    let (world, provider, _) = world(|_| {}).await;
    let (shop, other) = (world.start().await, world.start().await);
    let race = async |number: usize| {
        let code = buy(&shop, "ann", &[&number.to_string()]).await;
        tokio::join!(pay(&shop, &code, "pm_ok"), cancel(&other, &code), pay(&other, &code, "pm_ok"));
        let ended =
            || async { ["PAID", "CANCELLED"].contains(&order(&shop, &code).await["status"].as_str().unwrap_or("")) };
        eventually("it has one end", ended).await;
        order(&other, &code).await["status"] == "PAID"
    };
    let mut paid = 0;
    for number in 1..=10 {
        paid += i64::from(race(number).await);
    }
    let (charges, refunds, double) = report(&provider).await;
    assert_eq!((charges - refunds, double), (paid, 0));
    eventually("the other items are for sale again", || async {
        world.count("SELECT count(*) FROM purchase_units").await == paid
    })
    .await;
    shop.assert_sound(paid as u64).await;
}
