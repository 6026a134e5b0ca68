//! The answers to a request to pay, and what an order shows of its payment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flashsale::application::ordering::ports::{End, OrderArchive};
use flashsale::application::payment::ports::{
    CircuitState, Commit, NewAttempt, OrderChange, PaymentArchive, Provider as Port, ProviderError,
};
use flashsale::application::payment::{Paid, PaymentTimes, Payments};
use flashsale::application::sale::create_sale::{NewSale, Offer};
use flashsale::config::StoreUrls;
use flashsale::domain::ordering::{Order, OrderReason, OrderStatus, Version};
use flashsale::domain::payment::{Attempt, AttemptState, IntentId, IntentState, MinorUnits};
use flashsale::domain::sale::{Item, PaymentWindow};
use flashsale::domain::shared::limits::{PAYMENT_ATTEMPTS, PAYMENT_MISTAKES};
use flashsale::domain::shared::{CheckoutCode, Currency, OrderId};
use flashsale::infrastructure::payment::PaymentSettings;
use flashsale::infrastructure::postgres::PgArchive;
use flashsale::startup;
use serde_json::{Value, json};

use crate::harness::client::Answer;
use crate::harness::provider::Provider;
use crate::harness::service::{Instance, World};
use crate::harness::{eventually, stores};

const LONG: Duration = Duration::from_secs(3_600);

async fn world(payment: PaymentSettings) -> World {
    World::new().await.with(|world| {
        world.settings.payment_window = PaymentWindow::try_from(600).ok();
        world.payment = payment;
    })
}

async fn provider() -> Provider {
    Provider::start(&stores::empty_database().await, &[]).await
}

async fn buy(shop: &Instance, item: &str) -> (String, OrderId) {
    let code = shop.client.cart("ann", &[item]).await;
    let receipt = shop.client.purchase(&code).await.expect(200).json();
    (code, receipt["order_id"].as_str().and_then(|id| id.parse().ok()).expect("an id"))
}

async fn pay(shop: &Instance, code: &str, method: &str) -> Answer {
    shop.client.post_json(&format!("/orders/{code}/pay"), json!({ "payment_method": method })).await
}

