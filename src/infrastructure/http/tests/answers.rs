//! Answers of the endpoints.

use http_body_util::Full;
use hyper::{Method, Request};
use rstest::rstest;
use serde_json::json;

use super::super::{HttpSettings, Surface};
use super::client::Client;
use super::failing_stores::{StoreFault, shop};

#[rstest]
#[case::unknown_path(Method::GET, "/nothing", 404, "not_found", "")]
#[case::no_admin_without_a_token(Method::POST, "/admin/sales", 404, "not_found", "")]
#[case::no_admin_whatever_the_method(Method::GET, "/admin/sales", 404, "not_found", "")]
#[case::wrong_method(Method::GET, "/checkout", 405, "method_not_allowed", "POST")]
#[case::wrong_method(Method::POST, "/sales", 405, "method_not_allowed", "GET, HEAD")]
#[case::wrong_method(Method::GET, "/checkout/x/items/y", 405, "method_not_allowed", "DELETE")]
#[case::wrong_method(Method::OPTIONS, "/health", 405, "method_not_allowed", "GET, HEAD")]
#[tokio::test]
async fn a_missing_endpoint_is_a_problem_with_a_request_id(
    #[case] method: Method,
    #[case] path: &str,
    #[case] status: u16,
    #[case] code: &str,
    #[case] allow: &str,
) {
    let reply = Client::open().call(method, path).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str(), reply.header("allow")), (status, code, allow));
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.header("x-request-id").len(), 16);
}

#[rstest]
#[case("/", 307, "/docs/index.html")]
#[case("/docs/", 307, "/docs/index.html")]
#[case("/docs", 308, "docs/index.html")]
#[tokio::test]
async fn documentation_is_found_by_its_short_paths(#[case] path: &str, #[case] status: u16, #[case] location: &str) {
    for surface in [Surface::Everything, Surface::Shopping, Surface::Operations] {
        let client = Client::on(StoreFault::Fenced, HttpSettings::default(), surface);
        for method in [Method::GET, Method::HEAD] {
            let reply = client.call(method, path).await;
            assert_eq!((reply.status.as_u16(), reply.header("location")), (status, location));
        }
    }
    assert_eq!(Client::open().get("/docs/index.html").await.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn only_a_safe_request_id_comes_back() {
    for (given, same) in [("abc-1.2_Z", true), ("a b", false), ("x\"y", false)] {
        let request = Request::get("/nothing").header("x-request-id", given).body(Full::default()).unwrap();
        let id = Client::open().send(request).await.header("x-request-id").to_owned();
        assert_eq!((id == given, id.is_empty()), (same, false), "{given}");
    }
}

#[tokio::test]
async fn sold_items_are_refused_without_a_store() {
    let reply = Client::open().call(Method::POST, "/checkout?user_id=u1&id=7").await;
    let sale = shop(StoreFault::Fenced).current_sale().unwrap().id();
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (409, "item_sold"));
    assert_eq!(reply.json()["unavailable"], json!([format!("{sale}-00007")]));

    let reply =
        Client::open().post("/api/purchase", r#"{"request_id":"r1","user_id":"u1","item_id":"7","quantity":1}"#).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (410, "sold_out"));
}

#[tokio::test]
async fn browsing_needs_no_store() {
    let client = Client::open();
    let active = client.get("/sales/active").await.json();
    let id = active["id"].as_str().unwrap();
    assert_eq!(
        (&active["total_items"], &active["items_sold"], &active["items_remaining"]),
        (&json!(20), &json!(1), &json!(19))
    );
    assert_eq!((&active["active"], &active["status"]), (&json!(true), &json!("open")));

    let page = client.get(&format!("/sales/{id}/items?page=2&per_page=9&available=true")).await.json();
    assert_eq!((&page["total"], page["items"].as_array().unwrap().len()), (&json!(19), 9));
    assert_eq!(page["items"][0]["id"], format!("{id}-00011"));

    let item = client.get("/items/item_7").await.json();
    assert_eq!(
        (&item["id"], &item["remaining"], &item["sold"]),
        (&json!(format!("{id}-00007")), &json!(0), &json!(true))
    );
    assert_eq!(client.get(&format!("/items/{id}-00021")).await.code(), "item_not_found");
    assert_eq!(client.get(&format!("/sales/{id}/sold-filter")).await.header("x-filter-ledger-id"), "1-1");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let client = Client::open();
    let (get, head) = (client.get("/items/7").await, client.call(Method::HEAD, "/items/7").await);
    assert_eq!((head.status, head.bytes.len()), (get.status, 0));
    assert_eq!(head.header("content-length"), get.bytes.len().to_string());
}

#[tokio::test]
async fn health_shows_quickly_which_services_are_down() {
    for fault in [StoreFault::Unreachable, StoreFault::Hanging] {
        let client = Client::new(fault, HttpSettings::default());
        let ready = client.get("/health").await;
        let expected = json!({"app": "UP", "database": "DOWN", "redis": "DOWN", "ledger_writer": "UP"});
        assert_eq!((ready.status.as_u16(), &ready.json()["services_status"]), (503, &expected));
        assert_eq!(ready.json()["status"], "DOWN");
        assert_eq!(client.get("/health/live").await.status, 200);
    }
}

#[tokio::test]
async fn requests_do_not_add_series() {
    let client = Client::open();
    let series = async || client.get("/metrics").await.bytes.split(|byte| *byte == b'\n').count();
    client.get("/random/0").await;
    client.get("/sales/x").await;
    client.call(Method::POST, "/checkout?user_id=u&id=7").await;
    let before = series().await;
    for number in 0..1_000 {
        client.get(&format!("/random/{number}")).await;
        client.get(&format!("/sales/x{number}")).await;
        client.call(Method::POST, &format!("/checkout?user_id=u{number}&id=7")).await;
    }
    // Other tests of this process may add the few that are left.
    assert!(series().await < before + 300);
}
