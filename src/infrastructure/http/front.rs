//! What every request passes through on its way in and on its way out.

use std::any::Any;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::FutureExt;
use hyper::body::Body;
use hyper::{HeaderMap, Method, Request};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use tracing::Instrument;

use crate::application::sale::Shop;
use crate::infrastructure::metrics;

use super::answer::{self, Answer};
use super::code::ProblemCode;
use super::docs::{self, Page};
use super::health::{self, Health};
use super::observation::Observation;
use super::problem::Problem;
use super::rate_limit::RateLimits;
use super::request::ApiRequest;
use super::request_id;
use super::router::{self, Route};
use super::settings::{HttpSettings, Surface};
use super::{
    admin, buy_now, cart, checkout, items, openapi, purchase, sales, scrape, sold_filter, store_failure, users,
};

/// What all connections of a listener share.
pub struct Front {
    pub shop: Arc<Shop>,
    pub rates: RateLimits,
    settings: HttpSettings,
    surface: Surface,
    in_flight: GlobalConcurrencyLimitLayer,
    health: Health,
    document: OnceLock<Page>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub address: IpAddr,
    /// `false` for a connection too many, which is only told so.
    pub is_admitted: bool,
}

impl Front {
    /// A listener that shows this much of the shop.
    pub fn new(shop: Arc<Shop>, settings: HttpSettings, surface: Surface) -> Self {
        metrics::install();
        Front {
            rates: RateLimits::new(&settings),
            in_flight: GlobalConcurrencyLimitLayer::new(settings.in_flight),
            health: Health::new(),
            document: OnceLock::new(),
            shop,
            settings,
            surface,
        }
    }

