//! `POST /shop/receipts/{code}/pay`: pays an order.

use hyper::Method;

use crate::application::payment::PayError;
use crate::domain::payment::PaymentMethod;
use crate::domain::shared::CheckoutCode;
use crate::infrastructure::http::ordering::pay;
use crate::infrastructure::http::platform::policy::{Class, Policy};
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, FieldErrors, Problem};
use crate::infrastructure::http::web::accept;

use super::cart_page::Notice;
use super::{deciding, receipt_page, words};

const POLICY: Policy = deciding(Class::Payment, pay::OUTCOME_UNKNOWN);

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/shop/receipts/{code}/pay", POLICY, |context, request| {
        Box::pin(post(context, request))
    });

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    context.users.visitor(request)?;
    let code: CheckoutCode = request.params.parse("code")?;
    let [method] = request.form(["method"])?;
    let mut errors = FieldErrors::default();
    let method: Option<PaymentMethod> = errors.parse("method", method);
    let Some(method) = method else { return Err(errors.into_problem()) };
    let claim = context.claim(request, code)?;
    match pay::pay(context, claim.clone(), method).await? {
        Ok(_) => Ok(accept::done(headers, &format!("/shop/receipts/{code}"))),
        Err(error) => {
            let is_unknown_method = matches!(error, PayError::UnknownMethod);
            let problem = pay::problem(error);
            if !accept::is_browser(headers)
                || problem.is_of_unknown_outcome()
                || problem.code().status().is_server_error()
            {
                return Err(problem);
            }
            let (heading, text) = words::of(problem.code());
            let text =
                if is_unknown_method { "The payment provider does not know this means of payment." } else { text };
            let notice = Notice { status: problem.code().status(), heading, text: text.to_owned() };
            receipt_page::show(context, headers, claim, Some(notice)).await
        }
    }
}
