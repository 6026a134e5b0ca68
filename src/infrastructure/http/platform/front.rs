//! The front: every request passes through it on its way in, and every answer on its way out.

use std::any::Any;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use hyper::body::Body;
use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::{Method, Request, Version};
use tokio_util::sync::CancellationToken;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::load_shed::error::Overloaded;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tracing::Instrument;

use crate::application::sale::Shop;

use super::answer::{self, Answer};
use super::context::{Context, LazyPage};
use super::endpoint::{Api, Endpoint};
use super::field_errors::FieldErrors;
use super::limits::rate_limit::RateLimits;
use super::limits::settings::{HttpSettings, Surface};
use super::metrics;
use super::observation::Observation;
use super::openapi::document::document;
use super::page::Page;
use super::policy::{Access, Load, OnTimeout};
use super::problem::Problem;
use super::problem_code::ProblemCode;
use super::readiness::Readiness;
use super::request::ApiRequest;
use super::request_id;
use super::router::{Router, not_found};
use super::store_failure;

/// The state that all connections of a listener share.
pub struct Front {
    router: Router,
    context: Context,
    settings: HttpSettings,
    in_flight: GlobalConcurrencyLimitLayer,
}

/// The client of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub address: IpAddr,
    /// `false` for a connection over the limit, whose requests are only refused.
    pub is_accepted: bool,
}

/// A request with its endpoint, and its body not read yet.
struct Incoming<B> {
    endpoint: &'static Endpoint,
    request: ApiRequest<B>,
}

impl Front {
    /// A front for the endpoints that the surface offers. `closing` is cancelled when the listener closes.
    pub fn new(
        api: &'static Api,
        shop: Arc<Shop>,
        settings: HttpSettings,
        surface: Surface,
        closing: CancellationToken,
    ) -> Self {
        let endpoints = api.endpoints_on(surface, settings.admin_token.is_some());
        let router = Router::new(&endpoints);
        let document = move || Page::new("application/json", document(api, &endpoints).to_json().unwrap_or_default());
        let context = Context {
            rates: RateLimits::new(&settings),
            readiness: Readiness::new(),
            document: LazyPage::new(Box::new(document)),
            shop,
            closing,
        };
        Front { router, context, in_flight: GlobalConcurrencyLimitLayer::new(settings.in_flight), settings }
    }

    /// Returns the settings of the listener.
    pub fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Returns the token that is cancelled when the listener closes.
    pub fn closing(&self) -> &CancellationToken {
        &self.context.closing
    }

