//! The work that finds out what became of payments, and its lease; orders that end while a payment is under way.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flashsale::application::ordering::Orders;
use flashsale::application::ordering::ports::{End, Holder, Lease, OrderArchive, Work};
use flashsale::application::payment::ports::{
    CircuitState, Commit, NewAttempt, OrderChange, PaymentArchive, Provider as Port, ProviderError,
};
use flashsale::application::payment::{PaymentTimes, Payments};
use flashsale::application::shared::StoreError;
use flashsale::config::StoreUrls;
use flashsale::domain::ordering::{Order, OrderEvent, OrderReason, OrderStatus};
use flashsale::domain::payment::{Attempt, AttemptState, IntentId, IntentState, MinorUnits};
use flashsale::domain::sale::PaymentWindow;
use flashsale::domain::shared::{Currency, OrderId};
use flashsale::infrastructure::payment::PaymentSettings;
use flashsale::infrastructure::postgres::PgArchive;
use flashsale::startup;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::Barrier;
use tokio::time::timeout;

use crate::harness::provider::{PROVIDER_KEY, Provider, WEBHOOK_SECRET};
use crate::harness::service::{Instance, World};
use crate::harness::{PATIENCE, eventually, stores};

const LONG: Duration = Duration::from_secs(3_600);
const SILENCE: Duration = Duration::from_secs(60);

/// A provider that says one thing about every intent, or nothing. Another instance may take over while it is asked, and
/// it may answer only once so many requests have come.
struct Scripted {
    says: Option<IntentState>,
    taken_over_in: Option<PgPool>,
    waits_for: Option<Barrier>,
}

impl Scripted {
    async fn answer(&self) -> Result<IntentState, ProviderError> {
        if let Some(database) = &self.taken_over_in {
            let taken = "UPDATE leases SET token = token + 1, holder = 0, until = now() + interval '1 hour'";
            sqlx::query(taken).execute(database).await.expect("the lease is taken");
        }
        if let Some(others) = &self.waits_for {
            others.wait().await;
        }
        self.says.ok_or_else(|| ProviderError::Unknown("silence".into()))
    }
}

#[async_trait]
impl Port for Scripted {
    fn circuit(&self) -> Option<CircuitState> {
        Some(CircuitState::Closed)
    }

    async fn create(&self, _: &Attempt) -> Result<IntentId, ProviderError> {
        self.answer().await.map(|_state| "pi_1".parse().expect("a name"))
    }

    async fn confirm(&self, _: &IntentId, _: &Attempt) -> Result<IntentState, ProviderError> {
        self.answer().await
    }

    async fn cancel(&self, _: &IntentId, _: &Attempt) -> Result<IntentState, ProviderError> {
        self.answer().await
    }

    async fn refund(&self, _: &IntentId, _: &Attempt) -> Result<(), ProviderError> {
        self.answer().await.map(|_state| ())
    }

    async fn get(&self, _: &IntentId) -> Result<IntentState, ProviderError> {
        self.answer().await
    }
}

/// An order whose payment has begun, in stores without a service.
struct Pending {
    world: World,
    archive: Arc<PgArchive>,
    orders: Arc<Orders>,
    order: Order,
    attempt: Attempt,
}

impl Pending {
    async fn new() -> Self {
        let world = world().await;
        let shop = world.start().await;
        let (_, id) = buy(&shop, "ann", "1").await;
        shop.stop().await;
        let urls = StoreUrls { postgres: world.database_url.clone(), redis: world.redis_url.clone(), connections: 4 };
        let service = startup::connect(&urls, world.settings.clone()).await.expect("the stores answer");
        let archive = archive(&world).await;
        let attempt = begin(&archive, id).await;
        let order = read(&archive, id).await;
        let pending = Pending { orders: service.payments.orders.clone(), world, archive, order, attempt };
        // The instance that stopped still holds the leases.
        pending.run("DELETE FROM leases").await;
        pending
    }

    /// Looks at the payments once, as the holder of the lease or as an instance that loses it while it asks.
    async fn reconcile(&self, says: Option<IntentState>, is_taken_over: bool) -> Result<Duration, StoreError> {
        self.run("DELETE FROM leases").await;
        self.run("UPDATE payments SET look_at = now() - interval '1 s'").await;
        let taken_over_in = is_taken_over.then(|| self.world.database.clone());
        let times = PaymentTimes { patience: LONG, ask_after: LONG, silence: SILENCE };
        let archive = self.archive.clone();
        let provider = Arc::new(Scripted { says, taken_over_in, waits_for: None });
        Payments::new(archive.clone(), archive, provider, self.orders.clone(), times).reconcile().await
    }

