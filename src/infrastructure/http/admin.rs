//! `POST /admin/sales` and `POST /admin/sales/{id}/end`.

use tracing::Instrument;

use crate::application::sale::create_sale::NewSaleError;
use crate::domain::shared::SaleId;

use super::answer::{self, Answer};
use super::checkout::sale_not_found;
use super::code::ProblemCode;
use super::faults::FieldErrors;
use super::front::Front;
use super::new_sale;
use super::problem::Problem;
use super::query;
use super::request::ApiRequest;
use super::sales::About;

/// Makes a sale.
pub async fn create(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    front.admit_admin(&asked.head.headers)?;
    let [] = query::read(asked.query(), [])?;
    let wanted = asked.required_json::<new_sale::Body>()?.into_new_sale()?;
    let shop = front.shop.clone();
    let created = undisturbed(async move { shop.create_sale(wanted).await }).await?;
    let sale = created.map_err(|error| match error {
        // All else about it has been checked: only its window depends on the time it is.
        NewSaleError::Invalid(invalid) => FieldErrors::one("ended_at", invalid.message()),
        NewSaleError::TooMany => Problem::new(ProblemCode::TooManySales, error.to_string()),
        NewSaleError::Failed(error) => error.into(),
    })?;
    Ok(answer::created(&format!("/sales/{}", sale.id), &About::of(&sale, front.shop.clock.now())))
}

/// Ends a sale now.
pub async fn end(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    front.admit_admin(&asked.head.headers)?;
    let id: SaleId = asked.params.parse("id")?;
    let [] = query::read(asked.query(), [])?;
    let shop = front.shop.clone();
    let ended = undisturbed(async move { shop.end_sale(id).await }).await?;
    let sale = ended?.ok_or_else(sale_not_found)?;
    Ok(answer::ok(&About::of(&sale, front.shop.clock.now())))
}

/// Does it on a task of its own: a transaction must not be dropped half-way because a client has gone.
async fn undisturbed<T: Send + 'static>(doing: impl Future<Output = T> + Send + 'static) -> Result<T, Problem> {
    tokio::spawn(doing.in_current_span()).await.map_err(|error| {
        tracing::error!(%error, "an administrator's request broke off");
        Problem::new(ProblemCode::Internal, "Something went wrong. See whether it was done before trying again.")
    })
}