    /// The service for one connection. It always answers.
    pub fn service<B>(
        self: &Arc<Self>,
        caller: Caller,
    ) -> impl Service<Request<B>, Response = Answer, Error = Infallible, Future: Send> + Clone + Send + 'static
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let front = self.clone();
        let limited = ServiceBuilder::new()
            .layer(LoadShedLayer::new())
            .layer(self.in_flight.clone())
            .layer(TimeoutLayer::new(self.settings.request_timeout))
            .service_fn(move |asked: ApiRequest<B>| {
                let front = front.clone();
                async move { Ok::<_, Infallible>(front.answer(asked).await) }
            });
        let front = self.clone();
        ServiceBuilder::new()
            .map_request(request_id::forget_odd)
            .layer(SetRequestIdLayer::x_request_id(request_id::AtRandom))
            .layer(PropagateRequestIdLayer::x_request_id())
            .service(service_fn(move |request: Request<B>| {
                let (front, limited) = (front.clone(), limited.clone());
                async move { Ok::<_, Infallible>(front.receive(limited, caller, request).await) }
            }))
    }

    async fn receive<B, L>(&self, limited: L, caller: Caller, request: Request<B>) -> Answer
    where
        L: Service<ApiRequest<B>, Response = Result<Answer, Problem>, Error = BoxError>,
    {
        let (head, body) = request.into_parts();
        let (route, params) = router::find(self.surface, head.uri.path());
        let observation = Observation::begin(route, &head);
        let is_head = head.method == Method::HEAD;
        let request_id = head.headers.get(request_id::X_REQUEST_ID).cloned();
        let asked = ApiRequest { route, params, address: caller.address, head, body };
        let answering = self.admit_and_answer(limited, caller, asked).instrument(observation.span());
        let answered = AssertUnwindSafe(answering).catch_unwind().await;
        let request_id = request_id::text(request_id.as_ref());
        let answer = match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(problem)) => {
                store_failure::report(&problem, route, request_id);
                observation.refused(problem.code());
                problem.into_answer()
            }
            Err(panic) => panicked(panic.as_ref(), route, request_id),
        };
        observation.answered(answer.status());
        if is_head { answer::to_head(answer) } else { answer }
    }

    async fn admit_and_answer<B, L>(&self, limited: L, caller: Caller, asked: ApiRequest<B>) -> Result<Answer, Problem>
    where
        L: Service<ApiRequest<B>, Response = Result<Answer, Problem>, Error = BoxError>,
    {
        let route = asked.route;
        self.admit(caller, &asked)?;
        if route.is_operational() {
            return Ok(self.answer_about_itself(route).await);
        }
        limited.oneshot(asked).await.unwrap_or_else(|error| Err(not_served(route, &error)))
    }

    /// What can be refused without reading any further.
    fn admit<B>(&self, caller: Caller, asked: &ApiRequest<B>) -> Result<(), Problem> {
        let route = asked.route;
        if !caller.is_admitted {
            return Err(Problem::unavailable("Too many connections are open. Try again in a second."));
        }
        if !self.has(route) {
            return Err(not_found());
        }
        if !route.allows(&asked.head.method) {
            let detail = "Use a method that the Allow header names.";
            return Err(Problem::new(ProblemCode::MethodNotAllowed, detail).allow(route.methods()));
        }
        if route.is_operational() || route.is_admin() { Ok(()) } else { self.rates.check_address(caller.address) }
    }

    /// What can be asked here, described for machines.
    pub fn document(&self) -> &Page {
        self.document.get_or_init(|| {
            let routes = Route::ALL.into_iter().filter(|route| self.has(*route));
            Page::new("application/json", openapi::document(routes).to_json().unwrap_or_default())
        })
    }

    fn has(&self, route: Route) -> bool {
        let is_hidden = route == Route::Unknown || route.is_admin() && self.settings.admin_token.is_none();
        route.is_on(self.surface) && !is_hidden
    }

    /// Lets administrators through.
    pub fn admit_admin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.settings.admin_token.as_ref().ok_or_else(not_found)?.check(headers)
    }

    async fn answer_about_itself(&self, route: Route) -> Answer {
        match route {
            Route::Live => health::live(),
            Route::Metrics => scrape::get(&self.shop),
            _ => self.health.ready(&self.shop).await,
        }
    }

    async fn answer<B>(&self, asked: ApiRequest<B>) -> Result<Answer, Problem>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let asked = &asked.read(self.settings.head_timeout).await?;
        match asked.route {
            Route::Checkout => checkout::post(self, asked).await,
            Route::Cart => cart::get(self, asked).await,
            Route::CartItem => cart::delete_item(self, asked).await,
            Route::Purchase => purchase::post(self, asked).await,
            Route::Receipt => purchase::get(self, asked).await,
            Route::BuyNow => buy_now::post(self, asked).await,
            Route::ActiveSale => sales::active(self, asked).await,
            Route::Sales => sales::list(self, asked).await,
            Route::Sale => sales::get(self, asked).await,
            Route::SaleItems => items::list(self, asked).await,
            Route::SoldFilter => sold_filter::get(self, asked).await,
            Route::Item => items::get(self, asked).await,
            Route::UserPurchases => users::purchases(self, asked).await,
            Route::AdminSales => admin::create(self, asked).await,
            Route::AdminSaleEnd => admin::end(self, asked).await,
            Route::Document => Ok(docs::document(self, asked)),
            Route::Docs => Ok(docs::page()),
            Route::DocsFile => docs::file(asked),
            Route::Live | Route::Ready | Route::Health | Route::Metrics => {
                Ok(self.answer_about_itself(asked.route).await)
            }
            Route::Unknown => Err(not_found()),
        }
    }
}

/// No such path, or nothing behind it.
pub fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "This path leads nowhere. GET /openapi.json lists those that lead somewhere.")
}

/// A request that was shed, or that took too long.
fn not_served(route: Route, error: &BoxError) -> Problem {
    if error.is::<tower::load_shed::error::Overloaded>() {
        metrics::http_request_shed();
        return Problem::unavailable("Too many requests are being answered. Nothing was done: try again in a second.");
    }
    match route {
        Route::Purchase => Problem::unavailable(purchase::ASK_AGAIN).of_unknown_outcome(),
        Route::BuyNow => Problem::unavailable(buy_now::ASK_AGAIN).of_unknown_outcome(),
        _ => Problem::unavailable("This took too long, and was given up. Try again in a second."),
    }
}

fn panicked(panic: &(dyn Any + Send), route: Route, request_id: &str) -> Answer {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let (panic, route) = (text.unwrap_or("of another kind"), route.pattern());
    tracing::error!(panic, route, request_id, "answering a request panicked");
    let detail = "The service has a fault here, which has been logged. Trying again may help.";
    Problem::new(ProblemCode::Internal, detail).into_answer()
}
