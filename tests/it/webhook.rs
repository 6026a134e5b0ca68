//! Events of the payment provider.

use std::time::Duration;

use chrono::Utc;
use flashsale::infrastructure::http::{AdminToken, HttpSettings, Rate};
use futures::future::select;
use hyper::Method;
use serde_json::json;

use crate::harness::client::Answer;
use crate::harness::eventually;
use crate::harness::provider::{Provider, signature};
use crate::harness::service::{Instance, World};
use crate::payments::{buy, order, pay, world};

/// A world that hears of payments by events only.
async fn silent_world(change: impl FnOnce(&mut HttpSettings)) -> (World, Provider) {
    let (mut world, provider, _) = world(|payment| payment.ask_after = Duration::from_secs(600)).await;
    change(&mut world.http);
    (world, provider)
}

/// Buys an item, and pays it with a method that the provider charges later. Returns the code, and the name of the intent
/// once it is charged.
async fn charged(world: &World, shop: &Instance, provider: &Provider, item: &str) -> (String, String) {
    let code = buy(shop, "ann", &[item]).await;
    pay(shop, &code, "pm_slow").await.expect(202);
    let intent = "SELECT intent FROM payments ORDER BY begun_at DESC LIMIT 1";
    let intent: String = sqlx::query_scalar(intent).fetch_one(&world.database).await.expect("its name is kept");
    eventually("it is charged", || async { provider.api.status(&intent).await == "succeeded" }).await;
    assert_eq!(order(shop, &code).await["status"], "PAYMENT_PENDING");
    (code, intent)
}

fn event(id: &str, intent: &str) -> String {
    json!({ "id": id, "type": "payment_intent.succeeded", "payment_intent": { "id": intent, "status": "succeeded" } })
        .to_string()
}

/// Tells an event with the signature of these bytes at this time.
async fn tell_signed(shop: &Instance, body: &str, signed: &str, time: i64) -> Answer {
    let request = shop.client.request(Method::POST, "/payments/webhook").header("content-type", "application/json");
    shop.client.send(request.header("payment-signature", signature(signed, time)), body).await
}

async fn tell(shop: &Instance, body: &str) -> Answer {
    tell_signed(shop, body, body, Utc::now().timestamp()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_once_and_only_with_its_signature() {
    let (world, provider) = silent_world(|_| {}).await;
    let shop = world.start().await;
    let (code, intent) = charged(&world, &shop, &provider, "1").await;
    let (now, real) = (Utc::now().timestamp(), event("evt_1", &intent));
    tell_signed(&shop, &real, "another body", now).await.expect_problem(400, "invalid_request");
    tell_signed(&shop, &real, &real, now - 400).await.expect_problem(400, "invalid_request");
    tell_signed(&shop, &real, &real, now + 400).await.expect_problem(400, "invalid_request");
    shop.client.post_text("/payments/webhook", &real).await.expect_problem(400, "invalid_request");
    // Nothing is parsed before its signature is checked.
    for unsigned in ["", "{", "[]", r#"{"id":"evt 1"}"#] {
        let refused = tell_signed(&shop, unsigned, "another body", now).await.expect_problem(400, "invalid_request");
        assert_eq!(refused["errors"], json!({ "Payment-Signature": "does not match the body" }), "{unsigned}");
        tell(&shop, unsigned).await.expect_problem(400, "invalid_request");
    }
    let large = format!("{real}{}", " ".repeat(64 * 1024));
    tell(&shop, &large).await.expect_problem(413, "body_too_large");
    assert_eq!(order(&shop, &code).await["status"], "PAYMENT_PENDING");
    tell(&shop, &event("evt_0", "pi_of_somebody_else")).await.expect(200);
    // The signature is that of the bytes, not of their meaning.
    let spaced = real.replace(':', " : ");
    tell_signed(&shop, &spaced, &real, now).await.expect_problem(400, "invalid_request");
    for _ in 0..3 {
        tell(&shop, &spaced).await.expect(200);
        let shown = order(&shop, &code).await;
        assert_eq!((&shown["status"], &shown["version"]), (&json!("PAID"), &json!(3)));
    }
    assert_eq!(world.count("SELECT count(*) FROM payment_events").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_and_what_it_changes_are_committed_together() {
    let (world, provider) = silent_world(|_| {}).await;
    let shop = world.start().await;
    let (code, intent) = charged(&world, &shop, &provider, "1").await;
    let run = async |statement: &'static str| {
        sqlx::raw_sql(statement).execute(&world.database).await.expect("the statement is valid");
    };
    run("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
         CREATE TRIGGER fail BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION fail()")
    .await;
    let told = tell(&shop, &event("evt_1", &intent)).await;
    assert!(told.status.is_server_error(), "{told:?}");
    assert_eq!(world.count("SELECT count(*) FROM payment_events").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM payments WHERE state = 'PENDING'").await, 1);
    run("DROP TRIGGER fail ON orders").await;
    tell(&shop, &event("evt_1", &intent)).await.expect(200);
    assert_eq!(order(&shop, &code).await["status"], "PAID");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_have_a_bound_of_their_own_and_count_for_no_address() {
    let once = Rate { per_second: 1.try_into().expect("a rate"), burst: 20.try_into().expect("a rate") };
    let (world, provider) = silent_world(|http| {
        http.address_rate = Some(once);
        http.in_flight = 1;
        http.admin_token = AdminToken::new("secret".to_owned());
    })
    .await;
    let shop = world.start().await;
    let (_, intent) = charged(&world, &shop, &provider, "1").await;
    for number in 0..40 {
        tell(&shop, &event(&format!("evt_{number}"), "pi_of_somebody_else")).await.expect(200);
    }
    let held = world.lock("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE").await;
    let late = event("evt_late", &intent);
    let (one, other) = (Box::pin(tell(&shop, &late)), Box::pin(tell(&shop, &late)));
    // One of them waits for PostgreSQL, in the only place of its class.
    let (refused, waiting) = select(one, other).await.factor_first();
    let problem = refused.expect_problem(503, "unavailable");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("in flight")), "{problem}");
    // Shoppers and operators have their own.
    shop.client.get("/sales/active").await.expect(200);
    let request = shop.client.request(Method::POST, "/admin/sales").header("authorization", "Bearer secret");
    shop.client.send(request.header("content-type", "application/json"), "{}").await.expect(400);
    held.rollback().await.expect("PostgreSQL answers");
    waiting.await.expect(200);
}
