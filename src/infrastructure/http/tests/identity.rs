//! Users: their tokens, their cookies, and the sessions of guests.

use std::num::NonZeroU32;

use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::Full;
use hyper::http::request::Builder;
use hyper::{Method, Request};
use rstest::rstest;
use serde_json::{Value, json};

use crate::infrastructure::tokens::{Claims, TokenKeys};

use super::super::platform::Endpoint;
use super::super::platform::policy::Access;
use super::super::{API, HttpSettings, Rate, TrustedProxies};
use super::client::{Client, Reply};
use super::failing_stores::StoreFault;

const KEY: &str = "a:HS256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const CODE: &str = "20260101T00-00000000000000000000000000000007";

fn keys() -> TokenKeys {
    KEY.parse().unwrap()
}

fn token(user: &str, seconds: i64) -> String {
    let expires_at = Utc::now() + TimeDelta::seconds(seconds);
    keys().sign(&Claims { user: user.parse().unwrap(), expires_at }).unwrap()
}

fn client(token_keys: Option<TokenKeys>) -> Client {
    // The caller is a proxy, so a test can say that there is TLS.
    let trusted_proxies = TrustedProxies::new(vec!["127.0.0.1".parse().unwrap()]);
    Client::new(StoreFault::Fenced, HttpSettings { token_keys, trusted_proxies, ..HttpSettings::default() })
}

fn signed() -> Client {
    client(Some(keys()))
}

/// The endpoints about one user.
fn personal() -> impl Iterator<Item = &'static Endpoint> {
    API.endpoints.iter().copied().filter(|endpoint| endpoint.policy.access == Access::User)
}

/// A request to an endpoint, in the name of bob where it names a user.
fn request(endpoint: &Endpoint, document: &Value) -> (Builder, String) {
    let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
    let mut body = operation["requestBody"]["content"]["application/json"]["example"].clone();
    if body.get("user_id").is_some() {
        body["user_id"] = json!("bob");
    }
    let path = endpoint.path.replace("{code}", CODE).replace("{user_id}", "bob").replace("{id}", "1");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    (Request::builder().method(&endpoint.method).uri(path).header("content-type", "application/json"), body)
}

async fn send(client: &Client, (request, body): (Builder, String)) -> Reply {
    client.send(request.body(Full::from(body)).unwrap()).await
}

