//! `POST /shop/receipts/{code}/cancel`: cancels an order that is not paid.

use hyper::{Method, StatusCode};

use crate::application::ordering::Canceller;
use crate::domain::shared::CheckoutCode;
use crate::infrastructure::http::ordering::{cancel_body, order_not_found};
use crate::infrastructure::http::platform::policy::{Class, Policy};
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Problem, ProblemCode};
use crate::infrastructure::http::web::accept;

use super::cart_page::Notice;
use super::{deciding, receipt_page, words};

const POLICY: Policy = deciding(Class::Payment, cancel_body::OUTCOME_UNKNOWN);

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/shop/receipts/{code}/cancel", POLICY, |context, request| {
        Box::pin(post(context, request))
    });

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    context.users.visitor(request)?;
    let code: CheckoutCode = request.params.parse("code")?;
    let claim = context.claim(request, code)?;
    // The code names the buyer.
    let order = context.orders.by_code(claim.clone()).await?.ok_or_else(order_not_found)?;
    let canceller = Canceller::User { code, user: order.receipt.user_id };
    match context.payments.cancel(&canceller, None).await.map_err(cancel_body::problem) {
        Ok(_) => Ok(accept::done(headers, &format!("/shop/receipts/{code}"))),
        Err(problem) if problem.code() == ProblemCode::OrderInvalidState && accept::is_browser(headers) => {
            let (heading, text) = words::of(problem.code());
            let notice = Notice { status: StatusCode::CONFLICT, heading, text: text.to_owned() };
            receipt_page::show(context, headers, claim, Some(notice)).await
        }
        Err(problem) => Err(problem),
    }
}