async fn order(shop: &Instance, code: &str) -> Value {
    shop.client.get(&format!("/orders/{code}")).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_shows_its_latest_payment() {
    let provider = provider().await;
    let world = world(provider.settings()).await;
    let shop = world.start().await;
    let (code, _) = buy(&shop, "1").await;
    assert_eq!(order(&shop, &code).await.get("payment"), None);
    for (method, status) in [("pm_declined", "DECLINED"), ("pm_slow", "PENDING")] {
        pay(&shop, &code, method).await;
        assert_eq!(order(&shop, &code).await["payment"], json!({ "status": status, "method": method }));
    }
    let (paid, _) = buy(&shop, "2").await;
    pay(&shop, &paid, "pm_ok").await.expect(200);
    assert_eq!(order(&shop, &paid).await["payment"], json!({ "status": "SUCCEEDED", "method": "pm_ok" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_pending_payment_shows_whose_it_is() {
    let provider = provider().await;
    let world = world(provider.settings()).await;
    let shop = world.start().await;
    let (code, _) = buy(&shop, "1").await;
    let pending = json!({ "status": "PENDING", "method": "pm_slow" });
    // Nobody tells how the payment ended.
    for method in ["pm_slow", "pm_ok"] {
        let answer = pay(&shop, &code, method).await.expect(202);
        assert_eq!((answer.header("retry-after"), &answer.json()["payment"]), (Some("1"), &pending), "{method}");
    }
    assert_eq!(order(&shop, &code).await["payment"], pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistaken_means_of_payment_have_an_end() {
    let provider = provider().await;
    let world = world(provider.settings()).await;
    let shop = world.start().await;
    let (code, _) = buy(&shop, "1").await;
    for _ in 0..PAYMENT_MISTAKES {
        pay(&shop, &code, "pm_unheard_of").await.expect_problem(400, "invalid_request");
        assert_eq!(order(&shop, &code).await["attempts_left"], PAYMENT_ATTEMPTS);
    }
    for left in (0..PAYMENT_ATTEMPTS).rev() {
        let declined = pay(&shop, &code, "pm_unheard_of").await.expect_problem(402, "payment_declined");
        assert_eq!(declined["attempts_left"], left);
    }
    let shown = order(&shop, &code).await;
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("CANCELLED"), &json!("PAYMENT_FAILED")));
    pay(&shop, &code, "pm_unheard_of").await.expect_problem(409, "order_invalid_state");
    let attempts = i64::from(PAYMENT_MISTAKES + PAYMENT_ATTEMPTS);
    assert_eq!(world.count("SELECT count(*) FROM payments").await, attempts);
}

/// More than the provider charges at once, in cents.
const TOO_MUCH: i64 = 9_999_999_999_900;

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_the_provider_refuses_is_declined() {
    let provider = provider().await;
    let world = world(PaymentSettings { ask_after: Duration::from_millis(100), ..provider.settings() }).await;
    let shop = world.start().await;
    let price = "99999999999.00".parse().expect("a price");
    let item = Item::new("Island".into(), "/island.jpg".into(), price, 1).expect("an item");
    let (offer, payment_window) = (Offer::Listed(Currency::EUR, vec![item]), PaymentWindow::try_from(600).ok());
    let wanted =
        NewSale { starts_at: None, ends_at: None, offer, user_limit: None, payment_window, waiting_room: false };
    let sale = shop.shop.create_sale(wanted).await.expect("a sale");
    let (code, _) = buy(&shop, &format!("{}-00001", sale.id)).await;
    for left in (0..PAYMENT_ATTEMPTS).rev() {
        let refused = pay(&shop, &code, "pm_ok").await.expect_problem(402, "payment_declined");
        assert_eq!(refused["attempts_left"], left);
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("refuses")), "{refused}");
    }
    assert_eq!(order(&shop, &code).await["reason"], "PAYMENT_FAILED");

    // Two payments whose request died before it asked the provider.
    let archive = PgArchive::connect(&world.database_url, 2).await.expect("PostgreSQL answers");
    let begin = async |item: &str, ask_after: Duration| {
        let (code, id) = buy(&shop, item).await;
        let (amount, currency) = (MinorUnits(TOO_MUCH), Currency::EUR);
        let new =
            NewAttempt { method: "pm_ok".parse().expect("a method"), amount, currency, patience: LONG, ask_after };
        let order = archive.orders(&[id]).await.expect("it answers").remove(&id).expect("it exists");
        archive.begin(&order, &new).await.expect("it answers").expect("it is reserved");
        code
    };
    let found_out = begin("1", Duration::ZERO).await;
    eventually("it is declined", || async { order(&shop, &found_out).await["attempts_left"] == 2 }).await;
    assert_eq!(order(&shop, &found_out).await["status"], "RESERVED");
    let cancelled = begin("2", LONG).await;
    let answer = shop.client.post_json(&format!("/orders/{cancelled}/cancel"), json!({ "user_id": "ann" })).await;
    assert_eq!(answer.expect(200).json()["status"], "CANCELLED");
    assert_eq!(provider.api.report().await["charges"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_not_sent_is_sent_as_soon_as_requests_are_admitted() {
    let world = world(PaymentSettings::NONE).await;
    let shop = world.start().await;
    let (code, _) = buy(&shop, "1").await;
    shop.stop().await;
    sqlx::query("DELETE FROM leases").execute(&world.database).await.expect("the instance has stopped");
    let urls = StoreUrls { postgres: world.database_url.clone(), redis: world.redis_url.clone(), connections: 4 };
    let orders = startup::connect(&urls, world.settings.clone()).await.expect("it answers").payments.orders.clone();
    let archive = Arc::new(PgArchive::connect(&world.database_url, 2).await.expect("PostgreSQL answers"));
    let times = PaymentTimes { ask_after: LONG, patience: LONG, silence: LONG };
    let provider = Arc::new(Probed::default());
    let payments = Payments::new(archive.clone(), archive, provider.clone(), orders, times);
    let code: CheckoutCode = code.parse().expect("a code");
    let begun = payments.pay(code, "pm_ok".parse().expect("a method")).await;
    assert!(matches!(begun, Ok(Paid::Pending(..))), "{begun:?}");
    provider.admits.store(true, Ordering::Relaxed);
    payments.reconcile().await.expect("it answers");
    let (view, _) = payments.by_code(code).await.expect("it answers").expect("it exists");
    assert_eq!(view.order.status, OrderStatus::Paid);
}

/// A provider that seemed to admit a request, and admits none while another one is its probe.
#[derive(Default)]
struct Probed {
    admits: AtomicBool,
}

impl Probed {
    fn answer(&self, state: IntentState) -> Result<IntentState, ProviderError> {
        self.admits.load(Ordering::Relaxed).then_some(state).ok_or(ProviderError::Resting)
    }
}

#[async_trait]
impl Port for Probed {
    fn circuit(&self) -> Option<CircuitState> {
        Some(CircuitState::HalfOpen)
    }

    async fn create(&self, _: &Attempt) -> Result<IntentId, ProviderError> {
        self.answer(IntentState::Unconfirmed).map(|_state| "pi_1".parse().expect("a name"))
    }

    async fn confirm(&self, _: &IntentId, _: &Attempt) -> Result<IntentState, ProviderError> {
        self.answer(IntentState::Succeeded)
    }

    async fn cancel(&self, _: &IntentId, _: &Attempt) -> Result<IntentState, ProviderError> {
        self.answer(IntentState::Cancelled)
    }

    async fn refund(&self, _: &IntentId, _: &Attempt) -> Result<(), ProviderError> {
        self.answer(IntentState::Succeeded).map(|_state| ())
    }

    async fn get(&self, _: &IntentId) -> Result<IntentState, ProviderError> {
        self.answer(IntentState::Unconfirmed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_has_ended_is_not_charged() {
    let provider = provider().await;
    let world = world(provider.settings()).await;
    let shop = world.start().await;
    let (cancelled, _) = buy(&shop, "1").await;
    shop.client.post_json(&format!("/orders/{cancelled}/cancel"), json!({ "user_id": "ann" })).await.expect(200);
    for _ in 0..2 {
        let refused = pay(&shop, &cancelled, "pm_ok").await.expect_problem(409, "order_invalid_state");
        assert_eq!(refused["order_status"], "CANCELLED");
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("Buy the items again")), "{refused}");
    }
    let (late, _) = buy(&shop, "2").await;
    let overdue = "UPDATE orders SET deadline = now() - interval '1 s' WHERE status = 'RESERVED'";
    sqlx::query(overdue).execute(&world.database).await.expect("the rows are valid");
    for _ in 0..2 {
        let refused = pay(&shop, &late, "pm_ok").await.expect_problem(410, "order_expired");
        // Its sale may have ended, too.
        assert!(
            refused["detail"].as_str().is_some_and(|detail| detail.contains("if they are still for sale")),
            "{refused}"
        );
    }
    eventually("it has ended", || async { order(&shop, &late).await["status"] == "EXPIRED" }).await;
    pay(&shop, &late, "pm_ok").await.expect_problem(410, "order_expired");
    assert_eq!(provider.api.report().await["charges"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_cannot_be_committed_is_unknown_and_is_charged_once() {
    let provider = provider().await;
    let world = world(PaymentSettings { ask_after: Duration::from_secs(1), ..provider.settings() }).await;
    let shop = world.start().await;
    let (code, _) = buy(&shop, "1").await;
    let refused = "ALTER TABLE payments ADD CONSTRAINT none_succeeds CHECK (state <> 'SUCCEEDED')";
    sqlx::query(refused).execute(&world.database).await.expect("no payment has succeeded");
    let unknown = pay(&shop, &code, "pm_ok").await.expect_problem(503, "unavailable");
    assert_eq!(unknown["outcome"], "unknown");
    assert_eq!(order(&shop, &code).await["status"], "PAYMENT_PENDING");
    let repeated = pay(&shop, &code, "pm_ok").await.expect(202);
    assert_eq!(repeated.header("location"), Some(format!("/orders/{code}").as_str()));
    let allowed = "ALTER TABLE payments DROP CONSTRAINT none_succeeds";
    sqlx::query(allowed).execute(&world.database).await.expect("it exists");
    eventually("it is paid", || async { order(&shop, &code).await["status"] == "PAID" }).await;
    pay(&shop, &code, "pm_ok").await.expect(200);
    let report = provider.api.report().await;
    assert_eq!((&report["charges"], &report["double_charges"]), (&json!(1), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charged_payment_whose_order_keeps_changing_is_unknown_and_not_unchanged() {
    let provider = provider().await;
    let world = world(PaymentSettings { ask_after: Duration::from_secs(1), ..provider.settings() }).await;
    let shop = world.start().await;
    let (code, _) = buy(&shop, "1").await;
    let run = async |statement: &'static str| {
        sqlx::raw_sql(statement).execute(&world.database).await.expect("the statement is valid");
    };
    run("CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER skip BEFORE UPDATE ON payments FOR EACH ROW WHEN (NEW.state = 'SUCCEEDED') EXECUTE FUNCTION skip()")
    .await;
    let unknown = pay(&shop, &code, "pm_ok").await.expect_problem(503, "unavailable");
    assert_eq!(unknown["outcome"], "unknown", "{unknown}");
    run("DROP TRIGGER skip ON payments").await;
    eventually("it is paid", || async { order(&shop, &code).await["status"] == "PAID" }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_no_payment_begins() {
    let world = world(PaymentSettings::NONE).await;
    let shop = world.start().await;
    let (code, _) = buy(&shop, "1").await;
    let refused = pay(&shop, &code, "pm_ok").await.expect_problem(503, "unavailable");
    assert_eq!(refused.get("outcome"), None, "nothing was begun");
    assert_eq!(
        (&order(&shop, &code).await["status"], &order(&shop, &code).await["version"]),
        (&json!("RESERVED"), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_an_older_version_of_an_order_is_refused_and_counted() {
    let world = world(PaymentSettings::NONE).await;
    let shop = world.start().await;
    let (_, id) = buy(&shop, "1").await;
    let archive = PgArchive::connect(&world.database_url, 2).await.expect("PostgreSQL answers");
    let read = async || archive.orders(&[id]).await.expect("it answers").remove(&id).expect("it exists");
    let refused = async || {
        let text = String::from_utf8(shop.client.get("/metrics").await.expect(200).body.to_vec()).expect("text");
        let series = text.lines().find_map(|line| line.strip_prefix("flashsale_order_transitions_refused_total "));
        series.and_then(|count| count.parse::<f64>().ok()).expect("it is counted")
    };
    let new = NewAttempt {
        method: "pm_ok".parse().expect("a method"),
        amount: MinorUnits(1),
        currency: Currency::EUR,
        patience: Duration::from_secs(600),
        ask_after: Duration::from_secs(600),
    };
    let older = |order: &Order| Order { version: Version(order.version.0 - 1), ..order.clone() };
    let end = End { status: OrderStatus::Expired, reason: OrderReason::ReservationTtl, note: None };

    let before = refused().await;
    let reserved = read().await;
    assert_eq!(archive.begin(&older(&reserved), &new).await.expect("it answers"), None);
    assert!(refused().await > before, "a payment of an older version");
    let before = refused().await;
    assert_eq!(archive.end(&older(&reserved), &end, None).await.expect("it answers"), None);
    assert!(refused().await > before, "an end of an older version");
    assert_eq!(read().await, reserved);

    let attempt = archive.begin(&reserved, &new).await.expect("it answers").expect("it is reserved");
    let (pending, before) = (read().await, refused().await);
    let paid = (&attempt, AttemptState::Succeeded);
    let settled = archive.settle(None, None, (&older(&pending), Some(&OrderChange::Paid)), paid).await;
    assert_eq!(settled.expect("it answers"), Commit::Moved);
    assert!(refused().await > before, "a settlement of an older version");
    assert_eq!(read().await, pending);
    let (_, attempt) = archive.latest(id).await.expect("it answers").expect("it has begun");
    assert_eq!(attempt.state, AttemptState::Pending, "the attempt is as before");
}
