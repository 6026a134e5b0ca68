//! `GET /sales/{id}`: shows a sale.

use hyper::Method;

use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};

use super::BROWSING;
use super::problems::sale_not_found;
use super::sale_body::SaleProgressBody;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/sales/{id}",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    Description::new(BROWSING, "getSale", "Show a sale", "Shows the sale and its progress.")
        .examples(include_str!("sale.json"))
        .path::<SaleId>("id")
        .answer::<SaleProgressBody>(200, "The sale")
        .problems([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let id = request.params.parse("id")?;
    let [] = query::read(request.query(), [])?;
    let sale = context.shop.find_sale(id).await?.ok_or_else(sale_not_found)?;
    Ok(answer::ok(&SaleProgressBody::new(&sale, context.shop.clock.now())))
}
