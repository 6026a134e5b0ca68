//! The page of a cart, also after a purchase that was refused.

use askama::Template;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue};

use crate::application::sale::cart::OpenCart;
use crate::application::shared::StoreError;
use crate::domain::sale::CartLine;
use crate::domain::shared::limits::CART_UNITS;
use crate::domain::shared::{CheckoutCode, Claim};
use crate::infrastructure::http::platform::{Answer, Context, Problem};
use crate::infrastructure::http::web::{cookies, html, number};

use super::card::Card;
use super::layout::Layout;
use super::picture::{Drawing, Picture};
use super::sale_view::SaleView;

/// The cookie with the code of the cart.
const COOKIE: &str = "cart";

const KEPT_SECONDS: u32 = 86_400;

/// A message at the head of a page.
pub struct Notice {
    pub status: StatusCode,
    pub heading: &'static str,
    pub text: String,
}

/// The page.
#[derive(Template)]
#[template(path = "storefront/cart.html")]
struct CartPage {
    layout: Layout,
    notice: Option<Notice>,
    cart: Option<CartView>,
}

struct CartView {
    code: CheckoutCode,
    sale: SaleView,
    lines: Vec<LineView>,
    drawings: Vec<&'static Drawing>,
    units: u32,
    units_max: u32,
    total: String,
}

struct LineView {
    card: Card,
    quantity: u32,
    price: String,
    is_available: bool,
}

/// Returns the code of the cart that the browser used last.
pub fn code(headers: &HeaderMap) -> Option<CheckoutCode> {
    cookies::read(headers, COOKIE)?.parse().ok()
}

/// Returns the cookie that remembers a cart.
pub fn remember(headers: &HeaderMap, code: CheckoutCode) -> Option<HeaderValue> {
    cookies::set(headers, COOKIE, &code.to_string(), KEPT_SECONDS)
}

/// Answers with the page of a cart as it is now.
pub async fn show(
    context: &Context,
    headers: &HeaderMap,
    claim: Option<Claim>,
    notice: Option<Notice>,
) -> Result<Answer, Problem> {
    let open = match claim {
        Some(claim) => context.shop.cart(claim).await?,
        None => None,
    };
    let cart = open.filter(|open| !open.cart.lines.is_empty()).map(|open| view(context, &open)).transpose()?;
    let status = notice.as_ref().map_or(StatusCode::OK, |notice| notice.status);
    html::answer(headers, status, &CartPage { layout: Layout::titled("Your cart"), notice, cart })
}

fn view(context: &Context, open: &OpenCart) -> Result<CartView, StoreError> {
    let catalog = &open.sale.catalog;
    let left = {
        let projection = open.sale.projection();
        open.cart.lines.iter().map(|line| projection.left_of(line.ordinal)).collect::<Vec<_>>()
    };
    let line = |(line, left): (&CartLine, u32)| {
        let quantity = line.quantity.get();
        let item = catalog.item(line.ordinal)?;
        let price = number::price(item.price().times(quantity), catalog.currency());
        let card = Card::new(&open.sale, line.ordinal, left)?;
        Some(LineView { card, quantity, price, is_available: left >= quantity })
    };
    let lines: Vec<LineView> = open.cart.lines.iter().zip(left).filter_map(line).collect();
    let total = catalog.total(&open.cart.lines).map_err(StoreError::corrupt)?;
    Ok(CartView {
        code: open.cart.code,
        sale: SaleView::new(&open.sale, context.shop.clock.now()),
        drawings: Picture::drawings(lines.iter().map(|line| &line.card.picture)),
        lines,
        units: open.cart.units(),
        units_max: CART_UNITS,
        total: number::price(total, catalog.currency()),
    })
}
