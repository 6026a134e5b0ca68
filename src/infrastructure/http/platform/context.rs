//! The context of a handler.

use std::sync::{Arc, LazyLock};

use tokio_util::sync::CancellationToken;

use crate::application::ordering::Orders;
use crate::application::payment::Payments;
use crate::application::sale::Shop;
use crate::infrastructure::payment::WebhookSecret;

use super::identity::{Session, Users};
use super::limits::rate_limit::RateLimits;
use super::limits::settings::Surface;
use super::page::Page;
use super::problem::Problem;
use super::readiness::Readiness;
use super::request::ApiRequest;

/// A page that is made when it is first needed.
pub type LazyPage = LazyLock<Page, Box<dyn FnOnce() -> Page + Send>>;

/// Everything that handlers work with. All connections of a listener share it.
pub struct Context {
    pub shop: Arc<Shop>,
    pub orders: Arc<Orders>,
    pub payments: Arc<Payments>,
    /// The secret of the payment provider.
    pub webhook_secret: Option<WebhookSecret>,
    pub rates: RateLimits,
    pub users: Users,
    pub readiness: Readiness,
    /// The OpenAPI document of this listener.
    pub document: LazyPage,
    /// The part of the interface that this listener offers.
    pub surface: Surface,
    /// Signals that the listener is closing. An answer that streams without an end of its own ends now.
    pub closing: CancellationToken,
}

impl Context {
    /// Returns the identity of a visitor: the one that the request has, or that of a new guest. Fails if the address has
    /// got too many.
    pub fn open_session(&self, request: &ApiRequest) -> Result<Session, Problem> {
        let count = || self.rates.check_session(&request.counted, self.users.address(request));
        self.users.open_session(request, count)
    }
}
