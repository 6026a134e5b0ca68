//! `GET /sales/{id}/events`: streams what is left of a sale.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use crate::application::sale::Shop;
use crate::application::sale::stock_feed::{Detail, StockEvent};
use crate::application::sale::stock_reader::StockReader;
use crate::domain::shared::{LedgerId, SaleId};
use crate::infrastructure::http::platform::limits::stream_places::StreamPlace;
use crate::infrastructure::http::platform::openapi::schema::text;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};

use super::problems::sale_not_found;
use super::{BROWSING, metrics, stock_events_text};

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/sales/{id}/events",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

const MEDIA_TYPE: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The reader of one stream in so many measures the lag.
const LAG_MEASURED_BY: usize = 61;

/// Times after which readers come back, so that not all do at once: those of an instance that ended, and those for whom
/// there was no place.
const RETRY_MS: RangeInclusive<u32> = 1_000..=5_000;
const RETRY_AFTER_SECONDS: RangeInclusive<u64> = 5..=15;

fn describe() -> Description {
    let description = "Streams the units left as server-sent events, each with a ledger id as `id`. `snapshot` is the \
                       state, as JSON: `sold_out` has a bit for each item with no unit left, in base64 (item 1 is the \
                       lowest bit of the first byte), and `left` the items of which some units are sold. `delta` is what \
                       changed since: `number:units left`, or only `number` if none is left; number 0 is the whole sale. \
                       A snapshot comes instead of deltas where it is shorter. `end` is the last event, with the reason \
                       `sold_out` or `closed`. With `detail=counts`, snapshots and deltas are totals as JSON. \
                       If there are too many streams, the answer is `503 unavailable`; ask `GET /sales/active` meanwhile.";
    let example = "id: 1763632800000-7\nevent: delta\ndata: 0:9993 12 15:3\n\n";
    let events: Schema = ObjectBuilder::new().schema_type(Type::String).examples([example]).into();
    let detail = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["items", "counts"]));
    Description::new(BROWSING, "streamStock", "Stream what is left of a sale", description)
        .path::<SaleId>("id")
        .query_of("detail", Schema::from(detail), "`counts`: totals only")
        .request_header("Last-Event-ID", text(), "The id of the last event that the caller has; up to a minute old")
        .answer_as(200, MEDIA_TYPE, events, "The events")
        .header(200, "X-Accel-Buffering", "`no`: a proxy must pass events on at once")
        .problems([ProblemCode::InvalidRequest, ProblemCode::SaleNotFound])
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let id = request.params.parse("id")?;
    let [detail] = query::read(request.query(), ["detail"])?;
    let detail = match detail.as_deref() {
        None | Some("items") => Detail::Items,
        Some("counts") => Detail::Counts,
        Some(_) => return Err(FieldErrors::one("detail", "must be items or counts")),
    };
    let sale = context.shop.find_sale(id).await?.ok_or_else(sale_not_found)?;
    if !sale.sale().closed && !sale.is_followed() {
        return Err(Problem::unavailable("This instance does not know yet what is left. Try again in a second."));
    }
    let place = context.place_for_stream(request)?.ok_or_else(no_place)?;
    let reader = StockReader::new(sale, last_seen(&request.head.headers), context.shop.clock.now());
    let (shop, closing) = (context.shop.clone(), context.closing.clone());
    let events = Events { reader, shop, detail, closing, is_begun: false, _place: place };
    let chunks = stream::unfold(events, async |mut events| Some((Ok(events.next().await?), events)));
    let mut answer = answer::stream(MEDIA_TYPE, chunks);
    answer.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(answer)
}

/// Returns the id of the last event that the caller has. Any other text is none.
fn last_seen(headers: &HeaderMap) -> Option<LedgerId> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

fn no_place() -> Problem {
    let detail = "Too many streams are open, in all or of this user. Ask GET /sales/active from time to time, or try again later.";
    Problem::unavailable(detail).retry_after(Duration::from_secs(rand::random_range(RETRY_AFTER_SECONDS)))
}

/// The events of one stream.
struct Events {
    reader: StockReader,
    shop: Arc<Shop>,
    detail: Detail,
    closing: CancellationToken,
    is_begun: bool,
    _place: StreamPlace,
}

impl Events {
    /// Returns the text of the next event. The first one says when to come back after the connection has ended, however
    /// that happens.
    async fn next(&mut self) -> Option<Bytes> {
        let event = tokio::select! {
            biased;
            () = self.closing.cancelled() => return None,
            event = self.reader.next(&self.shop.clock) => event?,
        };
        let mut bytes = stock_events_text::of(&event, self.detail);
        if !std::mem::replace(&mut self.is_begun, true) {
            let retry = format!("retry: {}\n\n", rand::random_range(RETRY_MS));
            bytes = [retry.as_bytes(), &bytes].concat().into();
        }
        self.measure(&event, bytes.len());
        Some(bytes)
    }

    fn measure(&mut self, event: &StockEvent, bytes: usize) {
        metrics::streamed(bytes, self.reader.take_conflations());
        if let StockEvent::Delta(delta) = event
            && let Some(first) = delta.first
            && self.reader.number().is_multiple_of(LAG_MEASURED_BY)
        {
            metrics::stream_lag(self.shop.clock.now() - first.time());
        }
    }
}
