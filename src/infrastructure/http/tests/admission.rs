//! Limits, failures and authentication: everything around the handlers.

use std::io::{Read, Seek};
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::{Method, Request, Version};
use rstest::rstest;
use serde_json::{Value, json};

use super::super::{API, AdminToken, HttpSettings, Rate, Surface, TrustedProxies};
use super::client::Client;
use super::failing_stores::{StoreFault, shop};

fn code() -> String {
    let sale = shop(StoreFault::Fenced).current_sale().unwrap().id();
    format!("{sale}-{:032x}", 7)
}

#[rstest]
#[case(StoreFault::Fenced, Value::Null)]
#[case(StoreFault::Unreachable, json!("unknown"))]
#[tokio::test]
async fn only_a_purchase_that_may_have_succeeded_has_an_unknown_outcome(
    #[case] fault: StoreFault,
    #[case] outcome: Value,
) {
    let client = Client::new(fault, HttpSettings::default());
    let bought = client.call(Method::POST, &format!("/purchase?code={}", code())).await;
    let client = Client::new(fault, HttpSettings::default());
    let body = r#"{"request_id":"r1","user_id":"u1","item_id":"1","quantity":1}"#;
    for reply in [bought, client.post("/api/purchase", body).await] {
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "unavailable"));
        assert_eq!((reply.header("retry-after"), &reply.json()["outcome"]), ("1", &outcome));
        assert!(!String::from_utf8_lossy(&reply.bytes).contains("10.0.0.7"));
    }
    let checkout = Client::new(fault, HttpSettings::default()).call(Method::POST, "/checkout?user_id=u1&id=1").await;
    assert_eq!((checkout.status.as_u16(), &checkout.json()["outcome"]), (503, &Value::Null));
}

#[tokio::test]
async fn a_purchase_that_takes_too_long_has_an_unknown_outcome() {
    let settings = HttpSettings { request_timeout: Duration::from_millis(20), ..HttpSettings::default() };
    let client = Client::new(StoreFault::Hanging, settings);
    let reply = client.call(Method::POST, &format!("/purchase?code={}", code())).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["outcome"]), (503, &json!("unknown")));
    let reply = client.call(Method::POST, "/checkout?user_id=u1&id=1").await;
    assert_eq!((reply.status.as_u16(), &reply.json()["outcome"]), (503, &Value::Null));
}

// One test: a second one that panics at the same time, without a subscriber, could switch the event off for both.
#[tokio::test]
async fn a_panic_is_a_problem_without_internals_and_logged_once_with_its_request_id() {
    let mut log = tempfile::tempfile().unwrap();
    let to_log = Mutex::new(log.try_clone().unwrap());
    let _logging = tracing::subscriber::set_default(tracing_subscriber::fmt().with_writer(to_log).finish());
    let client = Client::new(StoreFault::Panicking, HttpSettings::default());
    let request = Request::post("/checkout?user_id=u1&id=1").header("x-request-id", "follow-me");
    let reply = client.send(request.body(Full::default()).unwrap()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (500, "internal_error"));
    assert!(!String::from_utf8_lossy(&reply.bytes).contains("secret"));
    assert_eq!(reply.header("x-request-id"), "follow-me");
    assert_eq!(client.call(Method::POST, "/checkout?user_id=u1&id=7").await.status, 409);
    let mut logged = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut logged).unwrap();
    let [line] = logged.lines().collect::<Vec<_>>()[..] else { panic!("{logged}") };
    assert!(["ERROR", "follow-me", "/checkout", "the secret of the store"].iter().all(|text| line.contains(text)));
}

#[tokio::test]
async fn requests_over_the_limit_of_their_class_are_shed_and_no_others() {
    let admin_token = AdminToken::new("secret".into());
    let settings = HttpSettings { in_flight: 2, admin_token, ..HttpSettings::default() };
    let client = Client::new(StoreFault::Hanging, settings);
    let hanging = || client.call(Method::POST, "/checkout?user_id=u1&id=1");
    let request_too_many = async {
        tokio::task::yield_now().await;
        let (begun, reply) = (Instant::now(), hanging().await);
        assert!(begun.elapsed() >= Duration::from_millis(500), "a refusal at once brings the crowd back at once");
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "1"));
        assert_eq!(client.get("/health/live").await.status, 200);
        // The handlers of the other classes begin.
        assert_eq!(client.get("/sales/active").await.status, 200);
        assert_eq!(client.post("/purchase", "{}").await.status, 400);
        assert_eq!(client.post("/orders/x/pay", "{}").await.status, 400);
        let create = Request::post("/admin/sales").header("authorization", "Bearer secret");
        assert_eq!(client.send(create.body(Full::default()).unwrap()).await.status, 400);
    };
    tokio::select! {
        biased;
        _ = hanging() => panic!("the store hangs"),
        _ = hanging() => panic!("the store hangs"),
        () = request_too_many => {}
    }
    assert_eq!(client.call(Method::POST, "/checkout?user_id=u1&id=7").await.status, 409);
}

