//! `GET /sales/active`: shows the current hourly sale.

use hyper::Method;

use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};

use super::BROWSING;
use super::sale_body::SaleProgressBody;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/sales/active",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description =
        "Shows the sale and its progress. If no hourly sale is open yet, the answer is `503 unavailable`.";
    Description::new(BROWSING, "getActiveSale", "Show the current hourly sale", description)
        .examples(include_str!("active_sale.json"))
        .answer::<SaleProgressBody>(200, "The sale")
        .problems([ProblemCode::InvalidRequest])
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(request.query(), [])?;
    let sale = context.shop.current_sale()?;
    Ok(answer::ok(&SaleProgressBody::new(&sale, context.shop.clock.now())))
}
