//! `GET /sales`: lists sales.

use hyper::Method;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::sale::SaleStatus;
use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};

use super::BROWSING;
use super::sale_body::SaleBody;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/sales",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    Description::new(BROWSING, "listSales", "List sales", "Lists sales, latest start first.")
        .examples(include_str!("sales.json"))
        .query::<SaleStatus>("status", "Only sales with this status")
        .query::<SaleId>("cursor", "The `next_cursor` of the previous page")
        .answer::<SalesBody>(200, "One page of sales")
        .problems([ProblemCode::InvalidRequest])
}

/// One page of sales, latest start first.
#[derive(Serialize, ToSchema)]
#[schema(as = Sales)]
struct SalesBody {
    sales: Vec<SaleBody>,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<SaleId>,
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [status, cursor] = query::read(request.query(), ["status", "cursor"])?;
    let mut errors = FieldErrors::default();
    let status: Option<SaleStatus> = errors.parse("status", status);
    let after: Option<SaleId> = errors.parse("cursor", cursor);
    errors.check()?;
    let (page, now) = (context.shop.list_sales(status, after).await?, context.shop.clock.now());
    let sales = page.entries.iter().map(|sale| SaleBody::new(sale, now)).collect();
    Ok(answer::ok(&SalesBody { sales, next_cursor: page.next }))
}
