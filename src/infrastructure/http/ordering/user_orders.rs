//! `GET /users/{user_id}/orders`: lists the orders of a user.

use hyper::Method;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::shared::{OrderId, SaleId, UserId};
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};

use super::ORDERING;
use super::order_body::OrderBody;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/users/{user_id}/orders",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description = "Lists orders without their checkout codes, newest first.";
    Description::new(ORDERING, "listOrders", "List the orders of a user", description)
        .examples(include_str!("user_orders.json"))
        .path::<UserId>("user_id")
        .query::<SaleId>("sale_id", "Only orders in this sale")
        .query::<OrderId>("cursor", "The `next_cursor` of the previous page")
        .answer::<OrdersBody>(200, "One page of orders")
        .problems([ProblemCode::InvalidRequest])
}

/// One page of the orders of a user, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Orders)]
struct OrdersBody {
    orders: Vec<OrderBody>,
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
    let page = context.orders.orders_of(&user, sale, after).await?;
    let now = context.shop.clock.now();
    let orders = page.entries.into_iter().map(|view| OrderBody::new(view, now)).collect();
    Ok(answer::ok(&OrdersBody { orders, next_cursor: page.next }))
}
