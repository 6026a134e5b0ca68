//! `GET /admin/console/sales/{id}/end`: asks whether to end a sale.

use askama::Template;
use hyper::{Method, StatusCode};

use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Problem};
use crate::infrastructure::http::sale::problems::sale_not_found;
use crate::infrastructure::http::web::{html, number};

use super::PAGE;
use super::layout::Layout;

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::GET, "/admin/console/sales/{id}/end", PAGE, |context, request| {
        Box::pin(get(context, request))
    });

/// The page.
#[derive(Template)]
#[template(path = "console/confirm_end.html")]
struct ConfirmPage {
    layout: Layout,
    id: SaleId,
    left: u32,
    units: u32,
    ends: String,
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let id: SaleId = request.params.parse("id")?;
    let live = context.shop.find_sale(id).await?.ok_or_else(sale_not_found)?;
    let (sale, left) = (live.sale(), live.projection().units());
    let ends = number::time(sale.window.ends_at, context.shop.clock.now());
    let page = ConfirmPage { layout: Layout::titled("End a sale"), id, left, units: sale.units, ends };
    html::answer(&request.head.headers, StatusCode::OK, &page)
}
