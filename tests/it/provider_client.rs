//! The client of the payment provider: its circuit, its metrics, and what `flashsale verify` says of payments.

use std::process::Command;
use std::time::Duration;

use flashsale::application::payment::ports::{CircuitState, Provider as _, ProviderError};
use flashsale::domain::payment::{Attempt, AttemptState, MinorUnits};
use flashsale::domain::shared::Currency;
use flashsale::infrastructure::payment::{HttpProvider, ProviderKey};
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::eventually;
use crate::harness::provider::{PROVIDER_KEY, Provider};
use crate::harness::service::{Instance, World};
use crate::payments::{becomes, buy, pay, report, world};

/// Returns the value of a series.
async fn value(shop: &Instance, series: &str) -> f64 {
    let text = String::from_utf8(shop.client.get("/metrics").await.expect(200).body.to_vec()).expect("text");
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{series} is missing"))
}

const CIRCUIT: &str = r#"flashsale_circuit_state{circuit="payment_provider"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn operations_at_the_provider_are_counted_by_their_outcome() {
    let (world, _provider, _) = world(|_| {}).await;
    let shop = world.start().await;
    let code = buy(&shop, "ann", &["1"]).await;
    let counts = async || {
        let count = async |operation: &str, outcome: &str| {
            let labels = format!(r#"{{operation="{operation}",outcome="{outcome}"}}"#);
            value(&shop, &format!("flashsale_payments_total{labels}")).await
        };
        let timed = value(&shop, r#"flashsale_payment_duration_seconds_count{operation="confirm"}"#).await;
        [
            count("create", "unconfirmed").await,
            count("confirm", "declined").await,
            count("confirm", "unknown_method").await,
            count("confirm", "succeeded").await,
            timed,
        ]
    };
    // Other tests of this process count, too.
    let before = counts().await;
    for (method, status) in [("pm_declined", 402), ("pm_unheard_of", 400), ("pm_ok", 200)] {
        pay(&shop, &code, method).await.expect(status);
    }
    let grown: Vec<f64> = counts().await.iter().zip(before).map(|(after, before)| after - before).collect();
    assert!(grown.iter().zip([3.0, 1.0, 1.0, 1.0, 3.0]).all(|(grown, least)| *grown >= least), "{grown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_circuit_opens_while_the_provider_is_away_and_closes_again() {
    let (world, provider, database) = world(|_| {}).await;
    let shop = world.start().await;
    assert_eq!(value(&shop, CIRCUIT).await, 0.0);
    let mut codes = Vec::new();
    for item in ["1", "2", "3", "4", "5", "6"] {
        codes.push(buy(&shop, "ann", &[item]).await);
    }
    let address = provider.program.client.base().trim_start_matches("http://").to_owned();
    drop(provider);
    for code in &codes[..5] {
        pay(&shop, code, "pm_ok").await.expect(202);
    }
    eventually("the circuit is open", || async { value(&shop, CIRCUIT).await == 2.0 }).await;
    // Nothing begins that could not end.
    let refused = async || pay(&shop, &codes[5], "pm_ok").await.status == 503 && value(&shop, CIRCUIT).await > 0.0;
    eventually("payments are refused", refused).await;
    let provider = Provider::start_at(&address, &database, &[]).await;
    for code in &codes[..5] {
        becomes(&shop, code, "PAID").await;
    }
    assert_eq!(value(&shop, CIRCUIT).await, 0.0);
    pay(&shop, &codes[5], "pm_ok").await;
    becomes(&shop, &codes[5], "PAID").await;
    assert_eq!(report(&provider).await, (6, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_means_of_payment_that_is_never_answered_keeps_nobody_else_from_paying() {
    let (world, _provider, _) = world(|payment| payment.ask_after = Duration::from_secs(600)).await;
    let shop = world.start().await;
    let mut hostile = Vec::new();
    for item in ["1", "2", "3", "4", "5", "6"] {
        hostile.push(buy(&shop, "eve", &[item]).await);
    }
    for answer in join_all(hostile.iter().map(|code| pay(&shop, code, "pm_timeout_charged"))).await {
        answer.expect(202);
    }
    assert_eq!(value(&shop, CIRCUIT).await, 0.0);
    let code = buy(&shop, "ann", &["7"]).await;
    pay(&shop, &code, "pm_ok").await.expect(200);
}

/// A provider whose every answer is a failure of its own.
async fn failing() -> HttpProvider {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                let _bytes = stream.read(&mut request).await;
                let _sent =
                    stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            });
        }
    });
    let key = ProviderKey::new(PROVIDER_KEY.into()).expect("a key");
    HttpProvider::new(&url.parse().expect("a URL"), key).expect("it needs no certificates")
}

