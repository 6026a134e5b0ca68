//! `POST /shop/queue/extend`: prolongs the pass of the shopper.

use hyper::Method;

use crate::infrastructure::http::admission::extend;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Problem};
use crate::infrastructure::http::web::accept;

use super::QUEUE_FORM;
use super::queue::path_of;

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/shop/queue/extend", QUEUE_FORM, |context, request| Box::pin(post(context, request)));

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    context.users.check_origin(request)?;
    let [] = request.form([])?;
    let (pass, token) = extend::prolong(context, request).await?;
    let mut answer = accept::done(&request.head.headers, &path_of(pass.sale));
    context.set_pass_cookie(request, &mut answer, &token, pass.expires_at);
    Ok(answer)
}
