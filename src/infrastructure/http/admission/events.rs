//! `GET /queue/events`: streams the waiting room of a sale.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use crate::application::admission::RoomView;
use crate::domain::admission::Phase;
use crate::domain::shared::SaleId;
use crate::infrastructure::http::platform::limits::stream_places::StreamPlace;
use crate::infrastructure::http::platform::{
    Answer, ApiRequest, Context, Description, Endpoint, FieldErrors, Policy, Problem, ProblemCode, answer, query,
};

use super::QUEUE;
use super::queue_body::{QueueBody, queue_not_found};

pub static ENDPOINT: Endpoint = Endpoint {
    method: Method::GET,
    path: "/queue/events",
    policy: Policy::SHOPPING,
    describe,
    handler: |context, request| Box::pin(get(context, request)),
};

const MEDIA_TYPE: &str = "text/event-stream";
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Time of silence after which a comment shows that the stream is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Times after which readers come back, so that not all do at once.
const RETRY_MS: RangeInclusive<u32> = 1_000..=5_000;
const RETRY_AFTER_SECONDS: RangeInclusive<u64> = 5..=15;

fn describe() -> Description {
    let description = "Streams the body of `GET /queue` as server-sent events, `room`: at once, and whenever it has changed, \
                       at most once in a second. The stream ends with the sale. If there are too many streams, the answer \
                       is `503 unavailable`; ask `GET /queue` meanwhile.";
    let events: Schema = ObjectBuilder::new().schema_type(Type::String).examples(["event: room\ndata: {}\n\n"]).into();
    Description::new(QUEUE, "streamQueue", "Stream a waiting room", description)
        .query::<SaleId>("sale_id", "The sale, by default the hourly one that is open, or the next one")
        .answer_as(200, MEDIA_TYPE, events, "The events")
        .header(200, "X-Accel-Buffering", "`no`: a proxy must pass events on at once")
        .problems([ProblemCode::InvalidRequest, ProblemCode::QueueNotFound])
}

async fn get(context: &Context, request: &ApiRequest) -> Result<Answer, Problem> {
    let [sale] = query::read(request.query(), ["sale_id"])?;
    let mut errors = FieldErrors::default();
    let sale: Option<SaleId> = errors.parse("sale_id", sale);
    errors.check()?;
    let sale = sale.or_else(|| context.rooms.current()).ok_or_else(queue_not_found)?;
    let mut views = context.rooms.follow(sale).await?.ok_or_else(queue_not_found)?;
    views.mark_changed();
    let place = context.place_for_stream(request)?.ok_or_else(no_place)?;
    let events = Events { views, closing: context.closing.clone(), is_begun: false, is_over: false, _place: place };
    let chunks = stream::unfold(events, async |mut events| Some((Ok(events.next().await?), events)));
    let mut answer = answer::stream(MEDIA_TYPE, chunks);
    answer.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(answer)
}

fn no_place() -> Problem {
    let detail =
        "Too many streams are open, in all or of this user. Ask GET /queue from time to time, or try again later.";
    Problem::unavailable(detail).retry_after(Duration::from_secs(rand::random_range(RETRY_AFTER_SECONDS)))
}

/// The events of one stream.
struct Events {
    views: watch::Receiver<Arc<RoomView>>,
    closing: CancellationToken,
    is_begun: bool,
    is_over: bool,
    _place: StreamPlace,
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        tokio::select! {
            biased;
            () = self.closing.cancelled() => return None,
            changed = self.views.changed() => changed.ok()?,
            () = sleep(HEARTBEAT) => return Some(Bytes::from_static(b":\n\n")),
        }
        let view = self.views.borrow_and_update().clone();
        self.is_over = view.phase == Phase::Closed;
        let text = view.text(event_of);
        if std::mem::replace(&mut self.is_begun, true) {
            return Some(text);
        }
        let retry = format!("retry: {}\n\n", rand::random_range(RETRY_MS));
        Some([retry.as_bytes(), &text].concat().into())
    }
}

fn event_of(view: &RoomView) -> Bytes {
    let json = serde_json::to_string(&QueueBody::new(view, view.shown_at)).unwrap_or_default();
    format!("event: room\ndata: {json}\n\n").into()
}
