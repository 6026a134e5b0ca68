//! `DELETE /checkout/{code}/items/{id}`: takes an item out of a cart.

use hyper::Method;

use crate::application::sale::ports::DecideError;
use crate::domain::sale::{ItemRef, RemoveRefusal};
use crate::domain::shared::CheckoutCode;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};

use super::SHOPPING;
use super::cart_body::CartBody;
use super::problems::cart_not_found;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::DELETE,
    path: "/checkout/{code}/items/{id}",
    policy: Policy::CHECKOUT,
    describe,
    handler: |context, request| Box::pin(delete(context, request)),
};

fn describe() -> Description {
    let description = "Takes out all units of the item.";
    Description::new(SHOPPING, "removeFromCart", "Take an item out of a cart", description)
        .examples(include_str!("remove_item.json"))
        .path::<CheckoutCode>("code")
        .path::<ItemRef>("id")
        .answer::<CartBody>(200, "The rest of the cart")
        .problems([
            ProblemCode::InvalidRequest,
            ProblemCode::CheckoutNotFound,
            ProblemCode::ItemNotFound,
            ProblemCode::SaleEnded,
        ])
}

async fn delete(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let (code, item) = (request.params.parse("code")?, request.params.parse("id")?);
    let [] = query::read(request.query(), [])?;
    let claim = context.claim(request, code)?;
    let cart = context.shop.remove(claim, item).await.map_err(problem)?;
    context.count_owner(request, &cart.cart.user);
    Ok(answer::ok(&CartBody::with_availability(&cart, context.shop.clock.now())?))
}

/// Turns an error into its problem.
pub fn problem(error: DecideError<RemoveRefusal>) -> Problem {
    match error {
        DecideError::Failed(error) => error.into(),
        DecideError::Refused(RemoveRefusal::CheckoutNotFound) => cart_not_found(),
        DecideError::Refused(RemoveRefusal::ItemNotInCart) => {
            Problem::new(ProblemCode::ItemNotFound, "The cart has no such item. GET /checkout/{code} shows its items.")
        }
        DecideError::Refused(RemoveRefusal::Ended) => Problem::new(
            ProblemCode::SaleEnded,
            "The sale of this cart has ended, so the cart can no longer be changed or bought.",
        ),
    }
}
