//! The front: every request passes through it on its way in, and every answer on its way out.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use chrono::Utc;
use futures::FutureExt;
use hyper::body::Body;
use hyper::header::{HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, Version};
use strum::VariantArray;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::application::admission::WaitingRooms;
use crate::application::payment::Payments;
use crate::sabotage::{Sabotage, is_on};

use super::answer::{self, Answer};
use super::body::BoxError;
use super::context::{Context, LazyPage};
use super::endpoint::{Api, Endpoint};
use super::field_errors::FieldErrors;
use super::identity::Users;
use super::limits::rate_limit::{Counted, RateLimits};
use super::limits::settings::{HttpSettings, Surface};
use super::limits::stream_places::StreamPlaces;
use super::limits::surplus::Surplus;
use super::metrics;
use super::observation::Observation;
use super::openapi::document::document;
use super::page::Page;
use super::policy::{self, Access, Class, Load, OnTimeout};
use super::problem::Problem;
use super::problem_code::ProblemCode;
use super::readiness::Readiness;
use super::request::ApiRequest;
use super::request_body;
use super::request_id::{self, X_REQUEST_ID};
use super::router::{Router, not_found};
use super::store_failure;

/// The state that all connections of a listener share.
pub struct Front {
    router: Router,
    context: Context,
    settings: HttpSettings,
    /// A permit for each request of a class that may still begin.
    in_flight: [Semaphore; Class::VARIANTS.len()],
    /// The refusals of requests for which there is no room.
    surplus: Surplus,
    is_closing: AtomicBool,
}

/// The other side of a connection: a client, or a proxy.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub address: IpAddr,
    /// `false` for a connection over the limit, whose requests are only refused.
    pub is_accepted: bool,
}

impl Front {
    /// A front for the endpoints that the surface offers. `closing` is cancelled when the listener closes.
    pub fn new(
        api: &'static Api,
        payments: Arc<Payments>,
        rooms: Arc<WaitingRooms>,
        settings: HttpSettings,
        surface: Surface,
        closing: CancellationToken,
    ) -> Self {
        let endpoints = api.endpoints_on(surface, settings.admin_token.is_some());
        let pages = api.pages_on(surface, settings.admin_token.is_some());
        let router = Router::new(&[endpoints.as_slice(), &pages].concat());
        let is_signed = settings.token_keys.is_some();
        let document = move || document(api, &endpoints, is_signed).to_json().unwrap_or_default();
        let document = move || Page::new("application/json", document());
        let context = Context {
            rates: RateLimits::new(&settings),
            users: Users::new(settings.token_keys.clone(), settings.trusted_proxies.clone()),
            stream_places: StreamPlaces::new(&settings),
            readiness: Readiness::new(),
            document: LazyPage::new(Box::new(document)),
            shop: payments.orders.shop.clone(),
            orders: payments.orders.clone(),
            payments,
            rooms,
            room_keys: settings.room_keys.clone(),
            webhook_secret: settings.webhook_secret.clone(),
            admin_token: settings.admin_token.clone(),
            surface,
            closing,
        };
        let in_flight = [(); Class::VARIANTS.len()].map(|()| Semaphore::new(settings.in_flight));
        Front { router, context, in_flight, surplus: Surplus::new(), is_closing: AtomicBool::new(false), settings }
    }

