//! `POST /admin/console/sales/{id}/end`: ends a sale.

use hyper::Method;

use crate::domain::shared::SaleId;
use crate::infrastructure::http::admin::detached::detached;
use crate::infrastructure::http::platform::{Answer, ApiRequest, Context, Endpoint, Problem, answer};
use crate::infrastructure::http::sale::problems::sale_not_found;

use super::{FORM, OVERVIEW};

pub static ENDPOINT: Endpoint =
    Endpoint::page(Method::POST, "/admin/console/sales/{id}/end", FORM, |context, request| {
        Box::pin(post(context, request))
    });

async fn post(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let id: SaleId = request.params.parse("id")?;
    let shop = context.shop.clone();
    detached(async move { shop.end_sale(id).await }).await??.ok_or_else(sale_not_found)?;
    Ok(answer::see_other(OVERVIEW))
}
