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
    policy: Policy::SHOPPING,
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
    context.rates.check_code(&request.counted, code)?;
    let (view, attempt) = context.payments.by_code(code).await?.ok_or_else(order_not_found)?;
    context.rates.count_user(&view.receipt.user_id);
    Ok(answer::ok(&OrderBody::with_payment(view, attempt, context.shop.clock.now())))
}
