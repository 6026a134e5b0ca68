//! `GET /users/{user_id}/purchases`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Receipt, SaleId, UserId};

use super::answer::{self, Answer};
use super::faults::Faults;
use super::front::Front;
use super::problem::Problem;
use super::query;
use super::request::Asked;

/// The receipts of a user, newest first.
#[derive(Serialize, ToSchema)]
pub struct Purchases {
    purchases: Vec<Receipt>,
}

/// What a user has bought.
pub async fn purchases(front: &Front, asked: &Asked) -> Result<Answer, Problem> {
    let user: UserId = asked.params.parse("user_id")?;
    let [sale_id] = query::read(asked.query(), ["sale_id"])?;
    let mut faults = Faults::default();
    let sale: Option<SaleId> = faults.parse("sale_id", sale_id);
    faults.check()?;
    front.rates.check_user(&user)?;
    Ok(answer::ok(&Purchases { purchases: front.shop.receipts_of(&user, sale).await? }))
}
