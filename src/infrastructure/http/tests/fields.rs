//! Errors in the fields of requests.

use http_body_util::Full;
use hyper::{Method, Request};
use rstest::rstest;
use serde_json::{Value, json};

use super::client::Client;

#[rstest]
#[case("/checkout", "user_id")]
#[case("/checkout?user_id=u1", "id")]
#[case("/checkout?id=1", "user_id")]
#[case("/checkout?user_id=u1&id=0", "id")]
#[case("/checkout?user_id=u1&id=9223372036854775808", "id")]
#[case("/checkout?user_id=u1&item_id=abc", "item_id")]
#[case("/checkout?user_id=u1&id=1&item_id=1", "item_id")]
#[case("/checkout?user_id=u1&id=1&quantity=0", "quantity")]
#[case("/checkout?user_id=u1&id=1&quantity=-1", "quantity")]
#[case("/checkout?user_id=u1&id=1&quantity=11", "quantity")]
#[case("/checkout?user_id=u1&id=1&quantity=4294967297", "quantity")]
#[case("/checkout?user_id=u1&id=1&price=1", "price")]
#[case("/checkout?user_id=u1&id=1&id=1", "id")]
#[case("/checkout?user_id=%00&id=1", "user_id")]
#[case("/checkout?user_id=%ff&id=1", "user_id")]
#[case("/purchase", "code")]
#[case("/purchase?code=x", "code")]
#[case("/purchase?code=x&partial=maybe", "partial")]
#[case("/api/purchase", "body")]
#[tokio::test]
async fn the_problem_names_each_bad_parameter(#[case] path: &str, #[case] field: &str) {
    let reply = Client::open().call(Method::POST, path).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "invalid_request"), "{}", reply.json());
    assert!(reply.json()["errors"][field].is_string(), "{}", reply.json());
}

#[rstest]
#[case("/checkout", r#"{"user_id":"u1"}"#, "id")]
#[case("/checkout", r#"{"user_id":"u1","items":[]}"#, "items")]
#[case("/checkout", r#"{"user_id":"u1","items":[{"id":"1"},{"id":"item_1"}]}"#, "items")]
#[case("/checkout", r#"{"user_id":"u1","items":[{"id":"1","price":"0.01"}]}"#, "items[0].price")]
#[case("/checkout", r#"{"user_id":"a b","items":[{"id":"1"}]}"#, "user_id")]
#[case("/checkout?user_id=u1", r#"{"user_id":"u1","items":[{"id":"1"}]}"#, "user_id")]
#[case("/checkout?id=1", r#"{"user_id":"u1","items":[{"id":"1"}]}"#, "items")]
#[case("/checkout?quantity=2", r#"{"user_id":"u1","items":[{"id":"1"}]}"#, "quantity")]
#[case("/purchase?partial=true", r#"{"partial":true}"#, "partial")]
#[case("/purchase", r#"{"code":7}"#, "code")]
#[case("/api/purchase", r#"{"user_id":"u1","item_id":"1","quantity":1}"#, "request_id")]
#[case("/api/purchase", r#"{"request_id":"a b","user_id":"u1","item_id":"1","quantity":1}"#, "request_id")]
#[case("/api/purchase", r#"{"request_id":"r1","user_id":"u1","item_id":"1"}"#, "quantity")]
#[case("/api/purchase", r#"{"request_id":"r1","user_id":"u1","item_id":"1","quantity":0}"#, "quantity")]
#[case("/api/purchase", r#"{"request_id":"r1","user_id":"u1","item_id":"1","quantity":-1}"#, "quantity")]
#[case("/api/purchase", r#"{"request_id":"r1","user_id":"u1","item_id":"1","quantity":4294967297}"#, "quantity")]
#[case("/api/purchase", r#"{"request_id":"r1","user_id":"u1","item_id":"1","quantity":1,"price":"0.01"}"#, "price")]
#[case("/api/purchase", r#"{"request_id":"r1","user_id":"u1","item_id":1,"quantity":1}"#, "item_id")]
#[case("/session", r#"{"x":1}"#, "x")]
#[case("/api/purchase?x=1", r#"{"request_id":"r1","user_id":"u1","item_id":"1","quantity":1}"#, "x")]
#[tokio::test]
async fn the_problem_names_each_bad_field(#[case] path: &str, #[case] body: &str, #[case] field: &str) {
    let reply = Client::open().post(path, body).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "invalid_request"), "{}", reply.json());
    assert!(reply.json()["errors"][field].is_string(), "{}", reply.json());
}

#[tokio::test]
async fn an_empty_list_of_items_has_one_error() {
    let reply = Client::open().post("/checkout", r#"{"user_id":"u1","items":[]}"#).await;
    assert_eq!(reply.json()["errors"], json!({ "items": "must be 1 to 100 items" }));
}

#[tokio::test]
async fn a_request_id_in_the_body_and_in_the_header_is_refused() {
    let body = r#"{"request_id":"r1","user_id":"u1","item_id":"1","quantity":1}"#;
    let request = Request::post("/api/purchase").header("content-type", "application/json");
    let reply = Client::open().send(request.header("idempotency-key", "r1").body(Full::from(body)).unwrap()).await;
    assert!(reply.json()["errors"]["request_id"].is_string(), "{}", reply.json());
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let request = Request::post("/purchase").header("content-type", "text/plain").body(Full::from("{}")).unwrap();
    assert_eq!(Client::open().send(request).await.status, 415);
}

#[tokio::test]
async fn a_request_has_at_most_a_hundred_items() {
    let items: Vec<Value> = (1..=101).map(|number| json!({"id": number.to_string()})).collect();
    let body = |items: &[Value]| json!({"user_id": "u1", "items": items}).to_string();
    assert_eq!(
        Client::open().post("/checkout", &body(&items)).await.json()["errors"]["items"],
        "must be 1 to 100 items"
    );
    assert_eq!(Client::open().post("/checkout", &body(&items[..5])).await.code(), "unavailable");
    let eleven: Vec<Value> = (8..=18).map(|number| json!({"id": number.to_string()})).collect();
    assert_eq!(Client::open().post("/checkout", &body(&eleven)).await.code(), "cart_full");
}
