//! `GET /users/{user_id}/purchases`: lists the purchases of a user.

use hyper::Method;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::sale::Receipt;
use crate::domain::shared::OrderId;
use crate::infrastructure::http::platform::user_list::UserList;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, answer, user_list,
};

use super::BROWSING;
use super::receipt_body::ReceiptBody;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/users/{user_id}/purchases",
    policy: Policy::PERSONAL,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description = "Lists receipts, newest first, with the present status of orders, and without their codes unless a \
                       token names the user.";
    let described = Description::new(BROWSING, "listPurchases", "List the purchases of a user", description)
        .examples(include_str!("user_purchases.json"))
        .answer::<PurchasesBody>(200, "One page of receipts");
    user_list::describe(described)
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
    let UserList { user, sale, after } = user_list::read(context, request)?;
    let page = context.shop.receipts_of(&user, sale, false, after).await?;
    let statuses = context.orders.statuses_of(&page.entries).await?;
    let listed = |receipt: Receipt| {
        let status = statuses.get(&receipt.order_id).copied();
        let body = ReceiptBody::listed(receipt, status);
        // A user who is known gets the code, too.
        if request.user.is_some() { body } else { body.without_code() }
    };
    let purchases = page.entries.into_iter().map(listed).collect();
    Ok(answer::ok(&PurchasesBody { purchases, next_cursor: page.next }))
}
