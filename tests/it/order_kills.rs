//! Orders whose service or provider is killed between two steps: a second start brings each of them to one right end.

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::client::{Client, retrying};
use crate::harness::eventually;
use crate::harness::http_process::free_address;
use crate::harness::program::{Program, verify};
use crate::harness::provider::{PROVIDER_KEY, Provider, WEBHOOK_SECRET};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::service::World;
use crate::harness::stores;

/// The request of a step never arrives.
const BEFORE: Fault = Fault::BlackHole;

/// The step happens, and nobody learns of it.
const AFTER: Fault = Fault::LostAnswers;

/// The requests at which a process is killed.
const END: &str = include_str!("../../src/infrastructure/postgres/queries/end_order.sql");
const END_OVERDUE: &str = include_str!("../../src/infrastructure/postgres/queries/end_overdue_orders.sql");
const ARCHIVE_RELEASE: &str = include_str!("../../src/infrastructure/postgres/queries/persist_releases.sql");
const BEGIN_PAYMENT: &str = include_str!("../../src/infrastructure/postgres/queries/begin_payment.sql");
const SETTLE: &str = include_str!("../../src/infrastructure/postgres/queries/settle_payment.sql");
const RELEASE_CANCELLED: &str = "\ncancelled\r";
const RELEASE_EXPIRED: &str = "\nexpired\r";
const CREATE_INTENT: &str = "POST /payment_intents HTTP";
const CONFIRM: &str = "/confirm HTTP";
const REFUND: &str = "POST /refunds HTTP";
const ADD_EVENT: &str = "INSERT INTO provider.events";
const NOTE_DELIVERY: &str = "SET copies = copies - 1";

/// Statements of the test about the order of a user. The first takes the lease of expiry away until the order is overdue,
/// so that nobody looks for it before the kill is prepared.
const HOLD_EXPIRY: &str = "INSERT INTO leases VALUES ('expiry', 1, 0, now() + interval '1 hour')
    ON CONFLICT (name) DO UPDATE SET holder = 0, token = leases.token + 1, until = EXCLUDED.until";
const OVERDUE: &str = "WITH free AS (UPDATE leases SET until = clock_timestamp() WHERE name = 'expiry')
    UPDATE orders SET deadline = clock_timestamp()
    WHERE status = 'RESERVED' AND ledger_id = (SELECT ledger_id FROM purchases WHERE user_id = $1)";
const EXPIRED: &str = "UPDATE orders SET status = 'EXPIRED', reason = 'PAYMENT_TTL', deadline = NULL,
        finished_at = now(), version = version + 1
    WHERE status = 'PAYMENT_PENDING' AND ledger_id = (SELECT ledger_id FROM purchases WHERE user_id = $1)";

/// A thing that happens to an order.
#[derive(Clone, Copy)]
enum Action {
    Cancel,
    /// Its deadline passes.
    Expire,
    Pay(&'static str),
    /// It ends while the provider is charging.
    PayTooLate,
}

#[derive(Clone, Copy)]
enum Victim {
    Service,
    Provider,
}

/// A way of a request, with a proxy on it.
#[derive(Clone, Copy)]
enum Link {
    Redis,
    Postgres,
    Provider,
    PostgresOfProvider,
}

/// A kill at one request of one order.
struct Kill(Action, Link, &'static str, Fault, Victim, &'static str);

/// A service and a provider, both as processes, with a proxy before everything that they call.
struct Rig {
    world: World,
    links: [Proxy; 4],
    /// The addresses of both, which survive a restart.
    address: String,
    provider_address: String,
    has_webhooks: bool,
    service: Option<Program>,
    provider: Option<Provider>,
}

impl Rig {
    /// Starts both. Without webhooks, the service learns of a payment from the answers alone.
    async fn start(has_webhooks: bool) -> Self {
        let mut world = World::new().await;
        let (address, provider_address) = (free_address(), free_address());
        let links = [
            Proxy::before(&world.redis_url).await,
            Proxy::before(&world.database_url).await,
            Proxy::before(&format!("http://{provider_address}")).await,
            Proxy::before(&stores::empty_database().await).await,
        ];
        world.redis_url.clone_from(&links[0].url);
        world.database_url.clone_from(&links[1].url);
        let (service, provider) = (None, None);
        let mut rig = Rig { world, links, address, provider_address, has_webhooks, service, provider };
        rig.start_provider().await;
        rig.start_service().await;
        rig
    }

    async fn start_provider(&mut self) {
        let hook = format!("http://{}/payments/webhook", self.address);
        let args: &[&str] = if self.has_webhooks { &["--webhook-url", &hook] } else { &[] };
        let database = &self.link(Link::PostgresOfProvider).url;
        self.provider = Some(Provider::start_at(&self.provider_address, database, args).await);
    }

