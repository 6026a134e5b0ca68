//! `POST /shop/purchase`: buys a cart.

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};

use crate::application::sale::purchase::{PurchaseError, PurchaseOutcome};
use crate::domain::sale::PurchaseRefusal;
use crate::domain::shared::{CheckoutCode, Claim, Ordinal};
use crate::infrastructure::http::platform::admission::admission_required;
use crate::infrastructure::http::platform::policy::{Class, Policy};
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, FieldErrors, Problem, ProblemCode};
use crate::infrastructure::http::sale::purchase;
use crate::infrastructure::http::web::accept;

use super::cart_page::{self, Notice};
use super::{deciding, entry, words};

const POLICY: Policy = deciding(Class::Purchase, purchase::OUTCOME_UNKNOWN);

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/shop/purchase", POLICY, |context, request| Box::pin(post(context, request)));

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    context.users.visitor(request)?;
    let [code] = request.form(["code"])?;
    let mut errors = FieldErrors::default();
    let code: Option<CheckoutCode> = errors.parse("code", code);
    let Some(code) = code else { return Err(errors.into_problem()) };
    let claim = context.claim(request, code)?;
    let bought = purchase::buy(context, request, claim.clone(), false).await;
    let gone = match &bought {
        Err(PurchaseError::Refused(_, PurchaseRefusal::ItemsSold { unavailable, .. })) => unavailable.clone(),
        _ => Vec::new(),
    };
    let result = bought.map_err(purchase::problem).and_then(|bought| bought.ok_or_else(admission_required));
    purchase::count(&result);
    match result {
        Ok(PurchaseOutcome::Durable { receipt, .. }) => {
            context.count_owner(request, &receipt.user_id);
            Ok(accept::done(headers, &format!("/shop/receipts/{code}")))
        }
        Ok(PurchaseOutcome::Confirming(code)) => Ok(accept::done(headers, &format!("/shop/receipts/{code}"))),
        Err(problem) if problem.code() == ProblemCode::ItemsSold => {
            refused(context, headers, claim, &gone, problem).await
        }
        Err(problem) => entry::lead(problem, headers, Some(code.sale)),
    }
}

/// Answers with the cart as it is now, and names the items that were sold.
async fn refused(
    context: &Context,
    headers: &HeaderMap,
    claim: Claim,
    gone: &[Ordinal],
    problem: Problem,
) -> Result<Answer, Problem> {
    if !accept::is_browser(headers) {
        return Err(problem);
    }
    let sale = context.shop.find_sale(claim.code.sale).await?;
    let names: Vec<&str> = sale
        .iter()
        .flat_map(|sale| gone.iter().filter_map(|gone| sale.catalog.item(*gone)))
        .map(|item| item.name())
        .collect();
    let (heading, text) = words::of(problem.code());
    let text = format!("Sold: {}. {text}", names.join(", "));
    cart_page::show(context, headers, Some(claim), Some(Notice { status: StatusCode::CONFLICT, heading, text })).await
}
