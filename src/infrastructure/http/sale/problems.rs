//! Problems that several endpoints of the sale context have.

use utoipa::openapi::schema::ArrayBuilder;

use crate::domain::shared::{ItemId, Ordinal, SaleId};
use crate::infrastructure::http::platform::openapi::schema::reference;
use crate::infrastructure::http::platform::{Description, Problem, ProblemCode};

/// The extension member with the items that are sold, and the one with the items that are left.
const UNAVAILABLE: &str = "unavailable";
const AVAILABLE: &str = "available";

/// The sale does not exist.
pub fn sale_not_found() -> Problem {
    Problem::new(ProblemCode::SaleNotFound, "Check the id of the sale. GET /sales lists all sales.")
}

/// The sale does not have this item.
pub fn item_not_found(item: ItemId) -> Problem {
    let detail = format!("Item {item} does not exist. GET /sales/{}/items lists the items of the sale.", item.sale);
    Problem::new(ProblemCode::ItemNotFound, detail)
}

/// No sale has an item of this name.
pub fn unknown_item() -> Problem {
    Problem::new(
        ProblemCode::ItemNotFound,
        "Check the id of the item. GET /sales/{id}/items lists the items of a sale.",
    )
}

/// The sale is not open yet.
pub fn sale_not_started() -> Problem {
    Problem::new(ProblemCode::SaleNotStarted, "Wait for the start of the sale. GET /sales/{id} shows it.")
}

/// The sale is over.
pub fn sale_ended() -> Problem {
    Problem::new(ProblemCode::SaleEnded, "Buy in another sale. GET /sales/active shows the current one.")
}

/// The user would own more units than the sale allows.
pub fn user_limit_reached() -> Problem {
    let detail = "The user would own more units than the sale allows. Nothing was changed. Take fewer units.";
    Problem::new(ProblemCode::UserLimitReached, detail)
}

/// No cart has this code.
pub fn cart_not_found() -> Problem {
    let detail = "No cart has this code. If it was bought, GET /purchase/{code} shows the receipt. Otherwise make a new \
                  cart with POST /checkout.";
    Problem::new(ProblemCode::CheckoutNotFound, detail)
}

/// Adds the items that are sold to a problem.
pub fn with_unavailable(problem: Problem, sale: SaleId, items: Vec<Ordinal>) -> Problem {
    problem.member(UNAVAILABLE, &ids(sale, items))
}

/// Adds the items that are left to a problem.
pub fn with_available(problem: Problem, sale: SaleId, items: Vec<Ordinal>) -> Problem {
    problem.member(AVAILABLE, &ids(sale, items))
}

/// Describes a problem that names sold items.
pub fn describe_unavailable(description: Description, code: ProblemCode) -> Description {
    describe_items(description, code, UNAVAILABLE, "Items of which too few units are left")
}

/// Describes a problem that names the items that are left.
pub fn describe_available(description: Description, code: ProblemCode) -> Description {
    describe_items(description, code, AVAILABLE, "Items that are left in the cart")
}

fn ids(sale: SaleId, items: Vec<Ordinal>) -> Vec<ItemId> {
    items.into_iter().map(|ordinal| ItemId { sale, ordinal }).collect()
}

fn describe_items(description: Description, code: ProblemCode, member: &'static str, meaning: &str) -> Description {
    let items = ArrayBuilder::new().items(reference::<ItemId>()).description(Some(meaning));
    description.with_schema::<ItemId>().problem_with(code, member, items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sold_items_are_named_by_their_ids() {
        let (sale, items) = ("20261120T09".parse().unwrap(), vec![42.try_into().unwrap()]);
        let problem = with_unavailable(Problem::new(ProblemCode::ItemsSold, "Buy the rest."), sale, items);
        let answer = with_available(problem, sale, Vec::new()).into_answer();
        let text = str::from_utf8(answer.body().bytes().unwrap()).unwrap();
        assert!(text.ends_with(r#""unavailable":["20261120T09-00042"],"available":[]}"#), "{text}");
    }
}
