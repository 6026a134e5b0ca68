//! `POST /shop/cart`: puts an item into the cart of the shopper.

use hyper::Method;
use hyper::header::SET_COOKIE;

use crate::domain::sale::{ItemRef, Quantity};
use crate::infrastructure::http::platform::policy::{Access, Policy};
use crate::infrastructure::http::platform::query::number;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, FieldErrors, Problem};
use crate::infrastructure::http::sale::checkout;
use crate::infrastructure::http::sale::metrics::{self, Outcome};
use crate::infrastructure::http::web::accept;

use super::{FORM, cart_page, entry};

const POLICY: Policy = Policy { access: Access::Visitor, ..FORM };

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/shop/cart", POLICY, |context, request| Box::pin(post(context, request)));

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let result = add(context, request).await;
    metrics::checkout(match &result {
        Ok(_) => Outcome::Accepted,
        Err(problem) => Outcome::Refused(problem.code()),
    });
    result.or_else(|problem| {
        let wanted = read(request).ok().and_then(|(item, _)| context.shop.named_item(item));
        entry::lead(problem, &request.head.headers, wanted.map(|item| item.sale))
    })
}

async fn add(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let headers = &request.head.headers;
    let (item, quantity) = read(request)?;
    let session = context.open_session(request)?;
    context.rates.check_user(&request.counted, &session.user)?;
    let items = checkout::admitted(context, request, &session.user, vec![(item, quantity)])?;
    let open = context.shop.checkout(&session.user, &items).await.map_err(checkout::problem)?;
    let mut answer = accept::done(headers, "/shop/cart");
    for cookie in [session.cookie, cart_page::remember(headers, open.cart.code)].into_iter().flatten() {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(answer)
}

fn read(request: &ApiRequest) -> Result<(ItemRef, Quantity), Problem> {
    let [item, quantity] = request.form(["item", "quantity"])?;
    let mut errors = FieldErrors::default();
    let item = errors.parse("item", item);
    let quantity = match quantity {
        Some(text) => number::<u32>(&text).and_then(|units| units.try_into().ok()),
        None => Some(Quantity::ONE),
    };
    item.zip(quantity).ok_or_else(|| errors.into_problem())
}
