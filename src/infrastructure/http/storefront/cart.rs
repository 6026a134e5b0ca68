//! `GET /shop/cart`: the page of the cart.

use hyper::Method;

use crate::domain::shared::Claim;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Problem, ProblemCode};

use super::{VISITOR_PAGE, cart_page};

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::GET, "/shop/cart", VISITOR_PAGE, |context, request| Box::pin(get(context, request)));

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    cart_page::show(context, headers, claim(context, request)?, None).await
}

/// Returns the code of the cart, as the visitor presents it; `None` if there is no code, or if a visitor who must be known is
/// not.
fn claim(context: &Context, request: &ApiRequest) -> Result<Option<Claim>, Problem> {
    let Some(code) = cart_page::code(&request.head.headers) else { return Ok(None) };
    context.rates.check_code(&request.counted, code)?;
    match context.users.identify(request) {
        Ok(user) => Ok(Some(Claim { code, user })),
        Err(problem) if problem.code() == ProblemCode::TokenRequired => Ok(None),
        Err(problem) => Err(problem),
    }
}
