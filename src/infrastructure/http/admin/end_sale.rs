//! `POST /admin/sales/{id}/end`: ends a sale.

use hyper::Method;

use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};
use crate::infrastructure::http::sale::problems::sale_not_found;
use crate::infrastructure::http::sale::sale_body::SaleBody;

use super::ADMINISTRATION;
use super::detached::detached;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/admin/sales/{id}/end",
    policy: Policy::ADMIN,
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    let description = "Ends a sale now. A sale that has ended stays as it is.";
    Description::new(ADMINISTRATION, "endSale", "End a sale now", description)
        .examples(include_str!("end_sale.json"))
        .path::<SaleId>("id")
        .answer::<SaleBody>(200, "The sale, which has ended")
        .problems([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let id: SaleId = request.params.parse("id")?;
    let [] = query::read(request.query(), [])?;
    let shop = context.shop.clone();
    let ended = detached(async move { shop.end_sale(id).await }).await?;
    let sale = ended?.ok_or_else(sale_not_found)?;
    // Redis set the end, and its clock may be ahead of the estimate of this instance.
    Ok(answer::ok(&SaleBody::new(&sale, context.shop.clock.now().max(sale.window.ends_at))))
}
