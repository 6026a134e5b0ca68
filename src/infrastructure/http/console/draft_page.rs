//! The pages with the form of a new sale: to fill it in, and to look at the sale before it is created.

use askama::Template;
use chrono::{DateTime, Utc};
use hyper::StatusCode;
use hyper::header::HeaderMap;

use crate::infrastructure::http::platform::{Answer, Problem};
use crate::infrastructure::http::web::{html, number};

use super::draft::{Draft, Plan};
use super::layout::Layout;

/// Items that the preview shows.
const SHOWN_MAX: usize = 20;

/// The page with the form.
#[derive(Template)]
#[template(path = "console/form.html")]
struct FormPage<'a> {
    layout: Layout,
    draft: &'a Draft,
    errors: &'a [String],
}

/// The page with the sale.
#[derive(Template)]
#[template(path = "console/preview.html")]
struct PreviewPage<'a> {
    layout: Layout,
    draft: &'a Draft,
    figures: Vec<(&'static str, String)>,
    items: Vec<ItemRow<'a>>,
    more: usize,
}

struct ItemRow<'a> {
    name: &'a str,
    image_url: &'a str,
    price: String,
    stock: u32,
}

/// Answers with the form, and with what is wrong with it.
pub fn form(headers: &HeaderMap, status: StatusCode, draft: &Draft, errors: &[String]) -> Result<Answer, Problem> {
    html::answer(headers, status, &FormPage { layout: Layout::titled("New sale"), draft, errors })
}

/// Answers with the sale as it would be.
pub fn preview(headers: &HeaderMap, draft: &Draft, plan: &Plan, now: DateTime<Utc>) -> Result<Answer, Problem> {
    let items = plan.items.iter().take(SHOWN_MAX).map(|item| ItemRow {
        name: item.name(),
        image_url: item.image_url(),
        price: number::price(item.price(), plan.currency),
        stock: item.stock(),
    });
    let page = PreviewPage {
        layout: Layout::titled("Check the new sale"),
        draft,
        figures: figures(plan, now),
        items: items.collect(),
        more: plan.items.len().saturating_sub(SHOWN_MAX),
    };
    html::answer(headers, StatusCode::OK, &page)
}

fn figures(plan: &Plan, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
    let units: u32 = plan.items.iter().map(|item| item.stock()).sum();
    let start = plan.starts_at.map_or_else(|| "at once".to_owned(), |start| number::time(start, now));
    let limit = plan.user_limit.map_or_else(|| "that of the service".to_owned(), |limit| limit.to_string());
    let span = |seconds: u32| number::span(chrono::TimeDelta::seconds(seconds.into()));
    let payment = plan.payment_window.map_or_else(|| "none".to_owned(), |window| span(window.seconds()));
    vec![
        ("Items", plan.items.len().to_string()),
        ("Units", units.to_string()),
        ("Starts", start),
        ("Ends", number::time(plan.ends_at, now)),
        ("Limit for each shopper", limit),
        ("Time to pay", payment),
    ]
}
