//! `GET /orders/{code}`: shows an order.

use hyper::Method;

use crate::domain::shared::CheckoutCode;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};

use super::order_body::OrderBody;
use super::{ORDERING, order_not_found};

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/orders/{code}",
    policy: Policy::PERSONAL,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description =
        "Each purchase in a sale with a payment window is an order. The checkout code is the proof of its owner.";
    Description::new(ORDERING, "getOrder", "Show an order", description)
        .examples(include_str!("order.json"))
        .path::<CheckoutCode>("code")
        .answer::<OrderBody>(200, "The order")
        .problems([ProblemCode::InvalidRequest, ProblemCode::OrderNotFound])
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let code: CheckoutCode = request.params.parse("code")?;
    let [] = query::read(request.query(), [])?;
    let claim = context.claim(request, code)?;
    let (view, attempt) = context.payments.by_code(claim).await?.ok_or_else(order_not_found)?;
    context.count_owner(request, &view.receipt.user_id);
    Ok(answer::ok(&OrderBody::with_payment(view, attempt, context.shop.clock.now())))
}
