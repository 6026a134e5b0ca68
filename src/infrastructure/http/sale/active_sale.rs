//! `GET /sales/active`: shows the current hourly sale.

use hyper::header::{CACHE_CONTROL, ETAG, HeaderValue};
use hyper::{Method, StatusCode};

use crate::application::sale::live_sale::LiveSale;
use crate::infrastructure::http::platform::openapi::schema::text;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, Policy, Problem, ProblemCode, answer, etag, query,
};

use super::BROWSING;
use super::sale_body::SaleProgressBody;

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/sales/active",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description =
        "Shows the sale and its progress. If no hourly sale is open yet, the answer is `503 unavailable`.";
    let described = Description::new(BROWSING, "getActiveSale", "Show the current hourly sale", description)
        .examples(include_str!("active_sale.json"))
        .request_header("If-None-Match", text(), "The `ETag` of the answer that the caller has")
        .answer::<SaleProgressBody>(200, "The sale")
        .empty_answer(304, "Nothing has changed but the time")
        .problems([ProblemCode::InvalidRequest]);
    let tag = "Changes with everything but `server_time`";
    described.header(200, "ETag", tag).header(304, "ETag", tag)
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [] = query::read(request.query(), [])?;
    let (sale, now) = (context.shop.current_sale()?, context.shop.clock.now());
    // Before the body, which may be newer: a caller with an old tag for it only asks once more.
    let tag = tag(&sale);
    let mut answer = match etag::is_known(&request.head.headers, &tag) {
        true => answer::of_type("application/json", StatusCode::NOT_MODIFIED, ""),
        false => answer::ok(&SaleProgressBody::new(&sale, now)),
    };
    let headers = answer.headers_mut();
    headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (ETAG, tag)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(answer)
}

/// Returns the tag of a sale that is open.
fn tag(sale: &LiveSale) -> String {
    let ends_at = sale.sale().window.ends_at.timestamp_millis();
    let progress = sale.projection();
    etag::of(format!("{} {ends_at} {} {}", sale.id(), progress.units(), progress.sold_out()).as_bytes())
}