    async fn run(&self, change: &'static str) {
        sqlx::query(change).execute(&self.world.database).await.expect("the rows are valid");
    }

    /// Returns what is known about the order and its payment.
    async fn state(&self) -> String {
        let state = "SELECT concat_ws(' ', status, version, reason, orders.note, state, intent, settled_at)
                     FROM orders JOIN payments USING (sale, ledger_id)";
        sqlx::query_scalar(state).fetch_one(&self.world.database).await.expect("there is one payment")
    }
}

async fn world() -> World {
    World::new().await.with(|world| world.settings.payment_window = PaymentWindow::try_from(3_600).ok())
}

async fn archive(world: &World) -> Arc<PgArchive> {
    Arc::new(PgArchive::connect(&world.database_url, 4).await.expect("PostgreSQL answers"))
}

/// Buys an item, and returns the code and the id of the order.
async fn buy(shop: &Instance, user: &str, item: &str) -> (String, OrderId) {
    let code = shop.client.cart(user, &[item]).await;
    let receipt = shop.client.purchase(&code).await.expect(200).json();
    (code, receipt["order_id"].as_str().and_then(|id| id.parse().ok()).expect("an id"))
}

async fn read(archive: &PgArchive, id: OrderId) -> Order {
    archive.orders(&[id]).await.expect("it answers").remove(&id).expect("it exists")
}

/// Begins a payment, as an instance does that dies before it asks the provider.
async fn begin(archive: &PgArchive, id: OrderId) -> Attempt {
    let new = NewAttempt {
        method: "pm_ok".parse().expect("a method"),
        amount: MinorUnits(1_990),
        currency: Currency::EUR,
        patience: LONG,
        ask_after: LONG,
    };
    let order = read(archive, id).await;
    archive.begin(&order, &new).await.expect("it answers").expect("it is reserved")
}

