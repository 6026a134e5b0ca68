//! `POST /admin/sales`: creates a sale.

use hyper::Method;
use utoipa::openapi::Required;

use crate::application::sale::create_sale::NewSaleError;
use crate::infrastructure::http::platform::policy::{Accepts, Class, Load, OnTimeout};
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};
use crate::infrastructure::http::sale::sale_body::SaleBody;

use super::ADMINISTRATION;
use super::detached::detached;
use super::new_sale::{NewItemBody, NewSaleBody};

/// The detail of a creation that took too long. It continues without its client.
pub const OUTCOME_UNKNOWN: &str = "It is not known whether the sale was created. GET /sales lists it if it was.";

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::POST,
    path: "/admin/sales",
    policy: Policy {
        accepts: Accepts::Json,
        load: Load::Bounded(Class::Admin, OnTimeout::OutcomeUnknown(OUTCOME_UNKNOWN)),
        ..Policy::ADMIN
    },
    describe,
    handler: |context, request| Box::pin(post(context, request)),
};

fn describe() -> Description {
    Description::new(ADMINISTRATION, "createSale", "Create a sale", "Creates a sale besides the hourly ones.")
        .examples(include_str!("create_sale.json"))
        .body::<NewSaleBody>(Required::True)
        .with_schema::<NewItemBody>()
        .answer::<SaleBody>(201, "The sale")
        .header(201, "Location", "The path of the sale")
        .problems([ProblemCode::InvalidRequest, ProblemCode::TooManySales])
}

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(request.query(), [])?;
    let new_sale = request.required_json::<NewSaleBody>()?.into_new_sale()?;
    if new_sale.waiting_room && context.room_keys.is_none() {
        return Err(FieldErrors::one("waiting_room", "needs TOKEN_KEYS with a key that can sign"));
    }
    let shop = context.shop.clone();
    let created = detached(async move { shop.create_sale(new_sale).await }).await?;
    let sale = created.map_err(problem)?;
    Ok(answer::created(&format!("/sales/{}", sale.id), &SaleBody::new(&sale, context.shop.clock.now())))
}

fn problem(error: NewSaleError) -> Problem {
    match error {
        // Only the window depends on the current time. Everything else has been checked before.
        NewSaleError::Invalid(error) => FieldErrors::one("ended_at", error.message()),
        NewSaleError::TooMany => Problem::new(ProblemCode::TooManySales, error.to_string()),
        NewSaleError::Failed(error) => error.into(),
    }
}
