//! `GET /users/{user_id}/purchases`.

use serde::Serialize;

use crate::domain::{Receipt, SaleId, UserId};

use super::answer::{self, Answer};
use super::faults::Faults;
use super::front::Front;
use super::problem::Problem;
use super::query;
use super::request::Asked;

/// The receipts of a user, newest first.
pub async fn purchases(front: &Front, asked: &Asked) -> Result<Answer, Problem> {
    #[derive(Serialize)]
    struct Body {
        purchases: Vec<Receipt>,
    }
    let user: UserId = asked.params.parse("user_id")?;
    let [sale_id] = query::read(asked.query(), ["sale_id"])?;
    let mut faults = Faults::default();
    let sale: Option<SaleId> = faults.parse("sale_id", sale_id);
    faults.check()?;
    front.rates.check_user(&user)?;
    Ok(answer::ok(&Body { purchases: front.shop.receipts_of(&user, sale).await? }))
}