/// Names of the parameters and the fields of the body of an operation.
fn inputs(document: &Value, operation: &Value) -> Vec<String> {
    let resolved = |value: &Value| match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => value.clone(),
    };
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(resolved);
    let names = parameters.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned));
    let body = resolved(&operation["requestBody"]["content"]["application/json"]["schema"]);
    names.chain(body["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone())).collect()
}

#[tokio::test]
async fn every_endpoint_with_a_user_or_a_code_asks_for_the_user() {
    let document = signed().get("/openapi.json").await.json();
    let mut about = [0, 0];
    for endpoint in API.endpoints_on(super::super::Surface::Everything, false) {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
        let inputs = inputs(&document, operation);
        let names = |name: &str| inputs.iter().any(|input| input == name);
        let (method, path) = (&endpoint.method, endpoint.path);
        let is_personal = endpoint.policy.access == Access::User;
        assert_eq!(names("user_id") || names("code"), is_personal, "{method} {path} is about a user, or it is not");
        let problems = operation["responses"]["403"].to_string();
        assert_eq!(problems.contains("not_you"), names("user_id"), "{method} {path}: names_user()");
        assert_eq!(operation["security"].to_string().contains("userToken"), is_personal, "{method} {path}");
        about[usize::from(is_personal)] += 1;
    }
    assert!(about[0] > 10 && about[1] > 10, "{about:?}");
}

#[tokio::test]
async fn without_signed_users_the_document_has_no_tokens() {
    let document = client(None).get("/openapi.json").await.json();
    let paths = document["paths"].to_string();
    for word in ["userToken", "token_required", "invalid_token", "not_you"] {
        assert!(!paths.contains(word), "{word}");
    }
}

#[tokio::test]
async fn every_personal_endpoint_refuses_a_request_without_a_valid_token() {
    let client = signed();
    let document = client.get("/openapi.json").await.json();
    let expired = token("bob", -6);
    for endpoint in personal() {
        let what = format!("{} {}", endpoint.method, endpoint.path);
        let reply = send(&client, request(endpoint, &document)).await;
        assert_eq!((reply.status.as_u16(), &*reply.code()), (401, "token_required"), "{what}");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        for invalid in ["", "x", "a.b.c", &expired, &format!("{}x", token("bob", 60))] {
            let (request, body) = request(endpoint, &document);
            let reply = send(&client, (request.header("authorization", format!("Bearer {invalid}")), body)).await;
            assert_eq!((reply.status.as_u16(), &*reply.code()), (401, "invalid_token"), "{what}: {invalid}");
            assert_eq!(reply.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        }
    }
}

#[tokio::test]
async fn every_endpoint_with_a_user_id_refuses_that_of_another() {
    let client = signed();
    let document = client.get("/openapi.json").await.json();
    let mut refused = 0;
    for endpoint in personal() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
        if !inputs(&document, operation).contains(&"user_id".to_owned()) {
            continue;
        }
        for (user, expected) in [("ann", true), ("bob", false)] {
            let (request, body) = request(endpoint, &document);
            let reply =
                send(&client, (request.header("authorization", format!("Bearer {}", token(user, 60))), body)).await;
            assert_eq!(reply.code() == "not_you", expected, "{} {}: {}", endpoint.method, endpoint.path, reply.json());
            refused += usize::from(reply.status == 403);
        }
    }
    assert_eq!(refused, 5);
    let in_query =
        Request::post("/checkout?user_id=bob&id=1").header("authorization", format!("Bearer {}", token("ann", 60)));
    assert_eq!(send(&client, (in_query, String::new())).await.code(), "not_you");
}

#[tokio::test]
async fn a_user_id_may_be_left_out() {
    let bearer = |request: Builder| request.header("authorization", format!("Bearer {}", token("ann", 60)));
    let json = |path| bearer(Request::post(path)).header("content-type", "application/json");
    for (request, body) in [
        (bearer(Request::post("/checkout?id=1")), ""),
        (json("/checkout"), r#"{"items":[{"id":"1"}]}"#),
        (json("/api/purchase"), r#"{"request_id":"r","item_id":"1","quantity":1}"#),
        (json(&format!("/orders/{CODE}/cancel")), "{}"),
    ] {
        let reply = send(&signed(), (request, body.to_owned())).await;
        assert_eq!(reply.code(), "unavailable", "{}", reply.json());
    }
}

#[tokio::test]
async fn without_signed_users_tokens_and_cookies_are_ignored() {
    let client = client(None);
    for (name, value) in [
        ("authorization", "Bearer x".to_owned()),
        ("authorization", format!("Bearer {}", token("bob", 60))),
        ("cookie", "session=bob; __Host-session=bob".to_owned()),
    ] {
        let request = || Request::post("/checkout?user_id=ann&id=1");
        let plain = send(&client, (request(), String::new())).await;
        let reply =
            send(&client, (request().header(name, value).header("origin", "http://evil.example"), String::new())).await;
        assert_eq!((reply.status, reply.bytes), (plain.status, plain.bytes));
        let missing =
            send(&client, (Request::post("/checkout?id=1").header("cookie", "session=bob"), String::new())).await;
        assert_eq!(missing.json()["errors"]["user_id"], "is required");
    }
}

/// Sends a request with these headers, which include the host.
async fn send_from(client: &Client, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    client.send_as_it_is(request.body(Full::default()).unwrap()).await
}

#[rstest]
#[case("http://shop", true)]
#[case("http://evil.example", false)]
#[case("http://shop.evil.example", false)]
#[case("null", false)]
#[case("", false)]
#[tokio::test]
async fn a_cookie_counts_for_requests_of_its_own_site(#[case] origin: &str, #[case] expected: bool) {
    let cookie = format!("a=b; __Host-session={}", token("ann", 60));
    let mut headers = vec![("host", "shop"), ("cookie", &*cookie)];
    if !origin.is_empty() {
        headers.push(("origin", origin));
    }
    let reply = send_from(&signed(), Method::POST, "/checkout?id=1", &headers).await;
    let (status, code) = if expected { (503, "unavailable") } else { (403, "foreign_origin") };
    assert_eq!((reply.status.as_u16(), &*reply.code()), (status, code), "{}", reply.json());
    // A request that changes nothing needs no origin.
    let reply = send_from(&signed(), Method::GET, &format!("/checkout/{CODE}"), &headers).await;
    assert_eq!(reply.code(), "unavailable", "{}", reply.json());
}

#[tokio::test]
async fn only_the_cookie_of_the_site_counts() {
    let token = token("ann", 60);
    for (host, name, expected) in [
        ("shop", "__Host-session", "unavailable"),
        ("shop", "session", "token_required"),
        ("localhost:8080", "session", "unavailable"),
        ("localhost:8080", "__Host-session", "token_required"),
    ] {
        let cookie = format!("{name}={token}");
        let headers = [("host", host), ("cookie", &cookie)];
        let reply = send_from(&signed(), Method::GET, &format!("/checkout/{CODE}"), &headers).await;
        assert_eq!(reply.code(), expected, "{host} {name}");
    }
    let cookie = format!("__Host-session={}", self::token("ann", -6));
    let reply = send_from(&signed(), Method::GET, "/users/ann/orders", &[("host", "shop"), ("cookie", &cookie)]).await;
    assert_eq!((reply.code().as_str(), reply.header("www-authenticate")), ("token_required", "Bearer"));
}

async fn open_session(client: &Client, headers: &[(&str, &str)]) -> Reply {
    send_from(client, Method::POST, "/session", headers).await
}

/// The name and value of the cookie that a reply sets, and its attributes.
fn cookie(reply: &Reply) -> (String, String) {
    let (pair, attributes) = reply.header("set-cookie").split_once("; ").expect("a cookie with attributes");
    (pair.to_owned(), attributes.to_owned())
}

fn expires_at(reply: &Reply) -> DateTime<Utc> {
    reply.json()["expires_at"].as_str().unwrap().parse().unwrap()
}

#[rstest]
#[case(None)]
#[case(Some(keys()))]
#[tokio::test]
async fn a_visitor_becomes_a_guest_and_stays_the_same(#[case] keys: Option<TokenKeys>) {
    let client = client(keys);
    for (host, scheme, name, attributes) in [
        ("shop", "https", "__Host-session=", "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"),
        ("localhost:8080", "https", "__Host-session=", "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"),
        ("shop", "http", "__Host-session=", "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"),
        ("localhost:8080", "http", "session=", "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"),
        ("[::1]:8080", "http", "session=", "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"),
    ] {
        let origin = format!("{scheme}://{host}");
        let headers = [("host", host), ("x-forwarded-proto", scheme), ("origin", &*origin)];
        let reply = open_session(&client, &headers).await;
        assert_eq!((reply.status.as_u16(), cookie(&reply).1.as_str()), (200, attributes));
        let user = reply.json()["user_id"].take();
        assert!(user.as_str().unwrap().starts_with("guest-") && user.as_str().unwrap().len() == 38, "{user}");
        let (pair, _) = cookie(&reply);
        assert!(pair.starts_with(name), "{pair}");
        let again = open_session(&client, &[&headers[..], &[("cookie", &*pair)]].concat()).await;
        assert_eq!(again.json()["user_id"], user);
        assert_ne!(open_session(&client, &headers).await.json()["user_id"], user);
    }
}

#[tokio::test]
async fn a_guest_is_prolonged_when_half_of_the_life_is_over() {
    let day = 86_400;
    for (user, seconds, is_prolonged) in
        [("guest-1", 4 * day, false), ("guest-1", 3 * day, true), ("guest-1", 2, true), ("ann", 2, false)]
    {
        let cookie = format!("session={}", token(user, seconds));
        let reply = open_session(&signed(), &[("host", "localhost"), ("cookie", &cookie)]).await;
        assert_eq!(reply.json()["user_id"], user);
        assert_eq!(reply.headers.contains_key("set-cookie"), is_prolonged, "{user} {seconds}");
        let left = (expires_at(&reply) - Utc::now()).num_seconds();
        assert!((left > 6 * day) == is_prolonged && (left > seconds) == is_prolonged, "{left}");
    }
    // A cookie that is not valid is that of a new visitor.
    let cookie = format!("session={}", token("guest-1", -6));
    let reply = open_session(&signed(), &[("host", "localhost"), ("cookie", &cookie)]).await;
    assert!(reply.status == 200 && reply.json()["user_id"] != "guest-1");
}

#[tokio::test]
async fn a_token_in_the_header_needs_no_cookie() {
    let bearer = format!("Bearer {}", token("ann", 60));
    let reply = open_session(&signed(), &[("host", "shop"), ("authorization", &bearer)]).await;
    assert_eq!((reply.json()["user_id"].as_str(), reply.headers.contains_key("set-cookie")), (Some("ann"), false));
    let reply = open_session(&signed(), &[("host", "shop"), ("authorization", "Bearer x")]).await;
    assert_eq!((reply.status.as_u16(), &*reply.code()), (401, "invalid_token"));
}

#[rstest]
#[case(None)]
#[case(Some(keys()))]
#[tokio::test]
async fn no_other_site_changes_the_identity_of_a_visitor(#[case] keys: Option<TokenKeys>) {
    let client = client(keys);
    for foreign in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let reply = open_session(&client, &[("host", "shop"), foreign]).await;
        assert_eq!((reply.status.as_u16(), &*reply.code()), (403, "foreign_origin"), "{foreign:?}");
        assert!(!reply.headers.contains_key("set-cookie"));
    }
    for own in [("origin", "http://shop"), ("sec-fetch-site", "same-origin"), ("accept", "*/*")] {
        assert_eq!(open_session(&client, &[("host", "shop"), own]).await.status, 200, "{own:?}");
    }
}

#[tokio::test]
async fn an_address_gets_a_limited_number_of_guests() {
    let rate = |number| NonZeroU32::new(number).unwrap();
    let session_rate = Some(Rate { per_second: rate(1), burst: rate(3) });
    let settings = HttpSettings { session_rate, token_keys: Some(keys()), ..HttpSettings::default() };
    let client = Client::new(StoreFault::Fenced, settings);
    let host = ("host", "localhost");
    let first = open_session(&client, &[host]).await;
    assert_eq!(
        (first.header("ratelimit-policy"), first.header("ratelimit")),
        (r#""session";q=3;w=3"#, r#""session";r=2;t=1"#)
    );
    open_session(&client, &[host]).await;
    open_session(&client, &[host]).await;
    let refused = open_session(&client, &[host]).await;
    assert_eq!((&*refused.code(), refused.header("retry-after")), ("rate_limited", "1"));
    // Guests who come back are not new.
    let (pair, _) = cookie(&first);
    assert_eq!(open_session(&client, &[host, ("cookie", &pair)]).await.status, 200);
}

#[tokio::test]
async fn keys_that_only_check_make_no_guests() {
    let keys = "a:EdDSA:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".parse().unwrap();
    let reply = open_session(&client(Some(keys)), &[("host", "localhost")]).await;
    assert_eq!((reply.status.as_u16(), &*reply.code()), (401, "token_required"));
}
