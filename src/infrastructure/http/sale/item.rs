//! `GET /items/{id}`: shows an item.

use hyper::Method;

use crate::domain::sale::ItemRef;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, query,
};

use super::BROWSING;
use super::item_body::ItemBody;
use super::problems::unknown_item;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/items/{id}",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description = "Shows the item and its remaining units. If the item is named by its number and no hourly sale is \
                       open yet, the answer is `503 unavailable`.";
    Description::new(BROWSING, "getItem", "Show an item", description)
        .examples(include_str!("item.json"))
        .path::<ItemRef>("id")
        .answer::<ItemBody>(200, "The item")
        .problems([ProblemCode::InvalidRequest, ProblemCode::ItemNotFound])
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let item = request.params.parse("id")?;
    let [] = query::read(request.query(), [])?;
    let (sale, id) = context.shop.item(item).await?.ok_or_else(unknown_item)?;
    let left = sale.projection().left_of(id.ordinal);
    let body = ItemBody::new(&sale, id.sale, id.ordinal, left).ok_or_else(unknown_item)?;
    Ok(answer::ok(&body))
}
