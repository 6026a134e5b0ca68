//! Looking at what is on sale, and at what was bought.

use utoipa::PartialSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use crate::domain::sale::{ItemRef, SaleStatus};
use crate::domain::shared::{OrderId, SaleId, UserId};

use super::super::code::ProblemCode;
use super::super::users::Purchases;
use super::super::{items, sales};
use super::LOOKING;
use super::operation::{Described, text};

pub fn active_sale() -> Described {
    Described::new(LOOKING, "getActiveSale", "Look at the hourly sale that is on", "With how far it has got.")
        .answer::<sales::Progress>(200, "The sale")
        .refuses([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

pub fn sales() -> Described {
    Described::new(LOOKING, "listSales", "List sales", "The latest first.")
        .query::<SaleStatus>("status", "Only those of this status")
        .query::<SaleId>("cursor", "The `next_cursor` of the page before")
        .answer::<sales::Listed>(200, "Sales")
        .refuses([ProblemCode::InvalidRequest])
}

pub fn sale() -> Described {
    Described::new(LOOKING, "getSale", "Look at a sale", "With how far it has got.")
        .path::<SaleId>("id")
        .answer::<sales::Progress>(200, "The sale")
        .refuses([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

pub fn sale_items() -> Described {
    let from_one = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let per_page = from_one().maximum(Some(items::PER_PAGE_MAX));
    Described::new(LOOKING, "listItems", "List the items of a sale", "In the order of their numbers.")
        .path::<SaleId>("id")
        .query_of("page", from_one(), "The page, 1 where it is not said")
        .query_of("per_page", per_page, "Items on a page, 100 where it is not said")
        .query_of("available", bool::schema(), "Only items of which something is left, or only those that are sold")
        .answer::<items::Page>(200, "One page")
        .refuses([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

pub fn item() -> Described {
    Described::new(LOOKING, "getItem", "Look at an item", "With what is left of it.")
        .path::<ItemRef>("id")
        .answer::<items::Shown>(200, "The item")
        .refuses([ProblemCode::InvalidRequest, ProblemCode::ItemNotFound])
}

pub fn sold_filter() -> Described {
    let description = "A Bloom filter of the sold items, for a gateway that wants to refuse even earlier. An unsold item \
                       that tests positive is named in `X-Filter-Let-Through`.";
    let described = Described::new(LOOKING, "getSoldFilter", "Get the filter of sold items", description)
        .path::<SaleId>("id")
        .asks_header("If-None-Match", text(), "The `ETag` of the filter that the caller has")
        .answer_as(200, "application/octet-stream", Schema::default(), "The bits of the filter")
        .empty_answer(304, "The caller has it already");
    let described = [200, 304].into_iter().fold(described, |described, status| {
        described
            .header(status, "ETag", "Changes with the filter")
            .header(status, "X-Filter-Bits", "How many bits it has")
            .header(status, "X-Filter-Hashes", "How many hash functions")
            .header(status, "X-Filter-Let-Through", "Numbers of unsold items that test positive, with commas between")
            .header(status, "X-Filter-Ledger-Id", "The last ledger entry in it")
    });
    described.refuses([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

pub fn user_purchases() -> Described {
    Described::new(LOOKING, "listPurchases", "List what a user has bought", "The newest first.")
        .path::<UserId>("user_id")
        .query::<SaleId>("sale_id", "Only what was bought in this sale")
        .query::<OrderId>("cursor", "The `next_cursor` of the page before")
        .answer::<Purchases>(200, "Receipts")
        .refuses([ProblemCode::InvalidRequest])
}
