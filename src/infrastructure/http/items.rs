//! `GET /sales/{id}/items` and `GET /items/{id}`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::application::sale::live_sale::LiveSale;
use crate::domain::shared::{Currency, Invalid, ItemId, Money, Ordinal, SaleId};

use super::answer::{self, Answer};
use super::checkout::sale_not_found;
use super::code::ProblemCode;
use super::faults::{self, FieldErrors};
use super::front::Front;
use super::problem::Problem;
use super::query;
use super::request::ApiRequest;

const PER_PAGE: usize = 100;
/// Items of one page.
pub const PER_PAGE_MAX: usize = 500;

/// One page of the items of a sale.
pub async fn list(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let id: SaleId = asked.params.parse("id")?;
    let (page, per_page, available) = wanted(asked.query())?;
    let sale = front.shop.find_sale(id).await?.ok_or_else(sale_not_found)?;
    let found = sale.page(page, per_page, available);
    let items = found.items.iter().filter_map(|(ordinal, left)| Shown::of(&sale, id, *ordinal, *left)).collect();
    Ok(answer::ok(&Page { items, page, per_page, total: found.total }))
}

fn wanted(query: Option<&str>) -> Result<(usize, usize, Option<bool>), Problem> {
    let [page, per_page, available] = query::read(query, ["page", "per_page", "available"])?;
    let mut faults = FieldErrors::default();
    let within = |text: &str, most: usize, otherwise: &'static str| match faults::number(text, otherwise)? {
        number if (1..=most).contains(&number) => Ok(number),
        _ => Err(Invalid::new(otherwise)),
    };
    let page = page.map_or(Ok(1), |text| within(&text, usize::MAX, "must be a page number from 1"));
    let per_page = per_page.map_or(Ok(PER_PAGE), |text| within(&text, PER_PAGE_MAX, "must be 1 to 500"));
    let available = available.map(|text| faults::flag(&text)).transpose();
    let wanted = (faults.take("page", page), faults.take("per_page", per_page), faults.take("available", available));
    match wanted {
        (Some(page), Some(per_page), Some(available)) => Ok((page, per_page, available)),
        _ => Err(faults.into_problem()),
    }
}

/// One item.
pub async fn get(front: &Front, asked: &ApiRequest) -> Result<Answer, Problem> {
    let item = asked.params.parse("id")?;
    let [] = query::read(asked.query(), [])?;
    let not_found =
        || Problem::new(ProblemCode::ItemNotFound, "There is no such item. GET /sales/{id}/items lists them.");
    let (sale, id) = front.shop.item(item).await?.ok_or_else(not_found)?;
    let left = sale.projection().left_of(id.ordinal);
    let shown = Shown::of(&sale, id.sale, id.ordinal, left).ok_or_else(not_found)?;
    Ok(answer::ok(&shown))
}

/// One page of the items of a sale.
#[derive(Serialize, ToSchema)]
#[schema(as = Items)]
pub struct Page<'a> {
    items: Vec<Shown<'a>>,
    page: usize,
    per_page: usize,
    /// Items on all pages together.
    total: usize,
}

/// An item of a sale.
#[derive(Serialize, ToSchema)]
#[schema(as = Item)]
pub struct Shown<'a> {
    id: ItemId,
    name: &'a str,
    image_url: &'a str,
    price: Money,
    currency: Currency,
    /// Units on offer.
    stock: u32,
    /// Units that nobody has bought.
    remaining: u32,
    /// Whether nothing is left.
    sold: bool,
}

impl<'a> Shown<'a> {
    fn of(sale: &'a LiveSale, sale_id: SaleId, ordinal: Ordinal, remaining: u32) -> Option<Self> {
        let item = sale.catalog.item(ordinal)?;
        Some(Shown {
            id: ItemId { sale: sale_id, ordinal },
            name: item.name(),
            image_url: item.image_url(),
            price: item.price(),
            currency: sale.catalog.currency(),
            stock: item.stock(),
            remaining,
            sold: remaining == 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_1_to_500_items() {
        assert_eq!(wanted(None).unwrap(), (1, 100, None));
        assert_eq!(wanted(Some("page=3&per_page=500&available=true")).unwrap(), (3, 500, Some(true)));
        assert_eq!(wanted(Some("available=false")).unwrap(), (1, 100, Some(false)));
        for query in ["page=0", "page=-1", "page=x", "page=", "page=99999999999999999999", "per_page=0"] {
            assert!(wanted(Some(query)).is_err(), "{query}");
        }
        for query in ["per_page=501", "available=yes", "available=", "available=TRUE", "size=3", "page=1&page=2"] {
            assert!(wanted(Some(query)).is_err(), "{query}");
        }
    }
}
