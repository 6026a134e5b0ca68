//! Requests.

use divan::{Bencher, black_box};
use flashsale::infrastructure::http::{ApiRequest, read_checkout};
use hyper::Request;

fn checkout(uri: &str, body: String) -> ApiRequest {
    let request = Request::post(uri).header("content-type", "application/json").body(());
    let (head, ()) = request.expect("the request is valid").into_parts();
    let (peer, params) = (std::net::Ipv4Addr::LOCALHOST.into(), Default::default());
    ApiRequest { peer, user: None, params, head, body: body.into(), counted: Default::default() }
}

/// Reads a checkout of an item in the query.
#[divan::bench]
fn checkout_in_query(bencher: Bencher) {
    let request = checkout("/checkout?user_id=ann&id=20261120T09-00042", String::new());
    bencher.bench(|| read_checkout(black_box(&request)).is_ok());
}

/// Reads a checkout of this many items in the body.
#[divan::bench(args = [1, 10])]
fn checkout_in_body(bencher: Bencher, items: u32) {
    let lines: Vec<_> = (1..=items).map(|item| format!(r#"{{"id":"20261120T09-{item:05}","quantity":1}}"#)).collect();
    let request = checkout("/checkout", format!(r#"{{"user_id":"ann","items":[{}]}}"#, lines.join(",")));
    bencher.bench(|| read_checkout(black_box(&request)).is_ok());
}
