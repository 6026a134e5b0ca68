//! The log of one purchase, and the absence of secrets in logs.

use std::sync::atomic::{AtomicU32, Ordering};

use hyper::Method;
use serde_json::Value;

use crate::harness::eventually;
use crate::harness::program::{Program, objects};
use crate::harness::service::World;

const ADMIN_TOKEN: &str = "the-token-of-the-administrator";

/// Buys a cart of two under the request id `follow-me`. Returns its code.
async fn buy(program: &Program) -> String {
    let code = program.client.cart("a-user", &["1", "2"]).await;
    let request = program.client.request(Method::POST, &format!("/purchase?code={code}"));
    program.client.send(request.header("x-request-id", "follow-me"), "").await.expect(200);
    code
}

fn of_request<'a>(lines: &'a [Value], id: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["request_id"] == id).collect()
}

fn position(lines: &[Value], is_wanted: impl Fn(&Value) -> bool) -> usize {
    lines.iter().position(is_wanted).unwrap_or_else(|| panic!("no such line in {lines:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_can_be_followed_by_its_request_id_to_its_commit() {
    let world = World::new().await;
    let program = Program::start(&world, &[("LOG", "debug")]).await;
    let code = buy(&program).await;
    let lines = objects(&program.stop().await);

    let followed = of_request(&lines, "follow-me");
    let messages: Vec<_> = followed.iter().map(|line| line["message"].as_str().expect("a message")).collect();
    assert_eq!(messages, ["decided", "durable", "ended"], "{followed:#?}");
    assert!(followed.iter().all(|line| line["route"] == "/purchase" && line["method"] == "POST"), "{followed:#?}");
    let [decided, durable, ended] = [followed[0], followed[1], followed[2]];
    assert!(code.starts_with(decided["code"].as_str().expect("the code")), "{decided}");
    assert_eq!((&decided["units"], &decided["replayed"]), (&2.into(), &false.into()));
    assert!(durable["waited_ms"].as_f64().expect("a number") > 0.0);
    assert_eq!((&ended["status"], &durable["ledger_id"]), (&200.into(), &decided["ledger_id"]));

    let is_commit = |line: &Value| line["message"] == "committed" && line["ledger_id"] == decided["ledger_id"];
    let commit = position(&lines, is_commit);
    let committed = &lines[commit];
    assert_eq!((&committed["sale"], &committed["epoch"]), (&decided["sale"], &decided["epoch"]));
    assert!(committed["epoch"].is_u64() && committed["took_ms"].is_f64() && committed["entries"].as_u64() >= Some(1));
    assert!(commit < position(&lines, |line| line == durable), "the answer was sent before the commit");

    let checked_out = &lines[position(&lines, |line| line["message"] == "checked out")];
    assert_eq!((&checked_out["code"], &checked_out["route"]), (&decided["code"], &"/checkout".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_logged_with_their_code_and_probes_are_not_logged() {
    let world = World::new().await;
    let program = Program::start(&world, &[("LOG", "debug")]).await;
    buy(&program).await;
    for (method, path) in [(Method::POST, "/checkout?user_id=late&id=1"), (Method::GET, "/health/ready")] {
        let request = program.client.request(method, path).header("x-request-id", "refuse-me");
        program.client.send(request, "").await;
    }
    let lines = objects(&program.stop().await);
    let ended: Vec<_> = lines.iter().filter(|line| line["message"] == "ended").collect();
    assert!(ended.iter().all(|line| line["request_id"].is_string()), "{ended:#?}");
    let refused: Vec<_> = ended.into_iter().filter(|line| line["request_id"] == "refuse-me").collect();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    assert_eq!((&refused[0]["status"], &refused[0]["problem"]), (&409.into(), &"item_sold".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_logs_nothing_at_the_default_level() {
    let world = World::new().await;
    let program = Program::start(&world, &[]).await;
    buy(&program).await;
    let lines = objects(&program.stop().await);
    assert!(lines.iter().any(|line| line["message"] == "stopped"), "{lines:#?}");
    let is_of_purchase = |line: &&Value| ["request_id", "code", "ledger_id"].iter().any(|field| !line[field].is_null());
    // Requests before the sale is open are logged as not served.
    let found: Vec<_> = lines.iter().filter(is_of_purchase).filter(|line| line["route"] != "/sales/active").collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_level_prints_a_secret() {
    let world = World::new().await;
    // A bare `trace` covers only this crate. This filter includes the libraries.
    let program = Program::start(&world, &[("LOG", "trace,flashsale=trace"), ("ADMIN_TOKEN", ADMIN_TOKEN)]).await;
    let code = buy(&program).await;
    let another = program.client.cart("a-user", &["3"]).await;
    program.client.get(&format!("/checkout/{another}")).await.expect(200);
    program.client.get(&format!("/purchase/{code}")).await.expect(200);
    program.client.post_json("/purchase", serde_json::json!({ "code": another })).await.expect(200);
    program.client.buy_now("a-user", "r", "4").await.expect(200);
    let request = program.client.request(Method::POST, "/admin/sales").header("content-type", "application/json");
    program.client.send(request.header("authorization", format!("Bearer {ADMIN_TOKEN}")), "{}").await.expect(400);
    let lines = program.stop().await;
    assert!(lines.iter().any(|line| line.contains("follow-me")));
    let [postgres, redis] = [world.database_url.clone(), world.redis.url()].map(|url| password(&url));
    for secret in [&code, &another, ADMIN_TOKEN, "a-user", &postgres, &redis] {
        let found = lines.iter().find(|line| line.contains(secret));
        assert!(found.is_none(), "{secret} is in the log: {found:?}");
    }
}

fn password(url: &str) -> String {
    let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).expect("a login").0;
    login.split_once(':').expect("a password").1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_is_logged_once_with_its_request_id() {
    let mut world = World::new().await;
    let program = Program::start(&world, &[]).await;
    world.redis.server.kill();
    // Only some failures a second are logged, so the requests before this one may be the logged ones.
    let requests = AtomicU32::new(0);
    let is_logged = || async {
        let id = format!("follow-me-{}.", requests.fetch_add(1, Ordering::Relaxed));
        let request = program.client.request(Method::POST, "/checkout?user_id=a-user&id=1");
        program.client.send(request.header("x-request-id", &id), "").await.expect(503);
        program.lines().iter().any(|line| line.contains(&id))
    };
    eventually("a failed request is logged", is_logged).await;
    world.redis.server.restart().expect("Redis starts");
    let lines = objects(&program.stop().await);
    let of_each = (0..requests.into_inner()).map(|request| of_request(&lines, &format!("follow-me-{request}.")));
    let logged: Vec<_> = of_each.filter(|found| !found.is_empty()).collect();
    assert!(!logged.is_empty());
    for found in logged {
        let [line] = found[..] else { panic!("{found:#?}") };
        assert!(line["level"] == "WARN" || line["level"] == "ERROR", "{line}");
        assert_eq!(line["route"], "/checkout");
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn an_otlp_endpoint_requires_a_build_with_the_otlp_feature() {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_flashsale"));
    let output =
        program.arg("config").env("OTLP_ENDPOINT", "http://127.0.0.1:4318").output().expect("the program runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cargo build --features otlp"), "{output:?}");
}
