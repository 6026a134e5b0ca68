//! Traces as a collector receives them.

use hyper::Method;

use crate::harness::collector::{Collector, Span};
use crate::harness::program::Program;
use crate::harness::service::World;

const TRACE: [u8; 16] = [0x4b; 16];
const CALLER: [u8; 8] = [0xa3; 8];

/// The `traceparent` header of a trace that its caller records or does not record.
fn traceparent(trace: [u8; 16], recorded: bool) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("00-{}-{}-0{}", hex(&trace), hex(&CALLER), u8::from(recorded))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_covers_a_purchase_from_its_caller_to_its_commit() {
    let (world, collector) = (World::new().await, Collector::start().await);
    let settings = [("OTLP_ENDPOINT", collector.endpoint.as_str()), ("OTLP_SAMPLE", "1")];
    let program = Program::start(&world, &settings).await;
    let code = program.client.cart("a-user", &["1", "2"]).await;
    let purchase = || program.client.request(Method::POST, &format!("/purchase?code={code}"));
    let request = purchase().header("x-request-id", "follow-me").header("traceparent", traceparent(TRACE, true));
    program.client.send(request, "").await.expect(200);
    let request = purchase().header("x-request-id", "unrecorded").header("traceparent", traceparent([1; 16], false));
    program.client.send(request, "").await.expect(200);
    let lines = program.stop().await;
    assert!(lines.iter().all(|line| !line.contains("follow-me")), "a traced purchase is in the log: {lines:#?}");

    let spans = collector.spans();
    let of_trace = |name: &str| {
        let found = spans.iter().find(|span| span.trace == TRACE && span.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
    };
    let (request, script, commit) = (of_trace("POST /purchase"), of_trace("script"), of_trace("wait for commit"));
    assert_eq!(request.parent, CALLER);
    assert_eq!(request.attributes["request_id"], "follow-me");
    assert_eq!(request.attributes["service.name"], "flashsale");
    assert_eq!(request.attributes["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&script.parent, &commit.parent), (&request.id, &request.id));
    assert_eq!(script.attributes["script"], "Purchase");

    let ledger_id = &commit.attributes["ledger_id"];
    let commits = |batch: &Span| batch.events.iter().any(|event| event.get("ledger_id") == Some(ledger_id));
    let batch = spans.iter().find(|span| span.name == "batch" && commits(span)).expect("the commit is traced");
    assert_eq!(batch.attributes["sale"], script.attributes["sale"]);

    let known = |span: &Span| span.attributes.values().any(|value| value == "unrecorded" || value.contains(&code));
    assert!(!spans.iter().any(known), "{spans:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_collector_stops_neither_purchases_nor_the_shutdown() {
    let world = World::new().await;
    let settings = [("OTLP_ENDPOINT", "http://127.0.0.1:9"), ("OTLP_SAMPLE", "1")];
    let program = Program::start(&world, &settings).await;
    let code = program.client.cart("a-user", &["1"]).await;
    program.client.purchase(&code).await.expect(200);
    let lines = program.stop().await;
    assert!(lines.iter().any(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\"")), "{lines:#?}");
}
