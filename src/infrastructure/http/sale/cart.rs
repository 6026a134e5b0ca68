//! `GET /checkout/{code}`: shows a cart.

use hyper::Method;

use crate::domain::shared::CheckoutCode;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};

use super::SHOPPING;
use super::cart_body::CartBody;
use super::problems::cart_not_found;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/checkout/{code}",
    policy: Policy::PERSONAL,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    Description::new(SHOPPING, "getCart", "Show a cart", "Shows for each item if it can still be bought.")
        .examples(include_str!("cart.json"))
        .path::<CheckoutCode>("code")
        .answer::<CartBody>(200, "The cart")
        .problems([ProblemCode::InvalidRequest, ProblemCode::CheckoutNotFound])
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let code: CheckoutCode = request.params.parse("code")?;
    let [] = query::read(request.query(), [])?;
    let claim = context.claim(request, code)?;
    let cart = context.shop.cart(claim).await?.ok_or_else(cart_not_found)?;
    context.count_owner(request, &cart.cart.user);
    Ok(answer::ok(&CartBody::with_availability(&cart, context.shop.clock.now())?))
}
