//! `GET /users/{user_id}/orders`: lists the orders of a user.

use hyper::Method;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::shared::OrderId;
use crate::infrastructure::http::platform::user_list::UserList;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, answer, user_list,
};

use super::ORDERING;
use super::order_body::OrderBody;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/users/{user_id}/orders",
    policy: Policy::PERSONAL,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description = "Lists orders, newest first, without their checkout codes unless a token names the user.";
    let described = Description::new(ORDERING, "listOrders", "List the orders of a user", description)
        .examples(include_str!("user_orders.json"))
        .answer::<OrdersBody>(200, "One page of orders");
    user_list::describe(described)
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
    let UserList { user, sale, after } = user_list::read(context, request)?;
    let page = context.orders.orders_of(&user, sale, after).await?;
    let now = context.shop.clock.now();
    // A user who is known gets the codes, too.
    let body = if request.user.is_some() { OrderBody::with_code } else { OrderBody::new };
    let orders = page.entries.into_iter().map(|view| body(view, now)).collect();
    Ok(answer::ok(&OrdersBody { orders, next_cursor: page.next }))
}