/// Has one holder claim the reconciliation and sleep, and another one take over.
async fn slept(archive: &PgArchive, work: Work) -> (Lease, Lease) {
    let moment = Duration::from_millis(20);
    let slept = archive.claim(work, Holder(1), moment).await.expect("it answers").expect("it is free");
    tokio::time::sleep(moment * 2).await;
    let held = archive.claim(work, Holder(2), LONG).await.expect("it answers").expect("the other sleeps");
    (slept, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_work_is_taken_over_while_it_asks_the_provider_writes_nothing() {
    let pending = Pending::new().await;
    let overdue = "UPDATE orders SET deadline = now() - interval '1 s' WHERE status = 'PAYMENT_PENDING'";
    let again = "UPDATE payments SET state = 'PENDING', settled_at = NULL, intent = NULL, closing = NULL,
                     closing_since = NULL";
    let reopened = "UPDATE orders SET status = 'PAYMENT_PENDING', deadline = now() + interval '1 hour', reason = NULL,
                        finished_at = NULL";
    let silent = "UPDATE payments SET closing = 'OVERDUE', closing_since = now() - interval '61 s'";
    let ended = "UPDATE orders SET status = 'EXPIRED', reason = 'PAYMENT_TTL', deadline = NULL, finished_at = now()";
    let refunding = "UPDATE payments SET state = 'REFUNDING'";
    let cases: [(&str, &[&'static str], Option<IntentState>, &str); 4] = [
        ("a payment whose answer was lost", &[], Some(IntentState::Succeeded), "PAID"),
        ("an overdue order", &[overdue], Some(IntentState::Cancelled), "EXPIRED"),
        ("a silent provider", &[silent], None, "EXPIRED"),
        ("money to give back", &[ended, refunding], Some(IntentState::Succeeded), "REFUNDED"),
    ];
    for (case, changes, says, expected) in cases {
        pending.run(again).await;
        pending.run(reopened).await;
        for change in changes {
            pending.run(change).await;
        }
        let before = pending.state().await;
        // The result only tells if an error was met on the way.
        let _result = pending.reconcile(says, true).await;
        assert_eq!(pending.state().await, before, "{case}");
        pending.reconcile(says, false).await.expect("it holds the lease");
        let after = pending.state().await;
        assert!(after != before && after.contains(expected), "{case}: {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_provider_is_asked_about_several_payments_at_once() {
    const PAYMENTS: usize = 4;
    let pending = Pending::new().await;
    let shop = pending.world.start().await;
    for item in 2..=PAYMENTS {
        let (_, id) = buy(&shop, "bob", &item.to_string()).await;
        begin(&pending.archive, id).await;
    }
    shop.stop().await;
    pending.run("DELETE FROM leases").await;
    pending.run("UPDATE payments SET intent = 'pi_' || ledger_id, look_at = now() - interval '1 s'").await;
    let waits_for = Some(Barrier::new(PAYMENTS));
    let provider = Arc::new(Scripted { says: Some(IntentState::Succeeded), taken_over_in: None, waits_for });
    let times = PaymentTimes { patience: LONG, ask_after: LONG, silence: SILENCE };
    let archive = pending.archive.clone();
    let payments = Payments::new(archive.clone(), archive, provider, pending.orders.clone(), times);
    timeout(PATIENCE, payments.reconcile()).await.expect("it is not asked about one at a time").expect("it settles");
    assert_eq!(pending.world.count("SELECT count(*) FROM orders WHERE status = 'PAID'").await, PAYMENTS as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_is_made_under_a_lease_that_is_lost() {
    let pending = Pending::new().await;
    let (archive, order, attempt) = (&pending.archive, &pending.order, &pending.attempt);
    let (slept, held) = slept(archive, Work::Reconciliation).await;
    let intent: IntentId = "pi_1".parse().expect("a name");
    let end = End { status: OrderStatus::Expired, reason: OrderReason::PaymentTtl, note: None };
    let settle = |lease| {
        let paid = OrderChange::Paid;
        async move {
            let settled = (attempt, AttemptState::Succeeded);
            archive.settle(Some(lease), None, (order, Some(&paid)), settled).await
        }
    };
    pending.run("UPDATE payments SET look_at = now()").await;
    let before = pending.state().await;

    assert_eq!(archive.take_due(slept, LONG, 9).await.expect("it answers").len(), 0);
    archive.note_intent(Some(slept), attempt, &intent).await.expect("it answers");
    let closed = archive.close(Some(slept), attempt, OrderEvent::Overdue, None).await;
    assert_eq!(closed.expect("it answers"), None);
    assert!(matches!(settle(slept).await, Err(StoreError::Busy(_))));
    assert_eq!(archive.end(order, &end, Some(slept)).await.expect("it answers"), None);
    assert_eq!(pending.state().await, before);
    assert_eq!(pending.world.count("SELECT count(*) FROM payments WHERE closing IS NOT NULL").await, 0);

    assert_eq!(archive.take_due(held, LONG, 9).await.expect("it answers").len(), 1);
    archive.note_intent(Some(held), attempt, &intent).await.expect("it answers");
    let closed = archive.close(Some(held), attempt, OrderEvent::Overdue, None).await.expect("it answers");
    assert_eq!(closed.expect("it is pending").intent, Some(intent));
    assert_eq!(settle(held).await.expect("it answers"), Commit::Done);
    assert_eq!(settle(held).await.expect("it answers"), Commit::Moved, "it is settled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returner_that_slept_finds_no_stock_to_return() {
    let pending = Pending::new().await;
    let (archive, order) = (&pending.archive, &pending.order);
    let end = End { status: OrderStatus::Expired, reason: OrderReason::PaymentTtl, note: None };
    archive.end(order, &end, None).await.expect("it answers").expect("it is open");
    let (slept, held) = slept(archive, Work::Return).await;
    assert_eq!(archive.unreturned(slept, 9).await.expect("it answers"), []);
    assert_eq!(archive.unreturned(held, 9).await.expect("it answers").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_ends_without_a_silent_provider_when_postgresql_says_that_the_time_is_up() {
    ends_without_the_provider(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_ends_without_a_provider_that_never_decides_when_postgresql_says_that_the_time_is_up() {
    ends_without_the_provider(Some(IntentState::Processing)).await;
}

async fn ends_without_the_provider(says: Option<IntentState>) {
    let pending = Pending::new().await;
    // Its name is known: a silent provider cannot tell it.
    pending.run("UPDATE payments SET intent = 'pi_1'").await;
    pending.run("UPDATE orders SET deadline = now() - interval '1 s'").await;
    pending.reconcile(says, false).await.expect("it answers");
    assert!(pending.state().await.starts_with("PAYMENT_PENDING 2 "));
    for (since, state) in [("50 s", "PAYMENT_PENDING 2 PENDING pi_1"), ("61 s", "EXPIRED 3 PAYMENT_TTL PENDING pi_1")] {
        let change = format!("UPDATE payments SET closing_since = now() - interval '{since}'");
        sqlx::query(sqlx::AssertSqlSafe(change)).execute(&pending.world.database).await.expect("the rows are valid");
        pending.reconcile(says, false).await.expect("it answers");
        assert_eq!(pending.state().await, state, "{says:?}");
    }
    // The provider tells in the end, and had captured the money.
    pending.reconcile(Some(IntentState::Succeeded), false).await.expect("it answers");
    assert!(pending.state().await.starts_with("EXPIRED 3 PAYMENT_TTL REFUNDING pi_1 "));
    pending.reconcile(Some(IntentState::Succeeded), false).await.expect("it answers");
    assert!(pending.state().await.starts_with("EXPIRED 3 PAYMENT_TTL REFUNDED pi_1 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_a_cancellation_are_kept_while_its_payment_is_cancelled() {
    // Without a provider: the cancellation has to wait.
    let world = world().await;
    let (shop, archive) = (world.start().await, archive(&world).await);
    let (code, id) = buy(&shop, "ann", "1").await;
    begin(&archive, id).await;
    let cancellation = json!({ "user_id": "ann", "reason": "changed my mind" });
    let path = format!("/orders/{code}");
    let waiting = shop.client.post_json(&format!("{path}/cancel"), cancellation).await.expect(202);
    assert_eq!((waiting.header("location"), waiting.header("retry-after")), (Some(path.as_str()), Some("1")));
    let (told, shown) = (waiting.json(), order(&shop, &code).await);
    assert_eq!((&told["status"], &told["payment"]), (&json!("PAYMENT_PENDING"), &shown["payment"]));
    assert_eq!((&told["payment"]["status"], &shown["status"]), (&json!("PENDING"), &told["status"]));
    shop.stop().await;

    let world = world
        .with(|world| world.payment = PaymentSettings { silence: Duration::from_secs(1), ..world.payment.clone() });
    let shop = world.start().await;
    eventually("it is cancelled", || async { order(&shop, &code).await["status"] == "CANCELLED" }).await;
    assert_eq!(order(&shop, &code).await["reason"], "USER_CANCEL");
    let kept = read(&archive, id).await.note;
    assert_eq!(kept.as_ref().map(|note| note.as_str()), Some("changed my mind"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_cancels_an_order_whose_payment_is_pending() {
    let provider = Provider::start(&stores::empty_database().await, &[]).await;
    let world = world().await;
    let (shop, archive) = (world.start().await, archive(&world).await);
    let (code, id) = buy(&shop, "ann", "1").await;
    let attempt = begin(&archive, id).await;
    let cancel = |provider_url: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
        command.args(["order", "cancel", &code, "--reason", "by telephone"]).env("LOG", "error");
        command.env("DATABASE_URL", &world.database_url).env("REDIS_URL", world.redis.service_url());
        if let Some(url) = provider_url {
            command.env("PAYMENT_PROVIDER_URL", url).env("PAYMENT_PROVIDER_KEY", PROVIDER_KEY);
            command.env("PAYMENT_WEBHOOK_SECRET", WEBHOOK_SECRET);
        }
        let output = tokio::task::block_in_place(|| command.output()).expect("the program runs");
        let [printed, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
        (output.status.success(), printed, errors)
    };
    let (is_ok, printed, errors) = cancel(None);
    assert!(!is_ok && printed.is_empty() && errors.contains("set PAYMENT_PROVIDER_URL"), "{printed} {errors}");
    assert_eq!(read(&archive, id).await.status, OrderStatus::PaymentPending);
    for _ in 0..2 {
        let (is_ok, printed, errors) = cancel(Some(provider.program.client.base()));
        assert!(is_ok, "{errors}");
        assert!(printed.starts_with(&format!("{id} CANCELLED version=3 ")), "{printed}");
        assert!(printed.contains(r#" reason=ADMIN note="by telephone" user=ann "#), "{printed}");
    }
    let (_, settled) = archive.latest(id).await.expect("it answers").expect("it exists");
    assert_eq!((settled.number, settled.state), (attempt.number, AttemptState::Cancelled));
    let intent = settled.intent.expect("its name is kept");
    assert_eq!(provider.api.status(intent.as_str()).await, "canceled");
    eventually("the item is for sale again", || shop.client.has_bought("bob", "r", "1")).await;
}

async fn order(shop: &Instance, code: &str) -> Value {
    shop.client.get(&format!("/orders/{code}")).await.expect(200).json()
}