    /// Returns the settings of the listener.
    pub fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Notes that the listener closes.
    pub fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.context.closing.cancel();
    }

    /// Returns true if each answer is the last one of its connection, because the listener closes.
    pub fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// Answers a request.
    pub async fn answer<B>(&self, caller: Caller, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let (head, body) = request.into_parts();
        let (route, params) = self.router.find(head.uri.path());
        let endpoint = route.endpoint(&head.method);
        let refuse = endpoint.as_ref().map_or(policy::in_json as fn(_, &_) -> _, |endpoint| endpoint.policy.refuse);
        let is_traced = endpoint.as_ref().map_or(true, |endpoint| endpoint.policy.load != Load::Always);
        let request_id = request_id::of(&head.headers);
        let observation = Observation::begin(route, &head, &request_id, is_traced);
        let is_head = head.method == Method::HEAD;
        // Only one future owns the request: a nested one that took it would double the bytes that each request moves.
        let (peer, counted) = (caller.address, Counted::default());
        let mut request = ApiRequest { peer, user: None, params, head, body: Bytes::new(), counted };
        let answering = self.check_and_handle(caller, endpoint, &mut request, body).instrument(observation.span());
        let mut is_surplus = false;
        let mut answer = match AssertUnwindSafe(answering).catch_unwind().await {
            Ok(Ok(answer)) => answer,
            Ok(Err(problem)) => {
                is_surplus = problem.is_of_overload();
                store_failure::report(&problem, route.pattern, request_id::text(&request_id));
                observation.refused(problem.code());
                refuse(problem, &request)
            }
            Err(panic) => refuse(panicked(panic.as_ref(), route.pattern, request_id::text(&request_id)), &request),
        };
        observation.answered(answer.status());
        // After the observation, whose duration is the time that the service needed.
        if is_surplus {
            self.surplus.hold().await;
        }
        answer.headers_mut().insert(X_REQUEST_ID, request_id);
        self.context.rates.describe(&request.counted, answer.headers_mut());
        if is_head { answer::to_head(answer) } else { answer }
    }

    async fn check_and_handle<B>(
        &self,
        caller: Caller,
        endpoint: Result<&'static Endpoint, Problem>,
        request: &mut ApiRequest,
        body: B,
    ) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let endpoint = self.check(caller, endpoint, request)?;
        // Before the request takes a place: bodies that never come must not keep others out.
        let _place_for_body =
            is_on(Sabotage::PermitBeforeBody).then(|| self.in_flight.each_ref().map(Semaphore::try_acquire));
        let (headers, timeout) = (&request.head.headers, self.settings.head_timeout);
        request.body = request_body::read(body, headers, endpoint.policy.accepts, timeout).await?;
        let handling = (endpoint.handler)(&self.context, request);
        let Load::Bounded(class, on_timeout) = endpoint.policy.load else { return handling.await };
        let Ok(_place) = self.in_flight[class as usize].try_acquire() else {
            metrics::request_shed(class);
            let detail = "Too many requests of this kind are in flight. Nothing was changed. Try again in a second.";
            return Err(Problem::unavailable(detail).of_overload());
        };
        let answered = tokio::time::timeout(self.settings.request_timeout, handling).await;
        answered.unwrap_or_else(|_| Err(timed_out(on_timeout)))
    }

    /// Refuses a request by its head.
    fn check(
        &self,
        caller: Caller,
        endpoint: Result<&'static Endpoint, Problem>,
        request: &mut ApiRequest,
    ) -> Result<&'static Endpoint, Problem> {
        let head = &request.head;
        if !caller.is_accepted {
            return Err(Problem::unavailable("Too many connections are open. Try again in a second."));
        }
        if head.version == Version::HTTP_11 && head.headers.get_all(HOST).iter().count() != 1 {
            return Err(FieldErrors::one("Host", "must be sent exactly once"));
        }
        // RFC 9112, 6.1: a transfer coding that is not understood is refused. hyper looks at the last one only.
        let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !head.headers.get_all(TRANSFER_ENCODING).iter().all(is_chunked) {
            return Err(FieldErrors::one("Transfer-Encoding", "must be chunked, without another coding"));
        }
        let endpoint = endpoint?;
        let admin_token = || self.settings.admin_token.as_ref().ok_or_else(not_found);
        match endpoint.policy.access {
            Access::AdminToken => admin_token()?.check(&head.headers)?,
            Access::Operator => {
                admin_token()?.check_session(&head.headers, Utc::now())?;
                self.context.users.check_origin(request)?;
            }
            Access::Login => self.context.users.check_origin(request)?,
            Access::Public | Access::Visitor | Access::User => {}
        }
        if endpoint.policy.is_rate_limited {
            let client = || self.settings.trusted_proxies.client(caller.address, &head.headers);
            self.context.rates.check_address(&request.counted, client)?;
        }
        if endpoint.policy.access == Access::User {
            request.user = self.context.users.identify(request)?;
        }
        Ok(endpoint)
    }
}

/// Returns the problem of a request that took too long.
fn timed_out(on_timeout: OnTimeout) -> Problem {
    match on_timeout {
        OnTimeout::TryAgain => {
            Problem::unavailable("The request took too long and was cancelled. Try again in a second.")
        }
        OnTimeout::OutcomeUnknown(detail) => Problem::unavailable(detail).of_unknown_outcome(),
    }
}

fn panicked(panic: &(dyn Any + Send), route: &str, request_id: &str) -> Problem {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let panic = text.unwrap_or("a panic without a text");
    tracing::error!(panic, route, request_id, "the handler of a request panicked");
    let detail = "The service has a bug, which it has logged. Try again, or report the X-Request-Id of this answer.";
    Problem::new(ProblemCode::Internal, detail)
}
