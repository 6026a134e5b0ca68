//! `POST /shop/cart/remove`: takes an item out of the cart.

use hyper::Method;

use crate::domain::sale::ItemRef;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, FieldErrors, Problem};
use crate::infrastructure::http::sale::problems::cart_not_found;
use crate::infrastructure::http::sale::remove_item;
use crate::infrastructure::http::web::accept;

use super::{FORM, cart_page};

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/shop/cart/remove", FORM, |context, request| Box::pin(post(context, request)));

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    context.users.visitor(request)?;
    let [item] = request.form(["item"])?;
    let mut errors = FieldErrors::default();
    let item: Option<ItemRef> = errors.parse("item", item);
    let Some(item) = item else { return Err(errors.into_problem()) };
    let code = cart_page::code(headers).ok_or_else(cart_not_found)?;
    let claim = context.claim(request, code)?;
    context.shop.remove(claim, item).await.map_err(remove_item::problem)?;
    Ok(accept::done(headers, "/shop/cart"))
}
