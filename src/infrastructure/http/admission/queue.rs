//! `GET /queue`: shows the waiting room of a sale, the same to all.

use hyper::header::{CACHE_CONTROL, ETAG, HeaderValue};
use hyper::{Method, StatusCode};

use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::openapi::schema::text;
use crate::infrastructure::http::platform::policy::{Class, Load, OnTimeout};
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, etag, query,
};

use super::QUEUE;
use super::queue_body::{QueueBody, queue_not_found, tag};

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/queue",
    policy: Policy { load: Load::Bounded(Class::Queue, OnTimeout::TryAgain), ..Policy::SHOPPING },
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

fn describe() -> Description {
    let description = "Shows the waiting room of a sale. The secret is public after the draw, so that anybody can compute \
                       every place: see `flashsale draw verify`.";
    let described = Description::new(QUEUE, "getQueue", "Show a waiting room", description)
        .examples(include_str!("queue.json"))
        .query::<SaleId>("sale_id", "The sale, by default the hourly one that is open, or the next one")
        .request_header("If-None-Match", text(), "The `ETag` of the answer that the caller has")
        .answer::<QueueBody>(200, "The waiting room")
        .empty_answer(304, "Nothing has changed but the time")
        .problems([ProblemCode::InvalidRequest, ProblemCode::QueueNotFound]);
    let changes = "Changes with everything but `server_time` and `poll_after_ms`";
    described.header(200, "ETag", changes).header(304, "ETag", changes)
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [sale] = query::read(request.query(), ["sale_id"])?;
    let mut errors = FieldErrors::default();
    let sale: Option<SaleId> = errors.parse("sale_id", sale);
    errors.check()?;
    let sale = sale.or_else(|| context.rooms.current()).ok_or_else(queue_not_found)?;
    let view = context.rooms.view(sale).await?.ok_or_else(queue_not_found)?;
    let tag = tag(&view);
    let mut answer = match etag::is_known(&request.head.headers, &tag) {
        true => answer::of_type("application/json", StatusCode::NOT_MODIFIED, ""),
        false => answer::ok(&QueueBody::new(&view, context.shop.clock.now())),
    };
    let headers = answer.headers_mut();
    headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (ETAG, tag)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
    Ok(answer)
}