    async fn start_service(&mut self) {
        let settings = [
            ("PAYMENT_WINDOW", "10m"),
            ("PAYMENT_PROVIDER_URL", self.link(Link::Provider).url.as_str()),
            ("PAYMENT_PROVIDER_KEY", PROVIDER_KEY),
            ("PAYMENT_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ];
        self.service = Some(Program::start_at(&self.address, &self.world, &settings).await);
    }

    fn link(&self, link: Link) -> &Proxy {
        &self.links[link as usize]
    }

    fn client(&self) -> Client {
        self.service.as_ref().expect("it runs").client.clone()
    }

    /// Kills a process, and starts it again. Its connections end, as they do when their process is gone.
    async fn restart(&mut self, victim: Victim, link: Link) {
        match victim {
            Victim::Service => drop(self.service.take()),
            Victim::Provider => drop(self.provider.take()),
        }
        self.link(link).heal();
        self.link(link).strike_open(Fault::Cut);
        match victim {
            Victim::Service => self.start_service().await,
            Victim::Provider => self.start_provider().await,
        }
        // Time passes: others do the work of the killed one, and ask what became of payments.
        for statement in
            ["UPDATE leases SET until = clock_timestamp()", "UPDATE payments SET look_at = clock_timestamp()"]
        {
            sqlx::query(statement).execute(&self.world.database).await.expect("PostgreSQL answers");
        }
    }

    /// Changes the order of a user.
    async fn change_order(&self, change: &'static str, user: &str) {
        sqlx::query(change).bind(user).execute(&self.world.database).await.expect("PostgreSQL answers");
    }

    /// Does something to an order, as its buyer or time does.
    async fn act(&self, action: Action, code: &str, user: &str) {
        let client = self.client();
        let post = |path: String, body: Value| {
            let request = client.request(Method::POST, &path).header("content-type", "application/json");
            let client = client.clone();
            // The service may die before it answers.
            tokio::spawn(async move { client.try_send(request, &body.to_string()).await })
        };
        match action {
            Action::Cancel => _ = post(format!("/orders/{code}/cancel"), json!({ "user_id": user })),
            Action::Pay(method) => _ = post(format!("/orders/{code}/pay"), json!({ "payment_method": method })),
            Action::Expire => self.change_order(OVERDUE, user).await,
            Action::PayTooLate => {
                let paying = post(format!("/orders/{code}/pay"), json!({ "payment_method": "pm_slow" }));
                paying.await.expect("the client does not panic").expect("the service answers").expect(202);
                self.change_order(EXPIRED, user).await;
            }
        }
    }

    /// Buys an item, kills a process at a request of its order, starts it again, and checks the end of the order.
    async fn survive(&mut self, item: usize, kill: &Kill) {
        let Kill(action, link, mark, moment, victim, end) = *kill;
        let (client, user) = (self.client(), format!("u{item}"));
        let code = client.cart(&user, &[&item.to_string()]).await;
        let receipt = retrying(|| client.purchase(&code)).await.expect(200).body;
        if matches!(action, Action::Expire) {
            sqlx::query(HOLD_EXPIRY).execute(&self.world.database).await.expect("PostgreSQL answers");
        }
        let proxy = self.link(link);
        let before = proxy.swallowed();
        proxy.strike_at(mark, moment);
        self.act(action, &code, &user).await;
        eventually(mark, async || proxy.swallowed() > before).await;
        self.restart(victim, link).await;
        // The caller has got no answer, so it asks again.
        if self.order(&code).await["status"] == "RESERVED" {
            self.act(action, &code, &user).await;
        }
        eventually(end, || async { self.order(&code).await["status"] == end && self.is_settled().await }).await;
        // Each change was made once.
        let changes = if matches!(action, Action::Cancel | Action::Expire) { 1 } else { 2 };
        assert_eq!(self.order(&code).await["version"], 1 + changes);
        self.assert_right_end(&code, item, &receipt, end).await;
    }

    async fn order(&self, code: &str) -> Value {
        let (client, path) = (self.client(), format!("/orders/{code}"));
        retrying(|| client.get(&path)).await.expect(200).json()
    }

    /// Returns true if nothing about an order is left to be done.
    async fn is_settled(&self) -> bool {
        let payments = "SELECT count(*) FROM payments WHERE state IN ('PENDING', 'REFUNDING')";
        let returns = "SELECT count(*) FROM orders WHERE status IN ('CANCELLED', 'EXPIRED') AND returned_at IS NULL";
        self.world.count(payments).await == 0 && self.world.count(returns).await == 0
    }

    /// Fails unless the order stays as it is, is charged if it is paid, and has given its unit back once if it is not.
    async fn assert_right_end(&self, code: &str, item: usize, receipt: &[u8], end: &str) {
        let (client, shown) = (self.client(), self.order(code).await);
        let again = retrying(|| client.purchase(code)).await.expect(200);
        assert_eq!((again.header("order-status"), &again.body[..]), (Some(end), receipt));
        let provider = self.provider.as_ref().expect("it runs");
        let order = shown["order_id"].as_str().expect("an id");
        let intents = provider.api.get(&format!("/payment_intents?order_id={order}")).await.expect(200).json();
        let intents = intents["payment_intents"].as_array().expect("a list");
        let is_charged = |intent: &&Value| intent["status"] == "succeeded" && intent["refunded"] == 0;
        let is_paid = end == "PAID";
        assert_eq!(intents.iter().filter(is_charged).count(), usize::from(is_paid), "{intents:?}");
        let released = "SELECT count(*) FROM released_units WHERE user_id = $1";
        let released: i64 = sqlx::query_scalar(released)
            .bind(format!("u{item}"))
            .fetch_one(&self.world.database)
            .await
            .expect("PostgreSQL answers");
        assert_eq!(released, i64::from(!is_paid));
        let (next, item) = (format!("next{item}"), item.to_string());
        assert_eq!(retrying(|| client.buy_now(&next, "r", &item)).await.status == 200, !is_paid);
        assert_eq!(self.order(code).await["version"], shown["version"], "a final order has changed");
    }

    /// Fails unless verification finds every item sold once, and nothing else.
    async fn assert_sound(&self, sold: usize) {
        let nothing_else =
            "lost=0 oversold=0 over_limit=0 drift=0 unreturned=0 overdue=0 paid_and_released=0 unsettled=0";
        let found = verify(&self.world.database_url, &self.world.redis_url);
        assert_eq!(found.trim(), format!("sold={sold} {nothing_else}"));
    }
}

async fn survive_all(has_webhooks: bool, kills: &[Kill]) {
    let mut rig = Rig::start(has_webhooks).await;
    for (number, kill) in kills.iter().enumerate() {
        println!("{:?} {}", kill.3, kill.2.lines().next().unwrap_or_default());
        rig.survive(number + 1, kill).await;
    }
    if has_webhooks {
        let provider = &rig.provider.as_ref().expect("it runs").api;
        eventually("every event is acknowledged", async || provider.report().await["webhooks"]["pending"] == 0).await;
    }
    rig.assert_sound(kills.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_ends_once_and_returns_its_stock_once_wherever_the_service_is_killed() {
    use {Action::*, Link::*, Victim::Service};
    survive_all(
        false,
        &[
            Kill(Cancel, Postgres, END, BEFORE, Service, "CANCELLED"),
            Kill(Cancel, Postgres, END, AFTER, Service, "CANCELLED"),
            Kill(Cancel, Redis, RELEASE_CANCELLED, BEFORE, Service, "CANCELLED"),
            Kill(Cancel, Redis, RELEASE_CANCELLED, AFTER, Service, "CANCELLED"),
            Kill(Cancel, Postgres, ARCHIVE_RELEASE, BEFORE, Service, "CANCELLED"),
            Kill(Cancel, Postgres, ARCHIVE_RELEASE, AFTER, Service, "CANCELLED"),
            Kill(Expire, Postgres, END_OVERDUE, BEFORE, Service, "EXPIRED"),
            Kill(Expire, Postgres, END_OVERDUE, AFTER, Service, "EXPIRED"),
            Kill(Expire, Redis, RELEASE_EXPIRED, BEFORE, Service, "EXPIRED"),
            Kill(Expire, Redis, RELEASE_EXPIRED, AFTER, Service, "EXPIRED"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_charged_once_wherever_the_service_or_the_provider_is_killed() {
    use Link::*;
    const PAY: Action = Action::Pay("pm_ok");
    survive_all(
        false,
        &[
            Kill(PAY, Postgres, BEGIN_PAYMENT, BEFORE, Victim::Service, "PAID"),
            Kill(PAY, Postgres, BEGIN_PAYMENT, AFTER, Victim::Service, "PAID"),
            Kill(PAY, Provider, CREATE_INTENT, BEFORE, Victim::Service, "PAID"),
            Kill(PAY, Provider, CREATE_INTENT, AFTER, Victim::Service, "PAID"),
            Kill(PAY, Provider, CONFIRM, BEFORE, Victim::Service, "PAID"),
            Kill(PAY, Provider, CONFIRM, AFTER, Victim::Service, "PAID"),
            Kill(PAY, Postgres, SETTLE, BEFORE, Victim::Service, "PAID"),
            Kill(PAY, Postgres, SETTLE, AFTER, Victim::Service, "PAID"),
            Kill(PAY, PostgresOfProvider, ADD_EVENT, BEFORE, Victim::Provider, "PAID"),
            Kill(PAY, Provider, CONFIRM, AFTER, Victim::Provider, "PAID"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_counts_once_and_late_money_returns_once_wherever_a_process_is_killed() {
    use {Action::PayTooLate, Link::*};
    const PAY: Action = Action::Pay("pm_slow");
    survive_all(
        true,
        &[
            Kill(PAY, Postgres, SETTLE, BEFORE, Victim::Service, "PAID"),
            Kill(PAY, Postgres, SETTLE, AFTER, Victim::Service, "PAID"),
            Kill(PAY, PostgresOfProvider, NOTE_DELIVERY, BEFORE, Victim::Provider, "PAID"),
            Kill(PayTooLate, Provider, REFUND, BEFORE, Victim::Service, "EXPIRED"),
            Kill(PayTooLate, Provider, REFUND, AFTER, Victim::Service, "EXPIRED"),
            Kill(PayTooLate, Provider, REFUND, AFTER, Victim::Provider, "EXPIRED"),
        ],
    )
    .await;
}
