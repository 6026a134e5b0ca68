//! `POST /shop/queue`: joins the waiting room of a sale.

use hyper::Method;
use hyper::header::SET_COOKIE;

use crate::domain::shared::SaleId;
use crate::infrastructure::http::admission::join;
use crate::infrastructure::http::platform::admission::{TICKET, TICKET_LIFE};
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, FieldErrors, Problem};
use crate::infrastructure::http::web::accept;

use super::QUEUE_FORM;
use super::queue::path_of;

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/shop/queue", QUEUE_FORM, |context, request| Box::pin(post(context, request)));

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [sale] = request.form(["sale"])?;
    let mut errors = FieldErrors::default();
    let sale: Option<SaleId> = errors.parse("sale", sale);
    let Some(sale) = sale else { return Err(errors.into_problem()) };
    let session = context.open_session(request)?;
    context.rates.check_user(&request.counted, &session.user)?;
    let (_, ticket) = join::join(context, session.user, sale).await?;
    let mut answer = accept::done(&request.head.headers, &path_of(sale));
    answer.headers_mut().extend(session.cookie.map(|cookie| (SET_COOKIE, cookie)));
    context.set_queue_cookie(request, &mut answer, TICKET, &ticket, TICKET_LIFE);
    Ok(answer)
}