#[tokio::test]
async fn users_and_addresses_have_their_limits() {
    let rate = |burst| Some(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(burst).unwrap() });
    let client = Client::new(
        StoreFault::Fenced,
        HttpSettings { user_rate: rate(1), address_rate: rate(4), ..Default::default() },
    );
    let statuses = [
        client.call(Method::POST, "/checkout?user_id=u1&id=7").await.status.as_u16(),
        client.call(Method::POST, "/checkout?user_id=u1&id=7").await.status.as_u16(),
        client.call(Method::POST, "/checkout?user_id=u2&id=7").await.status.as_u16(),
        client.get("/sales/active").await.status.as_u16(),
        client.get("/sales/active").await.status.as_u16(),
        client.get("/health/live").await.status.as_u16(),
    ];
    assert_eq!(statuses, [409, 429, 409, 200, 429, 200]);
}

#[tokio::test]
async fn only_a_trusted_proxy_names_the_address_that_is_limited() {
    let rate = Some(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN });
    for (trusted, expected) in [("127.0.0.0/8", [200, 200, 429, 200]), ("10.0.0.0/8", [200, 429, 429, 429])] {
        let trusted_proxies = TrustedProxies::new(vec![trusted.parse().unwrap()]);
        let client = Client::new(
            StoreFault::Fenced,
            HttpSettings { address_rate: rate, trusted_proxies, ..HttpSettings::default() },
        );
        let get = async |addresses: &str| {
            let request = Request::get("/sales/active").header("x-forwarded-for", addresses);
            client.send(request.body(Full::default()).unwrap()).await.status.as_u16()
        };
        let statuses = [
            get("203.0.113.1").await,
            get("203.0.113.2").await,
            // The client invents another address.
            get("203.0.113.3, 203.0.113.1").await,
            get("garbage").await,
        ];
        assert_eq!(statuses, expected, "{trusted}");
    }
}