    /// Returns the service for one connection. It always answers.
    pub fn service<B>(
        self: &Arc<Self>,
        caller: Caller,
    ) -> impl Service<Request<B>, Response = Answer, Error = Infallible, Future: Send> + Clone + Send + 'static
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let front = self.clone();
        let bounded = ServiceBuilder::new()
            .layer(LoadShedLayer::new())
            .layer(self.in_flight.clone())
            .layer(TimeoutLayer::new(self.settings.request_timeout))
            .service_fn(move |incoming: Incoming<B>| {
                let front = front.clone();
                async move { Ok::<_, Infallible>(front.handle(incoming).await) }
            });
        let front = self.clone();
        ServiceBuilder::new()
            .map_request(request_id::remove_unsafe)
            .layer(SetRequestIdLayer::x_request_id(request_id::RandomIds))
            .layer(PropagateRequestIdLayer::x_request_id())
            .service(service_fn(move |request: Request<B>| {
                let (front, bounded) = (front.clone(), bounded.clone());
                async move { Ok::<_, Infallible>(front.receive(bounded, caller, request).await) }
            }))
    }

    async fn receive<B, L>(&self, bounded: L, caller: Caller, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
        L: Service<Incoming<B>, Response = Result<Answer, Problem>, Error = BoxError>,
    {
        let (head, body) = request.into_parts();
        let (route, params) = self.router.find(head.uri.path());
        let endpoint = route.endpoint(&head.method);
        let is_traced = endpoint.as_ref().map_or(true, |endpoint| endpoint.policy.load != Load::Always);
        let observation = Observation::begin(route, &head, is_traced);
        let is_head = head.method == Method::HEAD;
        let request_id = head.headers.get(request_id::X_REQUEST_ID).cloned();
        let request = ApiRequest { params, address: caller.address, head, body };
        let answering = self.check_and_answer(bounded, caller, endpoint, request).instrument(observation.span());
        let answered = AssertUnwindSafe(answering).catch_unwind().await;
        let request_id = request_id::text(request_id.as_ref());
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(problem)) => {
                store_failure::report(&problem, route.pattern, request_id);
                observation.refused(problem.code());
                problem.into_answer()
            }
            Err(panic) => panicked(panic.as_ref(), route.pattern, request_id),
        };
        observation.answered(answer.status());
        if is_head { answer::to_head(answer) } else { answer }
    }

    async fn check_and_answer<B, L>(
        &self,
        bounded: L,
        caller: Caller,
        endpoint: Result<&'static Endpoint, Problem>,
        request: ApiRequest<B>,
    ) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
        L: Service<Incoming<B>, Response = Result<Answer, Problem>, Error = BoxError>,
    {
        let endpoint = self.check(caller, endpoint, &request.head)?;
        let incoming = Incoming { endpoint, request };
        match endpoint.policy.load {
            Load::Always => self.handle(incoming).await,
            Load::Bounded(on_timeout) => {
                let answered = bounded.oneshot(incoming).await;
                answered.unwrap_or_else(|error| Err(not_served(on_timeout, &error)))
            }
        }
    }

    /// Refuses a request without reading its body.
    fn check(
        &self,
        caller: Caller,
        endpoint: Result<&'static Endpoint, Problem>,
        head: &Parts,
    ) -> Result<&'static Endpoint, Problem> {
        if !caller.is_accepted {
            return Err(Problem::unavailable("Too many connections are open. Try again in a second."));
        }
        if head.version == Version::HTTP_11 && head.headers.get_all(HOST).iter().count() != 1 {
            return Err(FieldErrors::one("Host", "must be sent exactly once"));
        }
        let endpoint = endpoint?;
        if endpoint.policy.access == Access::AdminToken {
            self.settings.admin_token.as_ref().map_or_else(|| Err(not_found()), |token| token.check(&head.headers))?;
        }
        if endpoint.policy.is_rate_limited {
            self.context.rates.check_address(caller.address)?;
        }
        Ok(endpoint)
    }

    async fn handle<B>(&self, incoming: Incoming<B>) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let Incoming { endpoint, request } = incoming;
        let request = request.read(endpoint.policy.accepts, self.settings.head_timeout).await?;
        (endpoint.handler)(&self.context, &request).await
    }
}

/// Returns the problem of a request that was refused under load, or that took too long.
fn not_served(on_timeout: OnTimeout, error: &BoxError) -> Problem {
    if error.is::<Overloaded>() {
        metrics::request_shed();
        return Problem::unavailable("Too many requests are in flight. Nothing was changed. Try again in a second.");
    }
    match on_timeout {
        OnTimeout::TryAgain => {
            Problem::unavailable("The request took too long and was cancelled. Try again in a second.")
        }
        OnTimeout::OutcomeUnknown(detail) => Problem::unavailable(detail).of_unknown_outcome(),
    }
}

fn panicked(panic: &(dyn Any + Send), route: &str, request_id: &str) -> Answer {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let panic = text.unwrap_or("a panic without a text");
    tracing::error!(panic, route, request_id, "the handler of a request panicked");
    let detail = "The service has a bug, which it has logged. Try again, or report the X-Request-Id of this answer.";
    Problem::new(ProblemCode::Internal, detail).into_answer()
}
