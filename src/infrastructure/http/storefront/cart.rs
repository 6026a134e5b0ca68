//! `GET /shop/cart`: the page of the cart.

use hyper::Method;

use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Problem};

use super::{PAGE, cart_page};

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::GET, "/shop/cart", PAGE, |context, request| Box::pin(get(context, request)));

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    let code = cart_page::code(headers);
    if let Some(code) = code {
        context.rates.check_code(&request.counted, code)?;
    }
    cart_page::show(context, headers, code, None).await
}
