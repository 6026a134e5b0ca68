//! `POST /admin/console/new`: shows a new sale before it is created, and creates it.

use hyper::{Method, StatusCode};

use crate::application::sale::create_sale::NewSaleError;
use crate::infrastructure::http::admin::create_sale::OUTCOME_UNKNOWN;
use crate::infrastructure::http::admin::detached::detached;
use crate::infrastructure::http::platform::policy::{Class, Load, OnTimeout};
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Policy, Problem, answer};

use super::draft::{Draft, Plan};
use super::{FORM, OVERVIEW, draft_page};

const POLICY: Policy = Policy { load: Load::Bounded(Class::Admin, OnTimeout::OutcomeUnknown(OUTCOME_UNKNOWN)), ..FORM };

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/admin/console/new", POLICY, |context, request| Box::pin(post(context, request)));

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let (headers, now) = (&request.head.headers, context.shop.clock.now());
    let (draft, step) = Draft::read(request)?;
    match draft.plan(now) {
        Err(errors) => draft_page::form(headers, StatusCode::BAD_REQUEST, &draft, &errors),
        Ok(plan) if step == "create" => create(context, request, &draft, plan).await,
        Ok(_) if step == "edit" => draft_page::form(headers, StatusCode::OK, &draft, &[]),
        Ok(plan) => draft_page::preview(headers, &draft, &plan, now),
    }
}

async fn create(context: &Context, request: &ApiRequest, draft: &Draft, plan: Plan) -> Result<Answer, Problem> {
    let shop = context.shop.clone();
    let status = match detached(async move { shop.create_sale(plan.into()).await }).await? {
        Ok(sale) => return Ok(answer::see_other(&format!("{OVERVIEW}#{}", sale.id))),
        Err(NewSaleError::Failed(error)) => return Err(error.into()),
        Err(NewSaleError::Invalid(error)) => (StatusCode::BAD_REQUEST, format!("Sale: {error}.")),
        Err(NewSaleError::TooMany) => {
            (StatusCode::CONFLICT, "Too many sales are not closed yet: end one first.".into())
        }
    };
    draft_page::form(&request.head.headers, status.0, draft, &[status.1])
}
