//! `GET /shop/purchases`: the purchases of the shopper.

use askama::Template;
use hyper::{Method, StatusCode};

use crate::domain::sale::Receipt;
use crate::domain::shared::{CheckoutCode, OrderId};
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, FieldErrors, Problem, query};
use crate::infrastructure::http::web::{html, number};

use super::layout::Layout;
use super::{VISITOR_PAGE, shopper};

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::GET, "/shop/purchases", VISITOR_PAGE, |context, request| Box::pin(get(context, request)));

/// The page.
#[derive(Template)]
#[template(path = "storefront/purchases.html")]
struct PurchasesPage {
    layout: Layout,
    purchases: Vec<PurchaseView>,
    next: Option<OrderId>,
}

struct PurchaseView {
    /// `None` for a user whom anybody may name: the code is a secret.
    code: Option<CheckoutCode>,
    when: String,
    names: String,
    total: String,
    must_be_paid: bool,
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    let [cursor] = query::read(request.query(), ["cursor"])?;
    let mut errors = FieldErrors::default();
    let after = errors.parse("cursor", cursor);
    errors.check()?;
    let (purchases, next) = match context.users.visitor(request)? {
        Some(user) => {
            context.rates.check_user(&request.counted, &user)?;
            let page = context.shop.receipts_of(&user, None, false, after).await?;
            let (now, is_owner) = (context.shop.clock.now(), context.users.are_signed() || shopper::is_secret(&user));
            (page.entries.into_iter().map(|receipt| view(receipt, is_owner, now)).collect(), page.next)
        }
        None => (Vec::new(), None),
    };
    let page = PurchasesPage { layout: Layout::titled("My purchases"), purchases, next };
    html::answer(headers, StatusCode::OK, &page)
}

fn view(receipt: Receipt, is_owner: bool, now: chrono::DateTime<chrono::Utc>) -> PurchaseView {
    let names: Vec<&str> = receipt.lines.iter().filter(|line| line.sold).map(|line| line.name.as_str()).collect();
    PurchaseView {
        code: is_owner.then_some(receipt.code),
        when: number::time(receipt.purchased_at, now),
        names: names.join(", "),
        total: number::price(receipt.total, receipt.currency),
        must_be_paid: receipt.pay_by.is_some(),
    }
}
