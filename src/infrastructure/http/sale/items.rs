//! `GET /sales/{id}/items`: lists the items of a sale.

use hyper::Method;
use serde::Serialize;
use utoipa::{PartialSchema, ToSchema};

use crate::domain::shared::SaleId;
use crate::domain::shared::limits::SALE_ITEMS_MAX;
use crate::infrastructure::http::platform::field_errors::not_up_to;
use crate::infrastructure::http::platform::openapi::schema;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};

use super::BROWSING;
use super::item_body::ItemBody;
use super::problems::sale_not_found;

/// Items of a page, by default and at most.
const PER_PAGE: usize = 100;
const PER_PAGE_MAX: usize = 500;

/// Pages of one item each, of the largest sale.
const PAGE_MAX: usize = SALE_ITEMS_MAX as usize;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/sales/{id}/items",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let per_page = format!("Items of a page, by default {PER_PAGE}");
    Description::new(BROWSING, "listItems", "List the items of a sale", "Lists items in the order of their numbers.")
        .examples(include_str!("items.json"))
        .path::<SaleId>("id")
        .query_of("page", schema::up_to(PAGE_MAX), "The number of the page, by default 1")
        .query_of("per_page", schema::up_to(PER_PAGE_MAX), &per_page)
        .query_of("available", bool::schema(), "`true`: only items with units left; `false`: only sold items")
        .answer::<ItemsBody>(200, "One page of items")
        .problems([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

/// One page of the items of a sale.
#[derive(Serialize, ToSchema)]
#[schema(as = Items)]
struct ItemsBody<'a> {
    items: Vec<ItemBody<'a>>,
    page: usize,
    per_page: usize,
    /// Items on all pages together.
    total: usize,
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let id: SaleId = request.params.parse("id")?;
    let (page, per_page, available) = read(request.query())?;
    let sale = context.shop.find_sale(id).await?.ok_or_else(sale_not_found)?;
    let found = sale.page(page, per_page, available);
    let items = found.items.iter().filter_map(|(ordinal, left)| ItemBody::new(&sale, id, *ordinal, *left)).collect();
    Ok(answer::ok(&ItemsBody { items, page, per_page, total: found.total }))
}

fn read(query: Option<&str>) -> Result<(usize, usize, Option<bool>), Problem> {
    let [page, per_page, available] = query::read(query, ["page", "per_page", "available"])?;
    let mut errors = FieldErrors::default();
    let page = page.map_or(Ok(1), |text| {
        query::number(&text).filter(|page| (1..=PAGE_MAX).contains(page)).ok_or_else(|| not_up_to(PAGE_MAX))
    });
    let per_page = per_page.map_or(Ok(PER_PAGE), |text| {
        let number = query::number(&text).filter(|number| (1..=PER_PAGE_MAX).contains(number));
        number.ok_or_else(|| not_up_to(PER_PAGE_MAX))
    });
    let available = available.map(|text| query::flag(&text)).transpose();
    let read = (errors.take("page", page), errors.take("per_page", per_page), errors.take("available", available));
    match read {
        (Some(page), Some(per_page), Some(available)) => Ok((page, per_page, available)),
        _ => Err(errors.into_problem()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_1_to_500_items() {
        assert_eq!(read(None).unwrap(), (1, 100, None));
        assert_eq!(read(Some("page=3&per_page=500&available=true")).unwrap(), (3, 500, Some(true)));
        assert_eq!(read(Some("page=1000000")).unwrap(), (1_000_000, 100, None));
        assert_eq!(read(Some("available=false")).unwrap(), (1, 100, Some(false)));
        for query in ["page=0", "page=-1", "page=x", "page=", "page=1000001", "per_page=0"] {
            assert!(read(Some(query)).is_err(), "{query}");
        }
        for query in ["per_page=501", "available=yes", "available=", "available=TRUE", "size=3", "page=1&page=2"] {
            assert!(read(Some(query)).is_err(), "{query}");
        }
    }
}