#[tokio::test]
async fn the_circuit_opens_for_requests_that_say_nothing_of_the_buyer_and_hides_no_failure() {
    let provider = failing().await;
    let attempt = Attempt {
        order: "20261120T09-1763632800000-0".parse().expect("an id"),
        number: 1,
        intent: None,
        method: "pm_ok".parse().expect("a method"),
        amount: MinorUnits(1_990),
        currency: Currency::EUR,
        state: AttemptState::Pending,
        closing: None,
    };
    let intent = "pi_1".parse().expect("a name");
    for _ in 0..4 {
        let confirmed = provider.confirm(&intent, &attempt).await;
        assert!(matches!(confirmed, Err(ProviderError::Failed(500))), "{confirmed:?}");
        assert_eq!(provider.circuit(), Some(CircuitState::Closed));
    }
    // The second one fails twice, and its last repetition is not sent.
    for state in [CircuitState::Closed, CircuitState::Open] {
        let created = provider.create(&attempt).await;
        assert!(matches!(created, Err(ProviderError::Failed(500))), "{created:?}");
        assert_eq!(provider.circuit(), Some(state));
    }
    assert!(matches!(provider.create(&attempt).await, Err(ProviderError::Resting)));
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_to_be_given_back_is_measured() {
    let (world, provider, _) = world(|_| {}).await;
    let shop = world.start().await;
    let code = buy(&shop, "ann", &["1"]).await;
    pay(&shop, &code, "pm_ok").await.expect(200);
    eventually("payments are counted", || async {
        let text = shop.client.get("/metrics").await.expect(200);
        String::from_utf8_lossy(&text.body).contains("\nflashsale_refunds_pending 0\n")
    })
    .await;
    drop(provider);
    change(&world, "UPDATE payments SET state = 'REFUNDING'").await;
    eventually("the refund is pending", || async { value(&shop, "flashsale_refunds_pending").await == 1.0 }).await;
}

async fn change(world: &World, statement: &'static str) {
    sqlx::query(statement).execute(&world.database).await.expect("the rows are valid");
}

/// Returns what `flashsale verify` prints after `unsettled=`, and checks that its exit status agrees.
async fn unsettled(world: &World) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
    command.args(["verify"]).env("DATABASE_URL", &world.database_url).env("REDIS_URL", world.redis.service_url());
    let output = tokio::task::block_in_place(|| command.env("LOG", "error").output()).expect("the program runs");
    let printed = String::from_utf8(output.stdout).expect("text");
    let number = printed.trim().rsplit_once("unsettled=").expect("a finding").1.to_owned();
    assert!(number == "0" || !output.status.success(), "{printed}");
    number
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_payments_that_are_not_settled() {
    let (world, _provider, _) = world(|payment| payment.ask_after = Duration::from_secs(600)).await;
    let shop = world.start().await;
    let (paid, pending) = (buy(&shop, "ann", &["1"]).await, buy(&shop, "bob", &["2"]).await);
    buy(&shop, "eve", &["3"]).await;
    pay(&shop, &paid, "pm_ok").await.expect(200);
    pay(&shop, &pending, "pm_slow").await.expect(202);
    assert_eq!(unsettled(&world).await, "0");
    shop.stop().await;
    // Each row holds what is wrong, and what makes it right again.
    for (wrong, right) in [
        (
            "UPDATE payments SET look_at = now() - interval '11 s' WHERE state = 'PENDING'",
            "UPDATE payments SET look_at = now() WHERE state = 'PENDING'",
        ),
        (
            "UPDATE orders SET status = 'EXPIRED', reason = 'PAYMENT_TTL', deadline = NULL,
                 finished_at = now() - interval '11 s' WHERE status = 'PAYMENT_PENDING'",
            "UPDATE orders SET finished_at = now() WHERE status = 'EXPIRED'",
        ),
        (
            "UPDATE payments SET state = 'REFUNDING', settled_at = now() - interval '11 s' WHERE state = 'PENDING'",
            "UPDATE payments SET settled_at = now() WHERE state = 'REFUNDING'",
        ),
        (
            "UPDATE orders SET status = 'CANCELLED', reason = 'ADMIN' WHERE status = 'PAID'",
            "UPDATE orders SET status = 'PAID', reason = NULL WHERE status = 'CANCELLED'",
        ),
        (
            "UPDATE payments SET state = 'DECLINED' WHERE state = 'SUCCEEDED'",
            "UPDATE payments SET state = 'SUCCEEDED' WHERE state = 'DECLINED'",
        ),
    ] {
        change(&world, wrong).await;
        assert_eq!(unsettled(&world).await, "1", "{wrong}");
        change(&world, right).await;
        assert_eq!(unsettled(&world).await, "0", "{right}");
    }
}
