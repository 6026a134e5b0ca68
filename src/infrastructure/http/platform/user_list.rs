//! The requests for a list of what a user has bought.

use crate::domain::shared::{OrderId, SaleId, UserId};

use super::context::Context;
use super::field_errors::FieldErrors;
use super::openapi::description::Description;
use super::problem::Problem;
use super::problem_code::ProblemCode;
use super::query;
use super::request::ApiRequest;

/// A request for one page of a list.
pub struct UserList {
    pub user: UserId,
    /// Only entries in this sale.
    pub sale: Option<SaleId>,
    /// The last entry of the previous page.
    pub after: Option<OrderId>,
}

/// Describes the parameters and problems.
pub fn describe(description: Description) -> Description {
    description
        .path::<UserId>("user_id")
        .names_user()
        .query::<SaleId>("sale_id", "Only those in this sale")
        .query::<OrderId>("cursor", "The `next_cursor` of the previous page")
        .problems([ProblemCode::InvalidRequest])
}

/// Reads a request, and counts it for its user.
pub fn read(context: &Context, request: &ApiRequest) -> Result<UserList, Problem> {
    let user: UserId = request.params.parse("user_id")?;
    request.about(Some(user.clone()))?;
    let [sale, cursor] = query::read(request.query(), ["sale_id", "cursor"])?;
    let mut errors = FieldErrors::default();
    let (sale, after) = (errors.parse("sale_id", sale), errors.parse("cursor", cursor));
    errors.check()?;
    context.rates.check_user(&request.counted, &user)?;
    Ok(UserList { user, sale, after })
}
