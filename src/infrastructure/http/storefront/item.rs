//! `GET /shop/items/{id}`: the page of an item.

use askama::Template;
use hyper::{Method, StatusCode};

use crate::domain::shared::limits::CART_UNITS;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Problem};
use crate::infrastructure::http::sale::problems::unknown_item;
use crate::infrastructure::http::web::html;

use super::PAGE;
use super::card::Card;
use super::entry::Entry;
use super::layout::Layout;
use super::picture::{Drawing, Picture};
use super::sale_view::{SaleView, State};

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::GET, "/shop/items/{id}", PAGE, |context, request| Box::pin(get(context, request)));

/// The page.
#[derive(Template)]
#[template(path = "storefront/item.html")]
struct ItemPage {
    layout: Layout,
    sale: SaleView,
    entry: Entry,
    drawings: Vec<&'static Drawing>,
    most: u32,
    card: Card,
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let item = request.params.parse("id").map_err(|_| unknown_item())?;
    let (live, id) = context.shop.item(item).await?.ok_or_else(unknown_item)?;
    let left = live.projection().left_of(id.ordinal);
    let card = Card::new(&live, id.ordinal, left).ok_or_else(unknown_item)?;
    let sale = SaleView::new(&live, context.shop.clock.now());
    let page = ItemPage {
        layout: Layout::titled(&*card.name),
        drawings: Picture::drawings([&card.picture].into_iter()),
        most: left.min(CART_UNITS).min(sale.user_limit),
        sale,
        entry: Entry::of(context, request, id.sale),
        card,
    };
    html::answer(&request.head.headers, StatusCode::OK, &page)
}
