//! `GET /shop/receipts/{code}`: the page of a receipt and its order.

use hyper::Method;

use crate::domain::shared::CheckoutCode;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Problem};

use super::{PERSONAL_PAGE, receipt_page};

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::GET, "/shop/receipts/{code}", PERSONAL_PAGE, |context, request| {
        Box::pin(get(context, request))
    });

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let code: CheckoutCode = request.params.parse("code")?;
    let claim = context.claim(request, code)?;
    receipt_page::show(context, &request.head.headers, claim, None).await
}
