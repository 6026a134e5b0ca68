//! The requests of shoppers, and the loads that are made of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::connection::Response;
use super::engine::Traffic;
use super::items::{ItemId, Items};
use super::requests;
use super::traffic::{code_in, numbered};

/// Items of a page, as the simulated shoppers of the load test read them.
const PAGE: u64 = 20;

pub fn check_out(request: &mut Vec<u8>, user: u64, item: ItemId<'_>) {
    requests::post(request, format_args!("/checkout?user_id=u{user}&id={item}"));
}

/// Writes a checkout of several items, one unit of each.
pub fn check_out_many<'a>(request: &mut Vec<u8>, user: u64, items: impl Iterator<Item = ItemId<'a>>) {
    let lines: Vec<_> = items.map(|item| format!(r#"{{"id":"{item}"}}"#)).collect();
    let body = format!(r#"{{"user_id":"u{user}","items":[{}]}}"#, lines.join(","));
    requests::post_json(request, "/checkout", "", &body);
}

/// Writes a purchase without a cart. Sent again, it gets the first answer.
pub fn buy_now(request: &mut Vec<u8>, user: u64, item: ItemId<'_>) {
    let body = format!(r#"{{"user_id":"u{user}","item_id":"{item}","quantity":1}}"#);
    requests::post_json(request, "/api/purchase", "idempotency-key: r\r\n", &body);
}

pub fn purchase(code: &str) -> Vec<u8> {
    let mut request = Vec::new();
    requests::post(&mut request, format_args!("/purchase?code={code}"));
    request
}

/// Writes a payment that succeeds.
pub fn pay(request: &mut Vec<u8>, code: &str) {
    requests::post_json(request, &format!("/orders/{code}/pay"), "", r#"{"payment_method":"pm_ok"}"#);
}

/// Returns the pages of the available items of a sale.
pub fn pages(sale: &str, items: u64) -> Vec<Vec<u8>> {
    let page = |page| requests::get(&format!("/sales/{sale}/items?page={page}&per_page={PAGE}&available=true"));
    (1..=items.div_ceil(PAGE).min(500)).map(page).collect()
}

/// Returns true for the refusal of a sold item.
pub fn is_sold(response: Response<'_>) -> bool {
    response.status == 409 && response.body.starts_with(br#"{"type":"urn:flashsale:problem:item_sold""#)
}

/// Buys each of the items once, for a new user each. `keep` gets the responses.
pub fn buying(
    connections: usize,
    items: Items,
    first_user: u64,
    sold: Rc<Cell<u64>>,
    keep: impl Fn(u64, Response<'_>) + 'static,
) -> Vec<Box<dyn Traffic>> {
    let count = items.count;
    let take = move |number, response: Response<'_>| {
        let bought = response.status == 200;
        sold.set(sold.get() + u64::from(bought));
        keep(number, response);
        bought
    };
    numbered(connections, count, move |number, request| buy_now(request, first_user + number, items.id(number)), take)
}

/// Fills carts with `units` items each, for a new user each, and collects their codes.
pub fn filling_carts(
    connections: usize,
    items: Items,
    units: u64,
    first_user: u64,
    codes: Rc<RefCell<Vec<String>>>,
) -> Vec<Box<dyn Traffic>> {
    let count = items.count / units;
    let write = move |number: u64, request: &mut Vec<u8>| match units {
        1 => check_out(request, first_user + number, items.id(number)),
        _ => {
            let ids = (number * units..(number + 1) * units).map(|number| items.id(number));
            check_out_many(request, first_user + number, ids);
        }
    };
    let take = move |_, response: Response<'_>| {
        let code = code_in(response);
        let is_filled = code.is_some();
        codes.borrow_mut().extend(code);
        is_filled
    };
    numbered(connections, count, write, take)
}

/// Buys carts of `units` units, each once.
pub fn buying_carts(connections: usize, codes: Vec<String>, units: u64, sold: Rc<Cell<u64>>) -> Vec<Box<dyn Traffic>> {
    let count = codes.len() as u64;
    let write = move |number: u64, request: &mut Vec<u8>| {
        requests::post(request, format_args!("/purchase?code={}", codes[number as usize]));
    };
    let take = move |_, response: Response<'_>| {
        let bought = response.status == 200;
        sold.set(sold.get() + if bought { units } else { 0 });
        bought
    };
    numbered(connections, count, write, take)
}
