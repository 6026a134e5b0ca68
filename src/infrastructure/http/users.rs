//! `GET /users/{user_id}/purchases`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::shared::{OrderId, SaleId, UserId};

use super::answer::{self, Answer};
use super::faults::FieldErrors;
use super::front::Front;
use super::problem::Problem;
use super::query;
use super::receipt::ReceiptFields;
use super::request::ApiRequest;

/// One page of a user's purchases, newest first.
#[derive(Serialize, ToSchema)]
pub struct Purchases {
    purchases: Vec<ReceiptFields>,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<OrderId>,
}

/// Lists the purchases of a user.
pub async fn purchases(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let user: UserId = asked.params.parse("user_id")?;
    let [sale_id, cursor] = query::read(asked.query(), ["sale_id", "cursor"])?;
    let mut faults = FieldErrors::default();
    let sale: Option<SaleId> = faults.parse("sale_id", sale_id);
    let after: Option<OrderId> = faults.parse("cursor", cursor);
    faults.check()?;
    front.rates.check_user(&user)?;
    let page = front.shop.receipts_of(&user, sale, after).await?;
    let purchases = page.entries.into_iter().map(ReceiptFields::without_code).collect();
    Ok(answer::ok(&Purchases { purchases, next_cursor: page.next }))
}
