//! The stand-in payment provider: a process of its own over a database of its own.

use flashsale::infrastructure::provider::{Delivery, FaultPlan};
use futures::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use hyper::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::{Connection, PgConnection};

use crate::harness::client::Client;
use crate::harness::program::objects;
use crate::harness::provider::{PROVIDER_KEY, Provider, ProviderApi, WEBHOOK_SECRET, command};
use crate::harness::webhooks::{Webhook, WebhookReceiver};
use crate::harness::{eventually, stores};

async fn start() -> Provider {
    Provider::start(&stores::empty_database().await, &[]).await
}

async fn settled(api: &ProviderApi, intent: &str) {
    eventually("the payment succeeds", async || api.status(intent).await == "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_created_charged_and_refunded_once() {
    let provider = start().await;
    let api = &provider.api;
    let body = json!({ "amount": 1990, "currency": "EUR", "order_id": "order 1" });
    let mut created = api.post("/payment_intents", "a", &body).await.expect(201).json();
    let id = created["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("pi_"));
    assert_eq!(api.get(&format!("/payment_intents/{id}")).await.expect(200).json(), created);
    assert!(created["created_at"].take().is_string());
    let expected = json!({ "id": id, "order_id": "order 1", "amount": 1990, "currency": "EUR",
        "status": "requires_confirmation", "refunded": 0, "created_at": null });
    assert_eq!(created, expected);

    let charged = api.confirm(&id, "b", "pm_ok").await.expect(200).json();
    assert_eq!((&charged["status"], &charged["id"]), (&json!("succeeded"), &json!(id)));
    let again = api.confirm(&id, "c", "pm_ok").await.expect(409).json();
    assert_eq!(again, charged);
    assert_eq!(api.get("/payment_intents?order_id=order%201").await.json(), json!({ "payment_intents": [charged] }));

    // Many refunds at once, each with a key of its own.
    let refunds = join_all((0..10).map(async |number| api.refund(&id, &format!("refund {number}")).await)).await;
    let (made, refused): (Vec<_>, Vec<_>) = refunds.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (1, 9));
    let refund = made[0].json();
    assert_eq!((&refund["payment_intent"], &refund["amount"]), (&json!(id), &json!(1990)));
    assert!(refund["id"].as_str().expect("an id").starts_with("re_") && refund["status"] == "succeeded");
    for refused in refused {
        assert_eq!(refused.expect(409).json()["refunded"], 1990);
    }
    let report = api.report().await;
    assert_eq!((&report["charges"], &report["refunds"], &report["declined"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(report["net_minor"], json!({ "EUR": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_intent_can_be_confirmed_with_another_method() {
    let provider = start().await;
    let api = &provider.api;
    let id = api.intent("o").await;
    let declined = api.confirm(&id, "1", "pm_declined").await.expect(402).json();
    assert_eq!(
        (&declined["status"], &declined["last_error"]),
        (&json!("requires_payment_method"), &json!("card_declined"))
    );
    api.refund(&id, "r").await.expect(409);
    api.confirm(&id, "2", "pm_declined").await.expect(402);
    let charged = api.confirm(&id, "3", "pm_ok").await.expect(200).json();
    assert_eq!((&charged["status"], charged.get("last_error")), (&json!("succeeded"), None));
    // The first answer stays the answer of its key.
    assert_eq!(api.confirm(&id, "1", "pm_declined").await.expect(402).json(), declined);
    let report = api.report().await;
    assert_eq!((&report["charges"], &report["declined"]), (&json!(1), &json!(2)));
    assert_eq!(report["net_minor"], json!({ "EUR": 1990 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_either_charged_or_canceled() {
    let provider = start().await;
    let api = &provider.api;
    let canceled = api.intent("canceled").await;
    assert_eq!(api.cancel(&canceled, "1").await.expect(200).json()["status"], "canceled");
    assert_eq!(api.cancel(&canceled, "2").await.expect(200).json()["status"], "canceled");
    assert_eq!(api.confirm(&canceled, "3", "pm_ok").await.expect(409).json()["status"], "canceled");
    let charged = api.intent("charged").await;
    api.confirm(&charged, "4", "pm_ok").await.expect(200);
    assert_eq!(api.cancel(&charged, "5").await.expect(409).json()["status"], "succeeded");
    assert_eq!(api.status(&charged).await, "succeeded");

    let race = async |number: usize| {
        let id = api.intent(&format!("race {number}")).await;
        let (confirm, cancel) = (format!("confirm {number}"), format!("cancel {number}"));
        let (confirmed, canceled) = tokio::join!(api.confirm(&id, &confirm, "pm_ok"), api.cancel(&id, &cancel));
        assert_ne!(confirmed.status, canceled.status, "exactly one wins");
        assert_eq!(confirmed.json()["status"], canceled.json()["status"], "both tell the same end");
    };
    join_all((0..20).map(race)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_payment_succeeds_later_even_after_a_kill() {
    let receiver = WebhookReceiver::start().await;
    let database = stores::empty_database().await;
    let args = ["--webhook-url", receiver.url.as_str()];
    let provider = Provider::start(&database, &args).await;
    let id = provider.api.intent("o").await;
    assert_eq!(provider.api.confirm(&id, "1", "pm_slow").await.expect(200).json()["status"], "processing");
    drop(provider);
    let provider = Provider::start(&database, &args).await;
    settled(&provider.api, &id).await;
    eventually("the webhook arrives", async || receiver.of_order("o") == ["payment_intent.succeeded"]).await;
    assert_eq!(provider.api.report().await["charges"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_payment_cannot_be_canceled() {
    let provider = start().await;
    let id = provider.api.intent("o").await;
    provider.api.confirm(&id, "1", "pm_slow").await.expect(200);
    let refused = provider.api.cancel(&id, "2").await.expect(409).json();
    assert!(refused["status"] == "processing" || refused["status"] == "succeeded", "{refused}");
    settled(&provider.api, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_one_key_are_decided_once() {
    let provider = start().await;
    let api = &provider.api;
    let body = json!({ "amount": 5, "currency": "EUR", "order_id": "o" });
    let at_once =
        join_all((0..20).map(async |_| api.post("/payment_intents", "k", &body).await.expect(201).body)).await;
    assert!(at_once.iter().all(|answer| *answer == at_once[0]), "{at_once:?}");
    let listed = api.get("/payment_intents?order_id=o").await.json();
    assert_eq!(listed["payment_intents"].as_array().expect("a list").len(), 1);
    let other = json!({ "amount": 6, "currency": "EUR", "order_id": "o" });
    assert_eq!(
        api.post("/payment_intents", "k", &other).await.expect(422).json()["error"]["code"],
        "idempotency_key_reused"
    );
    let id = listed["payment_intents"][0]["id"].as_str().expect("an id").to_owned();
    api.cancel(&id, "k").await.expect(422);

    let confirmed = join_all((0..20).map(async |_| api.confirm(&id, "c", "pm_ok").await.expect(200).body)).await;
    assert!(confirmed.iter().all(|answer| *answer == confirmed[0]), "{confirmed:?}");
    api.confirm(&id, "c", "pm_declined").await.expect(422);
    let report = api.report().await;
    assert_eq!((&report["charges"], &report["webhooks"]["pending"]), (&json!(1), &json!(1)), "one charge, one event");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_was_never_answered_survives_a_kill() {
    let receiver = WebhookReceiver::start().await;
    let database = stores::empty_database().await;
    let provider = Provider::start(&database, &[]).await;
    let id = provider.api.intent("o").await;
    let (api, path) = (provider.api.clone(), format!("/payment_intents/{id}/confirm"));
    let body = json!({ "payment_method": "pm_timeout_charged" });
    let waiting = tokio::spawn({
        let (path, body) = (path.clone(), body.clone());
        async move { api.try_post(&path, "k", &body).await }
    });
    settled(&provider.api, &id).await;
    assert!(!waiting.is_finished(), "the provider never answers");
    drop(provider);
    assert!(waiting.await.expect("the client does not panic").is_none(), "the provider never answers");

    let provider = Provider::start(&database, &["--webhook-url", &receiver.url]).await;
    assert_eq!(provider.api.status(&id).await, "succeeded");
    let repeated = provider.api.post(&path, "k", &body).await.expect(200).json();
    assert_eq!((&repeated["id"], &repeated["status"]), (&json!(id), &json!("succeeded")));
    assert_eq!(provider.api.report().await["charges"], 1);
    eventually("the webhook arrives", async || receiver.of_order("o") == ["payment_intent.succeeded"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flaky_payment_fails_before_or_after_its_charge_and_charges_once() {
    let provider = Provider::start(&stores::empty_database().await, &["--seed", "7"]).await;
    let api = &provider.api;
    let mut after_failures = Vec::new();
    for number in 0..20 {
        let order = format!("o{number}");
        let id = api.intent(&order).await;
        loop {
            let answer = api.confirm(&id, &format!("{order}:confirm:1"), "pm_flaky").await;
            if answer.status == 200 {
                assert_eq!(answer.json()["status"], "succeeded");
                break;
            }
            answer.expect(500);
            after_failures.push(api.status(&id).await);
        }
    }
    for status in ["requires_confirmation", "succeeded"] {
        assert!(after_failures.iter().any(|after| after == status), "{after_failures:?}");
    }
    let report = api.report().await;
    assert_eq!((&report["charges"], &report["double_charges"]), (&json!(20), &json!(0)));
}

/// Returns true if the signature is the one of the secret, as a receiver checks it.
fn is_signed(webhook: &Webhook) -> bool {
    let (time, signature) = webhook.signature.split_once(",v1=").expect("a signature has two parts");
    let time = time.strip_prefix("t=").expect("a signature begins with its time");
    assert!(time.parse::<i64>().is_ok(), "{time}");
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).expect("any key");
    mac.update(format!("{time}.").as_bytes());
    mac.update(&webhook.body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    hex == signature
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_signed_and_repeated_until_they_are_acknowledged() {
    let receiver = WebhookReceiver::answering(|number| if number < 2 { 500 } else { 204 }).await;
    let provider = Provider::start(&stores::empty_database().await, &["--webhook-url", &receiver.url]).await;
    let id = provider.api.intent("o").await;
    let charged = provider.api.confirm(&id, "1", "pm_ok").await.expect(200).json();
    let webhooks = async || provider.api.report().await["webhooks"].take();
    let delivered = json!({ "delivered": 1, "pending": 0, "lost": 0 });
    eventually("the event is acknowledged", async || webhooks().await == delivered).await;
    let received = receiver.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|webhook| webhook.body == received[0].body && is_signed(webhook)));
    let event = received[0].json();
    assert!(event["id"].as_str().expect("an id").starts_with("evt_") && event["created_at"].is_string());
    assert_eq!((&event["type"], &event["payment_intent"]), (&json!("payment_intent.succeeded"), &charged));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_by_its_event() {
    let receiver = WebhookReceiver::start().await;
    let provider = Provider::start(&stores::empty_database().await, &["--webhook-url", &receiver.url]).await;
    let api = &provider.api;
    let arrived = async |order: &str, events: &[&str]| {
        eventually("the events arrive", async || receiver.of_order(order) == events).await;
    };
    let id = api.intent("canceled").await;
    api.cancel(&id, "1").await.expect(200);
    arrived("canceled", &["payment_intent.canceled"]).await;
    let id = api.intent("refunded").await;
    api.confirm(&id, "2", "pm_declined").await.expect(402);
    arrived("refunded", &["payment_intent.payment_failed"]).await;
    api.confirm(&id, "3", "pm_ok").await.expect(200);
    arrived("refunded", &["payment_intent.payment_failed", "payment_intent.succeeded"]).await;
    api.refund(&id, "4").await.expect(201);
    arrived("refunded", &["payment_intent.payment_failed", "payment_intent.succeeded", "refund.succeeded"]).await;
    assert_eq!(receiver.received().last().expect("an event").json()["payment_intent"]["refunded"], 1990);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_decides_which_events_are_lost_and_doubled() {
    let faults = FaultPlan { seed: 7, lose: 0.3, duplicate: 0.4, reorder: 0.0 };
    let receiver = WebhookReceiver::start().await;
    let rates = ["--lose-webhooks", "0.3", "--duplicate-webhooks", "0.4", "--seed", "7"];
    let args = [&["--webhook-url", receiver.url.as_str()][..], &rates].concat();
    let provider = Provider::start(&stores::empty_database().await, &args).await;
    for number in 1..=20 {
        let order = format!("o{number}");
        let id = provider.api.intent(&order).await;
        provider.api.cancel(&id, &order).await.expect(200);
    }
    let is_quiet = async || provider.api.report().await["webhooks"]["pending"] == 0;
    eventually("all events are delivered or lost", is_quiet).await;
    let copies = |number| match faults.delivery(number) {
        Delivery::Lost => 0,
        Delivery::Sent { copies, .. } => usize::try_from(copies).expect("not negative"),
    };
    let expected: Vec<usize> = (1..=20).map(copies).collect();
    assert!([0, 1, 2].iter().all(|copies| expected.contains(copies)), "{expected:?}");
    let received: Vec<usize> = (1..=20).map(|number| receiver.of_order(&format!("o{number}")).len()).collect();
    assert_eq!(received, expected);
    let lost = expected.iter().filter(|copies| **copies == 0).count();
    assert_eq!(provider.api.report().await["webhooks"], json!({ "delivered": 20 - lost, "pending": 0, "lost": lost }));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_held_back_are_overtaken() {
    let faults = FaultPlan { seed: 7, lose: 0.0, duplicate: 0.0, reorder: 0.3 };
    let receiver = WebhookReceiver::start().await;
    let args = ["--webhook-url", receiver.url.as_str(), "--reorder-webhooks", "0.3", "--seed", "7"];
    let provider = Provider::start(&stores::empty_database().await, &args).await;
    let is_held = |number| matches!(faults.delivery(number), Delivery::Sent { is_held_back: true, .. });
    let order = |number: i64| format!("o{number}");
    let has_arrived = |number| !receiver.of_order(&order(number)).is_empty();
    let send = async |number: i64| {
        let id = provider.api.intent(&order(number)).await;
        provider.api.cancel(&id, &order(number)).await.expect(200);
    };
    // Two later events arrive one after the other, and the held one still has not. A slow machine may need several tries.
    let mut is_overtaken = false;
    for event in 1..=100 {
        send(event).await;
        if event > 2 && is_held(event - 2) && !is_held(event - 1) && !is_held(event) {
            for later in [event - 1, event] {
                eventually("a later event arrives", async || has_arrived(later)).await;
            }
            is_overtaken |= !has_arrived(event - 2);
        }
        if is_overtaken {
            break;
        }
    }
    assert!(is_overtaken);
    eventually("all events arrive", async || provider.api.report().await["webhooks"]["pending"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_charged_twice_is_reported_and_logged() {
    let provider = start().await;
    let api = &provider.api;
    for order in ["sound", "double"] {
        let id = api.intent(order).await;
        api.confirm(&id, order, "pm_ok").await.expect(200);
    }
    assert_eq!(api.report().await["double_charges"], 0);
    let second = api.intent_of("double", "another key").await;
    api.confirm(&second, "second", "pm_ok").await.expect(200);
    let report = api.report().await;
    assert_eq!((&report["double_charges"], &report["orders"]), (&json!(1), &json!(["double"])));
    assert_eq!((&report["charges"], &report["net_minor"]), (&json!(3), &json!({ "EUR": 3 * 1990 })));
    api.refund(&second, "refund").await.expect(201);
    let report = api.report().await;
    assert_eq!((&report["double_charges"], &report["orders"]), (&json!(0), &json!([])));
    // A slow payment is noticed as well.
    let slow = api.intent_of("sound", "slow").await;
    api.confirm(&slow, "slow:confirm", "pm_slow").await.expect(200);
    settled(api, &slow).await;
    assert_eq!(api.report().await["orders"], json!(["sound"]));
    let errors = |lines: Vec<String>| -> Vec<Value> {
        let errors = objects(&lines).into_iter().filter(|line| line["level"] == "ERROR");
        errors.map(|line| line["order_id"].clone()).collect()
    };
    eventually("both are logged", async || errors(provider.program.lines()) == ["double", "sound"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_understood_changes_nothing() {
    let provider = start().await;
    let client = provider.program.client.clone();
    let body = json!({ "amount": 1, "currency": "EUR", "order_id": "o" }).to_string();
    let request =
        |method, path: &str| client.request(method, path).header("authorization", format!("Bearer {PROVIDER_KEY}"));
    for wrong in ["Bearer wrong", "", PROVIDER_KEY] {
        for (method, path) in [(Method::POST, "/payment_intents"), (Method::GET, "/report"), (Method::GET, "/nowhere")]
        {
            let request = client.request(method, path).header("authorization", wrong).header("idempotency-key", "k");
            client.send(request, &body).await.expect(401);
        }
    }
    client.get("/payment_intents?order_id=o").await.expect(401);
    let post = |path| request(Method::POST, path);
    client.send(post("/payment_intents"), &body).await.expect(400);
    client.send(post("/payment_intents").header("idempotency-key", ""), &body).await.expect(400);
    client.send(post("/payment_intents").header("idempotency-key", "x".repeat(256)), &body).await.expect(400);
    let keyed = |path| post(path).header("idempotency-key", "k");
    client.send(keyed("/payment_intents"), "{").await.expect(400);
    client.send(keyed("/payment_intents"), &" ".repeat(16 * 1024 + 1)).await.expect(413);
    client.send(keyed("/payment_intents/pi_1/confirm"), r#"{"payment_method":"pm_gold"}"#).await.expect(400);
    client.send(keyed("/payment_intents/pi_1/confirm"), r#"{"payment_method":"pm_ok"}"#).await.expect(404);
    client.send(keyed("/payment_intents/pi_1/refuse"), "").await.expect(404);
    for (method, path, status) in [
        (Method::GET, "/payment_intents/pi_1", 404),
        (Method::GET, "/payment_intents", 400),
        (Method::GET, "/payment_intents?order=o", 400),
        (Method::DELETE, "/payment_intents", 404),
    ] {
        client.send(request(method, path), "").await.expect(status);
    }
    // A key whose request was refused before it was decided is free.
    client.send(keyed("/payment_intents"), &body).await.expect(201);
    let listed = provider.api.get("/payment_intents?order_id=o").await.json();
    assert_eq!(listed["payment_intents"].as_array().expect("a list").len(), 1);
    client.get("/health/live").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_stops_although_a_request_is_never_answered() {
    let provider = start().await;
    let id = provider.api.intent("o").await;
    let (api, path) = (provider.api.clone(), format!("/payment_intents/{id}/confirm"));
    let body = json!({ "payment_method": "pm_timeout_charged" });
    let waiting = tokio::spawn(async move { api.try_post(&path, "k", &body).await });
    settled(&provider.api, &id).await;
    let lines = provider.program.stop().await;
    assert!(waiting.await.expect("the client does not panic").is_none());
    let messages: Vec<Value> = objects(&lines).iter().map(|line| line["message"].clone()).collect();
    assert_eq!(messages, ["serving", "received SIGTERM: stopping", "stopped"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_provider_refuses_and_then_goes_on() {
    let mut postgres = stores::Postgres::start();
    let provider = Provider::start(&postgres.server.url(), &[]).await;
    let id = provider.api.intent("o").await;
    postgres.server.stop();
    provider.api.confirm(&id, "k", "pm_ok").await.expect(503);
    let client: &Client = &provider.program.client;
    client.get("/health/live").await.expect(200);
    postgres.server.restart().expect("PostgreSQL starts");
    eventually("the charge is made", async || provider.api.confirm(&id, "k", "pm_ok").await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_may_share_a_database_with_the_service() {
    let database = stores::database().await;
    let provider = Provider::start(&database, &[]).await;
    provider.api.intent("o").await;
    let mut connection = PgConnection::connect(&database).await.expect("PostgreSQL answers");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename IN ('intents', 'answers')";
    let strays: i64 = sqlx::query_scalar(tables).fetch_one(&mut connection).await.expect("a count");
    assert_eq!(strays, 0);
    let migrate = |step| {
        std::process::Command::new(env!("CARGO_BIN_EXE_flashsale"))
            .args(["migrate", step, "--database-url", &database])
            .output()
            .expect("the program runs")
    };
    let status = migrate("status");
    assert!(status.status.success() && !String::from_utf8_lossy(&status.stdout).contains("charges"), "{status:?}");
    assert!(migrate("up").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_secrets_or_with_a_wrong_setting_is_refused() {
    let url = "postgres://me:s3cret@127.0.0.1:1/provider";
    let refusal = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = command(url, &[]);
        change(&mut command);
        let output = command.output().expect("the program runs");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !message.contains("s3cret"), "{message}");
        message
    };
    for name in ["PROVIDER_KEY", "WEBHOOK_SECRET"] {
        assert!(refusal(&|command| _ = command.env(name, "")).contains(&format!("{name} is not set")));
        assert!(refusal(&|command| _ = command.env_remove(name)).contains(&format!("{name} is not set")));
    }
    let with = |args: &[&str]| refusal(&|command| _ = command.args(args));
    for flag in ["--lose-webhooks", "--duplicate-webhooks", "--reorder-webhooks"] {
        assert!(with(&[flag, "1.1"]).contains("must be a number from 0 to 1"));
    }
    assert!(with(&["--webhook-url", "shop"]).contains("must be an http URL"));
    assert!(with(&[]).contains("PostgreSQL cannot be reached"));
    assert!(with(&["--database-url", "postgres://me:s3cret@127.0.0.1:port/shop"]).contains("database URL"));
}