#[tokio::test]
async fn every_endpoint_with_a_code_or_a_user_has_the_limit_of_a_user() {
    let rate = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(2).unwrap() };
    for (method, path, body) in [
        (Method::GET, "/checkout/{code}", ""),
        (Method::DELETE, "/checkout/{code}/items/7", ""),
        (Method::POST, "/purchase?code={code}", ""),
        (Method::GET, "/purchase/{code}", ""),
        (Method::GET, "/orders/{code}", ""),
        (Method::POST, "/orders/{code}/pay", r#"{"payment_method":"pm_ok"}"#),
        (Method::POST, "/orders/{code}/cancel", r#"{"user_id":"u1"}"#),
        (Method::GET, "/users/u1/orders", ""),
        (Method::GET, "/users/u1/purchases", ""),
    ] {
        let client = Client::new(StoreFault::Fenced, HttpSettings { user_rate: Some(rate), ..Default::default() });
        let path = path.replace("{code}", &code());
        let mut replies = Vec::new();
        for _ in 0..3 {
            let request = Request::builder().method(method.clone()).uri(&path);
            let request = request.header("content-type", "application/json").body(Full::from(body));
            replies.push(client.send(request.unwrap()).await);
        }
        assert_eq!(replies.iter().map(|reply| reply.status.as_u16()).collect::<Vec<_>>(), [503, 503, 429], "{path}");
        assert_eq!(replies[0].header("ratelimit"), r#""user";r=1;t=1"#);
        let refused = &replies[2];
        assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("rate_limited", "1"));
        assert_eq!(refused.header("ratelimit-policy"), r#""user";q=2;w=2"#);
        assert_eq!(refused.header("ratelimit"), r#""user";r=0;t=1"#);
    }
}

#[tokio::test]
async fn exactly_the_answers_of_limited_endpoints_name_their_limits() {
    let rate = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(100).unwrap() };
    let settings = HttpSettings { admin_token: AdminToken::new("s3cret".into()), ..HttpSettings::default() };
    let limited = HttpSettings { address_rate: Some(rate), user_rate: Some(rate), ..settings.clone() };
    let (limited, unlimited) = (Client::new(StoreFault::Fenced, limited), Client::new(StoreFault::Fenced, settings));
    for endpoint in API.endpoints {
        let path = endpoint.path.replace(['{', '}'], "");
        let names = ["ratelimit-policy", "ratelimit"];
        let reply = limited.call(endpoint.method.clone(), &path).await;
        let has = names.map(|name| reply.headers.contains_key(name));
        assert_eq!(has, [endpoint.policy.is_rate_limited; 2], "{} {path}", endpoint.method);
        let reply = unlimited.call(endpoint.method.clone(), &path).await;
        assert!(!names.iter().any(|name| reply.headers.contains_key(*name)), "{} {path}", endpoint.method);
    }
}

#[tokio::test]
async fn administrators_need_the_token() {
    let settings = HttpSettings { admin_token: AdminToken::new("s3cret".into()), ..HttpSettings::default() };
    let client = Client::new(StoreFault::Fenced, settings);
    let end = async |token: Option<&str>| {
        let request = Request::post("/admin/sales/20261120T09/end");
        let request = token.into_iter().fold(request, |request, token| request.header("authorization", token));
        client.send(request.body(Full::default()).unwrap()).await
    };
    let (without, wrong, right) = (end(None).await, end(Some("Bearer x")).await, end(Some("Bearer s3cret")).await);
    assert_eq!((without.status.as_u16(), without.header("www-authenticate")), (401, "Bearer"));
    assert_eq!((wrong.status.as_u16(), right.status.as_u16()), (403, 503));
}

#[rstest]
#[case(Version::HTTP_11, 0, 400)]
#[case(Version::HTTP_11, 1, 200)]
#[case(Version::HTTP_11, 2, 400)]
#[case(Version::HTTP_10, 0, 200)]
#[case(Version::HTTP_2, 0, 200)]
#[tokio::test]
async fn a_request_of_http_1_1_has_one_host(#[case] version: Version, #[case] hosts: usize, #[case] status: u16) {
    let request = Request::get("/sales/active").version(version);
    let request = (0..hosts).fold(request, |request, _| request.header("host", "shop"));
    let reply = Client::open().send_as_it_is(request.body(Full::default()).unwrap()).await;
    assert_eq!(reply.status.as_u16(), status);
    assert_eq!(reply.json()["errors"]["Host"].is_string(), status == 400);
}

#[rstest]
#[case(&["gzip, chunked"], 400)]
#[case(&["gzip", "chunked"], 400)]
#[case(&["chunked, chunked"], 400)]
#[case(&["Chunked"], 200)]
#[case(&[], 200)]
#[tokio::test]
async fn a_transfer_coding_besides_chunked_is_refused(#[case] codings: &[&str], #[case] status: u16) {
    let request = Request::get("/sales/active");
    let request = codings.iter().fold(request, |request, coding| request.header("transfer-encoding", *coding));
    let reply = Client::open().send(request.body(Full::default()).unwrap()).await;
    assert_eq!(reply.status.as_u16(), status);
    assert_eq!(reply.json()["errors"]["Transfer-Encoding"].is_string(), status == 400);
}

#[tokio::test]
async fn shopping_and_operations_can_have_a_listener_each() {
    let settings = HttpSettings { admin_token: AdminToken::new("s3cret".into()), ..HttpSettings::default() };
    let paths = ["/metrics", "/admin/sales", "/admin/sales/x/end", "/health", "/health/live", "/checkout", "/sales"];
    for (surface, expected) in [
        (Surface::Everything, [true; 7]),
        (Surface::Operations, [true, true, true, true, true, false, false]),
        (Surface::Shopping, [false, false, false, true, true, true, true]),
    ] {
        let client = Client::on(StoreFault::Fenced, settings.clone(), surface);
        for (path, is_offered) in paths.into_iter().zip(expected) {
            // No endpoint has this method, so a path that exists is 405.
            let reply = client.call(Method::PATCH, path).await;
            assert_eq!(reply.status.as_u16(), if is_offered { 405 } else { 404 }, "{surface:?} {path}");
        }
    }
}

#[tokio::test]
async fn no_current_sale_is_unavailable_and_not_missing() {
    let client = Client::without_sale();
    for path in ["/sales/active", "/items/7"] {
        let reply = client.get(path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str(), reply.header("retry-after")),
            (503, "unavailable", "1")
        );
    }
    let reply = client.call(Method::POST, "/checkout?user_id=u1&id=7").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "unavailable"));
}
