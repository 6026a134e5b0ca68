//! `GET /purchase/{code}`: shows the receipt of a purchase.

use hyper::Method;

use crate::application::sale::purchase::PurchaseOutcome;
use crate::domain::shared::CheckoutCode;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, query,
};

use super::SHOPPING;
use super::purchase_answer::{self, bought, confirming};
use super::receipt_body::PurchaseBody;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/purchase/{code}",
    policy: Policy::PERSONAL,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description = "Shows the same receipt as the purchase.";
    let described = Description::new(SHOPPING, "getReceipt", "Show the receipt of a cart", description)
        .examples(include_str!("receipt.json"))
        .path::<CheckoutCode>("code")
        .problems([ProblemCode::InvalidRequest, ProblemCode::CheckoutNotFound]);
    purchase_answer::describe_order_status(purchase_answer::describe(described))
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let code = request.params.parse("code")?;
    let [] = query::read(request.query(), [])?;
    let claim = context.claim(request, code)?;
    match context.shop.receipt(claim).await? {
        Some(PurchaseOutcome::Durable { receipt, .. }) => {
            context.count_owner(request, &receipt.user_id);
            let status = context.orders.status_of(&receipt, false).await;
            Ok(bought(&PurchaseBody::of_cart(receipt), false, status))
        }
        Some(PurchaseOutcome::Confirming(code)) => Ok(confirming(code)),
        None => {
            let detail = "Nothing was bought with this code. Buy the cart with POST /purchase.";
            Err(Problem::new(ProblemCode::CheckoutNotFound, detail))
        }
    }
}
