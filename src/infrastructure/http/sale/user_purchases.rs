//! `GET /users/{user_id}/purchases`: lists the purchases of a user.

use hyper::Method;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::shared::{OrderId, SaleId, UserId};
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};

use super::BROWSING;
use super::receipt_body::ReceiptBody;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/users/{user_id}/purchases",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description = "Lists receipts without their codes, newest first.";
    Description::new(BROWSING, "listPurchases", "List the purchases of a user", description)
        .examples(include_str!("user_purchases.json"))
        .path::<UserId>("user_id")
        .query::<SaleId>("sale_id", "Only purchases in this sale")
        .query::<OrderId>("cursor", "The `next_cursor` of the previous page")
        .answer::<PurchasesBody>(200, "One page of receipts")
        .problems([ProblemCode::InvalidRequest])
}

/// One page of the purchases of a user, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Purchases)]
struct PurchasesBody {
    purchases: Vec<ReceiptBody>,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<OrderId>,
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let user: UserId = request.params.parse("user_id")?;
    let [sale_id, cursor] = query::read(request.query(), ["sale_id", "cursor"])?;
    let mut errors = FieldErrors::default();
    let sale: Option<SaleId> = errors.parse("sale_id", sale_id);
    let after: Option<OrderId> = errors.parse("cursor", cursor);
    errors.check()?;
    context.rates.check_user(&request.counted, &user)?;
    let page = context.shop.receipts_of(&user, sale, false, after).await?;
    let purchases = page.entries.into_iter().map(ReceiptBody::without_code).collect();
    Ok(answer::ok(&PurchasesBody { purchases, next_cursor: page.next }))
}
